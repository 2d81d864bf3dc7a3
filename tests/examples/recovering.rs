//! The example whose processes are killed and restarted.

use super::example::{Example, signal_to, wait_until};
use super::{children_of, directory_of};

#[test]
fn payments_are_booked_exactly_once() {
    let example = Example::start("exactly_once", &["--payments", "20000", "--kills", "40"]);
    let process = example.pid();
    example.says("20000 payments, 40 kills: each booked exactly once");
    assert_eq!(directory_of("exactly-once", process), None);
}

#[test]
fn an_interrupted_example_leaves_nothing() {
    let endless = ["--payments", "1000000000"];
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let example = Example::start("exactly_once", &endless);
        let process = example.pid();
        let has_begun = || directory_of("exactly-once", process).is_some();
        wait_until("the example has begun", has_begun);
        example.signal(signal);
        let ended = example.end();
        assert_eq!(ended.code, Some(128 + signal), "{ended:?}");
        assert_eq!(ended.errors, "interrupted\n");
        assert_eq!(directory_of("exactly-once", process), None);
    }
}

#[test]
fn an_example_that_loses_a_process_fails_and_leaves_nothing() {
    let endless = ["--payments", "1000000000", "--kills", "0"];
    let example = Example::start("exactly_once", &endless);
    let process = example.pid();
    wait_until("both have begun", || children_of(process).len() == 2);
    signal_to(children_of(process)[0], libc::SIGKILL);
    let ended = example.end();
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert!(ended.errors.contains("ended with signal: 9"), "{ended:?}");
    assert_eq!(directory_of("exactly-once", process), None);
}

#[test]
fn the_example_has_a_help_text() {
    let help = Example::start("exactly_once", &["--help"]).end();
    assert!(help.output.contains("--kills"), "{help:?}");
    let refused = Example::start("exactly_once", &["--kills", "many"]).end();
    assert_ne!(refused.code, Some(0), "{refused:?}");
}
