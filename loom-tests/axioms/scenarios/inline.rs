//! Inline copies: a consumer takes a whole message from the tail's line, or refuses it.

use super::{Ring, in_range, message};
use crate::axioms::scenario::{On, Scenario, Setup};
use crate::axioms::trace::{fault, note};
use crate::cursor::WriteCursor;
use crate::harness::reached::State::{
    self, Empty, Inherited, Observed, Refused, Rode, Stored, Walked,
};

/// How a message is published.
#[derive(Clone, Copy)]
enum How {
    Rides,
    Walks,
}

/// The producer of a message: two producers may write a message for the same position.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Author {
    First,
    Next,
}

/// The content of the slot.
fn value(position: u64, author: Author) -> u64 {
    message(position) + 50 * author as u64
}

/// The inline copy, of this many words.
fn words(position: u64, author: Author, count: usize) -> Vec<u64> {
    let value = value(position, author);
    (0..count as u64).map(|word| value + 100 * word).collect()
}

fn push(
    ring: &Ring,
    cursor: &mut WriteCursor,
    how: How,
    author: Author,
    count: usize,
) -> Option<()> {
    if cursor.room(1).is_none() && in_range(cursor.look(&ring.head))? == 0 {
        return Some(());
    }
    let position = cursor.position();
    ring.slots[cursor.index(0)].write(value(position, author));
    match how {
        How::Walks => cursor.publish(1, ring.line()),
        How::Rides => {
            let words = words(position, author, count);
            cursor.publish_inline(1, words.into_iter(), ring.line());
        }
    }
    if author == Author::First {
        note(Stored);
    }
    Some(())
}

fn produce(ring: &Ring, pushes: &[How], count: usize) -> Option<()> {
    let mut cursor = ring.writer()?;
    for &how in pushes {
        push(ring, &mut cursor, how, Author::First, count)?;
    }
    Some(())
}

/// Records which producer's message was taken.
fn taken(is: impl Fn(Author) -> bool, fault_otherwise: &'static str) {
    if is(Author::First) {
        note(Observed);
    } else if !is(Author::Next) {
        fault(fault_otherwise);
    }
}

/// Polls this many times, and reads each message from the inline copy or from its slot.
fn consume(ring: &Ring, polls: usize, count: usize) -> Option<()> {
    let mut cursor = ring.reader()?;
    for _ in 0..polls {
        let unread = in_range(cursor.look(&ring.tail))?;
        let position = cursor.position();
        let mut copy = vec![0; count];
        if unread == 0 {
            note(Empty);
            continue;
        }
        if unread == 1 && cursor.inline_copy(&mut copy, ring.line()) {
            taken(
                |author| copy == words(position, author, count),
                "an inline copy is torn",
            );
            note(Rode);
        } else {
            if unread == 1 {
                note(Refused);
            }
            let found = ring.slots[cursor.index(0)].read();
            taken(
                |author| found == value(position, author),
                "a message differs from what was published",
            );
            note(Walked);
        }
        cursor.release(1, &ring.head);
    }
    Some(())
}

/// Publishes messages, each with or without an inline copy.
fn in_a_row(pushes: &'static [How], polls: usize) -> Setup {
    On::memory(Ring::new(2))
        .thread(move |ring| produce(ring, pushes, 2))
        .thread(move |ring| consume(ring, polls, 2))
        .ready()
}

/// A producer crashes at any event, also in the middle of an inline copy, and the next holder publishes.
fn half_made(next: How) -> Setup {
    On::memory(Ring::new(2))
        .thread(|ring| produce(ring, &[How::Rides], 1))
        .dies(|ring| ring.lock.holder_dies())
        .thread(move |ring| {
            ring.lock.take()?;
            let mut cursor = ring.writer()?;
            if cursor.position() > 0 {
                note(Inherited);
            }
            push(ring, &mut cursor, next, Author::Next, 1)
        })
        .thread(|ring| consume(ring, 1, 1))
        .ready()
}

/// A message was taken that its producer had not published before it crashed.
const UNPUBLISHED: &[(&[State], &[State])] = &[(&[Observed], &[Stored])];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "inline copy",
        floor: 40,
        setup: || in_a_row(&[How::Rides], 2),
        states: &[Rode, Empty],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "copy_after_copy",
        floor: 86,
        setup: || in_a_row(&[How::Rides, How::Rides], 1),
        states: &[Rode, Refused, Walked, Empty],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "copy_after_slot",
        floor: 340,
        setup: || in_a_row(&[How::Walks, How::Rides], 2),
        states: &[Rode, Refused, Walked, Empty],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "half_made_copy_then_slot",
        floor: 3_800,
        setup: || half_made(How::Walks),
        forbidden: UNPUBLISHED,
        states: &[Rode, Refused, Walked, Empty, Inherited],
    },
    Scenario {
        name: "half_made_copy_then_copy",
        floor: 22_000,
        setup: || half_made(How::Rides),
        forbidden: UNPUBLISHED,
        states: &[Rode, Refused, Walked, Empty, Inherited],
    },
];
