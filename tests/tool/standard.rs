//! Standard input, output and error that are closed, full, or opened for the other
//! direction.

use std::fs;
use std::path::Path;

use quoit::{FrameProducer, Observer};

use crate::common::names::{RingName, file_directory};
use crate::endings::wait_until;
use crate::streams::numbers;
use crate::tool::{Ended, Tool, file_in};

/// Starts the tool as a shell does, with these redirections.
fn start(redirections: &str, arguments: &[&str]) -> Tool {
    let script = format!("exec \"$0\" \"$@\" {redirections}");
    let shell = ["-c", &script, Tool::PATH];
    Tool::start_program("sh", &[&shell[..], arguments].concat())
}

fn run(redirections: &str, arguments: &[&str]) -> Ended {
    start(redirections, arguments).end()
}

fn unread(name: &RingName) -> u64 {
    let observer = Observer::open(name).expect("a ring");
    observer.positions().len()
}

pub(crate) fn an_answer_that_cannot_be_written_is_a_failure() {
    let name = RingName::new("unanswered");
    Tool::run(&["send", name.as_str()], &numbers(3)).quietly();
    let ring = name.as_str();
    let commands: [&[&str]; 16] = [
        &["--help"],
        &["help"],
        &["help", "recv"],
        &["recv", "-h"],
        &["--version"],
        &["list"],
        &["list", "--json"],
        &["stat", ring],
        &["top", "--interval", "10ms", ring],
        &["tail", ring],
        &["tail", "--follow", ring],
        &["recv", ring],
        &["rm", "--dry-run", ring],
        &["doctor"],
        &["completions", "bash"],
        &["man"],
    ];
    for command in commands {
        for (redirection, why) in [
            (">&-", "Bad file descriptor"),
            ("1</dev/null", "Bad file descriptor"),
            (">/dev/full", "No space left"),
        ] {
            let ended = run(redirection, command);
            let why = format!("could not write to standard output: {why}");
            assert!(
                ended.errors.contains(&why),
                "{redirection} {command:?}: {ended:?}"
            );
            ended.with(1, &why);
        }
    }
    // Nothing is measured, or removed, for an answer that no process can read.
    let full = run(">/dev/full", &["bench", "--quick"]);
    full.with(1, "could not write to standard output");
    for command in [&["rm", ring][..], &["bench", "--quick"]] {
        run(">&-", command).with(1, "could not write to standard output");
    }
    assert_eq!(unread(&name), 48, "all of it stays");
}

pub(crate) fn a_receiver_without_an_output_makes_no_ring_and_takes_no_role() {
    let name = RingName::new("no-output");
    run(">&-", &["recv", name.as_str()]).with(1, "Bad file descriptor");
    assert!(!name.file().exists());
    let _producer = FrameProducer::create(&name, 64).expect("a ring");
    run(">&-", &["recv", name.as_str()]).with(1, "Bad file descriptor");
    let observer = Observer::open(&name).expect("a ring");
    assert_eq!(observer.endpoint(quoit::Role::Consumer).epoch, 0);
}

pub(crate) fn a_sender_without_an_input_makes_no_ring() {
    let name = RingName::new("no-input");
    for redirection in ["<&-", "0>/dev/null", "0>>/dev/full"] {
        let why = "could not read standard input: Bad file descriptor";
        run(redirection, &["send", name.as_str()]).with(1, why);
        assert!(!name.file().exists(), "{redirection}");
    }
    // A read tells it; by then the ring is there.
    let why = "could not read standard input: Is a directory";
    run("</", &["send", name.as_str()]).with(1, why);
    assert!(Path::new(&name.file()).exists());
}

pub(crate) fn a_summary_that_cannot_be_written_is_a_failure() {
    for redirection in ["2>&-", "2>/dev/full", "2</dev/null"] {
        let name = RingName::new("untold");
        let arguments = ["send", "--json", name.as_str()];
        let mut sender = start(redirection, &arguments);
        sender.feed(&numbers(3));
        let ended = sender.end();
        assert_eq!((ended.code, &*ended.errors), (Some(1), ""), "{redirection}");
        assert_eq!(unread(&name), 48, "what was sent is there");
        // Without anything to say it does not matter.
        let ended = run(redirection, &["recv", name.as_str()]);
        assert_eq!((ended.code, ended.output), (Some(0), numbers(3)));
        // The code is what is left of an error.
        let none = name.as_str().replace("untold", "none");
        assert_eq!(run(redirection, &["stat", &none]).code, Some(3));
        assert_eq!(run(redirection, &["no-such-command"]).code, Some(2));
    }
}

pub(crate) fn a_command_with_no_standard_descriptors_writes_to_no_wrong_file() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let name = RingName::new("bare");
    let mut producer = FrameProducer::create(&name, 4096).expect("a ring");
    (0..9).for_each(|number| producer.push(&[number; 9]).expect("room"));
    let recorder = start("<&- >&- 2>&-", &["record", "--json", name.as_str(), file]);
    wait_until("all is recorded", || producer.is_empty());
    for fd in 0..3 {
        let link = format!("/proc/{}/fd/{fd}", recorder.pid());
        let target = fs::read_link(link).expect("the standard library opens it");
        assert_eq!(target, Path::new("/dev/null"), "descriptor {fd}");
    }
    drop(producer);
    // All is recorded, and the summary that was asked for went nowhere.
    assert_eq!(recorder.end().code, Some(1));
    let again = RingName::new("bare-again");
    Tool::run(&["replay", again.as_str(), file], b"").quietly();
    assert_eq!(unread(&again), 9 * 24, "what was recorded is whole");
}

pub(crate) fn an_input_that_is_cut_off_says_what_is_missing() {
    let frame = |length: u32, bytes: &[u8]| [&length.to_le_bytes()[..], bytes].concat();
    let whole = frame(3, b"one");
    let sent = "until then sent 1 messages, 3 bytes";
    for (input, why, sent) in [
        (
            vec![5, 0],
            "it ends within message 1, which begins at byte 0: its length has 4 bytes, and 2 of them are missing",
            "until then sent 0 messages",
        ),
        (
            [&whole[..], &[5, 0, 0]].concat(),
            "it ends within message 2, which begins at byte 7: its length has 4 bytes, and 1 of them are missing",
            sent,
        ),
        (
            [whole.clone(), frame(1000, b"two")].concat(),
            "it ends within message 2, which begins at byte 7: the frame has 1000 bytes, and 997 of them are missing",
            sent,
        ),
        (
            [whole.clone(), frame(1, b"")].concat(),
            "it ends within message 2, which begins at byte 7: the frame has 1 bytes, and 1 of them are missing",
            sent,
        ),
    ] {
        let name = RingName::new("cut-off");
        let ended = Tool::run(&["send", name.as_str(), "--format", "frames"], &input);
        assert!(ended.errors.contains(sent), "{ended:?}");
        ended.with(1, why);
    }
}
