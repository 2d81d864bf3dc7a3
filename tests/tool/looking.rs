//! `list`, `stat`, `tail` and `rm`: what they print, and that they disturb no endpoint.

use std::fs;
use std::path::Path;
use std::process::Command;

use quoit::{DoorbellKind, FrameProducer, RingOptions};
use serde_json::Value;

use crate::common::child::Child;
use crate::common::names::{RingName, shared_memory_directory};
use crate::common::segment_file::{CAPACITY, LAYOUT, SUPERSEDED, SegmentFile};
use crate::tool::{Tool, file_in};

/// Of the producer and of the consumer, as `layout.md` has them.
const RESCUES: u64 = 4264;
const CONSUMER_RESCUES: u64 = 8360;
const PRODUCER_PID: u64 = 4232;

/// Runs the tool to its end, which is to be a good one; what it has said.
pub(crate) fn says(arguments: &[&str]) -> String {
    let ended = Tool::run(arguments, b"");
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{arguments:?}");
    String::from_utf8(ended.output).expect("text")
}

pub(crate) fn says_json(arguments: &[&str]) -> Value {
    serde_json::from_str(&says(arguments)).expect("JSON")
}

/// The only ring of an answer.
pub(crate) fn ring_of(arguments: &[&str]) -> Value {
    let report = says_json(arguments);
    assert_eq!(report["version"], 1, "{report}");
    let [ring] = &report["rings"].as_array().expect("rings")[..] else {
        panic!("{report}");
    };
    ring.clone()
}

pub(crate) fn refuses(arguments: &[&str], code: i32, reason: &str) {
    let ended = Tool::run(arguments, b"");
    assert_eq!(
        (ended.code, ended.output.len()),
        (Some(code), 0),
        "{arguments:?}"
    );
    assert!(ended.errors.contains(reason), "{}", ended.errors);
}

/// Takes the producer's role, pushes twelve bytes, says so and waits.
pub(crate) fn idler(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    producer.push(b"three\x00at\xffnight").expect("room");
    println!("here");
    loop {
        std::thread::park();
    }
}

pub(crate) fn a_directory_is_listed_with_what_is_a_ring() {
    let directory = shared_memory_directory();
    let file = |name: &str| file_in(&directory, name);
    let empty = says_json(&["list", "--json", &file("")]);
    assert_eq!(empty["rings"], Value::Array(vec![]));
    let none = says(&["list", &file("")]);
    assert_eq!(none, format!("no rings in {}\n", file("")));
    let options = RingOptions::new(64);
    let ring = options.create::<u64>(file("a-ring")).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    (0..16).for_each(|number| producer.push(number).expect("room"));
    options.create::<[u8]>(file("corrupt")).expect("a ring");
    SegmentFile::open(Path::new(&file("corrupt"))).write(CAPACITY, 65);
    options.create::<[u8]>(file("newer")).expect("a ring");
    SegmentFile::open(Path::new(&file("newer"))).write_half(LAYOUT, 9);
    fs::write(file("no-ring"), [7; 30_000]).expect("a file");
    fs::create_dir(file("directory")).expect("a directory");

    let listed = says_json(&["list", "--json", &file("")]);
    let rings = listed["rings"].as_array().expect("an array");
    let names: Vec<_> = rings.iter().map(|ring| ring["name"].as_str()).collect();
    let expected = ["a-ring", "corrupt", "newer"].map(file);
    assert_eq!(names, expected.each_ref().map(|name| Some(&**name)));
    assert_eq!(rings[0]["fill"], 16);
    assert_eq!(rings[0]["producer"]["pid"], std::process::id());
    assert_eq!(
        (&rings[1]["state"], &rings[2]["state"]),
        (&"corrupt".into(), &"other_layout".into())
    );

    let table = says(&["list", &file("")]);
    let words: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let titles = "name owner mode holds unread fill producer consumer age";
    assert_eq!(words[0].join(" "), titles);
    let pid = std::process::id().to_string();
    let line = ["600", "records", "16", "25%", &pid, "-"];
    assert_eq!((words[1][0], &words[1][2..8]), (&*expected[0], &line[..]));
    assert_eq!(words[2][3..], ["(corrupt)"]);
    assert_eq!(words[3][3..], ["(other", "layout)"]);
    drop(producer);
    assert!(says(&["list", &file("")]).contains(" closed "));
    refuses(&["list", &file("nowhere")], 1, "could not list");
}

