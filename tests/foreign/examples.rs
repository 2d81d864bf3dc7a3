//! What the examples take, and how they end.

use std::fs;
use std::io::Write;
use std::process::Command;

use quoit::{DoorbellKind, FrameProducer, RingOptions, WaitStrategy};

use super::consumers::{EXAMPLES, PYTHON, c, python, start};
use super::traffic::{Traffic, frame};
use super::until;
use crate::common::PATIENCE;
use crate::common::calls::{Wait, pop};
use crate::common::child::is_asleep;
use crate::common::fork::{forked, kill, pause};
use crate::common::program::Program;
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    the_examples_take_every_frame_from_the_head_on,
    the_examples_close_whatever_ends_them,
    closed_standard_streams_put_nothing_into_a_ring,
    python_exits_cleanly_if_no_process_reads_its_answer,
    python_observes_and_changes_nothing,
    python_has_no_role_in_a_child,
}

/// The state of the consumer, and what it is when it has closed in its first epoch.
const STATE: u64 = HEAD + 128;
const CLOSED: u64 = 1 << 1 | 1;

fn the_examples_take_every_frame_from_the_head_on() {
    const FRAMES: u64 = 20_000;
    for (client, doorbell, strategy) in [
        ("consume.c", DoorbellKind::Futex, WaitStrategy::Park),
        ("consume.c", DoorbellKind::Semaphore, WaitStrategy::Park),
        // It wakes no peer.
        ("quoit.py", DoorbellKind::Futex, WaitStrategy::Yield),
    ] {
        // The positions wrap.
        let options = RingOptions::new(4096).first_position(u64::MAX - 31);
        let options = options.doorbell(doorbell).wait_strategy(strategy);
        let (ring, name) = named::<[u8]>("stream", &options);
        let (mut producer, mut first) = ends(&ring);
        producer.push(b"taken before").expect("room");
        assert_eq!(first.skip(1), Ok(1));
        drop(first);
        let mut traffic = Traffic::new();
        let mut send = |producer: &mut FrameProducer, number| {
            let frame = frame(number);
            let pushed = producer.push_timeout(&frame, PATIENCE);
            pushed.expect("a consumer takes it");
            traffic.count(&frame);
        };
        (0..10).for_each(|number| send(&mut producer, number));
        let example = start(client, &name);
        until("it takes the role", || producer.peer_epoch() == 2);
        (10..FRAMES).for_each(|number| send(&mut producer, number));
        drop(producer);
        let said = example.end().text();
        let all = traffic.to_string();
        assert!(said.starts_with(&all), "{client}: {said} is not {all}");
    }
}

/// What ends an example: its producer closes or crashes, none can attach any more, or a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Close,
    Crash,
    Unlink,
    Signal(i32),
}

/// A program that Ctrl-C ends has closed, and counts as closed, not as crashed.
fn the_examples_close_whatever_ends_them() {
    use Cause::{Close, Crash, Signal, Unlink};
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].map(Signal);
    for client in EXAMPLES {
        for cause in [&[Close, Crash, Unlink], &signals[..]].concat() {
            let (ring, name) = named::<[u8]>("endings", &RingOptions::new(1024));
            let closes = (cause == Close).then(|| producer(&ring));
            let doomed = (cause == Crash).then(|| {
                forked(|| {
                    let _end = producer(&ring);
                    pause();
                })
            });
            let file = SegmentFile::open(&name.file());
            let program = start(client, &name);
            until("it takes the role", || file.read(STATE) != 0);
            // Where it waits for a producer, or for a frame.
            until("it sleeps", || is_asleep(program.pid()));
            match cause {
                Close => drop(closes),
                Crash => {
                    until("its producer attaches", || file.read(TAIL + 128) != 0);
                    kill(doomed.expect("a child"));
                }
                Unlink => fs::remove_file(name.file()).expect("a name"),
                Signal(number) => program.signal(number),
            }
            let ended = program.end();
            match cause {
                Unlink => continue,
                Signal(number) => ended.is(128 + number, "", ""),
                Close | Crash => {
                    let crashed = ended.text().contains("crashed");
                    assert_eq!(crashed, (client, cause) == ("consume.c", Crash));
                }
            }
            assert_eq!(file.read(STATE), CLOSED, "{client} has closed: {cause:?}");
        }
    }
}

