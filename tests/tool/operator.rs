//! What the person on call asks: true words, ends that hang, and nothing destroyed by
//! looking.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use vt100::Color;

use crate::looking::idle;
use crate::runbook::held;
use crate::tool::*;

pub(crate) fn a_corrupt_ring_is_called_corrupt_everywhere() {
    let (name, mut producer) = records("overwritten");
    producer.push(1).expect("room");
    drop(producer);
    SegmentFile::open(&name.file()).write(TAIL, 0xffff_ffff_ffff);
    let wrong = "it is corrupt: its tail cannot be 0xffffffffffff; remove it: quoit rm ";
    let wrong = format!("{wrong}{name}");
    let described = format!("wrong     {wrong}\n");
    let looked = top(&[&name]);
    // A part of what is said, and something that is not.
    let listed = says(&["list"]);
    let metrics = says(&["metrics", &name]);
    for (said, part, none) in [
        (&*says(&["stat", &name]), &*described, "full"),
        (line(&listed, &name), " corr. ", "%"),
        (line(&looked, &name), " corrupt ", "%"),
        (&looked, &wrong, "full"),
        (&metrics, ",state=\"corrupt\"} 1\n", "quoit_unread{"),
    ] {
        has(said, part);
        lacks(said, none);
    }
    let expected = json!({"state": "corrupt", "wrong": [wrong]});
    is(&stat(&name), &expected);
    is(&look(&name), &expected);
    refuses(&["recv", &name], 3, "and remove it with quoit rm NAME");
    // What they name helps.
    let kept = format!("kept {name}: it is corrupt; --force removes it\n");
    assert_eq!(says(&["rm", "--stale", &name]), kept);
    assert_eq!(says(&["rm", &name]), format!("removed {name}\n"));
}

pub(crate) fn a_ring_that_may_not_be_read_is_listed() {
    let (name, _) = records("private");
    let mode = fs::Permissions::from_mode(0o0);
    fs::set_permissions(name.file(), mode).expect("ours");
    // As a user without permission to read the ring, if there is one.
    let said = |arguments: &[&str]| {
        let mut command = Command::new(PATH);
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        Program::start(command.args(arguments)).end().text()
    };
    let uid = fs::metadata(name.file()).expect("a file").uid();
    let listed = said(&["list"]);
    has(line(&listed, &name), "0 (no permission)");
    let report = json(&said(&["list", "--json"]));
    let mut rings = report["rings"].as_array().expect("rings").iter();
    let ring = rings.find(|ring| ring["name"] == *name).expect("the ring");
    let expected = json!({"state": "no_permission", "owner": uid, "mode": "0000"});
    is(ring, &expected);
    let helps = format!("its mode 0; sudo quoit stat {name}");
    let top = ["top", "--count", "1", "--interval", "10ms"];
    for arguments in [&["stat", &name][..], &["stat"], &top] {
        has(&said(arguments), &helps);
    }
}

pub(crate) fn a_consumer_that_hangs_is_seen_at_once() {
    let (name, mut producer) = frames("hangs", 64);
    let hanger = held(&name, "consumer");
    (0..2).for_each(|_| producer.push(&[0; 24]).expect("room"));
    until("it hangs", || is_asleep(hanger.pid()));
    let stat = stat(&name);
    let (wrong, pid) = (stat["wrong"][0].as_str().unwrap_or_default(), hanger.pid());
    let begin = format!("full: the consumer (process {pid}) has taken nothing for 0.");
    assert!(wrong.starts_with(&begin), "{stat}");
    has(wrong, "and 64 bytes are unread; it sleeps (S)");
    is(&stat["consumer"], &json!({"state": "S"}));
    let idle = stat["consumer"]["idle_seconds"].as_f64();
    assert!(idle >= Some(0.2), "{stat}");
    let text = says(&["stat", &name]);
    has(&text, "          has taken nothing for 2");
    has(&text, "wrong     full: the consumer");
}

