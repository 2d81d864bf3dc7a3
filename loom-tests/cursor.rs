//! Loom explores `src/cursor.rs` and `src/observer/view.rs`, the very files that are
//! shipped: which bytes may be read and written when, with and without inline copies, which
//! lines may be taken when, who may go on after a death, and what an observer may believe.
//!
//! A pass alone proves nothing, so the same run proves that it could fail:
//! every model has a floor of executions and states that it must reach, every
//! ordering is weakened in turn, some steps are replaced by wrong ones, and all of
//! these mutants must die.
//!
//! Limits. Loom does not explore load buffering, and it explores small models:
//! two to eight messages, rings of one to eight places, two threads. Models in
//! which messages are copied inline stop at three preemptions, those in which a thread dies
//! at two. Who dies here is a thread, and the next holder runs in the same one,
//! which stands for the lock that the kernel hands over. No peer lies here; what
//! a cursor does about positions out of range is not a matter of orderings.

mod alarms;
#[allow(dead_code, reason = "no cursor is asked what has poisoned it")]
#[path = "../src/cursor.rs"]
mod cursor;
mod error;
mod frames;
#[allow(dead_code, reason = "shared with the other models")]
mod harness;
#[allow(dead_code, reason = "no payload is too long here")]
mod layout;
#[allow(dead_code, unused_imports, reason = "no record lies here")]
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
use crate::harness::sites::Source;
use crate::harness::{mutants as by_hand, sites};
use crate::steps::SHIPPED;

const SOURCES: &[Source] = &[
    Source {
        file: "src/cursor.rs",
        text: include_str!("../src/cursor.rs"),
        edges: sync::EDGES,
        sites: Some(&[
            "ReadCursor::look: load READY (Acquire)",
            "ReadCursor::move_to: store RECLAIM (Release)",
            "ReadCursor::resume: load READY (Acquire)",
            "ReadCursor::ride: fence CHECK (Acquire)",
            "WriteCursor::look: fence REUSE (Release)",
            "WriteCursor::look: load FREE (Acquire)",
            "WriteCursor::move_to: store PUBLISH (Release)",
            "WriteCursor::publish_riding: fence RIDE (Release)",
            "WriteCursor::resume: fence REUSE (Release)",
            "WriteCursor::resume: load FREE (Acquire)",
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

/// For mutants: cheap, and enough for each of them.
const PREEMPTIONS: usize = 1;

fn main() -> ExitCode {
    let mut checks = vec![Check::new("alarms_go_off", alarms::judge)];
    for &model in &models::all() {
        checks.push(Check::new(model.name, move || model.verify(&SHIPPED)));
    }
    checks.push(Check::new("every_ordering_is_needed", || {
        sites::judge(SOURCES, &models::all(), &SHIPPED, PREEMPTIONS)
    }));
    checks.push(Check::new("mutants_made_by_hand_die", || {
        by_hand::judge(mutants::MUTANTS, &models::all(), &SHIPPED, PREEMPTIONS)
    }));
    run(checks)
}