/// If a ring were opened with the number of a closed stream, it would receive the program's output.
fn closed_standard_streams_put_nothing_into_a_ring() {
    let c = format!("{} \"$0\"", c().display());
    let python = format!("python3 -B {PYTHON}/quoit.py consume \"$0\"");
    for client in [c, python] {
        for closed in [">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"] {
            for is_taken in [false, true] {
                let (ring, name) = named::<[u8]>("closed-streams", &RingOptions::new(1024));
                drop(producer(&ring));
                let holder = is_taken.then(|| consumer(&ring));
                let fixed = || fs::read(name.file()).expect("a segment")[..TAIL as usize].to_vec();
                let before = fixed();
                let mut command = Command::new("sh");
                let script = format!("exec {client} {closed}");
                let ended = Program::start(command.args(["-c", &script, &name])).end();
                let case = format!("{script}, with a consumer: {is_taken}: {ended:?}");
                assert!(before == fixed(), "{case} has written into the ring");
                let is_done = ended.code == Some(0);
                assert_eq!(is_done, !is_taken && closed == "2>&-", "{case}");
                drop(holder);
            }
        }
    }
}

/// What it would say is lost; that is no error of the program, and its role is free again.
fn python_exits_cleanly_if_no_process_reads_its_answer() {
    let options = RingOptions::new(1024).wait_strategy(WaitStrategy::Yield);
    let (ring, name) = named::<[u8]>("python-unread", &options);
    let mut producer = producer(&ring);
    let mut reader = start("quoit.py", &name);
    reader.stop_reading();
    producer.push(b"a frame").expect("room");
    drop(producer);
    reader.end().quietly();
    drop(consumer(&ring));
}

fn python_observes_and_changes_nothing() {
    // The positions wrap.
    let options = RingOptions::new(1024).first_position(u64::MAX - 7);
    let (ring, name) = named::<[u8]>("python-observes", &options);
    let (mut producer, consumer) = ends(&ring);
    producer.push(b"sixteen in ring").expect("room");
    drop(consumer);
    let file = SegmentFile::open(&name.file());
    let before = file.header();
    let said = python(&["observe", &name]).end().text();
    let pid = std::process::id();
    for line in [
        "frames, capacity 1024 bytes, slots of 1 bytes".to_owned(),
        "tail 24, head 18446744073709551608, unread 32 (3 %)".to_owned(),
        format!("producer: process {pid}, epoch 1, parks 0, wakes 1, rescues 0"),
        "consumer: closed, epoch 1, parks 0, wakes 2, rescues 0".to_owned(),
    ] {
        assert!(said.lines().any(|said| said == line), "{line} in\n{said}");
    }
    assert!(before == file.header(), "the header has changed");
}

/// It has inherited everything of the consumer.
fn python_has_no_role_in_a_child() {
    let (ring, name) = named::<[u8]>("python-child", &RingOptions::new(1024));
    producer(&ring).push(b"first").expect("room");
    let program = format!(
        "
import os, sys, time
sys.path.insert(0, {PYTHON:?})
import quoit
consumer = quoit.Consumer({:?})
if os.fork() == 0:
    try:
        list(consumer.frames())
    except quoit.Refused:
        consumer.leave()
        print('refused', flush=True)
    os.read(0, 100)
    os._exit(0)
time.sleep(1000)
",
        name.as_str()
    );
    let mut parent = Program::start(Command::new("python3").args(["-B", "-c", &program]));
    assert_eq!(parent.line(), "refused");
    assert!(ring.consumer().is_err(), "the parent has the role");
    let input = parent.child().stdin.take();
    parent.kill();
    let popped = pop::<[u8]>(&mut consumer(&ring), Wait::Never);
    assert_eq!(popped, Ok((0, b"first".to_vec())));
    // The child still reads.
    let written = input.expect("a pipe").write_all(b"there?\n");
    written.expect("the child runs");
}
