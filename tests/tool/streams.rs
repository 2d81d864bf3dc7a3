//! Streams from one process to another.

use std::thread;

use crate::common::names::RingName;
use crate::tool::Tool;

/// The numbers up to `last` as `seq` writes them.
pub(crate) fn numbers(last: u32) -> Vec<u8> {
    let lines = (1..=last).map(|number| format!("{number}\n"));
    lines.collect::<String>().into_bytes()
}

pub(crate) fn a_stream_of_lines_goes_through_a_full_ring() {
    let name = RingName::new("lines");
    let ends = ["send", "recv"].map(|end| [end, name.as_str(), "--capacity", "4K", "--unlink"]);
    let receiver = Tool::start(&ends[1]);
    let all = numbers(100_000);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(Tool::run(&ends[0], &all).quietly(), b""));
        assert!(receiver.end().quietly() == all, "the lines differ");
    });
    assert!(!name.file().exists(), "the last one out removes the ring");
}

pub(crate) fn frames_and_raw_bytes_arrive_as_they_were() {
    let every_byte: Vec<u8> = (0..200_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let mut framed = Vec::new();
    for piece in [&b""[..], b"one", &every_byte[..3000], b"two\n\0"] {
        framed.extend((piece.len() as u32).to_le_bytes());
        framed.extend(piece);
    }
    // The ring is so small that a piece of what was read does not fit into a frame.
    for (format, input) in [("raw", every_byte), ("frames", framed)] {
        let name = RingName::new(format);
        let ends = ["send", "recv"]
            .map(|end| [end, name.as_str(), "--format", format, "--capacity", "16K"]);
        let receiver = Tool::start(&ends[1]);
        thread::scope(|scope| {
            scope.spawn(|| Tool::run(&ends[0], &input).quietly());
            assert!(receiver.end().quietly() == input, "{format} differ");
        });
    }
}

pub(crate) fn what_was_moved_is_said_in_json() {
    let name = RingName::new("json");
    let sent = Tool::run(&["--json", "send", name.as_str()], &numbers(1000)).json();
    let received = Tool::run(&["recv", name.as_str(), "--json"], b"").json();
    for (said, action) in [(&sent, "sent"), (&received, "received")] {
        assert_eq!(said["action"], action);
        assert_eq!(said["frames"], 1000);
        assert_eq!(said["bytes"], numbers(1000).len() - 1000);
    }
}
