//! What is shown on a terminal only: colours, and how far a command is.

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
            let mut tool = Terminal::start(SIZE, On::All, command);
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

pub(crate) fn a_terminal_shows_the_progress_of_a_command() {
    let (name, _) = ring::<[u8]>("progress", 1024);
    // 64 frames of 16 bytes fill the ring, and more are waiting.
    let mut sender = on_terminal(On::Errors, &["send", &name]);
    sender.feed(&numbers(99));
    sender.until("the sender has filled the ring", |screen| {
        screen.contents().starts_with("sent 64 messages, 119 B in ")
    });
    let mut receiver = on_terminal(On::Errors, &["recv", &name]);
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
