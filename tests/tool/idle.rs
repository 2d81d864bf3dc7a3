//! Commands that have nothing to do, and text that no process reads.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use quoit::{FrameProducer, Producer};
use serde_json::Value;

use crate::common::child::is_asleep;
use crate::common::names::{RingName, file_directory, shared_memory_directory};
use crate::common::naps::Naps;
use crate::deaths::with_limit;
use crate::endings::wait_until;
use crate::streams::numbers;
use crate::terminal::{On, Terminal};
use crate::tool::{Tool, file_in};

pub(crate) fn a_command_that_waits_hardly_wakes() {
    let directory = file_directory();
    let [new, quiet, left, full, wide] =
        ["new", "quiet", "left", "full", "wide"].map(RingName::new);
    let recording = &*file_in(&directory, "recording");
    // More than fits into the ring that is full.
    Tool::run(&["send", wide.as_str()], &numbers(100)).quietly();
    Tool::run(&["record", wide.as_str(), recording], b"").quietly();
    drop(FrameProducer::create(&left, 4096).expect("a ring"));
    let [recorded, replayed] = ["recorded", "replayed"].map(RingName::new);
    let producer = FrameProducer::create(&recorded, 4096).expect("a ring");
    let of_quiet = FrameProducer::create(&quiet, 4096).expect("a ring");
    let second = &*file_in(&directory, "second");
    let commands: [&[&str]; 9] = [
        &["recv", new.as_str()],
        &["recv", quiet.as_str()],
        &["recv", left.as_str()],
        &["send", full.as_str(), "--capacity", "64"],
        &["send", wide.as_str()],
        &["record", recorded.as_str(), second],
        &["replay", replayed.as_str(), recording, "--capacity", "1K"],
        &["tail", "--follow", quiet.as_str()],
        &["top", "--interval", "1s", quiet.as_str()],
    ];
    let mut tools: Vec<_> = commands
        .iter()
        .map(|command| Tool::start(command))
        .collect();
    tools[3].feed(&numbers(1000));
    let mut live = Terminal::start(On::All, &["top", quiet.as_str()]);
    live.until("it is shown", |screen| screen.contents().contains("quiet"));
    for tool in &tools {
        wait_until("it waits", || is_asleep(tool.pid()));
    }
    // Until what comes at the start is over.
    thread::sleep(Duration::from_millis(500));
    let watched = tools.iter().map(Tool::pid).chain([live.pid()]);
    let names = commands.iter().map(|command| command.join(" "));
    let names = names.chain(["top on a terminal".to_owned()]);
    let naps: Vec<_> = names
        .zip(watched)
        .map(|(name, pid)| Naps::count(name, pid))
        .collect();
    thread::sleep(Duration::from_secs(2));
    let restless: Vec<_> = naps.iter().filter_map(Naps::too_many).collect();
    assert_eq!(restless, [""; 0]);
    drop((producer, of_quiet));
}

/// Kilobytes of a process that no file has.
fn private_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

pub(crate) fn a_tail_of_any_length_begins_at_once_and_needs_little_memory() {
    let [many, large] = ["many", "large"].map(RingName::new);
    let mut producer = FrameProducer::create(&many, 1 << 22).expect("a ring");
    while producer.try_push(b"y").is_ok() {}
    let mut producer = FrameProducer::create(&large, 1 << 24).expect("a ring");
    producer.push(&vec![b'y'; 1 << 22]).expect("room");
    // 262,144 messages have 25 megabytes of text. A message is copied whole.
    for (name, most) in [(&many, 4 << 10), (&large, (4 + 4) << 10)] {
        for follow in [&[][..], &["--follow"]] {
            let tail = ["tail", name.as_str(), "-n", "100000000"];
            let mut tail = Tool::start(&[&tail[..], follow].concat());
            tail.reads_until("\n");
            // It has no other reason to sleep than its output.
            wait_until("the output is full", || is_asleep(tail.pid()));
            let memory = private_memory(tail.pid());
            assert!(memory < most, "{name}: {memory} KiB");
            tail.stop_reading();
            tail.end().quietly();
        }
    }
    // All of it comes, if it is read.
    let name = RingName::new("thousands");
    Tool::run(&["send", name.as_str()], &numbers(5000)).quietly();
    let text = Tool::run(&["tail", name.as_str(), "-n", "4000"], b"").text();
    assert_eq!(text.matches("position").count(), 4000);
}

/// No ring keeps a file open, so no command stops at a limit, or leaves rings out.
pub(crate) fn more_rings_than_open_files_are_all_seen() {
    let directory = shared_memory_directory();
    for number in 0..200 {
        let ring = Producer::<u64>::create(file_in(&directory, &format!("ring-{number}")), 64);
        drop(ring.expect("a ring"));
    }
    let seen = |arguments: &[&str], unit: &str| {
        let mut command = Command::new(Tool::PATH);
        with_limit(command.args(arguments), libc::RLIMIT_NOFILE, [50; 2]);
        let text = Tool::start_command(Stdio::piped(), &mut command)
            .end()
            .text();
        assert_eq!(text.matches(unit).count(), 200, "{arguments:?}");
        text
    };
    let (all, first) = (file_in(&directory, "ring-*"), file_in(&directory, "ring-1"));
    let top = ["top", "--json", "--count", "1", "--interval", "10ms"];
    // Twice the same is one.
    let twice = [&top[..], &[&all, &first, &first]].concat();
    let look: Value = serde_json::from_str(&seen(&twice, "\"incarnation\"")).expect("JSON");
    assert_eq!(look["events"].as_array().map(Vec::len), Some(0));
    seen(&["list", &file_in(&directory, "")], "/ring-");
    seen(&["stat", "--json", &all], "\"incarnation\"");
    seen(&["metrics", &all], "state=\"ok\"} 1");
}
