//! How many messages go through: records beside the ring of the crate rtrb, and
//! frames beside a bare hand-off.
//!
//! ```text
//! cargo bench --bench throughput                        under three minutes
//! cargo bench --bench throughput -- --quick             about ten seconds, rougher
//! cargo bench --bench throughput -- --json throughput.json
//! ```
//!
//! rtrb lives in one process, so there the two ends are threads, of quoit's rings
//! too: rings in shared memory, as ever. Frames go between two processes. Every
//! end tries, gives the processor one hint, and tries again.
//!
//! Each line `BAR name value limit ok|short` is a promise of the crate and the
//! figure of this run.

mod common;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use quoit::{RingOptions, WaitStrategy};

use common::bars::{Limit, Report};
use common::batches::Batches;
use common::contest::{self, Plan, Scores, Variant};
use common::link::Stream;
use common::machine::Machine;
use common::memcpy::Memcpy;
use common::message::numbered;
use common::output::Output;
use common::placement::Placement;
use common::progress::Progress;
use common::rings::Rings;
use common::tries::{InPlace, Tries};
use common::{bare, rtrb, supervisor};

/// How many messages go through, as ratios of slices that take turns.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    supervisor::supervise([Path::new("/dev/shm")], |[directory]| {
        let mut bench = Bench {
            directory: directory.to_owned(),
            rings: Rings::new(directory),
            report: Report::default(),
            progress: Progress::new(),
            quick: arguments.output.quick,
        };
        bench.run()?;
        arguments.output.keep("throughput", &bench.report, true)
    })
}

struct Bench {
    directory: PathBuf,
    rings: Rings,
    report: Report,
    progress: Progress,
    quick: bool,
}

const SMALL: u64 = 1 << 10;
const LARGE: u64 = 1 << 20;
/// Bytes of the rings of frames.
const BYTES: u64 = 1 << 20;

const BARE: &str = "bare hand-off";
const FRAMES: &str = "quoit, claim and peek";
const COPIED: &str = "quoit, push and pop";
const MEMCPY: &str = "memcpy, one core";

