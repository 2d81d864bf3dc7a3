//! The classic litmus tests, with known verdicts. They test the checker.
//!
//! Names and shapes are from Alglave, Maranget and Tautschnig ("Herding cats", TOPLAS
//! 2014) and of Maranget, Sarkar and Sewell ("A tutorial introduction to the ARM and POWER
//! relaxed memory models", 2012). Dependencies are left out here, as in the models.

use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use super::models::Model;
use super::scenario::{On, Setup};
use super::sync::{AtomicU64, Payload};
use super::trace::{self, Kind, assume};
use crate::harness::report::{table, thousands};

/// Three atomic words, and one word of ordinary memory.
struct Words {
    x: AtomicU64,
    y: AtomicU64,
    payload: Payload,
}

/// Builds the threads of a litmus test.
type Threads = fn() -> Setup;

/// A litmus test: its threads finish only with the outcome in question.
struct Classic {
    name: &'static str,
    threads: Threads,
    /// Final values, in the order in which the threads access the words.
    last: &'static [(usize, u64)],
    /// Whether the outcome is allowed, by AArch64, with `ldapr`, and by C11.
    allowed: [bool; 3],
}

fn on() -> On<Words> {
    On::memory(Words {
        x: AtomicU64::new(0),
        y: AtomicU64::new(0),
        payload: Payload::new(0),
    })
}

fn fence(order: Ordering) {
    if order != Relaxed {
        trace::fence(Kind::Fence, order);
    }
}

/// Store buffering: does neither thread see the other's store?
fn sb(store: Ordering, fences: [Ordering; 2], load: Ordering) -> Setup {
    on().thread(move |words| {
        words.x.model_store(1, store);
        fence(fences[0]);
        assume(words.y.model_load(load) == 0)
    })
    .thread(move |words| {
        words.y.model_store(1, store);
        fence(fences[1]);
        assume(words.x.model_load(load) == 0)
    })
    .ready()
}

/// Load buffering: does each thread read what the other one stores later?
fn lb(load: Ordering, fences: [Ordering; 2], store: Ordering) -> Setup {
    on().thread(move |words| {
        let seen = words.x.model_load(load);
        fence(fences[0]);
        words.y.model_store(1, store);
        assume(seen == 1)
    })
    .thread(move |words| {
        let seen = words.y.model_load(load);
        fence(fences[1]);
        words.x.model_store(1, store);
        assume(seen == 1)
    })
    .ready()
}

/// Message passing: does a thread see the flag without the message?
fn mp(fences: [Ordering; 2], store: Ordering, load: Ordering) -> Setup {
    on().thread(move |words| {
        words.x.model_store(1, Relaxed);
        fence(fences[0]);
        words.y.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        assume(words.y.model_load(load) == 1)?;
        fence(fences[1]);
        assume(words.x.model_load(Relaxed) == 0)
    })
    .ready()
}

/// Message passing with a read-modify-write of a third thread on the flag.
fn mp_through_swap(swap: Ordering) -> Setup {
    on().thread(|words| {
        words.x.model_store(1, Relaxed);
        words.y.model_store(1, Release);
        Some(())
    })
    .thread(move |words| assume(words.y.model_swap(2, swap) == 1))
    .thread(|words| {
        assume(words.y.model_load(Acquire) == 2)?;
        assume(words.x.model_load(Relaxed) == 0)
    })
    .ready()
}

/// Message passing with the message in ordinary memory.
fn mp_payload(store: Ordering, load: Ordering) -> Setup {
    on().thread(move |words| {
        words.payload.write(1);
        words.x.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        assume(words.x.model_load(load) == 1)?;
        words.payload.read();
        Some(())
    })
    .ready()
}

/// Independent reads of independent writes: do two readers see them in different orders?
fn iriw(store: Ordering, load: Ordering, between: Ordering) -> Setup {
    on().thread(move |words| {
        words.x.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        words.y.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        assume(words.x.model_load(load) == 1)?;
        fence(between);
        assume(words.y.model_load(load) == 0)
    })
    .thread(move |words| {
        assume(words.y.model_load(load) == 1)?;
        fence(between);
        assume(words.x.model_load(load) == 0)
    })
    .ready()
}

/// Write to read causality.
fn wrc(load: Ordering, store: Ordering) -> Setup {
    on().thread(|words| {
        words.x.model_store(1, Relaxed);
        Some(())
    })
    .thread(move |words| {
        assume(words.x.model_load(load) == 1)?;
        words.y.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        assume(words.y.model_load(load) == 1)?;
        assume(words.x.model_load(Relaxed) == 0)
    })
    .ready()
}

