//! The examples that need no other program: as a whole, with a closed output, interrupted, without
//! one of their processes, and their help.

use std::fs::File;

use regex::Regex;

use super::common::names::RingName;
use super::example::*;
use super::working::MEMFD;

/// A command and its output, where `..` stands for any text.
const RUNS: &[&str] = &[
    "calculator --calls 20000 => ..\n20000 calls answered, 20 of them refused, 1 server killed",
    "demo --count 20000 => ..\nrecords    20000 sent     20000 verified ..\
        \nframes     20000 sent     20000 verified ..\
        \npipe        2000 sent      2000 verified ..\
        \nsocket      2000 sent      2000 verified ..\
        \nround trip, ns   trips     p50     p90     p99   p99.9       max..\
        \nrecords           1990 ..\nframes            1990 ..\
        \npipe                90 ..\nsocket              90 ..",
    "doorbells --trips 500 => ..\n500 numbers returned over futexes, and 500 over semaphores",
    "event_loop --ticks 2000 => one loop: 2000 ticks, 200 orders, 200 lines echoed",
    "exactly_once --payments 20000 --kills 40 => 20000 payments, 40 kills: each booked exactly once",
    "journal --writers 2 --records 2000 => ..\n2 writers killed, no record lost or torn",
    "latency --trips 1000 => p50: .. ns\np99: ..",
    "pipe --words 100000 => 800000 bytes with CRC-32 a928cb27 on both sides",
    "profiler --milliseconds 20 => ..",
    #[cfg(feature = "shared_memory")]
    "shmem --count 10000 => 10000 numbers went through a Shmem, and their sum is 49995000",
    "tcp_gateway --lines 100 => ..\n400 lines of 4 connections, each in order, none lost",
    "three_feeds --ticks 20000 => south is killed\nsouth has closed or crashed, all ..\
        \nsouth is back\n3 feeds of 20000 ticks, 1 killed, 1 crash and 1 restart reported, none lost",
    "udp_echo --datagrams 500 => Hello, UDP Server!\n500 datagrams echoed by another process",
    "workers --workers 1 --below 0 => 0 primes below 0, counted by 1 workers",
    "workers --workers 3 --below 20000 => 2262 primes below 20000, counted by 3 workers",
    "workers --workers 5 --below 1500 => 239 primes below 1500, counted by 5 workers",
];

/// The examples that others start, with their options.
const OTHERS: &[&str] = &[
    "consumer --name --capacity --count",
    "frames --count --name",
    "producer --name --capacity --count --rate",
];

/// Whether the text is this, with any text for each `..`.
fn matches(text: &str, pattern: &str) -> bool {
    let pattern = regex::escape(pattern).replace(r"\.\.", ".*");
    let pattern = Regex::new(&format!("(?s)^{pattern}$"));
    pattern.expect("a pattern").is_match(text)
}

/// Each runs, and leaves nothing. It ends with success even if no process reads what it says, and
/// fails at its end if what it says finds no room.
#[test]
fn an_example_says_what_it_did() {
    for run in RUNS {
        let (words, expected) = run.split_once(" => ").expect("a command and its output");
        let example = start(words);
        let process = example.pid();
        let said = example.end().text();
        assert!(matches(said.trim_end(), expected), "{words}:\n{said}");
        assert!(said.lines().all(|line| line.len() < 80), "{said}");
        assert!(!said.contains('\x1b'), "{said}");
        assert!(files_of(words, process).is_empty(), "{words}");
        start_on(closed(), words).end().quietly();
        let full = File::options().write(true).open("/dev/full");
        let example = start_on(full.expect("a device").into(), words);
        let process = example.pid();
        example
            .end()
            .with(1, "standard output cannot be written to: No space left");
        assert!(files_of(words, process).is_empty(), "{words}");
    }
}

/// Examples, the names and the children of one that has begun, and what it says when it is interrupted.
/// `RING` is a name of this test.
const ENDLESS: &[(&str, usize, usize, &str)] = &[
    ("calculator --calls", 2, 1, ""),
    ("demo --count", 1, 1, ""),
    ("doorbells --trips", 2, 1, ""),
    ("event_loop --ticks", 2, 2, "one loop: .. lines echoed\n"),
    ("exactly_once --payments", 1, 2, ""),
    ("frames --name RING --count", 0, 0, ""),
    ("latency --trips", 2, 1, ""),
    ("pipe --words", 0, 1, ""),
    #[cfg(feature = "shared_memory")]
    ("shmem --count", 1, 1, ""),
    // These have said what they did before, or may have.
    ("journal --writers", 1, 0, ".."),
    ("tcp_gateway --lines", 1, 0, ".."),
    ("three_feeds --ticks", 3, 3, ""),
    ("udp_echo --datagrams", 1, 1, ".."),
    ("workers --below", 0, 3, ""),
];

