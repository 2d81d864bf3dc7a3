//! Memory that another thread overwrites: a bounded number of random executions of `body`.
//! `tests/fuzz` runs the same with libFuzzer.

pub(crate) mod body;

use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use crate::common::PATIENCE;
use crate::common::sample::{bytes, mix};
use body::Hostile;

crate::common::suite::tests! {
    writes_between_calls_cause_no_crash,
}

/// Every rule whose violation a call can find.
const RULES: [&str; 4] = ["head", "tail", "frame length", "padding"];
/// The errors of opening a ring with a changed header.
#[rustfmt::skip]
const REFUSALS: [&str; 10] = [
    "NotARing", "VersionMismatch", "ShapeMismatch", "SchemaMismatch", "DoorbellMismatch",
    "Superseded", "slot size", "slot align", "capacity", "length",
];

fn writes_between_calls_cause_no_crash() {
    let mut hostile = Hostile::default();
    run(30_000, |bytes| hostile.run(bytes));
    print!("{:?} ", hostile.tally);
    for thing in RULES.iter().chain(&REFUSALS) {
        assert!(hostile.tally.of(thing) > 0, "never found: {thing}");
    }
}

/// Runs this many executions, the same ones every time.
pub(crate) fn run(executions: u64, mut run: impl FnMut(&[u8])) {
    while_it_continues(|beat| {
        for number in 0..executions {
            let length = 8 + mix(number) % 400;
            run(&bytes(number, length as usize));
            beat();
        }
    });
}

/// Runs a loop that reports each round. A round that does not end fails the test.
pub(crate) fn while_it_continues(rounds: impl FnOnce(&dyn Fn())) {
    let (heart, beats) = mpsc::channel();
    let watch = thread::spawn(move || {
        loop {
            match beats.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("a round does not end");
                    process::abort();
                }
            }
        }
    });
    rounds(&|| heart.send(()).expect("the watch runs"));
    drop(heart);
    watch.join().expect("every round has ended");
}