/// Copied and overtaken. The middle thread's acquire orders its own store. The third thread
/// sees that order only with a release, or on a machine that makes a store visible to all
/// others at once.
fn overtaken(between: Ordering) -> Setup {
    on().thread(|words| {
        words.x.model_store(1, Release);
        Some(())
    })
    .thread(move |words| {
        assume(words.x.model_load(Acquire) == 1)?;
        fence(between);
        words.y.model_store(1, Relaxed);
        Some(())
    })
    .thread(|words| {
        assume(words.y.model_load(Relaxed) == 1)?;
        fence(Acquire);
        assume(words.x.model_load(Relaxed) == 0)
    })
    .ready()
}

/// Two threads store to two words in opposite orders: is the first store of each thread the final value?
fn two_plus_two(store: Ordering, between: Ordering) -> Setup {
    on().thread(move |words| {
        words.x.model_store(2, store);
        fence(between);
        words.y.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        words.y.model_store(2, store);
        fence(between);
        words.x.model_store(1, store);
        Some(())
    })
    .ready()
}

/// A store, a flag, and a second store that precedes the first one.
fn s(store: Ordering, load: Ordering) -> Setup {
    on().thread(move |words| {
        words.x.model_store(2, Relaxed);
        words.y.model_store(1, store);
        Some(())
    })
    .thread(move |words| {
        assume(words.y.model_load(load) == 1)?;
        words.x.model_store(1, Relaxed);
        Some(())
    })
    .ready()
}

/// Two stores. A thread overwrites one of them and then does not see the other.
fn r(between: Ordering) -> Setup {
    on().thread(move |words| {
        words.x.model_store(1, Relaxed);
        fence(between);
        words.y.model_store(1, Relaxed);
        Some(())
    })
    .thread(move |words| {
        words.y.model_store(2, Relaxed);
        fence(between);
        assume(words.x.model_load(Relaxed) == 0)
    })
    .ready()
}

/// A single word is coherent with any orderings: each of these outcomes would violate that.
fn coherence(step: fn(&Words) -> Option<()>) -> Setup {
    on().thread(|words| {
        words.x.model_store(1, Relaxed);
        Some(())
    })
    .thread(step)
    .ready()
}

/// Two swaps of one word that both read the initial value.
fn swaps() -> Setup {
    let swap = |value| move |words: &Words| assume(words.x.model_swap(value, Relaxed) == 0);
    on().thread(swap(1)).thread(swap(2)).ready()
}

const NONE: [Ordering; 2] = [Relaxed; 2];
const NEVER: [bool; 3] = [false; 3];
const ALWAYS: [bool; 3] = [true; 3];

macro_rules! classics {
    ($($name:literal: $threads:expr $(, last [$($last:expr),*])? => $allowed:expr;)*) => {
        const CLASSICS: &[Classic] = &[$(Classic {
            name: $name,
            threads: || $threads,
            last: &[$($($last),*)?],
            allowed: $allowed,
        }),*];
    };
}

