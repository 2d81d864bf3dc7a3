//! An example as a process.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
pub(crate) use std::process::Stdio;

use regex::Regex;

pub(crate) use super::common::clock::until;
use super::common::names::RingName;
pub(crate) use super::common::program::*;

/// Starts an example with its arguments, as in a shell: `demo --count 7`.
pub(crate) fn start(words: &str) -> Program {
    start_on(Stdio::piped(), words)
}

pub(crate) fn start_on(output: Stdio, words: &str) -> Program {
    Program::start_on(output, &mut command(words))
}

/// Starts an endpoint of this ring.
pub(crate) fn end_of(ring: &RingName, words: &str) -> Program {
    start(&format!("{words} --name {ring}"))
}

pub(crate) fn run(words: &str) -> Ended {
    start(words).end()
}

/// The example is in target/PROFILE/examples, seen from target/PROFILE/deps.
pub(crate) fn command(words: &str) -> Command {
    let test = env::current_exe().expect("this binary's path");
    let profile = test.ancestors().nth(2).expect("a profile's directory");
    let mut words = words.split(' ');
    let example = words.next().expect("an example");
    let mut command = Command::new(profile.join("examples").join(example));
    command.args(words);
    command
}

/// What the process of an example, started with these words, has mapped in memory, or has made
/// there or among the temporary files.
pub(crate) fn files_of(words: &str, process: u32) -> BTreeSet<PathBuf> {
    let example = words.split(' ').next().expect("an example");
    let example = example.replace('_', "-");
    let its = Regex::new(&format!(r"/quoit-{example}-{process}(\D[^/]*)?$")).expect("a pattern");
    let folders = [PathBuf::from("/dev/shm"), env::temp_dir()];
    let entries = folders
        .iter()
        .flat_map(|place| fs::read_dir(place).expect("a directory"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let made = paths.filter(|path| its.is_match(&path.to_string_lossy()));
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let words = maps.split_whitespace();
    let mapped = words.filter(|word| word.starts_with("/dev/shm/"));
    made.chain(mapped.map(PathBuf::from)).collect()
}

/// Starts an endless example, and waits until it has this many files and children.
pub(crate) fn begun(words: &str, files: usize, processes: usize) -> Program {
    let mut command = command(&format!("{words} 1000000000"));
    // In a group of its own, for a Ctrl-C.
    let example = Program::start(command.process_group(0));
    until("it has begun", || {
        files_of(words, example.pid()).len() >= files && children(example.pid()).len() >= processes
    });
    example
}

/// Whether a process has mapped such memory.
pub(crate) fn maps(process: u32, what: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"));
    maps.is_ok_and(|maps| !maps.is_empty() && maps.contains(what))
}
