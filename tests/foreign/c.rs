//! `examples/c/consume.c`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use quoit::{DoorbellKind, FrameProducer, RingOptions};

use super::compiler::{compile, directory};
use super::traffic::{Traffic, frame};
use super::{push, until};
use crate::common::child::{Child, is_asleep};
use crate::common::deep_sleep::DeepSleeper;
use crate::common::names::RingName;
use crate::common::program::Program;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    c_takes_every_frame_and_is_woken_by_either_doorbell,
    c_is_woken_by_each_frame_and_by_the_close,
    c_wakes_a_producer_that_waits_for_room,
    c_that_wakes_only_its_own_process_is_detected,
    c_is_killed_and_the_next_holder_continues,
    c_notices_a_producer_that_was_killed;
    parts: doomed_producer
}

const FRAMES: u64 = 100_000;
const DOORBELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/c/consume.c");

/// The program, compiled.
pub(super) struct Consumer(PathBuf);

impl Consumer {
    pub(super) fn compiled() -> &'static Self {
        static COMPILED: OnceLock<Consumer> = OnceLock::new();
        COMPILED.get_or_init(|| Self::compile("consume", SOURCE.as_ref()))
    }

    /// With the flag against which `layout.md` warns: such a wake does not reach other processes.
    fn compile_private() -> Self {
        let path = directory("private").join("private.c");
        let source = format!(
            "#define _GNU_SOURCE\n#include <linux/futex.h>\n#undef FUTEX_WAKE\n\
             #define FUTEX_WAKE (1 | FUTEX_PRIVATE_FLAG)\n#include \"{SOURCE}\"\n"
        );
        fs::write(&path, source).expect("a source file");
        Self::compile("private", &path)
    }

    fn compile(name: &str, source: &Path) -> Self {
        let program = directory(name).join("consume");
        compile(source, &program, &["-O2"]);
        Self(program)
    }

    pub(super) fn start(&self, name: &str) -> Program {
        Program::start(Command::new(&self.0).arg(name))
    }
}

/// A producer whose ring has room for several frames.
fn producer(name: &RingName, capacity: u64, doorbell: DoorbellKind) -> FrameProducer {
    let options = RingOptions::new(capacity).doorbell(doorbell);
    let ring = options.spin(Duration::ZERO).create::<[u8]>(name);
    let producer = ring.and_then(|ring| ring.producer());
    producer.expect("the role is free")
}

/// It ends when its producer has closed, and has counted the traffic.
#[track_caller]
fn counts(consumer: Program, traffic: &Traffic) {
    let said = format!("{traffic}, producer closed\n");
    consumer.end().is(0, &said, "");
}

fn c_takes_every_frame_and_is_woken_by_either_doorbell() {
    let program = Consumer::compiled();
    for doorbell in DOORBELLS {
        let name = RingName::new("c-stream");
        let mut producer = producer(&name, 4096, doorbell);
        let page = SleepPage::open(&name.file());
        let consumer = program.start(name.as_str());
        let mut traffic = Traffic::new();
        for number in 0..FRAMES {
            push(&mut producer, &mut traffic, number);
        }
        drop(producer);
        counts(consumer, &traffic);
        let state = page.read();
        assert_eq!(state.producer.rescues, 0, "{doorbell:?}");
        print!("[{doorbell:?}: {} sleeps in C] ", state.consumer.parks);
    }
}

fn c_is_woken_by_each_frame_and_by_the_close() {
    let program = Consumer::compiled();
    for doorbell in DOORBELLS {
        let name = RingName::new("c-woken");
        let mut producer = producer(&name, 4096, doorbell);
        let consumer = program.start(name.as_str());
        until("the client takes the role", || producer.peer_epoch() > 0);
        producer.push(&[]).expect("room");
        let mut traffic = Traffic::new();
        traffic.count(&[]);
        let mut sleeper = DeepSleeper::new(consumer.pid());
        for number in 0..20 {
            sleeper.runs_into_sleep();
            push(&mut producer, &mut traffic, number);
            assert_eq!(sleeper.woken(), Some(0), "{doorbell:?}: frame {number}");
        }
        sleeper.runs_into_sleep();
        drop(producer);
        assert_eq!(sleeper.woken(), Some(0), "{doorbell:?}: close");
        drop(sleeper);
        counts(consumer, &traffic);
    }
}

