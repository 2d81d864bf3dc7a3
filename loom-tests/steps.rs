//! The steps of both endpoints, as a table of functions: the shipped ones call
//! `cursor.rs`, and a mutant replaces exactly one.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::cursor::{ReadCursor, WriteCursor};
use crate::error::Corrupt;
use crate::frames;
use crate::observer::view::{Message, NoCopy, View};
use crate::ring::Ring;
use crate::slots;

/// Whether a message is also copied into the tail's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Walk,
    Ride,
}

/// A cursor that can compute a place in the ring.
pub(crate) enum End<'a> {
    Write(&'a WriteCursor),
    Read(&'a ReadCursor),
}

/// Everything that an endpoint does between two polls of its cursor.
pub(crate) struct Steps {
    /// Takes the producer's role.
    pub(crate) take_producer: fn(&Ring) -> Result<WriteCursor, Corrupt>,
    /// Takes the consumer's role.
    pub(crate) take_consumer: fn(&Ring) -> Result<ReadCursor, Corrupt>,
    /// The units that can be written, after a poll for `wanted`.
    pub(crate) room: fn(&mut WriteCursor, u64, &Ring) -> u64,
    /// The place in the ring at this distance from the position.
    pub(crate) place: fn(End<'_>, usize) -> usize,
    /// Publishes a message that is copied inline.
    pub(crate) publish_inline: fn(&mut WriteCursor, u64, &[u64], &Ring),
    /// Loads the inline copy; returns whether it is the message before the tail.
    pub(crate) copy_inline: fn(&ReadCursor, &mut [u64], &Ring) -> bool,

    /// Whether a poll has found enough for an endpoint of records to continue from a position.
    pub(crate) suffices: fn(u64, u64) -> bool,
    /// How many of the known units to open.
    pub(crate) group: fn(u64, u64) -> u64,
    /// Releases the slot of a record that was taken from the inline copy.
    pub(crate) let_go: fn(&mut slots::Consumer),
    /// Writes a record to its slot, which is open, and publishes it.
    pub(crate) push: fn(&mut slots::Producer, slots::Record, Way),
    /// Takes the inline copy, if it is the next record.
    pub(crate) catch: fn(&slots::Consumer, u64) -> Option<slots::Record>,
    /// Reads the next record from its slot, which is open, and releases the slot.
    pub(crate) pop: fn(&mut slots::Consumer) -> slots::Record,
    /// Writes several records and publishes them together.
    pub(crate) push_all: fn(&mut slots::Producer, &[slots::Record]),
    /// Reads this many records and releases their slots together.
    pub(crate) pop_all: fn(&mut slots::Consumer, u64) -> Vec<slots::Record>,

    /// Padding before a frame of this many bytes that would begin at this offset.
    pub(crate) padding: fn(u64, u64, u64) -> u64,
    /// The bytes of padding and frame.
    pub(crate) units: fn(u64, u64) -> u64,
    /// Writes headers and payload.
    pub(crate) seal: fn(&frames::Producer, &frames::Place, &[u64]),
    /// Publishes what was sealed.
    pub(crate) finish: fn(&mut frames::Producer, &frames::Place, &[u64], Way),
    /// Takes the inline copy, if it is the one frame among this many unread bytes.
    pub(crate) catch_frame: fn(&frames::Consumer, u64) -> Option<Vec<u64>>,
    /// Finds the frame at this distance among this many unread bytes.
    pub(crate) find: fn(&frames::Consumer, u64, u64) -> frames::Found,

    /// Head and tail, as an observer reads them.
    pub(crate) positions: fn(View<'_>) -> (u64, u64),
    /// An observer's copies of the messages between two positions.
    pub(crate) observe: fn(View<'_>, u64, u64) -> Result<Vec<Message>, NoCopy>,
}

/// The shipped steps.
pub(crate) static SHIPPED: Steps = Steps::SHIPPED;

impl Steps {
    pub(crate) const SHIPPED: Self = Self {
        take_producer,
        take_consumer,
        room,
        place,
        publish_inline,
        copy_inline,

        suffices: slots::suffices,
        group: slots::group,
        let_go: slots::let_go,
        push: slots::push,
        catch: slots::catch,
        pop: slots::pop,
        push_all: slots::push_all,
        pop_all: slots::pop_all,

        padding: frames::padding,
        units: frames::units,
        seal: frames::seal,
        finish: frames::finish,
        catch_frame: frames::catch,
        find: frames::find,

        positions: |view| view.positions(),
        observe,
    };
}

fn observe(view: View<'_>, head: u64, tail: u64) -> Result<Vec<Message>, NoCopy> {
    let mut shown = Vec::new();
    view.copy(head, tail, usize::MAX, |message| shown.push(message))?;
    Ok(shown)
}

fn take_producer(ring: &Ring) -> Result<WriteCursor, Corrupt> {
    WriteCursor::resume(ring.line(), &ring.head, ring.capacity)
}

fn take_consumer(ring: &Ring) -> Result<ReadCursor, Corrupt> {
    ReadCursor::resume(ring.tail(), &ring.head, ring.capacity)
}

fn room(cursor: &mut WriteCursor, wanted: u64, ring: &Ring) -> u64 {
    match cursor.room(wanted) {
        Some(room) => room,
        None => cursor.look(&ring.head).expect("the head is in range"),
    }
}

fn place(end: End<'_>, ahead: usize) -> usize {
    match end {
        End::Write(cursor) => cursor.index(ahead),
        End::Read(cursor) => cursor.index(ahead),
    }
}

fn publish_inline(cursor: &mut WriteCursor, units: u64, words: &[u64], ring: &Ring) {
    cursor.publish_inline(units, words.iter().copied(), ring.line());
}

fn copy_inline(cursor: &ReadCursor, words: &mut [u64], ring: &Ring) -> bool {
    cursor.inline_copy(words, ring.line())
}

/// The producer of a ring of slots or frames.
pub(crate) struct Producer<Shape> {
    pub(crate) cursor: WriteCursor,
    pub(crate) ring: Rc<Ring>,
    pub(crate) steps: &'static Steps,
    shape: PhantomData<Shape>,
}

impl<Shape> Producer<Shape> {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps) -> Self {
        Self {
            cursor: (steps.take_producer)(ring).expect("the head is in range"),
            ring: Rc::clone(ring),
            steps,
            shape: PhantomData,
        }
    }
}