pub(crate) fn a_producer_that_hangs_is_reported() {
    let (name, idler) = idle("mute");
    let pid = idler.pid();
    let said = says(&["top", "--count", "1", "--interval", "2100ms", &name]);
    let quiet = format!("  the producer (process {pid}) has pushed nothing for 2 s; it sleeps (S)");
    has(&said, &quiet);
    lacks(&top(&[&name]), "pushed nothing");
    let stat = stat(&name);
    let idle = stat["producer"]["idle_seconds"].as_f64();
    assert!(idle >= Some(0.2), "{stat}");
    // It may have nothing to say.
    is(&stat, &json!({"wrong": []}));
}

pub(crate) fn a_reader_that_ends_leaves_what_it_did_not_read() {
    let name = RingName::new("headed");
    send(&name, 525);
    let script = format!("{} recv {name} | head -n 3", PATH);
    let mut shell = program("sh", &["-c", &script]);
    assert_eq!(shell.reads_until("3\n"), "1\n2\n3\n");
    assert_eq!(shell.end().output, b"");
    assert_eq!(receive(&name), numbers(525)[6..]);
    // The first words are the warning.
    for command in ["recv", "record"] {
        let help = says(&[command, "-h"]);
        has(line(&help, ""), "removes what it reads");
    }
}

pub(crate) fn stale_rings_with_unread_messages_stay() {
    let [full, read] = ["full", "read"].map(RingName::new);
    [&full, &read].iter().for_each(|name| send(name, 3));
    receive(&read);
    let kept = format!("kept {full}: 48 bytes unread; --force removes it\nremoved {read}\n");
    assert_eq!(says(&["rm", "--stale", &full, &read]), kept);
    assert!(full.file().exists() && !read.file().exists());
    let forced = says(&["rm", "--stale", "--force", &full]);
    assert_eq!(forced, format!("removed {full}, with 48 bytes unread\n"));
    refuses(&["rm", "--force", &full], 2, "--stale");
}

