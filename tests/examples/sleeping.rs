//! The examples of sleeping and waking.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::children_of;
use super::common::segment_file::{HEAD, SegmentFile};
use super::example::{Example, signal_to, wait_until};

/// How many rings of this process exist.
fn rings_of(process: u32) -> usize {
    names_of("two-rings", process)
}

fn names_of(example: &str, process: u32) -> usize {
    let left = fs::read_dir("/dev/shm").expect("shared memory");
    let names = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ours = format!("quoit-{example}-{process}-");
    names.filter(|name| name.starts_with(&ours)).count()
}

#[test]
fn two_rings_are_read_in_one_loop() {
    let example = Example::start("two_rings", &["--ticks", "2000"]);
    let process = example.pid();
    // "buy 0" to "buy 199"
    example.says("2000 ticks and 200 orders of 1290 bytes");
    assert_eq!(rings_of(process), 0);
}

#[test]
fn an_event_loop_serves_a_socket_and_two_rings() {
    let example = Example::start("event_loop", &["--ticks", "2000"]);
    let process = example.pid();
    example.says("one loop: 2000 ticks, 200 orders, 200 lines echoed");
    assert_eq!(names_of("event-loop", process), 0);
}

#[test]
fn an_interrupt_ends_the_event_loop_and_all_its_peers() {
    let mut example = Example::start("event_loop", &["--ticks", "1000000000"]);
    let process = example.pid();
    let path = format!("/dev/shm/quoit-event-loop-{process}-orders");
    wait_until("there is a ring", || Path::new(&path).exists());
    let segment = SegmentFile::open(Path::new(&path));
    wait_until("it is read", || segment.read(HEAD) > 0);
    example.signal(libc::SIGINT);
    let line = example.line();
    assert!(line.starts_with("one loop: "), "{line}");
    assert_eq!(example.end().code, Some(128 + libc::SIGINT));
    assert_eq!(names_of("event-loop", process), 0);
}

#[test]
fn an_interrupt_ends_the_loop_and_both_senders() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let example = Example::start("two_rings", &["--ticks", "1000000000"]);
        let process = example.pid();
        for ring in ["ticks", "orders"] {
            let path = format!("/dev/shm/quoit-two-rings-{process}-{ring}");
            wait_until("there is a ring", || Path::new(&path).exists());
            let segment = SegmentFile::open(Path::new(&path));
            wait_until("it is read", || segment.read(HEAD) > 0);
        }
        let senders = children_of(process);
        assert_eq!(senders.len(), 2);
        example.signal(signal);
        let ended = example.end();
        assert_eq!(
            (ended.code, ended.errors.as_str()),
            (Some(128 + signal), "")
        );
        let said: Vec<_> = ended.output.split_whitespace().collect();
        let [
            ticks,
            "ticks",
            "and",
            orders,
            "orders",
            "of",
            bytes,
            "bytes",
        ] = said[..]
        else {
            panic!("{ended:?}");
        };
        let [ticks, orders, bytes] = [ticks, orders, bytes].map(|number| {
            let number: usize = number.parse().expect("a number");
            number
        });
        assert!(ticks > 0 && orders > 0, "{ended:?}");
        let sent = (0..orders).map(|number| format!("buy {number}").len());
        assert_eq!(bytes, sent.sum::<usize>(), "{ended:?}");
        assert_eq!(rings_of(process), 0);
        for sender in senders {
            let path = format!("/proc/{sender}");
            assert!(!Path::new(&path).exists(), "a sender is left");
        }
    }
}

#[test]
fn a_feed_is_killed_and_restarts() {
    let example = Example::start("three_feeds", &["--ticks", "20000"]);
    let process = example.pid();
    let ended = example.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let lines: Vec<_> = ended.output.lines().collect();
    let [killed, gone, back, last] = lines[..] else {
        panic!("{ended:?}");
    };
    assert_eq!((killed, back), ("south is killed", "south is back"));
    assert!(
        gone.starts_with("south has closed or crashed, all "),
        "{ended:?}"
    );
    let expected = "3 feeds of 20000 ticks, 1 killed, 1 crash and 1 restart reported, none lost";
    assert_eq!(last, expected);
    assert_eq!(names_of("three-feeds", process), 0);
}

