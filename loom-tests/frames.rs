//! Frames: what `src/frames/` does with its cursors, on words that loom checks. A frame is
//! a header and the payload, here in whole words. If the next frame does not fit into the
//! rest of a lap, padding fills that rest, and both are published together.

use std::rc::Rc;

use loom::thread::yield_now;

use crate::cursor::{RIDE_WORDS, ReadCursor};
use crate::harness::reached::{State, reach};
use crate::layout::{FRAME_HEADER, PADDING, frame_header, frame_parts, frame_size};
use crate::ring::Ring;
use crate::steps::{self, End, Steps, Way};

const WORD: u64 = FRAME_HEADER;

/// The frame with this number and this many words of payload, header first. No two frames
/// have a word in common.
pub(crate) fn frame(number: u32, payload: u32) -> Vec<u64> {
    let words = (1..=payload).map(|word| u64::from(number << 8 | word));
    [frame_header(payload * 8, number)]
        .into_iter()
        .chain(words)
        .collect()
}

/// The bytes of a frame with this header; `None` for padding.
pub(crate) fn size_of(header: u64) -> Option<u64> {
    let (len, _) = frame_parts(header);
    (len != PADDING).then(|| frame_size(u64::from(len)))
}

/// The place of a frame.
pub(crate) struct Place {
    /// Bytes before it, to the end of the lap.
    pub(crate) padding: u64,
    /// Its header's offset.
    pub(crate) offset: u64,
    /// Bytes of the frame.
    pub(crate) size: u64,
}

/// A frame that was found.
pub(crate) struct Found {
    pub(crate) words: Vec<u64>,
    /// Bytes to release, padding included.
    pub(crate) units: u64,
}

pub(crate) enum Frames {}

pub(crate) type Producer = steps::Producer<Frames>;

impl Producer {
    /// The place of a frame after this many bytes that are not yet published, if there is
    /// room.
    fn reserve(&mut self, ahead: u64, frame: &[u64]) -> Option<Place> {
        let size = frame.len() as u64 * WORD;
        let offset = (self.steps.place)(End::Write(&self.cursor), ahead as usize) as u64;
        let padding = (self.steps.padding)(offset, size, self.ring.capacity);
        let units = ahead + (self.steps.units)(padding, size);
        if (self.steps.room)(&mut self.cursor, units, &self.ring) < units {
            reach(State::Full);
            return None;
        }
        let offset = if padding == 0 { offset } else { 0 };
        Some(Place {
            padding,
            offset,
            size,
        })
    }

    pub(crate) fn push(&mut self, frame: &[u64], way: Way) {
        let place = loop {
            match self.reserve(0, frame) {
                Some(place) => break place,
                None => yield_now(),
            }
        };
        (self.steps.seal)(self, &place, frame);
        (self.steps.finish)(self, &place, frame, way);
        self.ring.note_written(self.cursor.position());
        if way == Way::Ride {
            self.ring.note_inline(self.cursor.position());
        }
    }

    /// Pushes all frames, each time as many as there is room for.
    pub(crate) fn push_slice(&mut self, frames: &[Vec<u64>]) {
        let mut frames = frames.iter().peekable();
        while frames.peek().is_some() {
            let (mut ahead, mut count) = (0, 0);
            while let Some(frame) = frames.peek() {
                let Some(place) = self.reserve(ahead, frame) else {
                    break;
                };
                (self.steps.seal)(self, &place, frame);
                ahead += place.padding + place.size;
                count += 1;
                frames.next();
            }
            match count {
                0 => yield_now(),
                1 => self.publish(ahead),
                _ => {
                    self.publish(ahead);
                    reach(State::Published);
                }
            }
            self.ring.note_written(self.cursor.position());
        }
    }

    pub(crate) fn publish(&mut self, bytes: u64) {
        self.cursor.publish(bytes, self.ring.line());
    }
}

pub(crate) struct Consumer {
    pub(crate) cursor: ReadCursor,
    pub(crate) ring: Rc<Ring>,
    pub(crate) steps: &'static Steps,
    /// The most words of an inline copy; 0 for no inline copies.
    pub(crate) ride: usize,
}

