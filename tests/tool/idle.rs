//! Commands that have nothing to do, and text that no process reads.

use std::thread;
use std::time::Duration;

use procfs::process::Process;

use crate::common::naps::Naps;
use crate::tool::*;

pub(crate) fn a_command_that_waits_hardly_wakes() {
    let directory = file_directory();
    let [new, full, wide, replayed] = ["new", "full", "wide", "replayed"].map(RingName::new);
    let recording = &*file_in(&directory, "recording");
    // More than fits into the ring that is full.
    send(&wide, 100);
    run(&["record", &wide, recording], b"").quietly();
    let (left, _) = frames("left", 4096);
    let [(recorded, producer), (quiet, of_quiet)] =
        ["recorded", "quiet"].map(|name| frames(name, 4096));
    let second = &*file_in(&directory, "second");
    let commands: [&[&str]; 9] = [
        &["recv", &new],
        &["recv", &quiet],
        &["recv", &left],
        &["send", &full, "--capacity", "64"],
        &["send", &wide],
        &["record", &recorded, second],
        &["replay", &replayed, recording, "--capacity", "1K"],
        &["tail", "--follow", &quiet],
        &["top", "--interval", "1s", &quiet],
    ];
    let mut tools = commands.map(start);
    tools[3].feed(&numbers(1000));
    let mut live = on_terminal(&["top", &quiet]);
    live.shows("quiet");
    for tool in &tools {
        until("it waits", || is_asleep(tool.pid()));
    }
    // Until what comes at the start is over.
    thread::sleep(Duration::from_millis(500));
    let naps = commands.iter().zip(&tools);
    let naps = naps.map(|(command, tool)| Naps::count(command.join(" "), tool.pid()));
    let live = Naps::count("top on a terminal", live.pid());
    let naps: Vec<_> = naps.chain([live]).collect();
    thread::sleep(Duration::from_secs(2));
    let restless: Vec<_> = naps.iter().filter_map(Naps::too_many).collect();
    assert_eq!(restless, [""; 0]);
    drop((producer, of_quiet));
}

/// Kilobytes of a process that no file has.
fn private_memory(pid: u32) -> u64 {
    let status = Process::new(pid as i32).and_then(|process| process.status());
    status.expect("it lives").rssanon.expect("a number")
}

pub(crate) fn a_tail_of_any_length_begins_at_once_and_needs_little_memory() {
    let (many, mut producer) = frames("many", 1 << 22);
    while producer.try_push(b"y").is_ok() {}
    let (large, mut producer) = frames("large", 1 << 24);
    producer.push(&vec![b'y'; 1 << 22]).expect("room");
    // 262,144 messages have 25 megabytes of text. A message is copied whole.
    for (name, most) in [(&many, 4 << 10), (&large, (4 + 4) << 10)] {
        for follow in [&[][..], &["--follow"]] {
            let tail = ["tail", name, "-n", "100000000"];
            let mut tail = start(&[&tail[..], follow].concat());
            tail.reads_until("\n");
            // It has no other reason to sleep than its output.
            until("the output is full", || is_asleep(tail.pid()));
            let memory = private_memory(tail.pid());
            assert!(memory < most, "{name}: {memory} KiB");
            tail.stop_reading();
            tail.end().quietly();
        }
    }
}
