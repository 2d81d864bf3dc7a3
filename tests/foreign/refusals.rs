//! The rules of `layout.md` that a client must check, broken one by one: the C example, the
//! Python example and `client.c` refuse the ring, and change nothing.

use std::fs;
use std::process::Command;

use quoit::{DoorbellKind, RingOptions};

use super::c::Consumer;
use super::client::Client;
use super::compiler::directory;
use super::python::start as python;
use super::until;
use crate::common::child::is_asleep;
use crate::common::names::RingName;
use crate::common::program::{Ended, Program};
use crate::common::rings::named;
use crate::common::segment_file::{
    CAPACITY, DATA, DOORBELL, HEAD, LAYOUT, LENGTH, MAGIC, SCHEMA, SHAPE, SLOT_ALIGN, SLOT_SIZE,
    SUPERSEDED, SegmentFile, TAIL,
};

/// Starts one of the three clients that consume frames.
fn start(client: &str, name: &str) -> Program {
    match client {
        "consume.c" => Consumer::compiled().start(name),
        "quoit.py" => python(&["consume", name]),
        _ => Client::compiled().start(&["consume", name, "frames", "1000000"]),
    }
}

fn run(client: &str, name: &str) -> Ended {
    start(client, name).end()
}

/// All refuse a ring with the fault `broken`, and change none of its bytes.
fn refuse(name: &RingName, broken: &str) {
    let segment = || fs::read(name.file()).expect("a segment");
    for client in ALL {
        let before = segment();
        let ended = run(client, name);
        let refused = ended.code.is_some_and(|code| code == 1 || code == 2);
        assert!(refused, "{client} takes a ring with {broken}: {ended:?}");
        let said = ended.errors.starts_with("error: ");
        assert!(said, "{client}, {broken}: {}", ended.errors);
        assert!(before == segment(), "{client} changed a ring with {broken}");
    }
}

const ALL: [&str; 3] = ["consume.c", "quoit.py", "client.c"];
const EXAMPLES: [&str; 2] = ["consume.c", "quoit.py"];

crate::common::suite::tests! {
    every_field_that_a_client_must_check_is_checked,
    the_examples_say_why_they_refuse,
    a_superseded_ring_is_not_taken,
    a_ring_of_semaphores_is_not_for_python,
    frames_that_break_a_rule_are_refused,
    positions_wrap,
    the_examples_close,
    closed_standard_streams_put_nothing_into_a_ring,
    the_examples_close_after_a_signal,
    an_example_does_not_wait_for_a_producer_that_cannot_attach,
    python_holds_no_role_in_a_child,
    python_cannot_use_a_consumer_in_a_child,
}

fn every_field_that_a_client_must_check_is_checked() {
    let name = RingName::new("fields");
    let options = RingOptions::new(1024);
    let ring = options.create::<[u8]>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.push(b"a frame").expect("room");
    drop((producer, ring));
    let file = SegmentFile::open(&name.file());
    let length = file.read(LENGTH);
    let semaphore_of_another_library = 0x0020_0301;
    let bells = [1, 2, semaphore_of_another_library, 1 << 31];
    // Of four bytes or of eight.
    let fields: [(&str, u64, usize, &[u64]); 11] = [
        ("magic", MAGIC, 8, &[0]),
        ("layout", LAYOUT, 4, &[0, 2]),
        ("shape", SHAPE, 4, &[0, 1, 3]),
        (
            "capacity",
            CAPACITY,
            8,
            &[0, 32, 1000, 8192, 1 << 62, 1 << 63],
        ),
        ("slot_size", SLOT_SIZE, 8, &[0, 2, 1 << 60]),
        ("slot_align", SLOT_ALIGN, 4, &[0, 1, 16]),
        ("doorbell", DOORBELL, 4, &bells),
        ("schema", SCHEMA, 8, &[0]),
        ("length", LENGTH, 8, &[0, DATA + 1023, length + 1, u64::MAX]),
        // The upper halves of the two positions.
        ("tail", TAIL, 8, &[1040, u64::MAX]),
        ("head", HEAD, 8, &[4, 24]),
    ];
    for (field, offset, size, values) in fields {
        let before = file.read(offset);
        for value in values {
            file.write_bytes(offset, &value.to_le_bytes()[..size]);
            refuse(&name, &format!("{field} {value:#x}"));
            file.write(offset, before);
        }
    }
    // The valid ring is accepted, so each refusal above is due to its fault.
    for client in EXAMPLES {
        run(client, &name).quietly();
    }
}

