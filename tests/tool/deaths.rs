//! Signals end the tool, after it has cleaned up. A limit whose signal would kill it is
//! reported as an error.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use mcap::MessageStream;
use mcap::read::Options;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::recordings::frames_of;
use crate::tool::*;

const SIGNALS: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// The tool as a process with a limit.
pub(crate) fn limited(resource: Resource, most: u64, output: Stdio, arguments: &[&str]) -> Program {
    let (current, maximum) = (Some(most), Some(most));
    let set = move || Ok(setrlimit(resource, Rlimit { current, maximum })?);
    let mut command = Command::new(PATH);
    // SAFETY: what runs between fork and exec makes one syscall.
    unsafe { command.args(arguments).pre_exec(set) };
    Program::start_on(output, &mut command)
}

pub(crate) fn a_signal_kills_each_command_after_it_has_left_the_ring() {
    let directory = file_directory();
    for signal in SIGNALS {
        let file = &*file_in(&directory, &signal.to_string());
        let ends = [Role::Consumer, Role::Consumer, Role::Producer];
        for (command, role) in ["recv", "record", "send"].into_iter().zip(ends) {
            let name = RingName::new("leaves");
            let arguments = [command, &name, file];
            let arguments = &arguments[..if command == "record" { 3 } else { 2 }];
            // It leaves no core behind.
            let tool = limited(Resource::Core, 0, Stdio::piped(), arguments);
            let observer = observer(&name);
            until("it has its role", || observer.endpoint(role).epoch > 0);
            let recorded = command == "record";
            let mut producer = recorded.then(|| FrameProducer::open(&name).expect("a role"));
            if let Some(producer) = &mut producer {
                producer.push_kind(3, b"frame").expect("room");
                until("the frame is recorded", || producer.is_empty());
            }
            tool.signal(signal);
            until("it leaves", || observer.endpoint(role).is_closed);
            tool.end().with(128 + signal, "");
        }
        let again = RingName::new("leaves-again");
        run(&["replay", &again, file], b"").quietly();
        assert_eq!(frames_of(&again), [(3, b"frame".to_vec())]);
    }
}

pub(crate) fn a_recording_at_a_limit_of_its_size_is_readable() {
    let directory = file_directory();
    let expected = (0..100).map(|number| (0, vec![number; 10]));
    let recorded = |limit: u64| {
        let (name, mut producer) = frames("limited", 4096);
        (0..100).for_each(|number| producer.push(&[number; 10]).expect("room"));
        drop(producer);
        let file = file_in(&directory, &limit.to_string());
        let record = ["record", &name, &file];
        let ended = limited(Resource::Fsize, limit, Stdio::piped(), &record).end();
        (name, file, ended)
    };
    // Without room for its header it takes nothing.
    let (name, file, ended) = recorded(40);
    ended.with(1, "File too large");
    assert!(!Path::new(&file).exists());
    assert_eq!(frames_of(&name).len(), 100);
    let (_, file, ended) = recorded(1 << 20);
    ended.quietly();
    let all = length(file);
    // Without room for the last byte of the summary, and for the only chunk.
    for (limit, kept) in [(all - 1, 100), (2000, 0)] {
        let (name, file, ended) = recorded(limit);
        ended.with(1, "File too large");
        let again = RingName::new("limited-again");
        run(&["replay", &again, &file], b"").with(6, "broken after");
        let replayed = (kept > 0).then(|| frames_of(&again));
        let mut messages = replayed.unwrap_or_default();
        assert_eq!(messages.len(), kept, "limit {limit}");
        messages.extend(frames_of(&name));
        assert!(messages.into_iter().eq(expected.clone()), "limit {limit}");
        // It ends with the last whole chunk.
        let bytes = fs::read(file).expect("a recording");
        let stream = MessageStream::new_with_options(&bytes, Options::IgnoreEndMagic.into());
        let messages: Result<Vec<_>, _> = stream.expect("MCAP").collect();
        assert_eq!(messages.expect("whole messages").len(), kept);
    }
}

pub(crate) fn long_messages_are_released_one_by_one() {
    const BYTES: usize = 32 << 10;
    let directory = file_directory();
    let (name, mut producer) = frames("long-messages", 4 << 20);
    (0..64).for_each(|_| producer.push(&[b'x'; BYTES]).expect("room"));
    drop(producer);
    let file = File::create(directory.path().join("lines")).expect("a file");
    let most = 32 * BYTES as u64;
    let ended = limited(Resource::Fsize, most, file.into(), &["recv", &name]).end();
    ended.with(1, "File too large");
    // Each is written with a line feed, so that the last one does not fit.
    assert_eq!(frames_of(&name).len(), 64 - 31);
}

pub(crate) fn an_output_at_a_limit_of_its_size_loses_nothing() {
    let directory = file_directory();
    let path = directory.path().join("lines");
    let name = RingName::new("limited-output");
    let lines = numbers(10_000);
    run(&["send", &name], &lines).quietly();
    let file = File::create(&path).expect("a file");
    let ended = limited(Resource::Fsize, 20_000, file.into(), &["recv", &name]).end();
    ended.with(1, "File too large");
    let written = fs::read(&path).expect("a file");
    assert_eq!(written.len(), 20_000);
    let rest = receive(&name);
    assert!(lines.starts_with(&written) && lines.ends_with(&rest));
    assert!(written.len() + rest.len() >= lines.len());
}

pub(crate) fn a_receiver_whose_reader_closed_frees_its_role() {
    let (name, mut producer) = frames("head", 4096);
    producer.push(b"one").expect("room");
    let mut receiver = start(&["recv", &name]);
    assert_eq!(receiver.reads_until("\n"), "one\n");
    receiver.stop_reading();
    // Nothing else comes.
    receiver.end().quietly();
    assert!(producer.is_abandoned());
    producer.push(b"two").expect("room");
    drop(producer);
    assert_eq!(receive(&name), b"two\n");
}

pub(crate) fn a_watcher_whose_reader_closed_ends_at_once() {
    let (name, mut producer) = frames("unwatched", 4096);
    producer.push(b"one").expect("room");
    let mut tail = start(&["tail", "--follow", &name]);
    tail.reads_until("one\n");
    let day = ["top", "--interval", "24h", "--json", &name];
    for mut tool in [tail, start(&day)] {
        tool.stop_reading();
        tool.end().quietly();
    }
}
