//! The example that measures round trips.

use std::path::Path;

use super::common::cores;
use super::example::Example;

#[test]
fn round_trips_are_timed_between_two_cores() {
    let allowed = cores::allowed().expect("the cores of this process");
    let [one, other, ..] = allowed[..] else {
        let ended = Example::start("latency", &[]).end();
        let needs = "error: two processes that spin need two cores\n";
        assert_eq!((ended.code, &*ended.errors), (Some(1), needs));
        return;
    };
    let pair = format!("{other},{one}");
    let example = Example::start("latency", &["--trips", "2000", "--cores", &pair]);
    let rings = ["there", "back"];
    let rings = rings.map(|way| format!("/dev/shm/quoit-latency-{}-{way}", example.pid()));
    let ended = example.end();
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""));
    let lines: Vec<_> = ended.output.lines().collect();
    let [p50, p99, p999, p9999, last] = lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        last,
        format!("2000 round trips between cores {other} and {one}")
    );
    let nanos = [
        ("p50: ", p50),
        ("p99: ", p99),
        ("p99.9: ", p999),
        ("p99.99: ", p9999),
    ];
    let nanos = nanos.map(|(name, line)| {
        let number = line
            .strip_prefix(name)
            .and_then(|line| line.strip_suffix(" ns"));
        number
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{line}"))
    });
    assert!(nanos[0] > 0 && nanos.is_sorted(), "{nanos:?}");
    for ring in rings {
        assert!(!Path::new(&ring).exists(), "{ring} is still there");
    }
    let ended = Example::start("latency", &["--cores", "0,4096"]).end();
    let refused = "error: this process may not use core 4096\n";
    assert_eq!((ended.code, &*ended.errors), (Some(1), refused));
}