fn the_examples_say_why_they_refuse() {
    let name = RingName::new("refused");
    // What the consumer in C says, and what a command in Python does.
    let says = |by_c: &str, command: &str, by_python: &str| {
        let ended = run("consume.c", &name);
        ended.is(2, "", &format!("error: {by_c}\n"));
        let ended = python(&[command, &name]).end();
        assert!(ended.errors.starts_with("error: "), "{ended:?}");
        ended.with(1, by_python);
    };
    says(
        "there is no ring of that name",
        "observe",
        "there is no ring",
    );
    fs::write(name.file(), [0; 20_000]).expect("a file");
    let other = "is not a ring of layout version 1";
    says("it is no quoit ring", "observe", other);
    fs::remove_file(name.file()).expect("the file");
    drop(RingOptions::new(64).create::<u64>(&name).expect("a ring"));
    let records = "it does not hold frames of the default schema";
    says(records, "consume", "does not hold frames");
    fs::remove_file(name.file()).expect("the file");
    let ring = RingOptions::new(1024).create::<[u8]>(&name);
    let ring = ring.expect("a ring");
    let consumer = ring.consumer().expect("the role is free");
    says(
        "it already has a consumer",
        "consume",
        "already has a consumer",
    );
    drop(consumer);
    let file = SegmentFile::open(&name.file());
    file.write(CAPACITY, 1 << 40);
    says("it is corrupt", "consume", "corrupt");
    file.write(CAPACITY, 1024);
    file.write(TAIL, 4096);
    says(
        "its positions are corrupt",
        "consume",
        "its positions cannot be",
    );
    file.write(TAIL, 16);
    file.write(DATA, 1 << 20);
    says("the ring is corrupt", "consume", "corrupt");
}

fn a_superseded_ring_is_not_taken() {
    for client in ALL {
        let name = RingName::new("superseded");
        drop(RingOptions::new(1024).create::<[u8]>(&name));
        SegmentFile::open(&name.file()).write_half(SUPERSEDED, 1);
        let ended = run(client, &name);
        assert!(ended.errors.starts_with("error: "), "{client}: {ended:?}");
    }
}

fn a_ring_of_semaphores_is_not_for_python() {
    let name = RingName::new("semaphores");
    let options = RingOptions::new(1024).doorbell(DoorbellKind::Semaphore);
    drop(options.create::<[u8]>(&name).expect("a ring"));
    let ended = python(&["consume", &name]).end();
    ended.with(1, "sleep on semaphores");
}

fn frames_that_break_a_rule_are_refused() {
    const PADDING: u64 = 0xffff_ffff;
    // The lap ends 16 bytes after the first position.
    let first = 1024 - 16;
    for (broken, published, end_of_lap, begin_of_lap) in [
        ("padding and no frame", 16, PADDING, 0),
        ("padding twice", 32, PADDING, PADDING),
        ("a frame over the end of the lap", 112, 100, 0),
        ("a frame that is not published whole", 16, 16, 0),
        ("a part of a frame after padding", 32, PADDING, 16),
        ("a tail within a header", 4, 0, 0),
        ("a tail within a header after padding", 20, PADDING, 0),
        ("an endless frame", 16, 0xffff_fffe, 0),
    ] {
        let name = RingName::new("frames");
        let options = RingOptions::new(1024).first_position(first);
        drop(options.create::<[u8]>(&name).expect("a ring"));
        let file = SegmentFile::open(&name.file());
        file.write(DATA + first, end_of_lap);
        file.write(DATA, begin_of_lap);
        file.write(TAIL, first + published);
        for client in ALL {
            let ended = run(client, &name);
            let is_refused = ended.errors.contains("is corrupt");
            assert!(is_refused, "{client} takes {broken}: {ended:?}");
            assert_eq!(file.read(HEAD), first, "{client} continues after {broken}");
        }
    }
}

fn positions_wrap() {
    for client in EXAMPLES {
        let name = RingName::new("wraps");
        let options = RingOptions::new(1024).first_position(u64::MAX - 31);
        let ring = options.create::<[u8]>(&name).expect("a ring");
        let mut producer = ring.producer().expect("the role is free");
        let mut traffic = super::traffic::Traffic::new();
        (0..6).for_each(|number| super::push(&mut producer, &mut traffic, number));
        let file = SegmentFile::open(&name.file());
        assert!(file.read(TAIL) < file.read(HEAD), "the tail has wrapped");
        let unread = format!("unread {} ", file.read(TAIL).wrapping_sub(file.read(HEAD)));
        let seen = python(&["observe", &name]).end();
        assert!(seen.said().contains(&unread), "{seen:?}");
        drop(producer);
        let said = run(client, &name).text();
        assert!(said.starts_with(&traffic.to_string()), "{client}");
        assert_eq!(file.read(HEAD), file.read(TAIL), "{client} has read all");
    }
}

