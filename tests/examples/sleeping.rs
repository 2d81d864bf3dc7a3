//! The examples of sleeping and waking.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::common::segment_file::{HEAD, SegmentFile};
use super::example::*;

/// Starts an endless example, and waits until each of these rings of it is read.
fn reading(words: &str, rings: &[&str]) -> Program {
    let example = begun(words, rings.len(), 0);
    for ring in rings {
        let file = |path: &Path| path.to_string_lossy().ends_with(ring);
        let is_read = || {
            let names = names_of(words, example.pid());
            let path = names.iter().find(|path| file(path));
            path.is_some_and(|path| SegmentFile::open(path).read(HEAD) > 0)
        };
        until("it is read", is_read);
    }
    example
}

#[test]
fn a_feed_that_another_process_kills_restarts_too() {
    let mut example = reading("three_feeds --ticks", &["north", "south", "west"]);
    let process = example.pid();
    signal(children(process)[0], libc::SIGKILL);
    assert!(example.line().contains(" has closed or crashed, all "));
    assert!(example.line().ends_with(" is back"));
    example.signal(libc::SIGINT);
    example.end().is(130, "", "interrupted\n");
    assert!(names_of("three_feeds", process).is_empty());
}

#[test]
fn a_handler_profiles_its_thread() {
    let example = start("profiler --milliseconds 300");
    let threads = format!("/proc/{}/task", example.pid());
    let count = || fs::read_dir(&threads).map_or(0, Iterator::count);
    until("it works", || count() == 2);
    // Wall-clock time that is not CPU time of its thread.
    example.signal(libc::SIGSTOP);
    thread::sleep(Duration::from_millis(500));
    example.signal(libc::SIGCONT);
    let said = example.end().text();
    assert!(said.contains("thrice"), "{said}");
    let mut lines = said.lines().rev().map(str::split_whitespace);
    let mut line = || lines.next().expect("a summary").collect::<Vec<_>>();
    let [count, "samples", "in", worked, "ms", "of", "CPU", "time"] = line()[..] else {
        panic!("{said}");
    };
    let ["samples", "from", first, "to", last, "ms"] = line()[..] else {
        panic!("{said}");
    };
    assert!(count.parse::<u64>().expect("a count") > 0, "{said}");
    let times = [first, last, worked].map(|time| time.parse::<f64>().expect("a time"));
    assert!(times[0] > 0.0 && times.is_sorted(), "{said}");
    assert!(times[2] >= 300.0, "{said}");
}
