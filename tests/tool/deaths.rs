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
fn limited(resource: Resource, most: u64, output: Stdio, arguments: &[&str]) -> Program {
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
    const COUNT: u32 = 1000;
    let directory = file_directory();
    let payload = |number: u32| [number.to_le_bytes(); 3].concat();
    let recorded = |limit: u64, is_interrupted| {
        let (name, mut producer) = frames("limited", 1 << 16);
        (0..COUNT).for_each(|number| producer.push(&payload(number)).expect("room"));
        let file = file_in(&directory, &limit.to_string());
        let record = ["record", &name, &file];
        let tool = limited(Resource::Fsize, limit, Stdio::piped(), &record);
        if is_interrupted {
            until("all is recorded", || producer.is_empty());
            tool.signal(libc::SIGINT);
        } else {
            drop(producer);
        }
        (name, file, tool.end())
    };
    // Without room for its header it takes nothing.
    let (name, file, ended) = recorded(40, false);
    ended.with(1, "File too large");
    assert!(!Path::new(&file).exists());
    assert_eq!(frames_of(&name).len(), COUNT as usize);
    let (_, whole, ended) = recorded(1 << 20, false);
    ended.quietly();
    let all = length(&whole);
    // Without room for the last byte of the summary, for half of the chunks, and for any of them.
    for (limit, chunks) in [(all - 1, 4..=4), (all / 2, 1..=3), (2000, 0..=0)] {
        // A signal has it write the summary, and does not hide that this failed.
        let (name, file, ended) = recorded(limit, chunks.start() == &4);
        ended.with(1, "File too large");
        let again = RingName::new("limited-again");
        run(&["replay", &again, &file, "--speed", "max"], b"").with(6, "broken after");
        let replayed = again.file().exists().then(|| frames_of(&again));
        let mut messages = replayed.unwrap_or_default();
        let kept = messages.len();
        assert!(
            chunks.contains(&kept.div_ceil(256)),
            "limit {limit}: {kept}"
        );
        messages.extend(frames_of(&name));
        let expected = (0..COUNT).map(|number| (0, payload(number)));
        assert!(messages.into_iter().eq(expected), "limit {limit}");
        // It ends with the last whole chunk.
        let bytes = fs::read(file).expect("a recording");
        let stream = MessageStream::new_with_options(&bytes, Options::IgnoreEndMagic.into());
        let messages: Result<Vec<_>, _> = stream.expect("MCAP").collect();
        assert_eq!(messages.expect("whole messages").len(), kept);
    }
    // It becomes shorter while it is replayed.
    let (name, mut consumer) = consumed("shortened", 64);
    let player = start(&["replay", &name, &whole, "--speed", "max"]);
    until("it waits for room", || {
        !consumer.is_empty() && is_asleep(player.pid())
    });
    SegmentFile::open(Path::new(&whole)).truncate(all / 2);
    while consumer.pop(&mut [0; 12]).is_ok() {}
    player.end().with(6, "broken after");
}

/// Short lines are released together, long ones one by one.
pub(crate) fn an_output_at_a_limit_of_its_size_loses_nothing() {
    let directory = file_directory();
    let path = directory.path().join("lines");
    for (length, count, together) in [(4, 5000, 256), (32 << 10, 64, 1)] {
        let (name, mut producer) = frames("limited-output", 4 << 20);
        let lines = (0..count).map(|number| format!("{number:0length$}"));
        let lines: Vec<_> = lines.collect();
        let push = |line: &String| producer.push(line.as_bytes()).expect("room");
        lines.iter().for_each(push);
        drop(producer);
        let all = (lines.join("\n") + "\n").into_bytes();
        let file = File::create(&path).expect("a file");
        // Within a line.
        let half = all.len() as u64 / 2 + 101;
        let ended = limited(Resource::Fsize, half, file.into(), &["recv", &name]).end();
        ended.with(1, "File too large");
        let (written, rest) = (fs::read(&path).expect("a file"), receive(&name));
        assert_eq!(written.len() as u64, half);
        assert!(all.starts_with(&written) && all.ends_with(&rest));
        let again = (written.len() + rest.len()).checked_sub(all.len());
        let again = again.expect("nothing is lost");
        assert!(
            again <= together * (length + 1),
            "{again} bytes arrive twice"
        );
    }
}

pub(crate) fn a_command_whose_reader_closed_ends_at_once() {
    let (name, mut producer) = frames("head", 4096);
    producer.push(b"one").expect("room");
    for command in [
        &["tail", "--follow", &name][..],
        &["top", "--interval", "24h", "--json", &name],
        &["recv", &name],
    ] {
        let mut tool = start(command);
        // `top` says nothing for a day.
        if command[0] != "top" {
            tool.reads_until("\n");
        }
        tool.stop_reading();
        // Nothing else comes.
        tool.end().quietly();
    }
    assert!(producer.is_abandoned());
    producer.push(b"two").expect("room");
    drop(producer);
    assert_eq!(receive(&name), b"two\n");
}
