//! Memory that another thread overwrites: a bounded number of random executions of `body`.
//! `tests/fuzz` runs the same with libFuzzer.

pub(crate) mod body;

use std::sync::mpsc;
use std::thread;

use crate::common::PATIENCE;
use crate::common::sample::{bytes, mix};
use body::{Hostile, StrayWrites};

crate::common::suite::tests! {
    writes_between_calls_cause_no_crash,
    writes_during_calls_cause_no_crash,
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
    let met = run(30_000, StrayWrites::Between);
    for thing in RULES.iter().chain(&REFUSALS) {
        assert!(met.contains_key(thing), "never found: {thing}");
    }
}

fn writes_during_calls_cause_no_crash() {
    let met = run(300, StrayWrites::During);
    for thing in &RULES[..2] {
        assert!(met.contains_key(thing), "never found: {thing}");
    }
}

/// Runs this many executions, the same ones every time, and returns what they found. An
/// execution that loops forever fails the test.
fn run(
    executions: u64,
    stray_writes: StrayWrites,
) -> std::collections::BTreeMap<&'static str, u64> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut hostile = Hostile::default();
        for number in 0..executions {
            let length = 8 + mix(number) % 400;
            hostile.run(&bytes(number, length as usize), stray_writes);
            if number % 100 == 0 {
                sender.send(None).expect("the test waits");
            }
        }
        let met = std::mem::take(&mut hostile.tally.0);
        drop(hostile); // and removes the rings' names
        sender.send(Some(met)).expect("the test waits");
    });
    loop {
        let news = receiver.recv_timeout(PATIENCE);
        if let Some(met) = news.expect("an execution failed, or does not end") {
            print!("{met:?} ");
            return met;
        }
    }
}
