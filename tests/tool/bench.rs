//! `bench`: what it says, and that nothing stays of it.

use std::fs;

use serde_json::Value;

use crate::endings::wait_until;
use crate::looking::refuses;
use crate::tool::{Ended, Tool};

/// The rings of the bench with this process.
fn left(pid: u32) -> usize {
    let begin = format!("quoit-bench-{pid}-");
    let entries = fs::read_dir("/dev/shm").expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.filter(|name| name.to_string_lossy().starts_with(&begin));
    names.count()
}

/// The processes that this one has started.
fn children(pid: u32) -> Vec<libc::pid_t> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the kernel tells");
    let pids = children.split_whitespace().map(str::parse);
    pids.collect::<Result<_, _>>().expect("numbers")
}

const WAYS: [&str; 4] = ["pipe", "Unix socket", "quoit parked", "quoit spinning"];

pub(crate) fn bench_says_what_it_measured_in_json_and_as_a_table() {
    let answer = Tool::run(&["bench", "--quick", "--json"], b"").quietly();
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    for figure in ["round_trip_nanoseconds", "stream_nanoseconds_per_message"] {
        for way in WAYS {
            let of = |name: &str| answer[figure][way][name].as_u64().expect("a number");
            assert!(0 < of("p50") && of("p50") <= of("p99"), "{answer}");
            assert!(of("p99") <= of("max"), "{answer}");
        }
    }
    let text = Tool::run(&["bench", "--quick"], b"").text();
    for way in WAYS {
        assert_eq!(text.matches(way).count(), 2, "{text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

pub(crate) fn bench_leaves_nothing_however_it_ends() {
    let ends: [fn(Tool) -> Ended; 3] = [
        |bench| {
            bench.signal(libc::SIGINT);
            bench.end()
        },
        |bench| {
            bench.signal(libc::SIGTERM);
            bench.end()
        },
        |bench| {
            let worker = children(bench.pid())[0];
            // SAFETY: the bench waits for it, so the pid is still its.
            unsafe { libc::kill(worker, libc::SIGKILL) };
            bench.end()
        },
    ];
    let whys = [(130, ""), (143, ""), (1, "quoit: could not measure: ")];
    for (end, (code, why)) in ends.into_iter().zip(whys) {
        let bench = Tool::start(&["bench"]);
        let pid = bench.pid();
        wait_until("it measures", || children(pid).len() == WAYS.len());
        let ended = end(bench);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.errors.starts_with(why), "{ended:?}");
        assert_eq!(left(pid), 0, "in memory, after {code}");
    }
}

pub(crate) fn what_bench_cannot_do_is_said_at_once() {
    for cores in ["0", "a,b", "0,0", "0,4095"] {
        refuses(&["bench", "--cores", cores], 2, "two different numbers");
    }
    refuses(
        &["bench", "--cores", "1023,1022"],
        1,
        "could not run on core 1023",
    );
}
