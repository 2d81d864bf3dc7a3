//! Signals end the tool, after it has cleaned up. A limit whose signal would kill it is
//! reported as an error.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use quoit::{FrameProducer, Observer, Role};

use crate::common::names::{RingName, file_directory};
use crate::endings::{closed, wait_until};
use crate::recordings::frames_of;
use crate::streams::numbers;
use crate::terminal::{On, Terminal};
use crate::tool::Tool;

const SIGNALS: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Sets a limit of the process that this command will be: the one that counts, and how
/// far that may be raised.
pub(crate) fn with_limit(command: &mut Command, resource: impl Into<i64>, [soft, hard]: [u64; 2]) {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    let resource = resource.into();
    let set = move || {
        // SAFETY: the limit outlives the call.
        match unsafe { libc::setrlimit(resource as _, &raw const limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: what runs between fork and exec makes one syscall.
    unsafe { command.pre_exec(set) };
}

/// The tool, which leaves no core behind.
fn start(arguments: &[&str]) -> Tool {
    let mut command = Command::new(Tool::PATH);
    with_limit(command.args(arguments), libc::RLIMIT_CORE, [0; 2]);
    Tool::start_command(Stdio::piped(), &mut command)
}

pub(crate) fn a_signal_kills_each_command_after_it_has_left_the_ring() {
    let directory = file_directory();
    for signal in SIGNALS {
        let file = directory.path().join(signal.to_string());
        let file = file.to_str().expect("UTF-8");
        for (role, command) in [
            (Role::Consumer, &["recv"][..]),
            (Role::Consumer, &["record"]),
            (Role::Producer, &["send"]),
        ] {
            let name = RingName::new("leaves");
            let file = (command[0] == "record").then_some(file);
            let arguments: Vec<_> = [command[0], name.as_str()]
                .into_iter()
                .chain(file)
                .collect();
            let tool = start(&arguments);
            wait_until("there is a ring", || name.file().exists());
            let observer = Observer::open(&name).expect("a ring");
            wait_until("it has its role", || observer.endpoint(role).epoch > 0);
            tool.signal(signal);
            wait_until("it leaves", || observer.endpoint(role).is_closed);
            assert_eq!(tool.end().code, Some(128 + signal), "{command:?}");
        }
        let again = RingName::new("leaves-again");
        Tool::run(&["replay", again.as_str(), file], b"").quietly();
    }
}

pub(crate) fn a_signal_kills_top_after_it_has_left_the_terminal() {
    let name = RingName::new("top-dies");
    drop(FrameProducer::create(&name, 64).expect("a ring"));
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        let mut top = Terminal::start_ignoring(false, &["top", name.as_str()]);
        top.until("it is shown", |screen| {
            screen.contents().contains("top-dies")
        });
        top.signal(signal);
        assert_eq!(top.end(), Some(128 + signal));
        assert!(top.is_as_before());
    }
}

pub(crate) fn ctrl_c_ends_the_loop_of_a_shell() {
    let name = RingName::new("loop");
    let script = format!(
        "for n in 1 2 3; do {} recv {name}; done; exit 9",
        Tool::PATH
    );
    let mut shell = Terminal::start_program("bash", On::All, &["-c", &script], ("TERM", "xterm"));
    wait_until("there is a ring", || name.file().exists());
    let observer = Observer::open(&name).expect("a ring");
    wait_until("it waits", || observer.endpoint(Role::Consumer).is_asleep);
    shell.press("\x03");
    assert_eq!(shell.end(), Some(128 + libc::SIGINT));
    assert_eq!(observer.endpoint(Role::Consumer).epoch, 1, "one round");
}

pub(crate) fn a_recording_at_a_limit_of_its_size_is_readable() {
    let directory = file_directory();
    let payloads = (0..100).map(|number| vec![number; 10]);
    let recorded = |limit: Option<u64>| {
        let name = RingName::new("limited");
        let mut producer = FrameProducer::create(&name, 4096).expect("a ring");
        (0..100).for_each(|number| producer.push(&[number; 10]).expect("room"));
        drop(producer);
        let file = directory.path().join(format!("{limit:?}"));
        let mut command = Command::new(Tool::PATH);
        command.args(["record", name.as_str()]).arg(&file);
        if let Some(limit) = limit {
            with_limit(&mut command, libc::RLIMIT_FSIZE, [limit; 2]);
        }
        let ended = Tool::start_command(Stdio::piped(), &mut command).end();
        (name, file, ended)
    };
    let (_, file, ended) = recorded(None);
    ended.quietly();
    let all = fs::metadata(file).expect("a file").len();
    // Without room for the last byte of the summary, and for the only chunk.
    for (limit, kept) in [(all - 1, 100), (2000, 0)] {
        let (name, file, ended) = recorded(Some(limit));
        ended.with(1, "File too large");
        let again = RingName::new("limited-again");
        let file = file.to_str().expect("UTF-8");
        Tool::run(&["replay", again.as_str(), file], b"").with(6, "broken after");
        let mut messages = match kept {
            0 => Vec::new(),
            _ => frames_of(&again),
        };
        assert_eq!(messages.len(), kept, "limit {limit}");
        messages.extend(frames_of(&name));
        let expected = payloads.clone().map(|payload| (0, payload));
        assert!(messages.into_iter().eq(expected), "limit {limit}");
    }
}

pub(crate) fn a_recording_without_room_for_its_header_takes_nothing() {
    let directory = file_directory();
    let name = RingName::new("no-header");
    Tool::run(&["send", name.as_str()], &numbers(3)).quietly();
    let file = directory.path().join("recording");
    let mut command = Command::new(Tool::PATH);
    command.args(["record", name.as_str()]).arg(&file);
    with_limit(&mut command, libc::RLIMIT_FSIZE, [40; 2]);
    let ended = Tool::start_command(Stdio::piped(), &mut command).end();
    ended.with(1, "File too large");
    assert!(!file.exists());
    assert_eq!(frames_of(&name).len(), 3);
}

pub(crate) fn long_messages_are_released_one_by_one() {
    const BYTES: usize = 32 << 10;
    let directory = file_directory();
    let name = RingName::new("long-messages");
    let mut producer = FrameProducer::create(&name, 4 << 20).expect("a ring");
    (0..64).for_each(|_| producer.push(&[b'x'; BYTES]).expect("room"));
    drop(producer);
    let file = File::create(directory.path().join("lines")).expect("a file");
    let mut command = Command::new(Tool::PATH);
    command.args(["recv", name.as_str()]);
    with_limit(&mut command, libc::RLIMIT_FSIZE, [32 * BYTES as u64; 2]);
    let ended = Tool::start_command(file.into(), &mut command).end();
    ended.with(1, "File too large");
    // Each is written with a line feed, so that the last one does not fit.
    assert_eq!(frames_of(&name).len(), 64 - 31);
}

pub(crate) fn an_output_at_a_limit_of_its_size_loses_nothing() {
    let directory = file_directory();
    let path = directory.path().join("lines");
    let name = RingName::new("limited-output");
    let lines = numbers(10_000);
    Tool::run(&["send", name.as_str()], &lines).quietly();
    let file = File::create(&path).expect("a file");
    let mut command = Command::new(Tool::PATH);
    command.args(["recv", name.as_str()]);
    with_limit(&mut command, libc::RLIMIT_FSIZE, [20_000; 2]);
    let ended = Tool::start_command(file.into(), &mut command).end();
    ended.with(1, "File too large");
    let written = fs::read(&path).expect("a file");
    assert_eq!(written.len(), 20_000);
    let rest = Tool::run(&["recv", name.as_str()], b"").quietly();
    assert!(lines.starts_with(&written) && lines.ends_with(&rest));
    assert!(written.len() + rest.len() >= lines.len());
}

pub(crate) fn a_receiver_whose_reader_closed_gives_its_role_up() {
    let name = RingName::new("head");
    let mut producer = FrameProducer::create(&name, 4096).expect("a ring");
    producer.push(b"one").expect("room");
    let mut receiver = Tool::start(&["recv", name.as_str()]);
    assert_eq!(receiver.reads_until("\n"), "one\n");
    receiver.stop_reading();
    // Nothing else comes.
    receiver.end().quietly();
    assert!(producer.is_abandoned());
    producer.push(b"two").expect("room");
    drop(producer);
    assert_eq!(Tool::run(&["recv", name.as_str()], b"").quietly(), b"two\n");
}

/// In a ring that never had a producer, and in one whose producer has closed.
pub(crate) fn a_receiver_without_a_reader_awaits_no_producer() {
    for had_one in [false, true] {
        let name = RingName::new("unawaited");
        if had_one {
            drop(FrameProducer::create(&name, 4096).expect("a ring"));
        }
        Tool::start_on(closed(), &["recv", name.as_str()])
            .end()
            .quietly();
        assert!(Path::new(&name.file()).exists());
    }
}

pub(crate) fn a_watcher_whose_reader_closed_ends_at_once() {
    let name = RingName::new("unwatched");
    let mut producer = FrameProducer::create(&name, 4096).expect("a ring");
    producer.push(b"one").expect("room");
    let mut tail = Tool::start(&["tail", "--follow", name.as_str()]);
    tail.reads_until("one\n");
    let day = ["top", "--interval", "24h", "--json", name.as_str()];
    for mut tool in [tail, Tool::start(&day)] {
        tool.stop_reading();
        tool.end().quietly();
    }
}