pub(crate) fn a_ring_is_described_and_so_is_what_is_wrong_with_it() {
    let name = RingName::new("stat");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let idler = Child::start("idler", &[name.as_str()]);
    assert_eq!(idler.says(), "here");
    let pid = idler.pid();
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    assert_eq!(stat["producer"]["pid"], pid);
    assert_eq!(stat["producer"]["alive"], true);
    assert_eq!(stat["wrong"], Value::Array(vec![]));
    assert_eq!(stat["doorbell"], "futex");
    assert_eq!(stat["slot_align"], 8);
    let text = says(&["stat", name.as_str()]);
    let lines = ["holds     frames in 64 bytes", "doorbell  futex"];
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");

    drop(idler); // kill -9
    let text = says(&["stat", name.as_str()]);
    let wrong = format!("wrong     the producer (it called itself process {pid}) died; a new one");
    assert!(text.lines().any(|line| line.starts_with(&wrong)), "{text}");
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    assert_eq!(stat["producer"]["alive"], false);
    assert_eq!(stat["wrong"].as_array().map(Vec::len), Some(1));

    let mut producer = FrameProducer::open(&name).expect("the role is free");
    producer.try_push(&[0; 24]).expect("room");
    producer.try_push(&[]).expect("room for its header");
    producer.count_dropped(12);
    drop(producer);
    let file = SegmentFile::open(&name.file());
    file.write(SUPERSEDED, 1);
    file.write(RESCUES, 3);
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    let wrong = stat["wrong"].to_string();
    for part in [
        "3 sleeps of the producer lasted until a timeout although there was room",
        "check that the consumer wakes after each release, by FUTEX_WAKE without FUTEX_PRIVATE_FLAG",
        "any process that may write to the ring can raise the counter",
        "it is full, and no process reads it",
        "died, or is still at it",
    ] {
        assert!(wrong.contains(part), "{wrong}");
    }
    // A counter proves nothing.
    assert!(!wrong.contains("bug") && !wrong.contains("lost"), "{wrong}");
    assert_eq!(stat["superseded"], false);
    assert_eq!(stat["half_removed"], true);
    assert_eq!(stat["producer"]["dropped"], 12);
    assert_eq!(stat["consumer"]["dropped"], 0);
    let top = says_json(&["top", "--count", "1", "--json", name.as_str()]);
    assert_eq!(top["rings"][0]["producer"]["dropped"], 12);
    assert!(says(&["stat", name.as_str()]).contains(", dropped: 12\n"));
    refuses(&["stat", "quoit-no-such-ring"], 3, "there is no ring");
}

pub(crate) fn a_rescued_endpoint_is_shown_with_what_to_check() {
    let checks = [
        (
            DoorbellKind::Futex,
            "by FUTEX_WAKE without FUTEX_PRIVATE_FLAG",
        ),
        (
            DoorbellKind::Semaphore,
            "by sem_post on the consumer's semaphore",
        ),
    ];
    for (doorbell, check) in checks {
        let name = RingName::new("rescued");
        let options = RingOptions::new(64).doorbell(doorbell);
        options.create::<[u8]>(&name).expect("a ring");
        let is_quiet = ring_of(&["stat", "--json", name.as_str()])["wrong"] == Value::Array(vec![]);
        assert!(is_quiet, "no rescue, no word");
        SegmentFile::open(&name.file()).write(CONSUMER_RESCUES, 117);
        let text = says(&["stat", name.as_str()]);
        let begin = "wrong     117 sleeps of the consumer lasted until a timeout although messages were waiting";
        let line = text.lines().find(|line| line.starts_with(begin));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(
            line.contains("the producer wakes after each publish"),
            "{line}"
        );
        assert!(line.contains(check), "{line}");
        let stat = ring_of(&["stat", "--json", name.as_str()]);
        assert_eq!(stat["consumer"]["rescues"], 117);
        assert_eq!(
            format!("wrong     {}", stat["wrong"][0].as_str().expect("text")),
            line
        );
        let top = says_json(&["top", "--count", "1", "--json", name.as_str()]);
        assert_eq!(top["rings"][0]["wrong"], stat["wrong"]);
    }
}

pub(crate) fn messages_are_shown_and_stay() {
    let name = RingName::new("tail");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let idler = Child::start("idler", &[name.as_str()]);
    assert_eq!(idler.says(), "here");
    for _ in 0..2 {
        let text = says(&["tail", name.as_str()]);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("position 0, kind 0, 14 bytes"));
        let line = lines.next().expect("a line of bytes");
        let hex = "74 68 72 65 65 00 61 74 ff 6e 69 67 68 74";
        assert!(
            line.contains(hex) && line.ends_with("  three.at.night"),
            "{line}"
        );
        assert_eq!(lines.next(), None);
    }
    let message = says_json(&["tail", "--json", "--count", "1", name.as_str()]);
    assert_eq!(message["bytes"], "7468726565006174ff6e69676874");
    assert_eq!(ring_of(&["stat", "--json", name.as_str()])["fill"], 24);
}

