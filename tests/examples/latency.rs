//! The example that measures round trips.

use super::common::cores;
use super::example::{names_of, run, start};

#[test]
fn round_trips_are_timed_between_two_cores() {
    let allowed = cores::allowed().expect("the cores of this process");
    let [one, other, ..] = allowed[..] else {
        let needs = "error: two processes that spin need two cores\n";
        return run("latency").is(1, "", needs);
    };
    let example = start(&format!("latency --trips 2000 --cores {other},{one}"));
    let process = example.pid();
    let said = example.end().text();
    let lines: Vec<_> = said.lines().collect();
    let last = format!("2000 round trips between cores {other} and {one}");
    assert_eq!((lines.len(), lines[4]), (5, &*last));
    let starts = ["p50: ", "p99: ", "p99.9: ", "p99.99: "];
    let nanos = starts.iter().zip(&lines).map(|(start, line)| {
        let number = line
            .strip_prefix(start)
            .and_then(|line| line.strip_suffix(" ns"));
        number.expect(line).parse().expect(line)
    });
    let nanos: Vec<u64> = nanos.collect();
    assert!(nanos[0] > 0 && nanos.is_sorted(), "{nanos:?}");
    assert!(names_of("latency", process).is_empty());
    let refused = "error: this process may not use core 4096\n";
    run("latency --cores 0,4096").is(1, "", refused);
}
