//! The figures of the benches: the result in one sentence, the warning, and the block
//! in `src/docs/numbers.md`; and what they measure.

#[path = "../../benches/common/mod.rs"]
mod benches;

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use benches::exchange::STOP;
use benches::link::{Link, Side};
use benches::{futex, mechanisms, numbers};

/// What one variant took: every operation as long as this.
fn variant(nanos: f64) -> Value {
    json!({ "nanoseconds": nanos, "quantiles": [nanos, 2.0 * nanos] })
}

/// A run with the four mechanisms of the sentence, on a machine that was interrupted this often.
fn runs(preempted: f64) -> Map<String, Value> {
    let figure = json!({
        "preempted_per_second": preempted,
        "variants": {
            "pipe": variant(40_000.0), "Unix stream": variant(38_000.0),
            "quoit spinning": variant(100.0), "quoit parked": variant(39_000.0),
        },
    });
    let bar = |name: &str, verdict: &str| {
        json!({
            "name": name, "value": 1.0, "lower": 0.9, "upper": 1.1, "limit": "<=1.1",
            "verdict": verdict,
        })
    };
    let run = json!({
        "when": "2026-11-30 04:29 UTC",
        "figures": { "machine": "machine: any", "trips_8": figure, "single_trips_8": figure },
        "bars": [bar("kept", "ok"), bar("kept_too", "ok"), bar("not_kept", "missed")],
    });
    Map::from_iter([("transports".to_owned(), run)])
}

const RESULT: &str = "A round trip of 8 bytes between two processes takes 100.0 ns in quoit while \
                      both spin, and 40.00 µs in a pipe, 400 times as long; while both sleep \
                      between messages it takes 39.00 µs in quoit and 38.00 µs in a Unix socket.";

#[test]
fn a_busy_machine_is_reported() {
    assert_eq!(numbers::headline(&runs(5.0)), format!("{RESULT}\n\n"));
    let warning = "more than 100 times a second in 2 of the tables. Measure again";
    let headline = numbers::headline(&runs(1234.0));
    assert!(headline.starts_with(RESULT), "{headline}");
    assert!(headline.contains(warning), "{headline}");
}

#[test]
fn the_page_of_the_documentation_has_a_place_for_the_numbers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("numbers.md");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/numbers.md");
    let before = fs::read_to_string(page).expect("the page");
    fs::write(&path, &before).expect("a copy");
    numbers::replace(&path, &runs(5.0)).expect("the numbers are written");
    let after = fs::read_to_string(&path).expect("the page");
    for part in [
        format!(
            "numbers.md -->\n\n{RESULT}\n\n2026-11-30 04:29 UTC;\nmachine: any.\n\n| mechanism |"
        ),
        "| single round trip | 50 % | 90 % |".to_owned(),
        "| pipe | 40.00 µs | 80.00 µs |\n".to_owned(),
        "<summary>3 targets, 1 not met in this run</summary>".to_owned(),
        "| `not_kept` | 1.000 | 0.900 to 1.100 | `<=1.1` | missed |".to_owned(),
    ] {
        assert!(after.contains(&part), "{part}\n{after}");
    }
    let end = |text: &str| text.rsplit_once("<!-- end").map(|(_, end)| end.to_owned());
    assert_eq!(end(&after), end(&before));
}

/// A default run has pipes, Unix sockets and two other mechanisms of the system.
#[test]
fn each_name_in_the_table_of_mechanisms_is_measured() {
    let directory = tempfile::tempdir().expect("a directory");
    let found = [true, false].map(|all| {
        let found = mechanisms::find::<8>(false, all, directory.path(), directory.path());
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    });
    let [all, mut default] = found;
    for row in numbers::ROWS.lines() {
        let columns: Vec<_> = row.trim().split(" | ").collect();
        assert_eq!(columns.len(), 6, "{row}");
        for name in &columns[3..] {
            assert!(*name == "–" || all.contains(name), "{name}: {all:?}");
        }
    }
    default.retain(|name| !name.starts_with("quoit"));
    assert_eq!(default, ["pipe", "Unix stream", "TCP", "UDP"]);
}

/// A slice has no more messages than words if the machine is busy.
#[test]
fn two_slices_may_end_on_one_word_of_a_bare_waitv() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("words");
    let mut open = futex::wire_many(&path, 2).expect("a file");
    let (mut lead, mut partner) = (open.side(Side::Lead), open.side(Side::Partner));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || while tell.send(partner.receive()).is_ok() {});
    for message in [STOP, 1, STOP, 2, 3] {
        lead.send(message);
        let received = told.recv_timeout(Duration::from_secs(60));
        assert_eq!(received, Ok(message), "the partner sleeps");
    }
}
