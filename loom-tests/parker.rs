//! Loom explores the shipped files `src/parker.rs`, `src/peer.rs` and `src/wait/sleep.rs`,
//! and what `Select` reports. No wake-up is lost, and no message of a closed or crashed
//! peer, when either endpoint sleeps, wakes, attaches, closes or dies.
//!
//! A lost wake-up shows as a deadlock: no deadline ends a sleep in a model, unless its list
//! says so. As for `cursor.rs`, every fence is omitted in turn, and some steps are replaced
//! by wrong ones. A model must fail for each of these mutants.
//!
//! Limits. Loom has no `membarrier`: here it is a full fence on both sides, which has the
//! same effect; `store_buffer` models its steps. All models stop at two or three
//! preemptions, those with deaths at one or two.

#[allow(dead_code, reason = "these models have no inline copies")]
#[path = "../src/cursor.rs"]
mod cursor;
#[allow(dead_code, reason = "shared with the other models")]
mod error;
#[allow(dead_code, reason = "shared with the other models")]
mod harness;
mod kernel;
#[path = "../src/adapters/select/news.rs"]
mod news;
#[allow(dead_code, reason = "hints are not part of the sleep")]
#[path = "../src/parker.rs"]
mod parker;
#[allow(
    dead_code,
    reason = "only pollable endpoints ask whether they are closed"
)]
#[path = "../src/peer.rs"]
mod peer;
#[allow(dead_code, unused_imports, reason = "shared with the other models")]
mod sleep_word;
mod sleepers;
mod store_buffer;
#[allow(dead_code, unused_imports, reason = "shared with the other models")]
mod sync;
mod wait;

use std::process::ExitCode;

use crate::harness::model::Model;
use crate::harness::runner::{Check, run};
use crate::harness::sites::Source;
use crate::harness::{mutants as by_hand, sites};
use crate::sleepers::{SHIPPED, Steps, deaths, models, mutants, peers, polled, reactor, selected};

const PARKER: Source = Source {
    file: "src/parker.rs",
    text: include_str!("../src/parker.rs"),
    edges: sync::EDGES,
    sites: Some(&[
        "Sleeper::set_parked: fence PARK (SeqCst)",
        "Waker::slow_path: fence WAKE (SeqCst)",
        "Waker::wake_unconditionally: fence WAKE (SeqCst)",
    ]),
};

const PEER: Source = Source {
    file: "src/peer.rs",
    text: include_str!("../src/peer.rs"),
    edges: sync::EDGES,
    sites: Some(&[
        "State::poll: load LEFT (Acquire)",
        "attach: store CLOSE (Release)",
        "close: store CLOSE (Release)",
    ]),
};

/// `loom_cursor` checks its sites.
const CURSOR: Source = Source {
    file: "src/cursor.rs",
    text: include_str!("../src/cursor.rs"),
    edges: sync::EDGES,
    sites: None,
};

const OF_SLEEP: &[Source] = &[
    PARKER,
    Source {
        sites: None,
        ..PEER
    },
    CURSOR,
];
const OF_PEERS: &[Source] = &[
    PEER,
    Source {
        sites: None,
        ..PARKER
    },
    CURSOR,
];

/// The bound for mutants: fast, and enough to detect each of them.
const PREEMPTIONS: usize = 1;

fn main() -> ExitCode {
    let asleep: Vec<&'static Model<Steps>> = models::MODELS
        .iter()
        .chain(reactor::MODELS)
        .chain(models::PAIRS)
        .chain(polled::MODELS)
        .chain(deaths::MODELS)
        .collect();
    let peers: Vec<_> = peers::MODELS.iter().collect();
    let selected: Vec<_> = selected::MODELS.iter().collect();
    let mut checks = Vec::new();
    for &model in asleep.iter().chain(&peers).chain(&selected) {
        checks.push(Check::new(model.name, move || model.verify(&SHIPPED)));
    }
    let judged = asleep.clone();
    checks.push(Check::new("every_fence_is_needed", move || {
        sites::judge(OF_SLEEP, &judged, &SHIPPED, PREEMPTIONS)
    }));
    checks.push(Check::new("mutants_of_sleep_die", move || {
        by_hand::judge(mutants::MUTANTS, &asleep, &SHIPPED, PREEMPTIONS)
    }));
    let judged = peers.clone();
    checks.push(Check::new(
        "every_edge_between_peers_is_needed",
        move || sites::judge(OF_PEERS, &judged, &SHIPPED, PREEMPTIONS + 1),
    ));
    checks.push(Check::new("mutants_of_peers_die", move || {
        by_hand::judge(mutants::OF_PEERS, &peers, &SHIPPED, PREEMPTIONS + 1)
    }));
    checks.push(Check::new("mutants_of_select_die", move || {
        by_hand::judge(mutants::OF_SELECT, &selected, &SHIPPED, PREEMPTIONS + 1)
    }));
    let polled: Vec<_> = polled::MODELS.iter().collect();
    checks.push(Check::new("mutants_of_an_event_die", move || {
        by_hand::judge(mutants::OF_AN_EVENT, &polled, &SHIPPED, PREEMPTIONS + 1)
    }));
    let buffered: Vec<_> = store_buffer::models::MODELS.iter().collect();
    for &model in &buffered {
        checks.push(Check::new(model.name, move || {
            model.verify(&store_buffer::SHIPPED)
        }));
    }
    checks.push(Check::new("mutants_of_the_barrier_die", move || {
        let mutants = store_buffer::mutants::MUTANTS;
        by_hand::judge(mutants, &buffered, &store_buffer::SHIPPED, PREEMPTIONS + 1)
    }));
    run(checks)
}
