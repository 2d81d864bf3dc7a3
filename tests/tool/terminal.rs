//! What is shown on a terminal only: colours, and how far a command is.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

use rustix::process::geteuid;
use vt100::Color;

use crate::common::rings::named;
use crate::tool::*;

pub(crate) fn colours_are_for_terminals_that_want_them() {
    let (name, _) = ring::<u64>("colours", 64);
    SegmentFile::open(&name.file()).write(SUPERSEDED, 1);
    let top = ["top", "--count", "1", "--interval", "10ms", &name];
    let answers: [&[&str]; 3] = [&["stat", &name], &top, &["doctor", "--all", "--cores", "0"]];
    for arguments in answers {
        let has_colours = |name: &str, value: &str| {
            let mut command = Terminal::command(PATH, arguments);
            command.env(name, value);
            let mut tool = Terminal::start(SIZE, command);
            assert!(matches!(tool.end(), Some(0 | 9)));
            assert!(tool.text().len() > 100, "{}", tool.text());
            let formatted = tool.screen().contents_formatted();
            let formatted = String::from_utf8_lossy(&formatted);
            // A sequence of a foreground.
            let colours = ["\x1b[31m", "\x1b[32m", "\x1b[33m"];
            colours.iter().any(|colour| formatted.contains(colour))
        };
        assert!(has_colours("TERM", "xterm"), "{arguments:?}");
        assert!(has_colours("NO_COLOR", ""), "empty is as if not set");
        assert!(!has_colours("NO_COLOR", "1"), "{arguments:?}");
        assert!(!has_colours("TERM", "dumb"), "{arguments:?}");
        let piped = run(arguments, b"").output;
        assert!(!piped.contains(&b'\x1b'), "{arguments:?}");
    }
}

/// Also that of another user, which it cannot open, as after `su`.
pub(crate) fn a_terminal_shows_the_progress_of_a_command() {
    shows_progress(geteuid().as_raw());
    if geteuid().is_root() {
        shows_progress(65534);
    }
}

fn shows_progress(user: u32) {
    let options = RingOptions::new(1024).mode(0o666);
    let (_, name) = named::<[u8]>("progress", &options);
    let copy = for_any_user();
    // Its messages are in pipes.
    let on_terminal = |words: &str| {
        let script = format!("exec {}/quoit {words}", copy.path().display());
        let mut command = Terminal::command("bash", &["-c", &script]);
        command.uid(user);
        Terminal::start(SIZE, command)
    };
    // 64 frames of 16 bytes fill the ring, and more are waiting.
    let mut sender = on_terminal(&format!("send {name} < <(seq 99)"));
    sender.until("the sender has filled the ring", |screen| {
        screen.contents().starts_with("sent 64 messages, 119 B in ")
    });
    let mut receiver = on_terminal(&format!("recv {name} >/dev/null"));
    assert_eq!(sender.end(), Some(0));
    assert_eq!(receiver.end(), Some(0));
    for (tool, start) in [
        (sender, "sent 99 messages, 189 B in "),
        (receiver, "received 99 messages, 189 B in "),
    ] {
        let text = tool.text();
        let last = text.lines().last().expect("a line");
        assert!(last.starts_with(start), "{text}");
        assert_eq!(text.matches("messages").count(), 1, "{text}");
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
            let mut tool = Terminal::start(size, command);
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
            let (widest, width) = (widths.max(), usize::from(size.1));
            assert!(widest <= Some(width), "{text}");
            if arguments[0] == "top" {
                // The last column would wrap on some terminals.
                assert_eq!(widest, Some(width - 1), "{text}");
            }
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
    // It is the terminal that it writes to, and not the one that controls it.
    let (master, slave) = pair(20, 50).expect("a terminal");
    let output = format!("/proc/{}/fd/{}", std::process::id(), slave.as_raw_fd());
    let list = format!("exec {PATH} list {all} >{output}");
    let mut command = Terminal::command("sh", &["-c", &list]);
    command.env("NO_COLOR", "1");
    let mut tool = Terminal::start(SIZE, command);
    assert_eq!(tool.end(), Some(0), "{}", tool.text());
    let mut text = [0; 4096];
    let count = File::from(master).read(&mut text).expect("an answer");
    let text = String::from_utf8_lossy(&text[..count]);
    let widths = text.lines().map(|line| line.chars().count());
    assert!(widths.max() <= Some(50), "{text}");
}

/// As a serial line, and a terminal of a container.
pub(crate) fn a_terminal_without_a_size_is_taken_for_a_usual_one() {
    let (name, _) = ring::<u64>("sizeless", 64);
    let once = ["top", "--count", "1", "--interval", "10ms", &name];
    let answers: [&[&str]; 3] = [&["stat", &name], &once, &["top", &name]];
    for arguments in answers {
        let ends_by_itself = arguments != ["top", &name];
        let [sizeless, usual] = [(0, 0), SIZE].map(|size| {
            let mut tool = Terminal::start(size, Terminal::command(PATH, arguments));
            if !ends_by_itself {
                tool.shows("-sizeless");
                tool.press("q");
            }
            assert_eq!(tool.end(), Some(0), "{}", tool.text());
            let text = tool.text();
            let widths = text.lines().map(|line| line.chars().count());
            (widths.clone().count(), widths.max())
        });
        assert_eq!(sizeless, usual, "{arguments:?}");
    }
}
