//! What the examples take, and how they end.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use quoit::{DoorbellKind, RingOptions, WaitStrategy};

use super::consumers::{EXAMPLES, PYTHON, c, private_c, python, python_program, start};
use super::traffic::{Traffic, frame};
use super::{push, until};
use crate::common::child::is_asleep;
use crate::common::fork::{forked, kill, pause};
use crate::common::program::Program;
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    the_examples_take_every_frame_and_wake_their_producer,
    c_that_wakes_only_its_own_process_is_detected,
    c_is_killed_and_the_next_holder_continues,
    c_notices_a_producer_that_was_killed,
    the_examples_close_whatever_ends_them,
    closed_standard_streams_put_nothing_into_a_ring,
    python_exits_cleanly_if_no_process_reads_its_answer,
    python_observes_and_changes_nothing,
    python_cannot_use_a_consumer_in_a_child,
}

const FRAMES: u64 = 20_000;
/// The state of the consumer, and what it is when it has closed in its first epoch.
const STATE: u64 = HEAD + 128;
const CLOSED: u64 = 1 << 1 | 1;

/// Sends at least these frames to a consumer, which says what it has taken. Stops it this many
/// times, until its producer sleeps; returns how often that woke by itself.
fn takes_all(
    consumer: impl FnOnce(&str) -> Program,
    options: &RingOptions,
    frames: u64,
    stops: u64,
) -> u64 {
    // The positions wrap.
    let options = options.clone().first_position(u64::MAX - 31);
    let (ring, name) = named::<[u8]>("stream", &options);
    let page = SleepPage::open(&name.file());
    let file = SegmentFile::open(&name.file());
    let mut producer = producer(&ring);
    let consumer = consumer(&name);
    let (say, hear) = mpsc::channel();
    let (stop, is_over) = mpsc::channel::<()>();
    let traffic = thread::scope(|scope| {
        let sender = scope.spawn(move || {
            // SAFETY: the call has no arguments.
            say.send(unsafe { libc::gettid() }).expect("the test runs");
            let (mut traffic, mut number) = (Traffic::new(), 0);
            while number < frames || is_over.try_recv() == Err(TryRecvError::Empty) {
                push(&mut producer, &mut traffic, number);
                number += 1;
            }
            traffic
        });
        let thread = hear.recv().expect("a thread") as u32;
        for _ in 0..stops {
            consumer.signal(libc::SIGSTOP);
            let parks = page.read().producer.parks;
            until("the producer sleeps", || {
                page.read().producer.parks > parks && is_asleep(thread)
            });
            let tail = file.read(TAIL);
            consumer.signal(libc::SIGCONT);
            until("the producer continues", || file.read(TAIL) != tail);
        }
        drop(stop);
        sender.join().expect("no panic")
    });
    let said = consumer.end().text();
    assert!(
        said.starts_with(&traffic.to_string()),
        "{said} is not {traffic}"
    );
    assert!(!said.contains("crashed"), "{said}");
    page.read().producer.rescues
}

fn the_examples_take_every_frame_and_wake_their_producer() {
    let options = RingOptions::new(4096).spin(Duration::ZERO);
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let options = options.clone().doorbell(doorbell);
        let rescues = takes_all(|name| start("consume.c", name), &options, FRAMES, 20);
        assert_eq!(rescues, 0, "{doorbell:?}");
    }
    // It wakes no peer, so the producer does not sleep.
    let options = RingOptions::new(1 << 16).wait_strategy(WaitStrategy::Yield);
    takes_all(|name| start("quoit.py", name), &options, FRAMES, 0);
}

fn c_that_wakes_only_its_own_process_is_detected() {
    let options = RingOptions::new(4096).spin(Duration::ZERO);
    let private = |name: &str| Program::start(Command::new(private_c()).arg(name));
    // A single missing wake may still arrive; eight in a row do not.
    assert!(takes_all(private, &options, 0, 8) >= 1);
}

fn c_is_killed_and_the_next_holder_continues() {
    let (ring, name) = named::<[u8]>("c-killed", &RingOptions::new(1 << 16));
    let mut producer = producer(&ring);
    let file = SegmentFile::open(&name.file());
    let mut first = start("consume.c", &name);
    let mut sent = Vec::new();
    for number in 0..FRAMES / 4 {
        producer.push(&frame(number)).expect("room");
        sent.push((number, producer.position()));
    }
    first.kill();
    let head = file.read(HEAD);
    let mut traffic = Traffic::new();
    for (number, _) in sent.into_iter().filter(|(_, end)| *end > head) {
        traffic.count(&frame(number));
    }
    let second = start("consume.c", &name);
    for number in FRAMES / 4..FRAMES / 2 {
        push(&mut producer, &mut traffic, number);
    }
    drop(producer);
    second
        .end()
        .is(0, &format!("{traffic}, producer closed\n"), "");
}

fn c_notices_a_producer_that_was_killed() {
    let (ring, name) = named::<[u8]>("c-death", &RingOptions::new(4096));
    let mut traffic = Traffic::new();
    (0..10).for_each(|number| traffic.count(&frame(number)));
    let doomed = forked(|| {
        let mut producer = producer(&ring);
        (0..10).for_each(|number| producer.push(&frame(number)).expect("room"));
        pause();
    });
    let consumer = start("consume.c", &name);
    let file = SegmentFile::open(&name.file());
    until("all is read", || {
        file.read(TAIL) > 0 && file.read(HEAD) == file.read(TAIL)
    });
    kill(doomed);
    consumer
        .end()
        .is(0, &format!("{traffic}, producer crashed\n"), "");
}

/// What ends an example: its producer closes, none can attach any more, or a signal.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Close,
    Unlink,
    Signal(i32),
}

/// A program that Ctrl-C ends has closed, and counts as closed, not as crashed.
fn the_examples_close_whatever_ends_them() {
    use Cause::{Close, Signal, Unlink};
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].map(Signal);
    for client in EXAMPLES {
        for cause in [&[Close, Unlink], &signals[..]].concat() {
            let (ring, name) = named::<[u8]>("endings", &RingOptions::new(1024));
            let producer = matches!(cause, Close).then(|| producer(&ring));
            let file = SegmentFile::open(&name.file());
            let program = start(client, &name);
            until("it takes the role", || file.read(STATE) != 0);
            // Where it waits for a producer, or for a frame.
            until("it sleeps", || is_asleep(program.pid()));
            match cause {
                Close => drop(producer),
                Unlink => fs::remove_file(name.file()).expect("a name"),
                Signal(number) => program.signal(number),
            }
            let ended = program.end();
            match cause {
                Close => drop(ended.quietly()),
                Unlink => continue,
                Signal(number) => ended.is(128 + number, "", ""),
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

fn python_cannot_use_a_consumer_in_a_child() {
    let (ring, name) = named::<[u8]>("python-child", &RingOptions::new(1024));
    producer(&ring).push(b"first").expect("room");
    let program = "
child = os.fork()
if child == 0:
    try:
        for frame in consumer.frames():
            print('taken in the child')
    except quoit.Refused:
        consumer.leave()
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), list(consumer.frames()))
";
    let ended = python_program(&name, program).end();
    ended.is(0, "7 [b'first']\n", "");
}