#[test]
fn a_feed_that_another_process_kills_restarts_too() {
    let mut example = Example::start("three_feeds", &["--ticks", "1000000000"]);
    let process = example.pid();
    for venue in ["north", "south", "west"] {
        let path = format!("/dev/shm/quoit-three-feeds-{process}-{venue}");
        wait_until("there is a ring", || Path::new(&path).exists());
        let segment = SegmentFile::open(Path::new(&path));
        wait_until("it is read", || segment.read(HEAD) > 0);
    }
    signal_to(children_of(process)[0], libc::SIGKILL);
    assert!(example.line().contains(" has closed or crashed, all "));
    assert!(example.line().contains(" is back"));
    example.signal(libc::SIGINT);
    let ended = example.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.errors, "interrupted\n");
    assert_eq!(names_of("three-feeds", process), 0);
}

#[test]
fn a_handler_profiles_its_thread() {
    let example = Example::start("profiler", &["--milliseconds", "300"]);
    let threads = format!("/proc/{}/task", example.pid());
    let count = || fs::read_dir(&threads).map_or(0, Iterator::count);
    wait_until("it works", || count() == 2);
    // Wall-clock time that is not CPU time of its thread.
    example.signal(libc::SIGSTOP);
    thread::sleep(Duration::from_millis(500));
    example.signal(libc::SIGCONT);
    let ended = example.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.output.contains("thrice"), "{ended:?}");
    let mut lines = ended.output.lines().rev().map(str::split_whitespace);
    let mut line = || lines.next().expect("a summary").collect::<Vec<_>>();
    let [count, "samples", "in", worked, "ms", "of", "CPU", "time"] = line()[..] else {
        panic!("{ended:?}");
    };
    let ["samples", "from", first, "to", last, "ms"] = line()[..] else {
        panic!("{ended:?}");
    };
    assert!(count.parse::<u64>().expect("a count") > 0, "{ended:?}");
    let times = [first, last, worked].map(|time| time.parse::<f64>().expect("a time"));
    assert!(times[0] > 0.0 && times.is_sorted(), "{ended:?}");
    assert!(times[2] >= 300.0, "{ended:?}");
}

#[test]
fn the_sleeping_examples_have_help_texts() {
    for (example, option) in [
        ("event_loop", "--ticks"),
        ("two_rings", "--ticks"),
        ("three_feeds", "--ticks"),
        ("profiler", "--rate"),
    ] {
        let help = Example::start(example, &["--help"]).end();
        assert!(help.output.contains(option), "{help:?}");
        let refused = Example::start(example, &[option, "many"]).end();
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(refused.errors.contains(option), "{refused:?}");
    }
}

#[test]
fn numbers_are_echoed_over_both_doorbells() {
    let example = Example::start("doorbells", &["--trips", "500"]);
    let process = example.pid();
    let ended = example.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let last = ended.output.lines().last();
    let expected = "500 numbers returned over futexes, and 500 over semaphores";
    assert_eq!(last, Some(expected), "{ended:?}");
    assert_eq!(names_of("doorbells", process), 0);
}

#[test]
fn interrupted_doorbells_leave_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let example = Example::start("doorbells", &["--trips", "1000000000"]);
        let process = example.pid();
        wait_until("there are rings", || names_of("doorbells", process) == 2);
        example.signal(signal);
        let ended = example.end();
        assert_eq!(ended.code, Some(128 + signal), "{ended:?}");
        assert_eq!(ended.errors, "interrupted\n");
        assert_eq!(names_of("doorbells", process), 0);
    }
}