impl Consumer {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps, ride: usize) -> Self {
        assert!(ride <= RIDE_WORDS, "an inline copy has fewer words");
        Self {
            cursor: (steps.take_consumer)(ring).expect("the tail is in range"),
            ring: Rc::clone(ring),
            steps,
            ride,
        }
    }

    fn try_pop(&mut self) -> Option<Vec<u64>> {
        let mut unread = self.cursor.seen();
        if unread == 0 {
            unread = self.look();
            if unread == 0 {
                return None;
            }
            if unread <= self.ride as u64 * WORD {
                if let Some(words) = (self.steps.catch_frame)(self, unread) {
                    reach(State::Rode);
                    self.ring.note_delivered();
                    self.release(unread);
                    return Some(words);
                }
            }
        }
        let Found { words, units } = (self.steps.find)(self, 0, unread);
        let end = self.cursor.position().wrapping_add(units);
        self.ring.note_if_inline(end, State::Walked);
        self.ring.note_delivered();
        self.release(units);
        Some(words)
    }

    pub(crate) fn pop(&mut self) -> Vec<u64> {
        loop {
            match self.try_pop() {
                Some(frame) => return frame,
                None => yield_now(),
            }
        }
    }

    /// Takes this many frames, each time all that have arrived, with one release.
    pub(crate) fn drain(&mut self, count: usize) -> Vec<Vec<u64>> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let unread = self.look();
            let (mut visited, before) = (0, taken.len());
            while visited < unread {
                let Found { words, units } = (self.steps.find)(self, visited, unread);
                visited += units;
                taken.push(words);
            }
            if visited == 0 {
                yield_now();
                continue;
            }
            if taken.len() - before > 1 {
                reach(State::Released);
            }
            self.ring.note_delivered();
            self.release(visited);
        }
        taken
    }

    fn look(&mut self) -> u64 {
        let unread = self.cursor.look(self.ring.tail());
        let unread = unread.expect("the tail is in range");
        if unread == 0 {
            reach(State::Empty);
        }
        unread
    }

    pub(crate) fn word(&self, offset: u64) -> u64 {
        self.ring.read((offset / WORD) as usize)
    }

    fn release(&mut self, bytes: u64) {
        self.cursor.release(bytes, &self.ring.head);
    }
}

pub(crate) fn padding(offset: u64, size: u64, capacity: u64) -> u64 {
    let rest = capacity - offset;
    if size <= rest { 0 } else { rest }
}

pub(crate) fn units(padding: u64, size: u64) -> u64 {
    padding + size
}

pub(crate) fn seal(producer: &Producer, place: &Place, frame: &[u64]) {
    let ring = &producer.ring;
    if place.padding > 0 {
        let offset = ring.capacity - place.padding;
        ring.write((offset / WORD) as usize, frame_header(PADDING, 0));
    }
    // Payload first: a claim is filled before its header is written.
    for (word, &value) in frame.iter().enumerate().rev() {
        ring.write((place.offset / WORD) as usize + word, value);
    }
}

pub(crate) fn finish(producer: &mut Producer, place: &Place, frame: &[u64], way: Way) {
    let units = place.padding + place.size;
    match way {
        Way::Walk => producer.publish(units),
        Way::Ride => {
            let publish = producer.steps.publish_inline;
            publish(&mut producer.cursor, units, frame, &producer.ring);
        }
    }
}

pub(crate) fn catch(consumer: &Consumer, unread: u64) -> Option<Vec<u64>> {
    let mut words = vec![0; consumer.ride];
    if !(consumer.steps.copy_inline)(&consumer.cursor, &mut words, &consumer.ring) {
        let end = consumer.cursor.position().wrapping_add(unread);
        consumer.ring.note_if_inline(end, State::Refused);
        return None;
    }
    // Otherwise there is padding before the frame, or more than one frame.
    (size_of(words[0]) == Some(unread)).then(|| {
        words.truncate((unread / WORD) as usize);
        words
    })
}

pub(crate) fn find(consumer: &Consumer, visited: u64, unread: u64) -> Found {
    let mut offset = (consumer.steps.place)(End::Read(&consumer.cursor), visited as usize) as u64;
    let mut left = unread - visited;
    let mut rest = consumer.ring.capacity - offset;
    let mut padding = 0;
    let mut header = consumer.word(offset);
    if size_of(header).is_none() {
        assert!(rest < left, "corrupt: padding without its frame");
        reach(State::Padded);
        (padding, offset) = (rest, 0);
        (left, rest) = (left - padding, consumer.ring.capacity);
        header = consumer.word(0);
    }
    let size = size_of(header).expect("corrupt: padding behind padding");
    assert!(
        size <= left.min(rest),
        "corrupt: a frame beyond what is unread"
    );
    let payload = (WORD..size).step_by(8).map(|at| consumer.word(offset + at));
    Found {
        words: [header].into_iter().chain(payload).collect(),
        units: padding + size,
    }
}
