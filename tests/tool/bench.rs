//! The bench of the tool.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::common::names::files_in;
use crate::tool::*;

/// The rings of the bench with this process.
fn left(pid: u32) -> usize {
    let begin = format!("quoit-bench-{pid}-");
    let files = files_in(Path::new("/dev/shm")).into_iter();
    files.filter(|name| name.starts_with(&begin)).count()
}

const WAYS: [&str; 4] = ["pipe", "Unix socket", "quoit parked", "quoit spinning"];

pub(crate) fn bench_says_what_it_measured_in_json_and_as_a_table() {
    let answer = says_json(&["bench", "--quick", "--json"]);
    for figure in ["round_trip_nanoseconds", "stream_nanoseconds_per_message"] {
        for way in WAYS {
            let of = |name: &str| answer[figure][way][name].as_u64().expect("a number");
            assert!(0 < of("p50") && of("p50") <= of("p99"), "{answer}");
            assert!(of("p99") <= of("max"), "{answer}");
        }
    }
    let text = says(&["bench", "--quick"]);
    for way in WAYS {
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with(way)).collect();
        assert!(rows.len() == 2 && rows[0] != rows[1], "{text}");
    }
    let widths = text.lines().map(|line| line.chars().count());
    assert!(widths.max() <= Some(80), "{text}");
}

pub(crate) fn bench_leaves_nothing_however_it_ends() {
    let ends: [(fn(&Program), _, _); 3] = [
        (Program::ctrl_c, 130, ""),
        (|bench| bench.signal(libc::SIGTERM), 143, ""),
        (
            |bench| signal(children(bench.pid())[0], libc::SIGKILL),
            1,
            "quoit: could not measure: ",
        ),
    ];
    for (end, code, why) in ends {
        let bench = Program::start(Command::new(PATH).arg("bench").process_group(0));
        let pid = bench.pid();
        let ring = format!("quoit-bench-{pid}-quoit-parked-a");
        until("it measures", || {
            Observer::open(&ring).is_ok_and(|ring| ring.positions().tail > 0)
        });
        end(&bench);
        let ended = bench.end();
        assert!(ended.errors.starts_with(why), "{ended:?}");
        ended.with(code, why);
        assert_eq!(left(pid), 0, "in memory, after {code}");
    }
    // Three of its rings have room.
    if own_shm(c"size=300k") {
        let bench = start(&["bench"]);
        let pid = bench.pid();
        bench.end().with(1, "the ring takes");
        assert_eq!(left(pid), 0, "in memory, without room");
    }
}
