//! Standard output that is closed, full, or opened for the other direction. The transcript has
//! what else may be wrong with a standard stream.

use crate::tool::*;

/// Runs the tool as a shell does, with these redirections.
fn redirected(redirections: &str, arguments: &[&str]) -> Ended {
    let script = format!("exec \"$0\" \"$@\" {redirections}");
    let shell = ["-c", &script, PATH];
    program("sh", &[&shell[..], arguments].concat()).end()
}

/// To a pipe without a reader it ends quietly.
pub(crate) fn an_answer_that_cannot_be_written_is_a_failure() {
    let name = RingName::new("unanswered");
    send(&name, 3);
    let (silent, _producer) = frames("silent", 64);
    let unawaited = RingName::new("unawaited");
    let ring = name.as_str();
    let closed_descriptor = "could not write to standard output: Bad file descriptor";
    let full = "could not write to standard output: No space left";
    let commands: [&[&str]; 18] = [
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
        &["recv", "--unlink", ring],
    ];
    // Nothing is removed for an answer that no process can read.
    let rm = &["rm", ring][..];
    for command in commands.into_iter().chain([rm]) {
        redirected(">&-", command).with(1, closed_descriptor);
        redirected("1</dev/null", command).with(1, closed_descriptor);
    }
    for command in commands {
        redirected(">/dev/full", command).with(1, full);
    }
    // Where nothing is written, it does not wait for a producer either.
    let idle: [&[&str]; 3] = [
        &["tail", "--follow", &silent],
        &["recv", &silent],
        &["recv", &unawaited],
    ];
    for command in commands.into_iter().chain(idle) {
        start_on(closed(), command).end().quietly();
    }
    assert_eq!(unread(&name), 48, "all of it stays");
    start_on(closed(), rm).end().quietly();
}
