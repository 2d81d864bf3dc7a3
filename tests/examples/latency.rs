//! The example that measures round trips.

use regex::Regex;

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
    let times = said.strip_suffix(&last).expect("a summary");
    let form = r"^p50: (\d+) ns\np99: (\d+) ns\np99.9: (\d+) ns\np99.99: (\d+) ns\n$";
    let times = Regex::new(form).expect("a pattern").captures(times);
    let (_, times) = times.expect(&said).extract::<4>();
    let times = times.map(|time| time.parse::<u64>().expect("a number"));
    assert!(times[0] > 0 && times.is_sorted(), "{said}");
    assert!(files_of("latency", process).is_empty());
    let refused = "error: this process may not use core 4096\n";
    run("latency --cores 0,4096").is(1, "", refused);
}
