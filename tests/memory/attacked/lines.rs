//! Lines of a ring whose evenly spaced frames are rewritten.

use std::io::{BufRead, ErrorKind};
use std::time::Duration;

use crate::attacked::arena::{Arena, Bites, SPACING, run, walk};
use crate::attacked::attacker::Target;

crate::common::suite::tests! {
    lines_are_text,
}

/// A line in an evenly spaced frame.
const LINE: &str = "äöüßéèñç äöüßéèñç äöüßéèñç\n";

fn lines_are_text() {
    let mut arena = Arena::frames("lines", SPACING, &[Target::Payload, Target::Inline]);
    let mut line = String::new();
    run(1, Bites::Wrong, |tally, dice| {
        arena.feed(2, |_| (0, LINE.into()), dice);
        let mut reader = arena.consumer().reader();
        reader.set_timeout(Some(Duration::from_nanos(1)));
        for _ in 0..2 {
            line.clear();
            match reader.read_line(&mut line).map_err(|error| error.kind()) {
                Ok(_) => tally.value(line == LINE),
                // The bytes are not text.
                Err(ErrorKind::InvalidData) => tally.wrong += 1,
                Err(ErrorKind::TimedOut) => tally.idle += 1,
                Err(kind) => panic!("{kind}"),
            }
            assert_eq!(walk(line.as_bytes()), Some(line.len()));
        }
    });
}