fn the_examples_close() {
    for client in EXAMPLES {
        let (ring, name) = named::<[u8]>("close", &RingOptions::new(1024));
        drop(ring.producer().expect("the role is free"));
        run(client, &name).quietly();
        let state = SegmentFile::open(&name.file()).read(HEAD + 128);
        assert_eq!(state, 1 << 1 | 1, "{client} has closed in its first epoch");
    }
}

/// If a ring were opened with the number of a closed stream, it would receive the program's output.
fn closed_standard_streams_put_nothing_into_a_ring() {
    Consumer::compiled();
    let c = directory("consume").join("consume");
    let c = format!("{} \"$0\"", c.display());
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/quoit.py");
    let python = format!("python3 -B {python} consume \"$0\"");
    for client in [c, python] {
        for closed in [">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"] {
            for is_taken in [false, true] {
                let name = RingName::new("closed-streams");
                let options = RingOptions::new(1024);
                let ring = options.create::<[u8]>(&name).expect("a ring");
                drop(ring.producer().expect("the role is free"));
                let holder = is_taken.then(|| ring.consumer().expect("the role is free"));
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

/// A program that Ctrl-C ends has closed, and counts as closed, not as crashed.
fn the_examples_close_after_a_signal() {
    for client in EXAMPLES {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            let name = RingName::new("interrupted");
            let ring = RingOptions::new(1024).create::<[u8]>(&name);
            drop(ring.expect("a ring"));
            let program = start(client, &name);
            let file = SegmentFile::open(&name.file());
            until("it takes the role", || file.read(HEAD + 128) != 0);
            // Where it waits for a producer.
            until("it sleeps", || is_asleep(program.pid()));
            program.signal(signal);
            let ended = program.end();
            let case = format!("{client}, signal {signal}: {ended:?}");
            ended.is(128 + signal, "", "");
            assert_eq!(file.read(HEAD + 128), 1 << 1 | 1, "it has closed: {case}");
        }
    }
}

fn an_example_does_not_wait_for_a_producer_that_cannot_attach() {
    for client in EXAMPLES {
        let (ring, name) = named::<[u8]>("cannot-come", &RingOptions::new(1024));
        let program = start(client, &name);
        let file = SegmentFile::open(&name.file());
        until("it takes the role", || file.read(HEAD + 128) != 0);
        drop((fs::remove_file(name.file()), ring));
        program.end();
    }
}

/// Starts a Python program that has a consumer and child processes.
fn python_program(name: &RingName, program: &str) -> Command {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python");
    let begin = format!(
        "import multiprocessing, os, sys, time\nsys.path.insert(0, {examples:?})\n\
         import quoit\nconsumer = quoit.Consumer({:?})\n",
        name.as_str()
    );
    let mut command = Command::new("python3");
    command.args(["-B", "-c", &(begin + program)]);
    command
}

fn python_holds_no_role_in_a_child() {
    let multiprocessing = "
start = multiprocessing.get_context('fork').Process(target=sys.stdin.read)
start.start()
print('forked', flush=True)
time.sleep(1000)
";
    let fork = "
if os.fork() == 0:
    os.read(0, 1)
    os._exit(0)
print('forked', flush=True)
time.sleep(1000)
";
    for program in [multiprocessing, fork] {
        let (ring, name) = named::<[u8]>("python-forks", &RingOptions::new(1024));
        let mut command = python_program(&name, program);
        let mut parent = Program::start(&mut command);
        assert_eq!(parent.line(), "forked");
        let input = parent.child().stdin.take();
        assert!(ring.consumer().is_err(), "the parent has the role");
        parent.kill();
        // The role is free as soon as the child has run.
        until("the child releases it", || ring.consumer().is_ok());
        drop(input); // the child ends
    }
}

fn python_cannot_use_a_consumer_in_a_child() {
    let (ring, name) = named::<[u8]>("python-child", &RingOptions::new(1024));
    let mut producer = ring.producer().expect("the role is free");
    producer.push(b"first").expect("room");
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
    let ended = Program::start(&mut python_program(&name, program)).end();
    ended.is(0, "7 [b'first']\n", "");
}