pub(crate) fn a_follower_sees_later_messages_and_ends_on_a_signal() {
    let name = RingName::new("follow");
    let ring = RingOptions::new(1024)
        .create::<[u8]>(&name)
        .expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.push(b"early").expect("room");
    let mut tail = Tool::start(&["tail", "--follow", name.as_str()]);
    tail.reads_until("early");
    producer.push(b"later").expect("room");
    let text = tail.reads_until("later");
    assert!(!text.contains("early"), "it was shown before: {text}");
    tail.signal(libc::SIGTERM);
    assert_eq!(tail.end().code, Some(143));
}

pub(crate) fn names_that_others_chose_move_no_cursor() {
    let name = RingName::new("cursor").and("\x1b[2J\n");
    RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let shown = name.as_str().replace(char::is_control, "?");
    let listed = says(&["list"]);
    assert!(
        listed.contains(&shown) && !listed.contains('\x1b'),
        "{listed:?}"
    );
    let removed = says(&["rm", name.as_str()]);
    assert_eq!(removed, format!("removed {shown}\n"));
}

pub(crate) fn only_what_no_process_holds_is_removed() {
    let name = RingName::new("rm");
    let ring = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    let holder = format!("is in use: producer {}", std::process::id());
    refuses(&["rm", name.as_str()], 4, &holder);
    let kept = |why: &str| format!("kept {name}: {why}\n");
    let in_use = kept(&format!("in use: producer {}", std::process::id()));
    assert_eq!(says(&["rm", "--stale", name.as_str()]), in_use);
    drop(producer);
    let removed = says_json(&["rm", "--json", "--stale", name.as_str()]);
    assert_eq!(removed["removed"][0], name.as_str());
    assert!(!name.file().exists());
    refuses(&["rm", name.as_str()], 3, "there is no ring");

    let fresh = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    assert_eq!(says(&["rm", "--stale", name.as_str()]), kept("never used"));
    assert_eq!(says(&["rm", name.as_str()]), format!("removed {name}\n"));
    drop(fresh);
    refuses(&["rm"], 2, "required");
}

/// The consumer names itself as it is called in another PID namespace, where its number
/// may be that of another process here. Whatever namespaces there are, a number is planted.
pub(crate) fn no_other_process_is_taken_for_the_one_that_holds_a_ring() {
    let name = RingName::new("namespace");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let idler = Child::start("idler", &[name.as_str()]);
    assert_eq!(idler.says(), "here");
    let pid = idler.pid();
    // Process 1 is there, and has nothing to do with the ring.
    SegmentFile::open(&name.file()).write_half(PRODUCER_PID, 1);
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    let producer = &stat["producer"];
    assert_eq!(producer["pid"], 1);
    assert_eq!(producer["holder"], pid);
    let command = producer["command"].as_str().expect("its command");
    assert!(command.contains(name.as_str()), "{command}");
    let text = says(&["stat", name.as_str()]);
    assert!(
        text.contains(&format!("producer  process {pid}, attached")),
        "{text}"
    );
    let holder = format!("is in use: producer {pid};");
    refuses(&["rm", name.as_str()], 4, &holder);
    let listed = says(&["list"]);
    let line = listed.lines().find(|line| line.contains(name.as_str()));
    let pid = pid.to_string();
    assert!(
        line.is_some_and(|line| line.split_whitespace().any(|word| word == pid)),
        "{listed}"
    );
    let top = says_json(&["top", "--count", "1", "--json", name.as_str()]);
    assert_eq!(top["rings"][0]["producer"]["holder"], idler.pid());

    // A tool that may not look at the holder names no process of this host.
    let blind = |arguments: &[&str]| {
        let mut tool = Command::new("unshare");
        tool.args([
            "--user",
            "--pid",
            "--fork",
            "--mount-proc",
            env!("CARGO_BIN_EXE_quoit"),
        ]);
        tool.args(arguments).output().expect("a tool")
    };
    let seen = blind(&["stat", name.as_str()]);
    if !seen.status.success() {
        return; // no such namespaces here
    }
    let words = "it calls itself process 1, perhaps in another PID namespace";
    let text = String::from_utf8(seen.stdout).expect("text");
    assert!(text.contains(words) && !text.contains("on core"), "{text}");
    let text = String::from_utf8(blind(&["rm", name.as_str()]).stderr).expect("text");
    assert!(text.contains(words), "{text}");
    let text = String::from_utf8(blind(&["list"]).stdout).expect("text");
    let line = text.lines().find(|line| line.contains(name.as_str()));
    assert!(line.is_some_and(|line| line.contains(" 1? ")), "{text}");
}
