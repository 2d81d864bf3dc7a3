//! The example of calls.

use std::fs;

use super::example::{Example, signal_to, wait_until};

fn rings_of(process: u32) -> usize {
    let left = fs::read_dir("/dev/shm").expect("shared memory");
    let names = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ours = format!("quoit-calculator-{process}-");
    names.filter(|name| name.starts_with(&ours)).count()
}

#[test]
fn a_calculator_answers_every_call() {
    let example = Example::start("calculator", &["--calls", "20000"]);
    let process = example.pid();
    let ended = example.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let last = ended.output.lines().last();
    let expected = "20000 calls answered, 20 of them refused, 1 server killed";
    assert_eq!(last, Some(expected), "{ended:?}");
    assert_eq!(rings_of(process), 0);
}

#[test]
fn an_interrupted_caller_leaves_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let example = Example::start("calculator", &["--calls", "1000000000"]);
        let process = example.pid();
        wait_until("there are rings", || rings_of(process) == 2);
        signal_to(process, signal);
        let ended = example.end();
        assert_eq!(ended.code, Some(128 + signal), "{ended:?}");
        assert_eq!(ended.errors, "interrupted\n");
        assert_eq!(rings_of(process), 0);
    }
}

#[test]
fn the_calculator_has_a_help_text() {
    let help = Example::start("calculator", &["--help"]).end();
    assert!(help.output.contains("--calls"), "{help:?}");
    let refused = Example::start("calculator", &["--calls", "many"]).end();
    assert_ne!(refused.code, Some(0), "{refused:?}");
}
