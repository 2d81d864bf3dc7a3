//! Stress test: both endpoints of a ring are killed with SIGKILL at random, thousands of
//! times, while they push and pop as fast as they can, and are restarted immediately.
//!
//! The length and the bytes of a message follow from its position, and a ledger outlives both
//! endpoints. So the test detects at once if a restarted peer
//! continues too early or too late, if a message is lost, torn or out of order, or if a
//! released message is delivered again. After each kill both endpoints must continue. Only
//! the kill of a waker may lose a wake-up.
//!
//! All forms together have two thousand kills, or as many as `QUOIT_TORTURE` says.
//! `QUOIT_TORTURE_SEED` repeats the choices of a run, but not its timing.

mod arena;
#[path = "../common/mod.rs"]
mod common;
mod ledger;
mod load;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use quoit::DoorbellKind;

use arena::torture;
use load::{Load, Message};

common::suite::suite! {
    tests: [endpoints_of_records_survive, endpoints_of_frames_survive],
    parts: [],
}

/// What both endpoints sleep on, and whether they sleep.
const FORMS: [(DoorbellKind, bool); 3] = [
    (DoorbellKind::Futex, true),
    (DoorbellKind::Semaphore, true),
    (DoorbellKind::Futex, false),
];

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn survive<L: Load + ?Sized>() {
    let kills = number_from("QUOIT_TORTURE").unwrap_or(2000);
    for (doorbell, sleeps) in FORMS {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let random = || now.expect("it is later").as_nanos() as u64;
        let seed = number_from("QUOIT_TORTURE_SEED").unwrap_or_else(random);
        let aimed = torture::<L>(doorbell, sleeps, kills.div_ceil(6), seed);
        assert!(aimed > 0 || !sleeps, "none slept");
    }
}

fn endpoints_of_records_survive() {
    survive::<Message>();
}

fn endpoints_of_frames_survive() {
    survive::<[u8]>();
}
