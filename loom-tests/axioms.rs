//! The memory model itself: the shipped `src/cursor.rs`, `src/parker.rs`, `src/peer.rs`,
//! `src/wait/sleep.rs`, `src/observer/view.rs` and `src/header.rs`, checked against the
//! axioms of AArch64 and of C11.
//!
//! Loom executes the models one step after the other, so it never shows load buffering: a
//! load that reads what a later step stores. C11 and AArch64 allow that. These tests
//! execute nothing in an order. They run each thread alone, for every value that each of
//! its loads might get. They combine the traces in every coherent way. The axioms say which
//! of these candidate executions can happen (Alglave, Maranget and Tautschnig, "Herding
//! cats", TOPLAS 2014). `axioms/models/` has the axioms, with their sources.
//!
//! As in the loom models, each scenario has states that it must reach and a minimum number
//! of candidates. Every ordering is weakened in turn, and each of these mutants must fail
//! under at least one model. The checker itself is tested on the classic litmus tests,
//! whose verdicts are known.
//!
//! Where the models differ: loom and C11 need the same orderings. AArch64 needs only one of
//! `FREE` and `REUSE`: the fence orders the payload after a Relaxed load, and without the
//! fence the acquire does, because AArch64 makes a store visible to all other processors at
//! once. C11 does not guarantee that, and needs both. Without `RECLAIM` a read of the
//! consumer can get what the producer writes to the freed slot later: load buffering. Loom
//! reports that as a race, without the value.
//!
//! Limits. Scenarios are small: one to three messages, one or two slots, no loop. The
//! models ignore dependencies, so they allow more than a processor does. Only the C11 model
//! covers what the compiler does. The AArch64 models take each access as the source has it,
//! except that a load may move ahead of a store where no compiler fence forbids it.
//! `axioms/kernel.rs` models the kernel after its sources. Payload that the observer copies
//! consists of atomic words.

#[allow(dead_code, reason = "no scenario reads what poisoned a cursor")]
#[path = "../src/cursor.rs"]
mod cursor;
#[path = "axioms/doorbell.rs"]
mod doorbell;
#[path = "axioms/error.rs"]
mod error;
#[allow(dead_code, reason = "shared with the other models")]
mod harness;
#[allow(dead_code, reason = "only one shape is formatted here")]
#[path = "../src/header.rs"]
mod header;
#[allow(dead_code, unreachable_pub, reason = "public in the crate")]
mod observer;
#[allow(dead_code, reason = "hints have no ordering")]
#[path = "../src/parker.rs"]
mod parker;
#[allow(
    dead_code,
    reason = "no scenario asks whether its own endpoint is closed"
)]
#[path = "../src/peer.rs"]
mod peer;
#[path = "axioms/segment.rs"]
mod segment;
#[allow(dead_code, reason = "no scenario counts rescues")]
mod wait;

/// Files with submodules.
#[path = "../src"]
mod shipped {
    #[allow(
        dead_code,
        unused_imports,
        reason = "only one shape is formatted here, and the file's tests run in the library"
    )]
    pub(crate) mod layout;
}

mod axioms {
    pub(crate) mod classics;
    pub(crate) mod execution;
    pub(crate) mod kernel;
    pub(crate) mod models;
    pub(crate) mod relation;
    pub(crate) mod scenario;
    pub(crate) mod scenarios;
    pub(crate) mod sites;
    pub(crate) mod sync;
    pub(crate) mod trace;
}

use std::process::ExitCode;

use self::axioms::scenario::Scenario;
use self::axioms::{classics, scenarios, sites, sync};
use self::shipped::layout;
use crate::harness::runner::{Check, run};
use crate::harness::sites::{CURSOR, Source};

const SOURCES: &[Source] = &[
    Source {
        file: "src/cursor.rs",
        text: include_str!("../src/cursor.rs"),
        edges: sync::EDGES,
        sites: Some(CURSOR),
    },
    Source {
        file: "src/parker.rs",
        text: include_str!("../src/parker.rs"),
        edges: sync::EDGES,
        sites: Some(&[
            "Sleeper::set_parked: fence PARK (SeqCst)",
            "Waker::news: fence light_fence (SeqCst)",
            "Waker::slow_path: fence WAKE (SeqCst)",
            "Waker::wake_unconditionally: fence WAKE (SeqCst)",
        ]),
    },
    Source {
        file: "src/peer.rs",
        text: include_str!("../src/peer.rs"),
        edges: sync::EDGES,
        sites: Some(&[
            "State::poll: load LEFT (Acquire)",
            "attach: store CLOSE (Release)",
            "close: store CLOSE (Release)",
        ]),
    },
    Source {
        file: "src/header.rs",
        text: include_str!("../src/header.rs"),
        edges: sync::EDGES,
        sites: Some(&[
            "check_magic: load OPEN (Acquire)",
            "format: store FORMAT (Release)",
        ]),
    },
    Source {
        file: "src/observer/view.rs",
        text: include_str!("../src/observer/view.rs"),
        edges: sync::EDGES,
        sites: Some(&[
            "View::is_there: fence COPIED (Acquire)",
            "View::positions: load FREE (Acquire)",
            "View::positions: load READY (Acquire)",
        ]),
    },
];

fn main() -> ExitCode {
    let mut checks = vec![
        Check::new("classics", classics::judge),
        Check::new("alarms_go_off", sites::alarms),
    ];
    let all: Vec<&'static Scenario> = scenarios::all();
    for &scenario in &all {
        checks.push(Check::new(scenario.name, move || scenario.verify()));
    }
    checks.push(Check::new("every_ordering_is_needed", move || {
        sites::judge(SOURCES, &all)
    }));
    run(checks)
}
