//! The tool as a process.

use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, Observer, PopError, Producer, Ring,
    RingOptions, Role, Shape,
};
pub(crate) use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use crate::common::PATIENCE;
pub(crate) use crate::common::child::{Child, hold, is_asleep, say};
pub(crate) use crate::common::clock::until;
pub(crate) use crate::common::mounts::{mount, own_mounts};
pub(crate) use crate::common::names::{RingName, file_directory, shared_memory_directory};
pub(crate) use crate::common::program::*;
use crate::common::rings::{named, sleeps_at};
pub(crate) use crate::common::segment_file::{
    CAPACITY, DATA, LAYOUT, SUPERSEDED, SegmentFile, TAIL,
};
pub(crate) use crate::common::terminal::*;

/// A file in a directory, as an argument.
pub(crate) fn file_in(directory: &TempDir, name: &str) -> String {
    let path = directory.path().join(name);
    path.into_os_string().into_string().expect("UTF-8")
}

/// A ring that no process has opened yet.
pub(crate) fn ring<T: Shape + ?Sized>(name: &str, capacity: u64) -> (RingName, Ring<T>) {
    let (ring, name) = named(name, &RingOptions::new(capacity));
    (name, ring)
}

/// A ring of frames, and its producer.
pub(crate) fn frames(name: &str, capacity: u64) -> (RingName, FrameProducer) {
    let (name, ring) = ring::<[u8]>(name, capacity);
    (name, ring.producer().expect("a role"))
}

/// A ring of frames, and its consumer.
pub(crate) fn consumed(name: &str, capacity: u64) -> (RingName, FrameConsumer) {
    let (name, ring) = ring::<[u8]>(name, capacity);
    (name, ring.consumer().expect("a role"))
}

/// A copy of the tool, which any user can start: the build may be below a private directory.
pub(crate) fn for_any_user() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("ours");
    fs::copy(PATH, directory.path().join("quoit")).expect("a copy");
    directory
}

/// Gives this test a /dev/shm of its own, if it may have one.
pub(crate) fn own_shm(options: &CStr) -> bool {
    let shm = Path::new("/dev/shm");
    let mounted = own_mounts().and_then(|()| mount(c"none", shm, c"tmpfs", 0, options));
    if let Err(error) = &mounted {
        eprintln!("[no mounts of its own: {error}] ");
    }
    mounted.is_ok()
}

/// The text has this part.
#[track_caller]
pub(crate) fn has(text: &str, part: impl AsRef<str>) {
    let part = part.as_ref();
    assert!(text.contains(part), "{part:?} is not in\n{text}");
}

/// The first line with this part.
#[track_caller]
pub(crate) fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let line = text.lines().find(|line| line.contains(part));
    line.unwrap_or_else(|| panic!("{part:?} is not in\n{text}"))
}

/// The value has all of these fields.
#[track_caller]
pub(crate) fn is(value: &Value, fields: &Value) {
    for (key, field) in fields.as_object().expect("fields") {
        match field.is_object() {
            true => is(&value[key], field),
            false => assert_eq!(&value[key], field, "{key} of {value}"),
        }
    }
}

/// Runs the tool to its end, which is to be a good one; what it has said.
#[track_caller]
pub(crate) fn says(arguments: &[&str]) -> String {
    run(arguments, b"").text()
}

#[track_caller]
pub(crate) fn says_json(arguments: &[&str]) -> Value {
    json(&says(arguments))
}

#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What `stat` says of a ring.
#[track_caller]
pub(crate) fn stat(name: &str) -> Value {
    says_json(&["stat", "--json", name])["rings"][0].clone()
}

/// A ring with these lines in it, and both roles free.
#[track_caller]
pub(crate) fn send(name: &str, last: u32) {
    run(&["send", name], &numbers(last)).quietly();
}

#[track_caller]
pub(crate) fn receive(name: &str) -> Vec<u8> {
    run(&["recv", name], b"").quietly()
}

/// The numbers up to `last` as `seq` writes them.
pub(crate) fn numbers(last: u32) -> Vec<u8> {
    let lines = (1..=last).map(|number| format!("{number}\n"));
    lines.collect::<String>().into_bytes()
}

/// What a ring has unread.
pub(crate) fn unread(name: &RingName) -> u64 {
    let observer = Observer::open(name).expect("a ring");
    observer.positions().len()
}

/// Waits until there is such a ring.
pub(crate) fn observer(name: &RingName) -> Observer {
    until("there is a ring", || Observer::open(name).is_ok());
    Observer::open(name).expect("a ring")
}

/// As [`sleeps_at`], of a ring that a process makes.
pub(crate) fn sleeps(name: &RingName, role: Role, times: u64) {
    sleeps_at(&observer(name), role, times);
}

/// The length of a file, if there is one.
pub(crate) fn length(file: impl AsRef<Path>) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

pub(crate) const PATH: &str = env!("CARGO_BIN_EXE_quoit");

/// A running tool.
pub(crate) fn start(arguments: &[&str]) -> Program {
    start_on(Stdio::piped(), arguments)
}

pub(crate) fn start_on(output: Stdio, arguments: &[&str]) -> Program {
    Program::start_on(output, Command::new(PATH).args(arguments))
}

/// Something that becomes the tool.
pub(crate) fn program(program: &str, arguments: &[&str]) -> Program {
    Program::start(Command::new(program).args(arguments))
}

/// Runs the tool with this input to its end.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Ended {
    let mut tool = start(arguments);
    tool.feed(input);
    tool.end()
}

pub(crate) fn on_terminal(arguments: &[&str]) -> Terminal {
    Terminal::start(SIZE, Terminal::command(PATH, arguments))
}
