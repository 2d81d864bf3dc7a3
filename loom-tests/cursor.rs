//! Loom explores the shipped files `src/cursor.rs` and `src/observer/view.rs`: when bytes
//! may be read and written, with and without inline copies; when cache lines may be
//! fetched; how a restarted peer continues; and which copies an observer may use.
//!
//! A pass alone proves nothing, so the same run proves that the models can fail. Every
//! model has a minimum number of executions and states that it must reach. Every ordering
//! is weakened in turn, and some steps are replaced by wrong ones. A model must fail for
//! each of these mutants.
//!
//! Limits. Loom does not explore load buffering, and the models are small: two to eight
//! messages, rings of one to eight places, two threads. Models with inline copies stop at
//! three preemptions, models with a death at two. A death stops a thread, not a process,
//! and the next holder runs in the same thread: this stands for the lock that the kernel
//! hands over.

mod alarms;
#[allow(dead_code, reason = "no model reads what poisoned a cursor")]
#[path = "../src/cursor.rs"]
mod cursor;
mod error;
mod frames;
#[allow(dead_code, reason = "shared with the other models")]
mod harness;
#[allow(dead_code, reason = "no payload is too long here")]
mod layout;
#[allow(
    dead_code,
    unused_imports,
    reason = "the models place their records themselves"
)]
#[path = "../src/slots.rs"]
mod lines;
mod models;
mod mutants;
#[allow(dead_code, unreachable_pub, reason = "public in the crate")]
mod observer;
mod ring;
#[allow(dead_code, unused_imports, reason = "shared with the other models")]
mod sleep_word;
mod slots;
mod steps;
#[allow(dead_code, unused_imports, reason = "shared with the other models")]
mod sync;

use std::process::ExitCode;

use crate::harness::runner::{Check, run};
use crate::harness::sites::{CURSOR, Source};
use crate::harness::{mutants as by_hand, sites};
use crate::steps::SHIPPED;

const SOURCES: &[Source] = &[
    Source {
        file: "src/cursor.rs",
        text: include_str!("../src/cursor.rs"),
        edges: sync::EDGES,
        sites: Some(CURSOR),
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

/// The bound for mutants: fast, and enough to detect each of them.
const PREEMPTIONS: usize = 1;

fn main() -> ExitCode {
    let mut checks = vec![Check::new("alarms_go_off", alarms::judge)];
    for &model in &models::all() {
        checks.push(Check::new(model.name, move || model.verify(&SHIPPED)));
    }
    checks.push(Check::new("every_ordering_is_needed", || {
        sites::judge(SOURCES, &models::all(), &SHIPPED, PREEMPTIONS)
    }));
    checks.push(Check::new("mutants_die", || {
        by_hand::judge(mutants::MUTANTS, &models::all(), &SHIPPED, PREEMPTIONS)
    }));
    run(checks)
}
