//! The examples of sleeping and waking.

use std::fs;

use super::example::Example;

#[test]
fn two_rings_are_read_in_one_loop() {
    let example = Example::start("two_rings", &["--ticks", "2000"]);
    let process = example.pid();
    // "buy 0" to "buy 199"
    example.says("2000 ticks and 200 orders of 1290 bytes");
    let left = fs::read_dir("/dev/shm").expect("shared memory");
    let names = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ours = format!("quoit-two-rings-{process}");
    assert_eq!(names.filter(|name| name.starts_with(&ours)).count(), 0);
}

#[test]
fn a_handler_profiles_its_thread() {
    let ended = Example::start("profiler", &["--milliseconds", "300"]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let samples = ended.output.lines().last().expect("a summary");
    let count: u64 = samples
        .strip_suffix(" samples")
        .and_then(|count| count.parse().ok())
        .expect("a count");
    assert!(count > 0, "{ended:?}");
    assert!(ended.output.contains("thrice"), "{ended:?}");
}

#[test]
fn the_sleeping_examples_explain_themselves() {
    for (example, option) in [("two_rings", "--ticks"), ("profiler", "--rate")] {
        let help = Example::start(example, &["--help"]).end();
        assert!(help.output.contains(option), "{help:?}");
        let refused = Example::start(example, &[option, "many"]).end();
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(refused.errors.contains(option), "{refused:?}");
    }
}
