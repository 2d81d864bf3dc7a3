//! Standard input, output and error that are closed, full, or opened for the other
//! direction.

use std::fs;
use std::path::Path;

use crate::tool::*;

/// Starts the tool as a shell does, with these redirections.
fn redirected(redirections: &str, arguments: &[&str]) -> Program {
    let script = format!("exec \"$0\" \"$@\" {redirections}");
    let shell = ["-c", &script, PATH];
    program("sh", &[&shell[..], arguments].concat())
}

fn runs(redirections: &str, arguments: &[&str]) -> Ended {
    redirected(redirections, arguments).end()
}

/// To a pipe without a reader it ends quietly.
pub(crate) fn an_answer_that_cannot_be_written_is_a_failure() {
    let name = RingName::new("unanswered");
    send(&name, 3);
    let (silent, _) = frames("silent", 64);
    let (ring, full) = (
        name.as_str(),
        "could not write to standard output: No space left",
    );
    let closed_descriptor = "could not write to standard output: Bad file descriptor";
    let commands: [&[&str]; 19] = [
        &["--help"],
        &["help"],
        &["help", "recv"],
        &["recv", "-h"],
        &["--version"],
        &["list"],
        &["list", "--json"],
        &["stat", ring],
        // Without an endpoint of its own.
        &["top", "--interval", "10ms", ring],
        &["tail", ring],
        &["tail", "--follow", ring],
        &["rm", "--dry-run", ring],
        &["doctor"],
        &["doctor", "--json"],
        &["completions", "bash"],
        &["man"],
        &["bench", "--quick"],
        &["recv", ring],
        // Nothing is removed for an answer that no process can read.
        &["rm", ring],
    ];
    for command in commands {
        runs(">&-", command).with(1, closed_descriptor);
        runs("1</dev/null", command).with(1, closed_descriptor);
        if command[0] != "rm" || command.len() > 2 {
            runs(">/dev/full", command).with(1, full);
        }
    }
    assert_eq!(unread(&name), 48, "all of it stays");
    for command in commands.iter().chain(&[&["tail", "--follow", &silent][..]]) {
        start_on(closed(), command).end().quietly();
    }
}

pub(crate) fn a_command_with_no_standard_descriptors_writes_to_no_wrong_file() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let (name, mut producer) = frames("bare", 4096);
    (0..9).for_each(|number| producer.push(&[number; 9]).expect("room"));
    let recorder = redirected("<&- >&- 2>&-", &["record", "--json", &name, file]);
    until("all is recorded", || producer.is_empty());
    for fd in 0..3 {
        let link = format!("/proc/{}/fd/{fd}", recorder.pid());
        let target = fs::read_link(link).expect("the standard library opens it");
        assert_eq!(target, Path::new("/dev/null"), "descriptor {fd}");
    }
    drop(producer);
    // All is recorded, and the summary that was asked for went nowhere.
    assert_eq!(recorder.end().code, Some(1));
    let again = RingName::new("bare-again");
    run(&["replay", &again, file], b"").quietly();
    assert_eq!(unread(&again), 9 * 24, "what was recorded is whole");
}