#[test]
fn an_interrupted_example_leaves_nothing() {
    for &(words, names, processes, said) in ENDLESS {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let ring = RingName::new("endless");
            let example = begun(&words.replace("RING", &ring), names, processes);
            let (process, others) = (example.pid(), children(example.pid()));
            until("it has its ring", || {
                !words.contains("RING") || ring.file().exists()
            });
            let mut files = files_of(words, process);
            // Of a ring that it has made, the mapping does not have the name.
            files.insert(ring.file());
            match signal {
                libc::SIGINT => example.ctrl_c(),
                _ => example.signal(signal),
            }
            let ended = example.end();
            assert!(matches(ended.said(), said), "{words}: {ended:?}");
            let last = if words.starts_with("event_loop") {
                ""
            } else {
                "interrupted\n"
            };
            let is_it = ended.errors == last || said == ".." && ended.errors.ends_with(last);
            assert!(is_it, "{words}: {ended:?}");
            assert_eq!(ended.code, Some(128 + signal), "{words}");
            assert!(
                !others.into_iter().any(|other| maps(other, "")),
                "{words}: a process is left"
            );
            let after = files_of(words, process);
            let left = files.union(&after).find(|file| file.exists());
            assert_eq!(left, None, "{words}");
        }
    }
}

#[test]
fn an_example_whose_child_is_killed_fails_and_leaves_nothing() {
    for (words, ring, part) in [
        ("demo --count", "/reports", "far"),
        ("exactly_once --kills 0 --payments", "/ring", "pay"),
        ("event_loop --ticks", "/quoit-event-loop-", "send"),
        ("pipe --words", "/quoit-pipe-", "write"),
        ("tcp_gateway --lines", "/quoit-tcp-gateway-", "drain"),
        ("workers --workers 2 --below", MEMFD, "work"),
    ] {
        let example = begun(words, 0, 1);
        let process = example.pid();
        let child = children(process)[0];
        until("its child has attached", || maps(child, ring));
        signal(child, libc::SIGKILL);
        let ended = example.end();
        let said = ended.said();
        assert!(said.is_empty() || said.ends_with("had to wait\n"), "{said}");
        let last = format!("error: {part} ended with signal: 9 (SIGKILL)\n");
        ended.with(1, &last);
        assert!(files_of(words, process).is_empty(), "{words}");
    }
}

#[test]
fn help_is_enough() {
    for words in RUNS.iter().chain(OTHERS) {
        let (words, _) = words.split_once(" => ").unwrap_or((words, ""));
        let mut words = words.split(' ');
        let example = words.next().expect("an example");
        let help = run(&format!("{example} --help")).text();
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{example} {option}");
            if option != "--name" {
                let refused = run(&format!("{example} {option} many"));
                refused.with(2, option);
            }
        }
    }
}

#[test]
fn invalid_arguments_are_refused_with_advice() {
    let ring = RingName::new("advice");
    let holder = end_of(&ring, "consumer --capacity 64");
    until("there is a ring", || ring.file().exists());
    for (words, advice) in [
        (&*format!("producer --name {ring}"), "ask for 64"),
        ("consumer --capacity 1000", "power of two"),
        ("producer --name ", "cannot name a ring"),
        ("producer --rate fast", "--rate <MESSAGES>"),
        ("consumer --rate 5", "try '--help'"),
        (
            &format!("consumer --capacity 64 --name {ring}"),
            "; stop that process first",
        ),
        ("demo --count 0", "not in 1.."),
        ("demo fast", "try '--help'"),
        ("latency --cores 0,0", "need two cores"),
    ] {
        let ended = run(words);
        assert!(ended.code.is_some_and(|code| code > 0), "{ended:?}");
        assert_eq!(ended.said(), "");
        assert!(ended.errors.starts_with("error: "), "{ended:?}");
        assert!(ended.errors.contains(advice), "{ended:?}");
    }
    drop(holder);
    // What is computed from them has 64 bits.
    let options = "calculator --calls, doorbells --trips, exactly_once --kills, exactly_once --payments, \
                   journal --records, pipe --words, profiler --milliseconds";
    for option in options.split(", ") {
        run(&format!("{option} {}", u64::MAX)).with(2, "invalid value");
    }
}
