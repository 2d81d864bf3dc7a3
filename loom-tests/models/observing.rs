//! An observer of both endpoints: it shows only whole, published messages, and discards
//! what it read of a released message.

use std::rc::Rc;

use loom::thread::{self, yield_now};

use crate::cursor::{RIDE_WORDS, ReadCursor, TailLine, WriteCursor};
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Observed, Overtaken, Reused};
use crate::harness::reached::reach;
use crate::layout::{frame_header, frame_size};
use crate::observer::view::{Message, View};
use crate::steps::Steps;
use crate::sync::{AtomicU64, PLAIN};

/// A small ring whose payload may be read and written at the same time.
struct Ring {
    tail: AtomicU64,
    ride_position: AtomicU64,
    ride: [AtomicU64; RIDE_WORDS],
    head: AtomicU64,
    data: Vec<AtomicU64>,
}

/// A message that fills a lap of the ring.
struct Given {
    position: u64,
    units: u64,
    kind: u32,
    words: &'static [u64],
}

/// Some messages are published first. The consumer releases them one by one, and the
/// producer overwrites them with others.
struct Watched {
    capacity: u64,
    /// Bytes of a slot; none for frames.
    slot_size: Option<u64>,
    messages: &'static [Given],
    /// How many are published before the endpoints attach.
    published: usize,
    /// How many messages the consumer releases.
    released: usize,
}

impl Given {
    /// The message in the ring.
    fn stored(&self, slot_size: Option<u64>) -> Vec<u64> {
        let header = frame_header(self.words.len() as u32 * 8, self.kind);
        let header = slot_size.is_none().then_some(header);
        header
            .into_iter()
            .chain(self.words.iter().copied())
            .collect()
    }

    fn is_shown(&self, message: &Message) -> bool {
        let bytes: Vec<u8> = self
            .words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        message.bytes == bytes
            && message.kind == self.kind
            && message.position == self.position
            && message.next == self.position + self.units
    }
}

impl Watched {
    fn ring(&self) -> Rc<Ring> {
        let there = &self.messages[..self.published];
        let words = self.capacity * self.slot_size.unwrap_or(1) / 8;
        let mut data = vec![0; words as usize];
        for given in there {
            let stored = given.stored(self.slot_size);
            let first = self.first_word(given.position);
            data[first..first + stored.len()].copy_from_slice(&stored);
        }
        Rc::new(Ring {
            tail: AtomicU64::new(there.iter().map(|given| given.units).sum()),
            ride_position: AtomicU64::new(0),
            ride: std::array::from_fn(|_| AtomicU64::new(0)),
            head: AtomicU64::new(0),
            data: data.into_iter().map(AtomicU64::new).collect(),
        })
    }

    fn first_word(&self, position: u64) -> usize {
        let index = position & (self.capacity - 1);
        (index * self.slot_size.unwrap_or(1) / 8) as usize
    }

    fn consume(&self, ring: &Ring) {
        let mut cursor = ReadCursor::resume(&ring.tail, &ring.head, self.capacity)
            .expect("the tail is in range");
        for given in &self.messages[..self.released] {
            while cursor.seen() == 0 && cursor.look(&ring.tail).expect("it is in range") == 0 {
                yield_now();
            }
            cursor.release(given.units, &ring.head);
        }
    }

    fn produce(&self, ring: &Ring) {
        let line = TailLine {
            tail: &ring.tail,
            ride_position: &ring.ride_position,
            ride: &ring.ride,
        };
        let mut cursor =
            WriteCursor::resume(line, &ring.head, self.capacity).expect("the head is in range");
        for given in &self.messages[self.published..] {
            while cursor.room(given.units).is_none() {
                if cursor.look(&ring.head).expect("it is in range") < given.units {
                    yield_now();
                }
            }
            if given.position >= self.capacity {
                reach(Reused);
            }
            let first = self.first_word(given.position);
            for (word, value) in (first..).zip(given.stored(self.slot_size)) {
                ring.data[word].store(value, PLAIN);
            }
            cursor.publish(given.units, line);
        }
    }

    fn observe(&self, ring: &Ring, steps: &Steps) {
        let view = View {
            tail: &ring.tail,
            head: &ring.head,
            data: &ring.data,
            capacity: self.capacity,
            slot_size: self.slot_size,
        };
        let (head, tail) = (steps.positions)(view);
        assert!(head <= tail, "the head is {head}, the tail {tail}");
        let shown = (steps.observe)(view, head, tail);
        let shown = shown.expect("nothing is corrupt");
        let unread = self
            .messages
            .iter()
            .filter(|given| (head..tail).contains(&given.position));
        if (shown.len()) < unread.count() {
            reach(Overtaken);
        }
        for message in shown {
            reach(Observed);
            let mut given = self.messages.iter();
            assert!(
                given.any(|given| given.is_shown(&message)),
                "{message:x?} was not published"
            );
        }
    }
}

impl Scenario<Steps> for Watched {
    fn run(&'static self, steps: &'static Steps) {
        let ring = self.ring();
        let (writing, reading) = (Rc::clone(&ring), Rc::clone(&ring));
        // The consumer runs first: it makes room for the producer.
        let reader = thread::spawn(move || self.consume(&reading));
        let writer = thread::spawn(move || self.produce(&writing));
        self.observe(&ring, steps);
        reader.join().expect("the reader returns");
        writer.join().expect("the writer returns");
    }
}

const WATCHED: Model<Steps> = Model {
    preemptions: Some(2),
    least: 2,
    states: &[Observed, Overtaken, Reused],
    ..Model::EMPTY
};

/// A record.
const fn record(position: u64, words: &'static [u64]) -> Given {
    Given {
        position,
        units: 1,
        kind: 0,
        words,
    }
}

/// A frame without padding before it.
const fn frame(position: u64, kind: u32, words: &'static [u64]) -> Given {
    Given {
        position,
        units: frame_size(words.len() as u64 * 8),
        kind,
        words,
    }
}

pub(super) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "observer_of_a_slot",
        floor: 450,
        scenario: &Watched {
            capacity: 1,
            slot_size: Some(16),
            messages: &[record(0, &[0x101, 0x102]), record(1, &[0x201, 0x202])],
            published: 1,
            released: 1,
        },
        ..WATCHED
    },
    Model {
        name: "observer_of_a_first_slot",
        floor: 810,
        scenario: &Watched {
            capacity: 1,
            slot_size: Some(16),
            messages: &[record(0, &[0x101, 0x102]), record(1, &[0x201, 0x202])],
            published: 0,
            released: 1,
        },
        ..WATCHED
    },
    Model {
        name: "observer_of_frames",
        floor: 2_800,
        // The third overwrites both headers.
        scenario: &Watched {
            capacity: 32,
            slot_size: None,
            messages: &[
                frame(0, 1, &[0x101]),
                frame(16, 2, &[0x201]),
                frame(32, 3, &[0x301, 0x302]),
            ],
            published: 2,
            released: 2,
        },
        ..WATCHED
    },
];
