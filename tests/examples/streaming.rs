//! The examples of streams and of rings in files.

use std::env::temp_dir;
use std::path::Path;

use super::children_of;
use super::common::names::{RingName, file_directory, files_in};
use super::common::segment_file::{DATA, SegmentFile, TAIL};
use super::example::{Example, signal_to, wait_until};

/// The files of an example's process that it has not removed.
fn left_by(example: &str, process: u32, directory: &Path) -> Vec<String> {
    let mut names = files_in(directory);
    names.retain(|name| name.starts_with(&format!("quoit-{example}-{process}")));
    names
}

fn left_by_pipe(process: u32) -> Vec<String> {
    left_by("pipe", process, Path::new("/dev/shm"))
}

fn left_by_journal(process: u32) -> Vec<String> {
    left_by("journal", process, &temp_dir())
}

#[test]
fn a_pipe_has_the_same_checksum_on_both_sides() {
    let example = Example::start("pipe", &["--words", "100000"]);
    let process = example.pid();
    example.says("800000 bytes with CRC-32 a928cb27 on both sides");
    assert_eq!(left_by_pipe(process), [""; 0]);
}

#[test]
fn an_interrupted_pipe_leaves_nothing() {
    let example = Example::start("pipe", &["--words", "100000000000"]);
    let process = example.pid();
    wait_until("both have begun", || children_of(process).len() == 1);
    example.signal(libc::SIGINT);
    let ended = example.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.errors, "interrupted\n");
    assert_eq!(left_by_pipe(process), [""; 0]);
}

#[test]
fn a_pipe_whose_writer_is_killed_fails_and_leaves_nothing() {
    let example = Example::start("pipe", &["--words", "100000000000"]);
    let process = example.pid();
    let segment = Path::new("/dev/shm").join(format!("quoit-pipe-{process}"));
    wait_until("the writer writes", || {
        segment.exists() && SegmentFile::open(&segment).read(TAIL) > 0
    });
    signal_to(children_of(process)[0], libc::SIGKILL);
    let ended = example.end();
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert!(ended.errors.contains("signal: 9"), "{ended:?}");
    assert_eq!(left_by_pipe(process), [""; 0]);
}

#[test]
fn a_journal_survives_its_writers() {
    let example = Example::start("journal", &["--writers", "2", "--records", "2000"]);
    let process = example.pid();
    let ended = example.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let last = ended.output.lines().last();
    assert_eq!(last, Some("2 writers killed, no record lost or torn"));
    assert_eq!(left_by_journal(process), [""; 0]);
}

#[test]
fn an_interrupted_journal_leaves_nothing() {
    let example = Example::start("journal", &["--writers", "1000000"]);
    let process = example.pid();
    wait_until("it has begun", || !left_by_journal(process).is_empty());
    example.signal(libc::SIGINT);
    let ended = example.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.errors, "interrupted\n");
    assert_eq!(left_by_journal(process), [""; 0]);
}

#[test]
fn a_journal_is_written_and_drained_by_separate_commands() {
    let directory = file_directory();
    let file = directory.path().join("journal");
    let path = file.to_str().expect("a path in UTF-8");
    let tail = || match file.exists() {
        true => SegmentFile::open(&file).read(TAIL),
        false => 0,
    };
    let writer = Example::start("journal", &["write", path]);
    wait_until("some records are written", || tail() > 5000);
    writer.kill();
    let (count, last) = (tail(), tail() - 1);
    let drain = || Example::start("journal", &["drain", path]);
    drain().says(&format!("drained {count} records (0 to {last})"));
    drain().says("drained 0 records");

    let full = Example::start("journal", &["write", path]).end();
    assert_eq!(full.code, Some(1), "{full:?}");
    assert_eq!(full.errors, "error: the journal is full; drain it\n");
    // A torn record, as after a failure of the machine, stops the drain.
    let segment = SegmentFile::open(&file);
    let record = count + 5;
    let place = DATA + record % (1 << 17) * 24;
    segment.write(place + 8, segment.read(place + 8) ^ 1);
    let ended = drain().end();
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert_eq!(
        ended.errors,
        format!("error: record {record} is not whole\n")
    );
}

#[test]
fn the_streaming_examples_have_help_texts() {
    for (example, option) in [("pipe", "--words"), ("journal", "--records")] {
        let help = Example::start(example, &["--help"]).end();
        assert!(help.output.contains(option), "{help:?}");
        let refused = Example::start(example, &[option, "many"]).end();
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(refused.errors.contains(option), "{refused:?}");
    }
}

#[test]
fn frames_are_sent_to_any_consumer() {
    let name = RingName::new("frames-example");
    let example = Example::start("frames", &["--name", name.as_str(), "--count", "1000"]);
    wait_until("there is a ring", || name.file().exists());
    let mut consumer = quoit::FrameConsumer::open(&name).expect("a ring");
    let mut frames = 0;
    while frames < 1000 {
        consumer.pop(&mut [0; 200]).expect("a frame");
        frames += 1;
    }
    assert_eq!(consumer.pop(&mut []), Err(quoit::PopError::Abandoned));
    drop(consumer);
    let ended = example.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(
        ended.output.starts_with("1000 frames, checksum "),
        "{ended:?}"
    );
    assert!(ended.output.ends_with(", all read\n"), "{ended:?}");
    assert!(!name.file().exists());
}

#[test]
fn interrupted_frames_leave_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let name = RingName::new("frames-interrupted");
        let example = Example::start("frames", &["--name", name.as_str()]);
        wait_until("there is a ring", || name.file().exists());
        example.signal(signal);
        let ended = example.end();
        assert_eq!(ended.code, Some(128 + signal), "{ended:?}");
        assert_eq!(ended.errors, "interrupted\n");
        assert!(!name.file().exists());
    }
}