classics! {
    "SB": sb(Relaxed, NONE, Relaxed) => ALWAYS;
    "SB, release and acquire": sb(Release, NONE, Acquire) => [false, true, true];
    "SB, SeqCst": sb(SeqCst, NONE, SeqCst) => NEVER;
    "SB, one fence": sb(Relaxed, [SeqCst, Relaxed], Relaxed) => ALWAYS;
    "SB, two fences": sb(Relaxed, [SeqCst; 2], Relaxed) => NEVER;
    "SB, fences AcqRel": sb(Relaxed, [AcqRel; 2], Relaxed) => [false, false, true];
    "SB, fences Acquire": sb(Relaxed, [Acquire; 2], Relaxed) => ALWAYS;
    "LB": lb(Relaxed, NONE, Relaxed) => ALWAYS;
    "LB, acquire": lb(Acquire, NONE, Relaxed) => [false, false, true];
    "LB, release": lb(Relaxed, NONE, Release) => [false, false, true];
    "LB, acquire and release": lb(Acquire, NONE, Release) => NEVER;
    "LB, two fences": lb(Relaxed, [SeqCst; 2], Relaxed) => NEVER;
    "MP": mp(NONE, Relaxed, Relaxed) => ALWAYS;
    "MP, release alone": mp(NONE, Release, Relaxed) => ALWAYS;
    "MP, acquire alone": mp(NONE, Relaxed, Acquire) => ALWAYS;
    "MP, release and acquire": mp(NONE, Release, Acquire) => NEVER;
    "MP, fences": mp([Release, Acquire], Relaxed, Relaxed) => NEVER;
    "MP, fence and acquire": mp([Release, Relaxed], Relaxed, Acquire) => NEVER;
    "MP, one fence": mp([Relaxed, Acquire], Relaxed, Relaxed) => ALWAYS;
    "MP through a swap": mp_through_swap(Relaxed) => NEVER;
    "IRIW": iriw(Relaxed, Relaxed, Relaxed) => ALWAYS;
    "IRIW, acquire": iriw(Release, Acquire, Relaxed) => [false, false, true];
    "IRIW, SeqCst": iriw(SeqCst, SeqCst, Relaxed) => NEVER;
    "IRIW, fences": iriw(Relaxed, Relaxed, SeqCst) => NEVER;
    "WRC": wrc(Relaxed, Relaxed) => ALWAYS;
    "WRC, acquire and release": wrc(Acquire, Release) => NEVER;
    "copied, overtaken": overtaken(Relaxed) => [false, false, true];
    "copied, overtaken, fence": overtaken(Release) => NEVER;
    "2+2W": two_plus_two(Relaxed, Relaxed), last [(0, 2), (1, 2)] => ALWAYS;
    "2+2W, release": two_plus_two(Release, Relaxed), last [(0, 2), (1, 2)] => [false, false, true];
    "2+2W, fences": two_plus_two(Relaxed, SeqCst), last [(0, 2), (1, 2)] => NEVER;
    "2+2W, SeqCst": two_plus_two(SeqCst, Relaxed), last [(0, 2), (1, 2)] => NEVER;
    "S": s(Relaxed, Relaxed), last [(0, 2)] => ALWAYS;
    "S, release and acquire": s(Release, Acquire), last [(0, 2)] => NEVER;
    "R": r(Relaxed), last [(1, 2)] => ALWAYS;
    "R, fences": r(SeqCst), last [(1, 2)] => NEVER;
    "CoRR": coherence(|words| {
        assume(words.x.model_load(Relaxed) == 1)?;
        assume(words.x.model_load(Relaxed) == 0)
    }) => NEVER;
    "CoRW": coherence(|words| {
        assume(words.x.model_load(Relaxed) == 1)?;
        words.x.model_store(2, Relaxed);
        Some(())
    }), last [(0, 1)] => NEVER;
    "CoWR": coherence(|words| {
        words.x.model_store(2, Relaxed);
        assume(words.x.model_load(Relaxed) == 1)
    }), last [(0, 2)] => NEVER;
    "CoWW": coherence(|words| {
        words.x.model_store(2, Relaxed);
        words.x.model_store(3, Relaxed);
        Some(())
    }), last [(0, 2)] => NEVER;
    "two swaps": swaps() => NEVER;
}

/// Payload behind a flag, and whether C11 calls it a race.
const RACES: &[(&str, Threads, bool)] = &[
    ("payload", || mp_payload(Relaxed, Relaxed), true),
    (
        "payload, release alone",
        || mp_payload(Release, Relaxed),
        true,
    ),
    (
        "payload, acquire alone",
        || mp_payload(Relaxed, Acquire),
        true,
    ),
    ("payload, both", || mp_payload(Release, Acquire), false),
];

/// Checks every litmus test under every model.
pub(crate) fn judge() -> Result<String, String> {
    let word = |allowed| if allowed { "allowed" } else { "never" };
    let mut rows = vec![["classic", "AArch64", "ldapr", "C11", "candidates"].map(str::to_owned)];
    let mut wrong = Vec::new();
    for classic in CLASSICS {
        let (candidates, allowed) = (classic.threads)().outcomes(classic.last);
        if allowed != classic.allowed {
            wrong.push(format!("{} is {allowed:?}", classic.name));
        }
        let [aarch64, rcpc, c11] = allowed.map(word);
        let count = thousands(candidates);
        let row = [classic.name, aarch64, rcpc, c11, &count];
        rows.push(row.map(str::to_owned));
    }
    for (name, threads, expected) in RACES {
        let races = threads().races(Model::C11);
        if races != *expected {
            wrong.push(format!("{name}: race {races}"));
        }
        let verdict = if races { "race" } else { "no race" };
        rows.push([name, "", "", verdict, ""].map(str::to_owned));
    }
    let table = table(&rows);
    match wrong.is_empty() {
        true => Ok(format!("{} classics\n{table}", rows.len() - 1)),
        false => Err(format!("{wrong:#?}\n{table}")),
    }
}
