//! What is on a terminal only: colours, and how far a command is.

use quoit::RingOptions;

use crate::common::names::RingName;
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use crate::streams::numbers;
use crate::terminal::{On, Terminal};
use crate::tool::Tool;

pub(crate) fn colours_are_for_terminals_that_want_them() {
    let name = RingName::new("colours");
    RingOptions::new(64).create::<u64>(&name).expect("a ring");
    SegmentFile::open(&name.file()).write(SUPERSEDED, 1);
    let top = ["top", "--count", "1", "--interval", "10ms", name.as_str()];
    let answers: [&[&str]; 3] = [
        &["stat", name.as_str()],
        &top,
        &["doctor", "--all", "--cores", "0"],
    ];
    for arguments in answers {
        let has_colours = |variable| {
            let mut tool = Terminal::start_with(On::All, arguments, variable);
            assert!(matches!(tool.end(), Some(0 | 9)));
            assert!(tool.text().len() > 100, "{}", tool.text());
            let plain = tool.screen().contents().into_bytes();
            let formatted = tool.screen().contents_formatted();
            // A sequence of a foreground.
            let red_to_yellow = [b"\x1b[31m", b"\x1b[32m", b"\x1b[33m"];
            plain != formatted
                && red_to_yellow.iter().any(|&&colour| {
                    let mut windows = formatted.windows(colour.len());
                    windows.any(|window| window == colour)
                })
        };
        assert!(has_colours(("TERM", "xterm")), "{arguments:?}");
        assert!(has_colours(("NO_COLOR", "")), "empty is as if not set");
        assert!(!has_colours(("NO_COLOR", "1")), "{arguments:?}");
        assert!(!has_colours(("TERM", "dumb")), "{arguments:?}");
        let piped = Tool::run(arguments, b"").output;
        assert!(!piped.contains(&b'\x1b'), "{arguments:?}");
    }
}

pub(crate) fn a_terminal_shows_the_progress_of_a_command() {
    let name = RingName::new("progress");
    RingOptions::new(1024)
        .create::<[u8]>(&name)
        .expect("a ring");
    // 64 frames of 16 bytes fill the ring, and more are waiting.
    let mut sender = Terminal::start(On::Errors, &["send", name.as_str()]);
    sender.feed(&numbers(99));
    sender.until("the sender has filled the ring", |screen| {
        screen.contents().starts_with("sent 64 messages, 119 B in ")
    });
    let mut receiver = Terminal::start(On::Errors, &["recv", name.as_str()]);
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
