//! Signals at any moment, terminals that accept no output or hang up, and rings that are removed
//! while the tool watches them.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::threads::while_repeating;
use crate::tool::*;

/// Its input is always ready. In a small ring it waits again and again, never for long; in a large
/// one it never waits.
pub(crate) fn a_signal_ends_a_sender_that_is_never_idle() {
    let directory = file_directory();
    let path = file_in(&directory, "sparse");
    let file = fs::File::create(&path).expect("a file");
    file.set_len(1 << 40).expect("a sparse file takes no room");
    for (capacity, pause, most) in [(64, 2, 1000), (1 << 26, 0, 1 << 16)] {
        let (name, mut consumer) = consumed("busy", capacity);
        let send = format!("exec {PATH} send --format raw {name} < {path}");
        let sender = program("sh", &["-c", &send]);
        let mut count = 0;
        while let Ok(frame) = consumer.peek() {
            frame.release();
            count += 1;
            if count == 10 {
                sender.signal(libc::SIGINT);
            }
            assert!(count < most, "it does not hear");
            thread::sleep(Duration::from_millis(pause));
        }
        sender.end().with(130, "");
    }
}

pub(crate) fn a_signal_tears_no_line_of_a_file() {
    let directory = file_directory();
    let path = directory.path().join("lines");
    let (name, mut producer) = frames("lines-to-a-file", 1 << 16);
    let mut number = 0;
    let push = || {
        let line = number.to_string();
        let pushed = producer.push_timeout(line.as_bytes(), Duration::from_millis(10));
        number += u64::from(pushed.is_ok());
    };
    while_repeating(push, || {
        let file = fs::File::create(&path).expect("a file");
        let receiver = start_on(file.into(), &["recv", &name]);
        until("it writes", || length(&path) > 1 << 17);
        receiver.ends_by(libc::SIGINT);
    });
    let text = fs::read_to_string(&path).expect("text");
    let count = text.lines().count() as u64;
    assert!(text.ends_with('\n') && text.lines().eq((0..count).map(|number| number.to_string())));
    let mut consumer = FrameConsumer::open(&name).expect("a ring");
    let next = consumer.try_peek().expect("the next line").to_vec();
    assert_eq!(next, count.to_string().as_bytes(), "none comes twice");
}

pub(crate) fn a_signal_that_was_ignored_still_is() {
    let name = RingName::new("ignored");
    let receive = format!("trap '' INT; exec {} recv {name}", PATH);
    let receiver = program("sh", &["-c", &receive]);
    sleeps(&name, Role::Consumer, 1);
    receiver.signal(libc::SIGINT);
    sleeps(&name, Role::Consumer, 3);
    receiver.ends_by(libc::SIGTERM);
}

/// Its last message goes to a full pipe that no process reads.
pub(crate) fn a_tool_that_hears_no_signal_is_ended_by_later_ones() {
    let name = RingName::new("deaf");
    let (mut full, _reader) = UnixStream::pair().expect("a pair");
    full.set_nonblocking(true).expect("a flag");
    while full.write(&[0; 4096]).is_ok() {}
    full.set_nonblocking(false).expect("a flag");
    let mut command = Command::new(PATH);
    let command = command.args(["recv", "--json", &name]);
    let command = command.stdout(Stdio::null());
    let mut receiver = Program::spawn(command.stderr(OwnedFd::from(full)));
    let observer = observer(&name);
    until("it waits", || observer.endpoint(Role::Consumer).is_asleep);
    let code = receiver.ends_while(|receiver| {
        receiver.signal(libc::SIGTERM);
        thread::sleep(Duration::from_millis(100));
    });
    assert_eq!(code, Some(128 + libc::SIGTERM));
    let is_closed = observer.endpoint(Role::Consumer).is_closed;
    assert!(is_closed, "the first was heard");
}

/// A terminal that no process reads is full after some kilobytes.
pub(crate) fn a_terminal_that_takes_nothing_keeps_no_signal_away() {
    let (name, mut producer) = frames("frozen", 1 << 20);
    (0..5000).for_each(|_| producer.push(&[b'x'; 100]).expect("room"));
    let commands: [&[&str]; 4] = [
        &["recv", &name],
        &["tail", "--follow", "--count", "5000", &name],
        &["top", "--count", "5000", "--interval", "10ms"],
        &["top", "--interval", "10ms", &name],
    ];
    for command in commands {
        for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
            let mut frozen = on_terminal(command);
            frozen.fills();
            frozen.signal(signal);
            assert_eq!(frozen.ends_unread(), Some(code), "{command:?}");
        }
    }
    // Nor does the line that says how far a command is.
    let (name, _) = ring::<[u8]>("frozen-line", 64);
    let send = format!("yes >&2 & exec {PATH} send {name} < <(seq 99)");
    let mut frozen = Terminal::start(SIZE, Terminal::command("bash", &["-c", &send]));
    frozen.fills();
    sleeps(&name, Role::Producer, 5);
    frozen.signal(libc::SIGINT);
    assert_eq!(frozen.ends_unread(), Some(130));
}

pub(crate) fn a_terminal_that_hangs_up_ends_top() {
    let (name, _) = frames("hung-up", 64);
    for action in [libc::SIG_DFL, libc::SIG_IGN] {
        let mut command = Terminal::command(PATH, &["top", &name]);
        on_hang_up(&mut command, action);
        let mut top = Terminal::start(SIZE, command);
        top.shows("hung-up");
        assert_eq!(top.hang_up(), Some(129));
    }
}

pub(crate) fn a_follower_ends_with_its_ring() {
    let (name, mut producer) = frames("followed", 1024);
    let tail = [
        "tail", "--follow", "--oldest", "--count", "3", "--format", "u8", &name,
    ];
    let mut tail = start(&tail);
    // No process takes any of them.
    for number in 0..20_u8 {
        producer.push(&[b'a' + number]).expect("room");
    }
    let text = tail.reads_until(": 116\n");
    let expected =
        (0..20).map(|number| format!("position {}, kind 0: {}", number * 16, 97 + number));
    assert!(text.lines().eq(expected), "{text}");
    drop(producer);
    says(&["rm", &name]);
    tail.end().with(3, "was removed");
}
