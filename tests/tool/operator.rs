//! What the person on call asks: true words, ends that hang, and nothing destroyed by
//! looking.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use quoit::{Consumer, FrameProducer, Observer, Producer, RingOptions};
use serde_json::Value;

use crate::common::child::{Child, hold, is_asleep, say};
use crate::common::names::{RingName, shared_memory_directory};
use crate::common::segment_file::{SegmentFile, TAIL};
use crate::endings::wait_until;
use crate::looking::{refuses, ring_of, says, says_json};
use crate::streams::numbers;
use crate::terminal::Terminal;
use crate::tool::{Tool, file_in};

/// Takes the consumer's role, and then nothing.
pub(crate) fn hanger(arguments: &[String]) {
    let _consumer = Consumer::<u64>::open(&arguments[0]).expect("the role is free");
    say("here");
    hold();
}

pub(crate) fn a_corrupt_ring_is_called_corrupt_everywhere() {
    let name = RingName::new("overwritten");
    let mut producer = Producer::<u64>::create(&name, 64).expect("a ring");
    producer.push(1).expect("room");
    drop(producer);
    SegmentFile::open(&name.file()).write(TAIL, 0xffff_ffff_ffff);
    let wrong =
        format!("it is corrupt: its tail cannot be 0xffffffffffff; remove it: quoit rm {name}");
    let line = |text: &str| {
        let mut lines = text.lines().map(str::to_owned);
        let line = lines.find(|line| line.contains(name.as_str()));
        line.unwrap_or_else(|| panic!("{text}"))
    };
    let text = says(&["stat", name.as_str()]);
    assert!(text.contains(&format!("wrong     {wrong}\n")), "{text}");
    assert!(!text.contains("full") && !text.contains("100 %"), "{text}");
    let listed = line(&says(&["list"]));
    assert!(
        listed.contains(" corr. ") && !listed.contains('%'),
        "{listed}"
    );
    let top = says(&["top", "--count", "1", "--interval", "10ms", name.as_str()]);
    assert!(
        line(&top).contains(" corrupt ") && top.contains(&wrong),
        "{top}"
    );
    for arguments in [
        &["stat", "--json", name.as_str()][..],
        &[
            "top",
            "--json",
            "--count",
            "1",
            "--interval",
            "10ms",
            name.as_str(),
        ],
    ] {
        let ring = ring_of(arguments);
        assert_eq!(
            (&ring["state"], &ring["wrong"][0]),
            (&"corrupt".into(), &wrong[..].into())
        );
    }
    let metrics = says(&["metrics", name.as_str()]);
    assert!(metrics.contains(",state=\"corrupt\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("quoit_unread{"), "{metrics}");
    let received = Tool::run(&["recv", name.as_str()], b"");
    received.with(3, "and remove it with quoit rm NAME");
    // What they name helps.
    let kept = format!("kept {name}: it is corrupt; --force removes it\n");
    assert_eq!(says(&["rm", "--stale", name.as_str()]), kept);
    assert_eq!(says(&["rm", name.as_str()]), format!("removed {name}\n"));
}

/// The tool as a user without permission to read the ring, if there is one.
fn as_a_stranger(arguments: &[&str]) -> Command {
    let mut command = Command::new(Tool::PATH);
    command.args(arguments);
    // SAFETY: the call takes no memory.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(65534).gid(65534);
    }
    command
}

pub(crate) fn a_ring_that_may_not_be_read_is_listed() {
    let name = RingName::new("private");
    drop(Producer::<u64>::create(&name, 64).expect("a ring"));
    let mode = fs::Permissions::from_mode(0o0);
    fs::set_permissions(name.file(), mode).expect("ours");
    let run = |arguments: &[&str]| {
        let mut command = as_a_stranger(arguments);
        Tool::start_command(Stdio::piped(), &mut command).end()
    };
    let text = |arguments: &[&str]| run(arguments).text();
    let uid = fs::metadata(name.file()).expect("a file").uid();
    let listed = text(&["list"]);
    let line = listed.lines().find(|line| line.starts_with(name.as_str()));
    let line = line.unwrap_or_else(|| panic!("{listed}"));
    assert!(line.ends_with("0 (no permission)"), "{line}");
    let report: Value = serde_json::from_str(&text(&["list", "--json"])).expect("JSON");
    let rings = report["rings"].as_array().expect("rings").iter();
    let ring = rings.clone().find(|ring| ring["name"] == name.as_str());
    let ring = ring.expect("the ring");
    assert_eq!(ring["state"], "no_permission");
    assert_eq!(ring["owner"], uid);
    assert_eq!(ring["mode"], "0000");
    for arguments in [
        &["stat", name.as_str()][..],
        &["stat"],
        &["top", "--count", "1", "--interval", "10ms"],
    ] {
        let said = text(arguments);
        let helps = format!("its mode 0; sudo quoit stat {name}");
        assert!(said.contains(&helps), "{arguments:?}: {said}");
    }
}

pub(crate) fn a_consumer_that_hangs_is_seen_at_once() {
    let name = RingName::new("hangs");
    let ring = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let hanger = Child::start("hanger", &[name.as_str()]);
    assert_eq!(hanger.says(), "here");
    let mut producer = ring.producer().expect("a role");
    (0..64).for_each(|number| producer.push(number).expect("room"));
    wait_until("it hangs", || is_asleep(hanger.pid()));
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    let wrong = stat["wrong"][0].as_str().expect("something is wrong");
    let pid = hanger.pid();
    let begin = format!("full: the consumer (process {pid}) has taken nothing for 0.");
    assert!(wrong.starts_with(&begin), "{wrong}");
    assert!(
        wrong.contains("and 64 records are unread; it sleeps (S)"),
        "{wrong}"
    );
    let consumer = &stat["consumer"];
    assert_eq!(consumer["state"], "S");
    assert!(consumer["idle_seconds"].as_f64() >= Some(0.2), "{consumer}");
    let text = says(&["stat", name.as_str()]);
    assert!(text.contains("          has taken nothing for 2"), "{text}");
    assert!(text.contains("wrong     full: the consumer"), "{text}");
}

pub(crate) fn a_producer_that_hangs_is_reported() {
    let name = RingName::new("mute");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let idler = Child::start("idler", &[name.as_str()]);
    assert_eq!(idler.says(), "here");
    let pid = idler.pid();
    let top = ["top", "--count", "1", "--interval", "2100ms", name.as_str()];
    let said = says(&top);
    let quiet = format!("  the producer (process {pid}) has pushed nothing for 2 s; it sleeps (S)");
    assert!(said.contains(&quiet), "{said}");
    let short = says(&["top", "--count", "1", "--interval", "10ms", name.as_str()]);
    assert!(!short.contains("pushed nothing"), "{short}");
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    assert!(
        stat["producer"]["idle_seconds"].as_f64() >= Some(0.2),
        "{stat}"
    );
    assert_eq!(
        stat["wrong"],
        Value::Array(vec![]),
        "it may have nothing to say"
    );
}

pub(crate) fn a_reader_that_ends_leaves_what_it_did_not_read() {
    let name = RingName::new("headed");
    Tool::run(&["send", name.as_str()], &numbers(525)).quietly();
    let script = format!("{} recv {name} | head -n 3", Tool::PATH);
    let mut shell = Tool::start_program("sh", &["-c", &script]);
    let said = shell.reads_until("3\n");
    assert_eq!(said, "1\n2\n3\n");
    assert_eq!(shell.end().output, b"");
    let rest = Tool::run(&["recv", name.as_str()], b"").quietly();
    let all = numbers(525);
    assert_eq!(rest, all[6..], "what was not read is there");
    // The first words are the warning.
    for command in ["recv", "record"] {
        let help = says(&[command, "-h"]);
        let first = help.lines().next().expect("a line");
        assert!(first.contains("removes what it reads"), "{first}");
    }
}

pub(crate) fn stale_rings_with_unread_messages_stay() {
    let [full, read] = ["full", "read"].map(RingName::new);
    for name in [&full, &read] {
        Tool::run(&["send", name.as_str()], &numbers(3)).quietly();
    }
    Tool::run(&["recv", read.as_str()], b"").quietly();
    let stale = ["rm", "--stale", full.as_str(), read.as_str()];
    let kept = format!("kept {full}: 48 bytes unread; --force removes it\nremoved {read}\n");
    assert_eq!(says(&stale), kept);
    assert!(full.file().exists() && !read.file().exists());
    let forced = says(&["rm", "--stale", "--force", full.as_str()]);
    assert_eq!(forced, format!("removed {full}, with 48 bytes unread\n"));
    refuses(&["rm", "--force", full.as_str()], 2, "--stale");
}

pub(crate) fn the_newest_messages_come_first_to_mind() {
    let (frames, records) = (RingName::new("newest"), RingName::new("newest-records"));
    Tool::run(&["send", frames.as_str()], &numbers(30)).quietly();
    let mut producer = Producer::<u64>::create(&records, 64).expect("a ring");
    (1..=30).for_each(|number| producer.push(number).expect("room"));
    for (name, size) in [(&frames, 16), (&records, 1)] {
        let positions = |arguments: &[&str]| {
            let text = says(&[&["tail", "--json", name.as_str()][..], arguments].concat());
            let positions = text.lines().map(|line| {
                let message: Value = serde_json::from_str(line).expect("JSON");
                message["position"].as_u64().expect("a number") / size
            });
            positions.collect::<Vec<_>>()
        };
        assert_eq!(positions(&[]), (20..30).collect::<Vec<_>>());
        assert_eq!(positions(&["-n", "2"]), [28, 29]);
        assert_eq!(positions(&["-n", "2", "--oldest"]), [0, 1]);
        assert_eq!(positions(&["-n", "99"]).len(), 30);
    }
}

pub(crate) fn a_table_fits_its_terminal() {
    let directory = shared_memory_directory();
    let file = |name: &str| file_in(&directory, name);
    let long = "market-data-of-an-exchange-with-a-name-that-is-long-";
    let rings = ["a", "b"].map(|end| {
        let mut producer =
            FrameProducer::create(file(&format!("{long}{end}")), 64).expect("a ring");
        (0..2).for_each(|_| producer.push(&[0; 24]).expect("room"));
        producer
    });
    for (rows, columns) in [(24, 80), (20, 50)] {
        for arguments in [
            &["list", &file("")][..],
            &["stat", &file("market-*")],
            &[
                "top",
                "--count",
                "1",
                "--interval",
                "10ms",
                &file("market-*"),
            ],
        ] {
            let mut tool = Terminal::start_sized((rows, columns), arguments);
            assert_eq!(tool.end(), Some(0));
            let text = tool.text();
            if arguments[0] != "stat" {
                // Where a name is cut, its end stays.
                assert!(
                    text.contains("-long-a ") && text.contains("-long-b "),
                    "{text}"
                );
            }
            // But for a line that is a path: one word.
            let lines = text
                .lines()
                .filter(|line| !line.contains("/dev/shm/") && !line.trim().starts_with('/'));
            let widths = lines.map(|line| line.chars().count());
            assert!(widths.max() <= Some(usize::from(columns)), "{text}");
            if arguments[0] == "list" {
                assert_eq!(text.lines().count(), 3, "no line is wrapped:\n{text}");
                let red = tool.screen().contents_formatted();
                assert!(
                    red.windows(5).any(|bytes| bytes == b"\x1b[31m"),
                    "full is red"
                );
            }
        }
    }
    drop(rings);
}

pub(crate) fn patterns_and_no_names_mean_rings() {
    let names = ["pattern-a", "pattern-b"].map(RingName::new);
    // Their names differ by a number, too.
    let pattern = format!("quoit-test-{}-*-pattern-?", std::process::id());
    for name in &names {
        Tool::run(&["send", name.as_str()], &numbers(1)).quietly();
    }
    let report = says_json(&["stat", "--json", &pattern]);
    let found = report["rings"].as_array().expect("rings").iter();
    let found: Vec<_> = found.map(|ring| ring["name"].as_str()).collect();
    assert_eq!(found, names.each_ref().map(|name| Some(name.as_str())));
    let all = says(&["stat"]);
    for name in &names {
        assert!(all.contains(&format!("ring      {name}\n")), "{all}");
        let path = name.file();
        let file = fs::metadata(&path).expect("a file");
        let inode = file.ino();
        assert!(
            all.contains(&format!(", mode 600, inode {inode}\n")),
            "{all}"
        );
        assert!(
            all.contains(&format!("file      {}, owner ", path.display())),
            "{all}"
        );
    }
    let tail = says(&["tail", &pattern]);
    for name in &names {
        assert!(
            tail.contains(&format!("==> {name} <==\nposition 0")),
            "{tail}"
        );
    }
    refuses(&["stat", &format!("{pattern}-*")], 3, "there is no ring");
    refuses(&["tail", "quoit-[*"], 2, "quoit-[*");
}

pub(crate) fn a_draft_that_was_left_behind_is_listed_and_removed() {
    let directory = shared_memory_directory();
    let file = |name: &str| file_in(&directory, name);
    let draft = file(".quoit-0123456789abcdef.new");
    drop(Producer::<u64>::create(&draft, 64).expect("a ring"));
    let ring = &says_json(&["list", "--json", &file("")])["rings"][0];
    assert_eq!(ring["state"], "draft");
    let wrong = ring["wrong"][0].as_str().expect("words");
    assert!(wrong.ends_with(&format!("rm {draft}")), "{wrong}");
    assert!(says(&["list", &file("")]).contains("(draft)\n"));
    assert_eq!(says(&["rm", &draft]), format!("removed {draft}\n"));
    assert!(!fs::exists(&draft).expect("a directory"));
}

pub(crate) fn metrics_are_printed_and_served() {
    let name = RingName::new("metrics");
    let ring = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let mut producer = ring.producer().expect("a role");
    (0..5).for_each(|number| producer.push(number).expect("room"));
    producer.count_dropped(3);
    let expected = [
        format!(
            "# TYPE quoit_pushed_total counter\nquoit_pushed_total{{ring=\"{name}\",unit=\"records\"}} 5\n"
        ),
        format!("quoit_unread{{ring=\"{name}\",unit=\"records\"}} 5\n"),
        format!("quoit_capacity{{ring=\"{name}\",unit=\"records\"}} 64\n"),
        format!("quoit_dropped_total{{ring=\"{name}\",role=\"producer\"}} 3\n"),
        format!("quoit_attached{{ring=\"{name}\",role=\"consumer\"}} 0\n"),
        format!("quoit_state{{ring=\"{name}\",state=\"ok\"}} 1\n"),
    ];
    let text = says(&["metrics", name.as_str()]);
    for line in &expected {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains("last_move_timestamp_seconds{"),
        "it did not move: {text}"
    );
    let open = says(&["metrics", "--openmetrics", name.as_str()]);
    assert!(open.contains("# TYPE quoit_pushed counter\n") && open.ends_with("# EOF\n"));

    let listen = ["metrics", "--listen", "127.0.0.1:0", name.as_str()];
    let mut server = Tool::start(&listen);
    let said = server.reads_until("\n");
    let address = said.trim().strip_prefix("listening at http://");
    let address = address.and_then(|address| address.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{said}"));
    let ask = |request: &str| {
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("text");
        answer
    };
    let get = |accept: &str| ask(&format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n"));
    let answer = get("");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
    assert!(
        expected.iter().all(|line| answer.contains(line)),
        "{answer}"
    );
    producer.push(5).expect("room");
    let answer = get("Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(
        answer.contains("Content-Type: application/openmetrics-text")
            && answer.ends_with("# EOF\n")
    );
    let moved = format!("quoit_last_move_timestamp_seconds{{ring=\"{name}\",role=\"producer\"}} 1");
    assert!(answer.contains(&moved), "{answer}");
    for (request, status) in [
        ("GET /other HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\x01\r\n\r\n", "400"),
    ] {
        assert!(
            ask(request).starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}"
        );
    }
    // A connection that sends nothing delays no other one for long.
    let silent = TcpStream::connect(address).expect("it listens");
    assert!(get("").contains(" 200 OK"));
    drop(silent);
    let taken = ["metrics", "--listen", address];
    Tool::run(&taken, b"").with(1, "could not listen at");
    server.signal(libc::SIGTERM);
    assert_eq!(server.end().code, Some(143));
    assert_eq!(Observer::open(&name).expect("a ring").positions().len(), 6);
}
