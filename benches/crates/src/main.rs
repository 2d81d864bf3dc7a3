//! quoit compared with other rings and channels on the same tasks, in interleaved slices.
//!
//! ```text
//! cargo bench --manifest-path benches/crates/Cargo.toml                    about a minute
//! cargo bench --manifest-path benches/crates/Cargo.toml -- --only shaq,rtrb --quick
//! ```
//!
//! Crates that work in one process are measured between two threads, all others between two
//! processes, and quoit in the same way. All rings have room for 1024 messages of 8 bytes.
//! If the API allows it, endpoints poll with only the processor's hint between two polls.
//! The sources say which calls of each crate are used.

#[path = "../../common/mod.rs"]
mod common;
mod iceoryx;
mod links;

use std::fs;
use std::path::Path;

use common::bench::{self, Bench, Limit, Outcome, Part};
use common::interleaved::{Variant, in_processes, in_threads};
use common::link::{Ends, Link, Open};
use common::rings::{Rings, polled};
use common::scores::Scores;
use common::{ping_pong, polling, rtrb};

use links::Wire;

const CAPACITY: usize = 1024;
const QUOIT: &str = "quoit";
const BARE: &str = "bare cache line";

fn main() -> Outcome {
    let parts: [Part; 8] = [
        ("rtrb", &threads(|| rtrb::v0_4::ends(CAPACITY))),
        ("ringbuf", &threads(links::ringbuf)),
        ("crossbeam-channel", &threads(links::crossbeam)),
        ("shaq", &processes(links::shaq)),
        ("iceoryx2", &processes(iceoryx::wire)),
        ("ringfire", &processes(links::ringfire)),
        ("shmem-ipc", &processes(links::shmem_ipc)),
        ("ipc-channel", &processes(links::ipc_channel)),
    ];
    bench::main("crates", &parts)
}

/// The tasks in the names of figures and in titles, and the messages of a batch.
const TASKS: [(&str, &str, u64); 2] = [
    (TRIPS, "round trip", 16),
    (STREAMS, "stream", 4 * CAPACITY as u64),
];
const TRIPS: &str = "trips";
const STREAMS: &str = "streams";

/// This task as a variant.
fn variant<L: Link>(open: Open<L>, name: &str, what: &str) -> Variant {
    match what {
        TRIPS => open.round_trip(name),
        _ => open.stream(name),
    }
}

/// quoit's endpoints for a comparison.
fn quoit(rings: &Rings, name: &str, what: &str) -> Variant {
    let link = rings.link(&format!("quoit-{name}-{what}"), &polled(CAPACITY as u64));
    variant(link.map(polling::records::<1>), QUOIT, what)
}

/// Compares a crate with quoit in two threads.
fn threads<L: Link + Send>(ends: fn() -> Ends<L>) -> impl Fn(&mut Bench, &str) -> Outcome {
    move |bench, name| {
        for (what, task, batch) in TASKS {
            let (ends, rings) = (ends(), bench.rings.clone());
            let make = || vec![variant(ends.open(), name, what), quoit(&rings, name, what)];
            let title = format!("{name}, {task}, two threads");
            let scores = in_threads(&title, bench.two()?, bench.plan(60, 24, batch), make)?;
            print(bench, name, what, &scores);
        }
        Ok(())
    }
}

/// The same in two processes. The endpoints get a directory.
fn processes<L: Link>(wire: fn(&Path) -> Wire<L>) -> impl Fn(&mut Bench, &str) -> Outcome {
    move |bench, name| {
        for (what, task, batch) in TASKS {
            let place = bench.places[0].join(format!("{name}-{what}"));
            fs::create_dir(&place)?;
            let open = match wire(&place) {
                Ok(open) => open,
                Err(error) => {
                    bench.say(format_args!("{name}: not measured: {error}"));
                    return Ok(());
                }
            };
            let mut variants = vec![variant(open, name, what), quoit(&bench.rings, name, what)];
            if what == TRIPS {
                variants.push(ping_pong::wire(&place).round_trip(BARE));
            }
            let title = format!("{name}, {task}, two processes");
            let scores = in_processes(&title, bench.two()?, bench.plan(60, 24, batch), variants)?;
            print(bench, name, what, &scores);
        }
        Ok(())
    }
}

fn print(bench: &mut Bench, name: &str, what: &str, scores: &Scores) {
    bench.show(&format!("{name}_{what}_8"), scores, QUOIT);
    let (bar, pair, limit) = match (name, what) {
        ("shaq", STREAMS) => ("stream_over_shaq", [name, QUOIT], Limit(">=", 3.0)),
        ("iceoryx2", TRIPS) => ("trip_over_iceoryx2", [QUOIT, name], Limit("<=", 0.2)),
        _ => return,
    };
    bench.target(scores, bar, pair, limit);
}
