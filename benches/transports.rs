//! IPC mechanisms compared on the same tasks: round trips and streams of messages of four
//! sizes, between two CPUs.
//!
//! ```text
//! cargo bench --bench transports                        under three minutes
//! cargo bench --bench transports -- --quick             under half a minute, less precise
//! cargo bench --bench transports -- --only streams_64 --json transports.json
//! cargo bench --bench transports -- --all               also the other mechanisms of the system
//! ```
//!
//! Rings carry records for 8 bytes, and frames for more. A spinning endpoint keeps a
//! processor busy. A parked one does not spin at all, so each message is sent to a sleeping
//! receiver, as with the kernel's own mechanisms. By default a ring spins for 20 µs and
//! then parks.
//!
//! Each line `BAR name value limit ok|missed|disturbed` has a target and the figure of this run.

mod common;

use std::fs;
use std::path::PathBuf;

use clap::Parser;

use common::bench::{self, Bench, Limit, Options, Outcome, Part};
use common::interleaved::{Variants, in_processes};
use common::mechanisms::{PARKED, PIPE, SINGLE_TRIPS, SLOT, SPINNING, TCP, TRIPS, UDP, UNIX, find};

/// Measures round trips and streams over IPC mechanisms
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Measures all mechanisms: also Unix datagrams, semaphores, signal
    #[arg(long)]
    all: bool,
    /// The directory of the ring that is a file on a disk
    #[arg(long, value_name = "DIRECTORY", default_value = env!("CARGO_TARGET_TMPDIR"))]
    disk: PathBuf,
}

/// Mechanisms whose round trips are timed one by one.
const SHOWN: [&str; 7] = [PIPE, UNIX, TCP, UDP, SLOT, SPINNING, PARKED];

fn main() -> Outcome {
    let Arguments { options, all, disk } = Arguments::parse();
    // Round trips: few enough for a short batch over a slow mechanism, and enough to hide the
    // clock's cost over a fast one.
    let parts: [Part; 9] = [
        (TRIPS, &compare::<8>(8, all)),
        (SINGLE_TRIPS, &compare::<8>(1, all)),
        ("streams_8", &compare::<8>(256, all)),
        ("trips_64", &compare::<64>(8, all)),
        ("streams_64", &compare::<64>(256, all)),
        ("trips_1024", &compare::<1024>(8, all)),
        ("streams_1024", &compare::<1024>(256, all)),
        ("trips_65536", &compare::<65536>(8, all)),
        ("streams_65536", &compare::<65536>(16, all)),
    ];
    bench::run("transports", &options, &[&disk], &parts)
}

/// Compares the mechanisms with messages of one size, this many in a batch.
fn compare<const SIZE: usize>(batch: u64, all: bool) -> impl Fn(&mut Bench, &str) -> Outcome {
    move |bench, figure| {
        let places = [0, 1].map(|place| bench.places[place].join(figure));
        for place in &places {
            fs::create_dir(place)?;
        }
        let is_stream = figure.starts_with("streams");
        let mut variants: Variants = Vec::new();
        for (name, variant) in find::<SIZE>(is_stream, all, &places[0], &places[1]) {
            match variant {
                _ if figure == SINGLE_TRIPS && !SHOWN.contains(&name) => {}
                Ok(variant) => variants.push(variant),
                Err(reason) => bench.say(format_args!("{figure}: no {name}: {reason}")),
            }
        }
        let (slice, rounds, title) = match figure {
            SINGLE_TRIPS => (100, 20, "single round trips, each timed individually"),
            _ if is_stream => (50, 25, "stream"),
            _ => (50, 25, "round trips"),
        };
        let title = format!("{title}: {SIZE} bytes");
        let plan = bench.plan(slice, rounds, batch);
        let scores = in_processes(&title, bench.two()?, plan, variants)?;
        bench.show(figure, &scores, SPINNING);
        if figure == TRIPS {
            let bar = "trip_pipe_over_spinning";
            bench.target(&scores, bar, [PIPE, SPINNING], Limit(">=", 100.0));
        }
        Ok(())
    }
}
