//! The examples of sleeping and waking.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use quoit::Observer;

use super::example::*;

#[test]
fn a_feed_that_another_process_kills_restarts_too() {
    let mut example = begun("three_feeds --ticks", 3, 0);
    let process = example.pid();
    let files = || files_of("three_feeds", process).into_iter();
    let is_read = |ring: &PathBuf| Observer::open(ring).is_ok_and(|ring| ring.positions().head > 0);
    until("each ring is read", || files().filter(is_read).count() == 3);
    signal(children(process)[0], libc::SIGKILL);
    assert!(example.line().contains(" has closed or crashed, all "));
    assert!(example.line().ends_with(" is back"));
    example.signal(libc::SIGINT);
    example.end().is(130, "", "interrupted\n");
    assert_eq!(files().next(), None);
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
