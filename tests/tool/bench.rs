//! `bench`: what it says, and that nothing stays of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::child::is_asleep;
use crate::endings::{closed, wait_until};
use crate::looking::refuses;
use crate::tool::{Ended, Tool};

/// The directories of benches in this one.
fn left(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let ours = |name: &OsString| name.to_string_lossy().starts_with("quoit-bench-");
    names.filter(ours).collect()
}

/// The processes that this one has started.
fn children(pid: u32) -> Vec<libc::pid_t> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the kernel tells");
    let pids = children.split_whitespace().map(str::parse);
    pids.collect::<Result<_, _>>().expect("numbers")
}

pub(crate) fn bench_says_what_it_measured_in_json_and_as_a_page() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("report.html");
    let page = file.to_str().expect("UTF-8");
    let answer = Tool::run(&["bench", "--quick", "--json", "--report", page], b"").quietly();
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let figures = &answer["figures"];
    for figure in ["trips_8", "single_trips_8", "streams_64", "streams_1024"] {
        let variants = &figures[figure]["variants"];
        for name in [
            "pipe",
            "Unix stream",
            "TCP",
            "quoit spinning",
            "quoit parked",
        ] {
            let nanos = variants[name]["nanoseconds"].as_f64();
            assert!(nanos.is_some_and(|nanos| nanos > 0.0), "{figure}: {name}");
        }
    }
    for name in ["alone", "watched by top and tail"] {
        let operations = &figures["watched"]["variants"][name]["operations"];
        assert!(operations.as_u64() > Some(0), "{name}");
    }
    assert_eq!(answer["bars"][0]["name"], "watched_throughput_over_alone");
    let text = fs::read_to_string(&file).expect("a page");
    assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"));
    assert!(text.contains("<svg") && text.contains("quoit spinning"));
    let titles = figures.as_object().expect("figures").values();
    let titles: Vec<_> = titles
        .filter_map(|figure| figure["title"].as_str())
        .collect();
    assert_eq!(titles.len(), 5);
    for title in titles {
        assert!(text.contains(&format!("<h3>{title}</h3>")), "{title}");
    }
}

pub(crate) fn bench_writes_its_page_though_nobody_reads() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("report.html");
    let page = file.to_str().expect("UTF-8");
    let measure = ["bench", "--quick", "--report", page];
    Tool::start_on(closed(), &measure).end().quietly();
    let text = fs::read_to_string(&file).expect("a page");
    assert!(text.ends_with("</html>\n"));

    let mut bench = Tool::start(&measure);
    bench.reads_until("a time is a median");
    bench.signal(libc::SIGTERM);
    assert_eq!(bench.end().code, Some(143));
    let after = fs::read_to_string(&file).expect("a page");
    assert_eq!(after, text, "an older page stays until there is a new one");
    let full = fs::File::options().write(true).open("/dev/full");
    let full = full.expect("Linux has one");
    Tool::start_on(full.into(), &["bench"])
        .end()
        .with(1, "No space left");
}

pub(crate) fn bench_leaves_nothing_however_it_ends() {
    let memory = Path::new("/dev/shm");
    let before = left(memory);
    let disk = TempDir::new().expect("a directory");
    let path = disk.path().to_str().expect("UTF-8");
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
            let [worker] = children(bench.pid())[..] else {
                panic!("one process measures");
            };
            // SAFETY: the bench waits for it, so the pid is still its.
            unsafe { libc::kill(worker, libc::SIGKILL) };
            bench.end()
        },
    ];
    let whys = [
        (130, ""),
        (143, ""),
        (
            1,
            "quoit: could not measure: a process of the bench failed\n",
        ),
    ];
    for (end, (code, why)) in ends.into_iter().zip(whys) {
        let mut bench = Tool::start(&["bench", "--disk", path]);
        bench.reads_until("a time is a median");
        let pid = bench.pid();
        wait_until("it waits for its worker", || is_asleep(pid));
        assert_eq!(left(disk.path()).len(), 1);
        let ended = end(bench);
        assert_eq!((ended.code, &*ended.errors), (Some(code), why));
        assert_eq!(left(disk.path()).len(), 0, "on the disk, after {code}");
        assert_eq!(left(memory), before, "in memory, after {code}");
    }
}

pub(crate) fn what_bench_cannot_do_is_said_at_once() {
    for (cores, why) in [
        ("0", "two numbers"),
        ("a,b", "two numbers"),
        ("0,0", "a core of its own"),
        ("0,4095", "core 4095 is none of those allowed"),
    ] {
        refuses(&["bench", "--cores", cores], 2, why);
    }
    let nowhere = "/dev/shm/quoit-no-such-directory/here";
    refuses(&["bench", "--report", nowhere], 1, "could not write");
    refuses(&["bench", "--disk", nowhere], 1, "could not write to");
}
