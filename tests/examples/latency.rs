//! The example that measures round trips.

use super::common::cores;
use super::example::{files_of, run, start};

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
    let last = format!("2000 round trips between cores {other} and {one}\n");
    let times = said.strip_suffix(&last).expect("a summary").lines();
    let times = times.zip(["p50: ", "p99: ", "p99.9: ", "p99.99: "]);
    let times = times.map(|(line, start)| {
        let number = line
            .strip_prefix(start)
            .and_then(|line| line.strip_suffix(" ns"));
        number.expect(line).parse().expect(line)
    });
    let times: Vec<u64> = times.collect();
    assert!(
        said.lines().count() == 5 && times.len() == 4 && times[0] > 0 && times.is_sorted(),
        "{said}"
    );
    assert!(files_of("latency", process).is_empty());
    let refused = "error: this process may not use core 4096\n";
    run("latency --cores 0,4096").is(1, "", refused);
}
