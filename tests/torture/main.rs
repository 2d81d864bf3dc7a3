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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quoit::{DoorbellKind, RingOptions, WaitStrategy};

use arena::torture;
use common::dice::Dice;
use common::sample::mix;
use load::{Load, Message};

common::suite::suite! {
    tests: [endpoints_of_records_survive, endpoints_of_frames_survive],
    parts: [],
}

const FORMS: u64 = 6;

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn kills() -> u64 {
    number_from("QUOIT_TORTURE").unwrap_or(2000).div_ceil(FORMS)
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let random = || mix(now.map_or(0, |now| now.as_nanos() as u64));
    number_from("QUOIT_TORTURE_SEED").unwrap_or_else(random)
}

/// An endpoint does not always wait like the previous holder or the peer.
fn survive<L: Load + ?Sized>() {
    let sleeps = |options: RingOptions, dice: &mut Dice| match dice.roll(3) {
        0 => options,
        _ => options.spin(Duration::ZERO),
    };
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let aimed = torture::<L>(doorbell, sleeps, kills(), seed());
        assert!(aimed > 0, "none slept");
    }
    let spins = |options: RingOptions, dice: &mut Dice| match dice.roll(3) {
        0 => options.wait_strategy(WaitStrategy::Yield),
        _ => options.wait_strategy(WaitStrategy::Spin),
    };
    torture::<L>(DoorbellKind::Futex, spins, kills(), seed());
}

fn endpoints_of_records_survive() {
    survive::<Message>();
}

fn endpoints_of_frames_survive() {
    survive::<[u8]>();
}