/// Stops the consumer until the producer sleeps.
fn sleeps_for_room(
    producer: &mut FrameProducer,
    page: &SleepPage,
    consumer: &Program,
    fill: impl FnOnce(&mut FrameProducer) + Send,
) {
    consumer.signal(libc::SIGSTOP);
    let parks = page.read().producer.parks;
    thread::scope(|scope| {
        let (say, hear) = mpsc::channel();
        scope.spawn(move || {
            // SAFETY: the call has no arguments.
            say.send(unsafe { libc::gettid() }).expect("the test runs");
            fill(producer);
        });
        let thread = hear.recv().expect("a thread") as u32;
        until("the producer sleeps", || {
            page.read().producer.parks > parks && is_asleep(thread)
        });
        consumer.signal(libc::SIGCONT);
    });
}

fn c_wakes_a_producer_that_waits_for_room() {
    let program = Consumer::compiled();
    for doorbell in DOORBELLS {
        let name = RingName::new("c-wakes");
        let mut producer = producer(&name, 1024, doorbell);
        let page = SleepPage::open(&name.file());
        let consumer = program.start(name.as_str());
        until("the client takes the role", || producer.peer_epoch() > 0);
        let mut traffic = Traffic::new();
        for round in 0..20 {
            sleeps_for_room(&mut producer, &page, &consumer, |producer| {
                for number in 0..20 {
                    push(producer, &mut traffic, round * 20 + number);
                }
            });
        }
        drop(producer);
        counts(consumer, &traffic);
        assert_eq!(page.read().producer.rescues, 0, "{doorbell:?}");
    }
}

fn c_that_wakes_only_its_own_process_is_detected() {
    let program = Consumer::compile_private();
    let name = RingName::new("c-private");
    let mut producer = producer(&name, 64, DoorbellKind::Futex);
    let page = SleepPage::open(&name.file());
    let consumer = program.start(name.as_str());
    until("the client takes the role", || producer.peer_epoch() > 0);
    // A single missing wake may still arrive; eight in a row do not.
    for _ in 0..8 {
        sleeps_for_room(&mut producer, &page, &consumer, |producer| {
            (0..4).for_each(|_| producer.push(&[0; 16]).expect("a consumer"));
        });
    }
    assert!(page.read().producer.rescues >= 1);
}

fn c_is_killed_and_the_next_holder_continues() {
    let program = Consumer::compiled();
    let name = RingName::new("c-killed");
    let mut producer = producer(&name, 1 << 16, DoorbellKind::Futex);
    let file = SegmentFile::open(&name.file());
    let mut first = program.start(name.as_str());
    let mut ends = Vec::new();
    for number in 0..FRAMES / 20 {
        producer.push(&frame(number)).expect("room");
        ends.push(producer.position());
    }
    first.kill();
    let head = file.read(HEAD);
    let mut traffic = Traffic::new();
    for (number, _) in ends.iter().enumerate().filter(|(_, end)| **end > head) {
        traffic.count(&frame(number as u64));
    }
    let second = program.start(name.as_str());
    for number in ends.len() as u64..FRAMES / 10 {
        push(&mut producer, &mut traffic, number);
    }
    drop(producer);
    counts(second, &traffic);
}

/// Pushes a few frames, reports that, and waits until it is killed.
fn doomed_producer(arguments: &[String]) {
    let ring = RingOptions::new(4096).open::<[u8]>(&arguments[0]);
    let mut producer = ring.expect("a ring").producer().expect("the role is free");
    let mut traffic = Traffic::new();
    (0..10).for_each(|number| push(&mut producer, &mut traffic, number));
    println!("{traffic}");
    loop {
        thread::park();
    }
}

fn c_notices_a_producer_that_was_killed() {
    let program = Consumer::compiled();
    let name = RingName::new("c-death");
    drop(producer(&name, 4096, DoorbellKind::Futex));
    let doomed = Child::start("doomed_producer", &[name.as_str()]);
    let said = doomed.says();
    let consumer = program.start(name.as_str());
    let file = SegmentFile::open(&name.file());
    until("all is read", || file.read(HEAD) == file.read(TAIL));
    drop(doomed);
    let output = format!("{said}, producer crashed\n");
    assert_eq!(consumer.end().said(), output);
}
