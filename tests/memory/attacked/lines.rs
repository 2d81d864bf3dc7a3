//! Lines of a ring whose evenly spaced frames are rewritten.

use std::io::{BufRead, ErrorKind};
use std::time::Duration;

use super::arena::{Arena, SPACING, run, walk};
use crate::hostile::body::Tally;
use crate::hostile::body::memory::{PAGE, Target};

crate::common::suite::tests! {
    lines_are_text,
}

/// A line in an evenly spaced frame.
const LINE: &str = "äöüßéèñç äöüßéèñç äöüßéèñç\n";

fn lines_are_text() {
    let tally = Tally::default();
    let targets = [Target::Payload, Target::Inline];
    let mut arena = Arena::<[u8]>::new(PAGE, SPACING, &targets, &tally);
    let mut line = String::new();
    run(1, &tally, &["wrong"], |_| {
        for _ in 0..2 {
            arena.feed(&(0, LINE.into()));
        }
        let mut reader = arena.consumer().reader();
        reader.set_timeout(Some(Duration::from_nanos(1)));
        for _ in 0..2 {
            line.clear();
            match reader.read_line(&mut line).map_err(|error| error.kind()) {
                Ok(_) => tally.value(line == LINE),
                // The bytes are not text.
                Err(ErrorKind::InvalidData) => tally.count("wrong", true),
                Err(ErrorKind::TimedOut) => tally.count("idle", true),
                Err(kind) => panic!("{kind}"),
            }
            assert_eq!(walk(line.as_bytes()), Some(line.len()));
        }
    });
}