impl Bench {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("a figure is the median of slices; in brackets, half of them");
        self.report.figure("machine", machine.json());
        let Some(placement) = machine.apart() else {
            return Err("throughput wants two processors".into());
        };
        for capacity in [64, SMALL, 1 << 16] {
            self.records(placement, capacity)?;
        }
        self.growth(placement)?;
        self.frames::<8>(placement, "8")?;
        self.frames::<64>(placement, "64")?;
        self.frames::<1024>(placement, "1k")?;
        self.frames::<4096>(placement, "4k")?;
        self.frames::<65536>(placement, "64k")
    }

    fn options(capacity: u64) -> RingOptions {
        RingOptions::new(capacity)
            .prefault(true)
            .wait_strategy(WaitStrategy::Spin)
    }

    /// Records of 8 bytes, one by one and in batches, in two threads.
    fn records(&mut self, placement: Placement, capacity: u64) -> Result<(), Box<dyn Error>> {
        let single = [format!("quoit {capacity}"), format!("rtrb {capacity}")];
        let batch = single.each_ref().map(|name| format!("{name}, by 64"));
        let in_place = format!("quoit {capacity}, in place");
        let ends = [(); 2].map(|()| rtrb::Ends::new(capacity as usize));
        let make = || -> Vec<Box<dyn Variant>> {
            let ring = |name: &str| self.ring(name, capacity);
            vec![
                Box::new(Stream::new(&single[1], ends[0].link())),
                Box::new(Stream::new(&single[0], ring(&single[0]))),
                Box::new(Batches::new(&batch[1], ends[1].link())),
                Box::new(Batches::new(&batch[0], ring(&batch[0]))),
                Box::new(Stream::new(
                    &in_place,
                    self.ring_in_place(&in_place, capacity),
                )),
            ]
        };
        // Several laps to a batch: none is over without the consumer.
        let plan = Plan::new(self.quick, 100, 25, (4 * capacity).max(4096));
        let title = format!("stream of 8-byte records in two threads, {capacity} slots");
        let scores = contest::run_in_threads(&title, placement, &plan, make, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(&single[1]));
        self.report
            .figure(&format!("records_{capacity}"), scores.json());
        for ([quoit, rtrb], what) in [(&single, "single"), (&batch, "by_64")] {
            let name = format!("stream_u64_{what}_{capacity}_over_rtrb");
            let faster = scores.ratio(rtrb, quoit);
            println!("  {quoit}: {faster} times rtrb");
            self.report.bar(&name, faster, Limit::AtLeast(1.0));
        }
        Ok(())
    }

    fn ring(&self, name: &str, capacity: u64) -> impl FnMut(contest::Side) -> Tries<u64> + use<> {
        let mut link = self.rings.link(name, &Self::options(capacity));
        move |side| Tries(link(side))
    }

    fn ring_in_place(
        &self,
        name: &str,
        capacity: u64,
    ) -> impl FnMut(contest::Side) -> InPlace<[u64; 1]> + use<> {
        let mut link = self.rings.link(name, &Self::options(capacity));
        move |side| InPlace(link(side))
    }

    /// What a ring of a million slots costs more than one of a thousand.
    fn growth(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        let name = |whose: &str, slots: u64| format!("{whose}, {slots} slots");
        let ends = [SMALL, LARGE].map(|slots| rtrb::Ends::new(slots as usize));
        let make = || -> Vec<Box<dyn Variant>> {
            let mut variants: Vec<Box<dyn Variant>> = Vec::new();
            for (slots, ends) in [SMALL, LARGE].into_iter().zip(&ends) {
                let (quoit, rtrb) = (name("quoit", slots), name("rtrb", slots));
                variants.push(Box::new(Stream::new(&rtrb, ends.link())));
                variants.push(Box::new(Stream::new(&quoit, self.ring(&quoit, slots))));
            }
            variants
        };
        let plan = Plan::new(self.quick, 200, 15, 2 * LARGE);
        let title = "stream of 8-byte records in two threads, a thousand and a million slots";
        let scores = contest::run_in_threads(title, placement, &plan, make, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(&name("rtrb", SMALL)));
        self.report.figure("growth", scores.json());
        let growth = |scores: &Scores, whose| {
            scores.of(&name(whose, LARGE)).nanos() / scores.of(&name(whose, SMALL)).nanos()
        };
        let grown = growth(&scores, "quoit") / growth(&scores, "rtrb");
        let limit = Limit::AtMost(1.05);
        self.report
            .bar("stream_cost_of_size_over_rtrb", grown, limit);
        Ok(())
    }

    /// Frames, filled and read in place, between two processes.
    fn frames<const SIZE: usize>(
        &mut self,
        placement: Placement,
        size: &str,
    ) -> Result<(), Box<dyn Error>> {
        let bare = bare::wire(
            &self.directory.join(format!("bare-{size}")),
            BYTES as usize,
            SIZE,
        )?;
        let mut link = self
            .rings
            .link(&format!("frames {size}"), &Self::options(BYTES));
        let frames = move |side| InPlace::<[u8]>(link(side));
        let mut link = self
            .rings
            .link(&format!("frames {size}, copied"), &Self::options(BYTES));
        let copied = move |side| Tries::<[u8]>(link(side));
        let variants: Vec<Box<dyn Variant>> = vec![
            Box::new(Stream::new(BARE, numbered::<SIZE, _>(bare))),
            Box::new(Stream::new(FRAMES, numbered::<SIZE, _>(frames))),
            Box::new(Stream::new(COPIED, numbered::<SIZE, _>(copied))),
            Box::new(Memcpy::new(MEMCPY, BYTES as usize, SIZE)),
        ];
        let plan = Plan::new(self.quick, 100, 40, 4 * BYTES / SIZE as u64);
        let title = format!("stream of frames of {SIZE} bytes, {BYTES} bytes of ring");
        let scores = contest::run(&title, placement, &plan, variants, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(BARE));
        self.report.figure(&format!("frames_{size}"), scores.json());
        let ratio = scores.ratio(BARE, FRAMES);
        println!("  quoit: {ratio} times the bare hand-off");
        if matches!(SIZE, 1024 | 65536) {
            let name = format!("stream_{size}_over_bare");
            self.report.bar(&name, ratio, Limit::AtLeast(0.95));
        }
        Ok(())
    }
}