pub(crate) fn the_newest_messages_come_first_to_mind() {
    let name = RingName::new("newest");
    send(&name, 30);
    let (records, mut producer) = records("newest-records");
    (1..=30).for_each(|number| producer.push(number).expect("room"));
    for (name, size) in [(&name, 16), (&records, 1)] {
        let positions = |arguments: &[&str]| {
            let text = says(&[&["tail", "--json", name], arguments].concat());
            let positions = text.lines().map(|line| json(line)["position"].as_u64());
            let positions = positions.map(|position| position.expect("a number") / size);
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
    let (all, market) = (file(""), file("market-*"));
    let long = "market-data-of-an-exchange-with-a-name-that-is-long-";
    let _producers = ["a", "b"].map(|end| {
        let name = file(&format!("{long}{end}"));
        let mut producer = FrameProducer::create(name, 64).expect("a ring");
        (0..2).for_each(|_| producer.push(&[0; 24]).expect("room"));
        producer
    });
    let top = ["top", "--count", "1", "--interval", "10ms", &market];
    for size in [(24, 80), (20, 50)] {
        let answers: [&[&str]; 4] = [
            &["list", &all],
            &["stat", &market],
            &["tail", &market],
            &top,
        ];
        for arguments in answers {
            let command = Terminal::command(PATH, arguments);
            let mut tool = Terminal::start(size, On::All, command);
            assert_eq!(tool.end(), Some(0));
            let text = tool.text();
            if ["list", "top"].contains(&arguments[0]) {
                // Where a name is cut, its end stays.
                has(&text, "-long-a ");
                has(&text, "-long-b ");
            }
            // But for a line that is a path: one word.
            let begins = |line: &str| line.trim().starts_with(['/', '.']);
            let mut lines = text.lines().collect::<Vec<_>>();
            lines.retain(|line| !line.contains("/dev/shm/") && !begins(line));
            let lines = lines.into_iter();
            let widths = lines.map(|line| line.chars().count());
            assert!(widths.max() <= Some(usize::from(size.1)), "{text}");
            let mut rows = tool.screen().rows(0, size.1);
            if let Some(row) = rows.position(|row| row.contains("start a consumer")) {
                let cell = tool.screen().cell(row as u16, 12).expect("a cell");
                assert_eq!(cell.fgcolor(), Color::Idx(1), "not red:\n{text}");
            }
            if arguments[0] == "list" {
                assert_eq!(text.lines().count(), 3, "no line is wrapped:\n{text}");
                let red = tool.screen().contents_formatted();
                has(&String::from_utf8_lossy(&red), "\x1b[31m");
            }
        }
    }
}

pub(crate) fn patterns_and_no_names_mean_rings() {
    let names = ["pattern-a", "pattern-b"].map(RingName::new);
    // Their names differ by a number, too.
    let pattern = format!("quoit-test-{}-*-pattern-?", std::process::id());
    names.iter().for_each(|name| send(name, 1));
    let report = says_json(&["stat", "--json", &pattern]);
    let found = report["rings"].as_array().expect("rings").iter();
    let found: Vec<_> = found.map(|ring| ring["name"].as_str()).collect();
    assert_eq!(found, names.each_ref().map(|name| Some(&**name)));
    let (all, tail) = (says(&["stat"]), says(&["tail", &pattern]));
    for name in &names {
        let path = name.file();
        let inode = fs::metadata(&path).expect("a file").ino();
        has(&all, format!("ring      {name}\n"));
        has(&all, format!(", mode 600, inode {inode}\n"));
        has(&all, format!("file      {}, owner ", path.display()));
        has(&tail, format!("==> {name} <==\nposition 0"));
    }
    refuses(&["stat", &format!("{pattern}-*")], 3, "there is no ring");
    refuses(&["tail", "quoit-[*"], 2, "quoit-[*");
}

pub(crate) fn a_draft_that_was_left_behind_is_listed_and_removed() {
    let directory = shared_memory_directory();
    let all = file_in(&directory, "");
    let draft = file_in(&directory, ".quoit-0123456789abcdef.new");
    drop(Producer::<u64>::create(&draft, 64).expect("a ring"));
    let ring = ring_of(&["list", "--json", &all]);
    assert_eq!(ring["state"], "draft");
    has(&ring["wrong"].to_string(), format!(" rm {draft}"));
    has(&says(&["list", &all]), "(draft)\n");
    says(&["rm", "--dry-run", &draft]);
    assert_eq!(says(&["rm", &draft]), format!("removed {draft}\n"));
    assert!(!fs::exists(&draft).expect("a directory"));
}

pub(crate) fn metrics_are_printed_and_served() {
    let (name, mut producer) = records("metrics");
    (0..5).for_each(|number| producer.push(number).expect("room"));
    producer.count_dropped(3);
    let [ring, records] = ["", ",unit=\"records\""].map(|more| format!("{{ring=\"{name}\"{more}"));
    let expected = [
        format!("# TYPE quoit_pushed_total counter\nquoit_pushed_total{records}}} 5\n"),
        format!("quoit_unread{records}}} 5\n"),
        format!("quoit_capacity{records}}} 64\n"),
        format!("quoit_dropped_total{ring},role=\"producer\"}} 3\n"),
        format!("quoit_attached{ring},role=\"consumer\"}} 0\n"),
        format!("quoit_state{ring},state=\"ok\"}} 1\n"),
    ];
    let text = says(&["metrics", &name]);
    expected.iter().for_each(|line| has(&text, line));
    // It did not move.
    lacks(&text, "last_move_timestamp_seconds{");
    let open = says(&["metrics", "--openmetrics", &name]);
    has(&open, "# TYPE quoit_pushed counter\n");
    assert!(open.ends_with("# EOF\n"));

    let mut server = start(&["metrics", "--listen", "127.0.0.1:0", &name]);
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
    expected.iter().for_each(|line| has(&answer, line));
    producer.push(5).expect("room");
    let answer = get("Accept: application/openmetrics-text; version=1.0.0\r\n");
    has(&answer, "Content-Type: application/openmetrics-text");
    let moved = format!("quoit_last_move_timestamp_seconds{ring},role=\"producer\"}} 1");
    has(&answer, moved);
    assert!(answer.ends_with("# EOF\n"));
    for (request, status) in [
        ("GET /other HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        ("\x01\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        has(&ask(request), status);
    }
    // A connection that sends nothing delays no other one for long.
    let silent = TcpStream::connect(address).expect("it listens");
    has(&get(""), " 200 OK");
    drop(silent);
    refuses(&["metrics", "--listen", address], 1, "could not listen at");
    server.ends_by(libc::SIGTERM);
    assert_eq!(unread(&name), 6);
}
