//! The examples with a closed output: `| head -1`.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use quoit::{FrameConsumer, PopError};

use super::common::names::RingName;
use super::example::{Example, wait_until};
use super::{assert_removed, wait_for_ring};

/// The examples that need no other program, each with a short run.
const ALONE: [(&str, &[&str]); 14] = [
    ("calculator", &["--calls", "2000"]),
    ("demo", &["--count", "1000"]),
    ("doorbells", &["--trips", "50"]),
    ("event_loop", &["--ticks", "200"]),
    ("exactly_once", &["--payments", "200", "--kills", "1"]),
    ("journal", &["--writers", "1", "--records", "100"]),
    ("latency", &["--trips", "1000"]),
    ("pipe", &["--words", "1000"]),
    ("profiler", &["--milliseconds", "20"]),
    ("tcp_gateway", &["--lines", "100"]),
    ("three_feeds", &["--ticks", "20000"]),
    ("two_rings", &["--ticks", "100"]),
    ("udp_echo", &["--datagrams", "20"]),
    ("workers", &["--below", "1000"]),
];
/// The other examples, which a test below or in `shmem.rs` starts.
const OTHERS: [&str; 4] = ["consumer", "frames", "producer", "shmem"];

/// A pipe whose reader has closed.
fn unread() -> Stdio {
    let (reader, writer) = UnixStream::pair().expect("a pair");
    drop(reader);
    OwnedFd::from(writer).into()
}

pub(super) fn start(example: &str, arguments: &[&str]) -> Example {
    Example::start_on(unread(), example, arguments)
}

#[track_caller]
pub(super) fn succeeds(example: Example) {
    let ended = example.end();
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{ended:?}");
}

#[test]
fn an_example_with_a_closed_output_ends_with_success() {
    for (example, arguments) in ALONE {
        println!("{example}");
        succeeds(start(example, arguments));
    }
}

#[test]
fn producer_and_consumer_with_closed_outputs_end_with_success() {
    let ring = RingName::new("unread");
    let arguments = ["--name", ring.as_str(), "--count", "5000"];
    let producer = start("producer", &arguments);
    succeeds(start("consumer", &arguments));
    succeeds(producer);
    assert_removed(&ring);
}

#[test]
fn frames_with_a_closed_output_ends_with_success() {
    let ring = RingName::new("unread-frames");
    let frames = start("frames", &["--name", ring.as_str(), "--count", "100"]);
    wait_for_ring(&ring);
    let mut consumer = None;
    wait_until("the ring has its producer", || {
        consumer = FrameConsumer::open(&ring).ok();
        consumer.is_some()
    });
    let mut consumer = consumer.expect("it was opened");
    let mut frame = Vec::new();
    let error = loop {
        if let Err(error) = consumer.pop_into(&mut frame) {
            break error;
        }
    };
    assert_eq!(error, PopError::Abandoned);
    drop(consumer);
    succeeds(frames);
    assert_removed(&ring);
}

#[test]
fn no_example_prints_in_a_way_that_panics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut examples = Vec::new();
    for folder in ["", "common", "demo"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                for call in ["print!(", "println!("] {
                    assert!(!text.contains(call), "{call} in {}", path.display());
                }
                examples.extend(folder.is_empty().then(|| name.into_owned()));
            }
        }
    }
    examples.push("demo".to_owned());
    examples.sort();
    let mut started: Vec<_> = ALONE.map(|(name, _)| name).to_vec();
    started.extend(OTHERS);
    started.sort_unstable();
    assert_eq!(examples, started, "each example is started by a test");
}
