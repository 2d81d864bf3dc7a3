//! Fixed slots: what `src/producer.rs` and `src/consumer.rs` do with their cursors, on
//! words that loom checks. A record is two words, so that a torn record is detected.

use std::rc::Rc;

use loom::thread::yield_now;

use crate::cursor::ReadCursor;
use crate::harness::reached::{State, reach};
use crate::lines::Lines;
use crate::ring::Ring;
use crate::steps::{self, End, Steps, Way};

/// Words of a record.
pub(crate) const WORDS: usize = 2;

pub(crate) type Record = [u64; WORDS];

/// Two records share a line. Every ring here fits into one group of lines.
pub(crate) const LINES: Lines = Lines::new(32, 16);

/// The record with this number. No two records have a word in common.
pub(crate) fn record(number: u64) -> Record {
    [number << 8 | 1, number << 8 | 2]
}

pub(crate) enum Slots {}

pub(crate) type Producer = steps::Producer<Slots>;

impl Producer {
    pub(crate) fn try_push(&mut self, record: Record, way: Way) -> bool {
        if !self.open_more() {
            reach(State::Full);
            return false;
        }
        (self.steps.push)(self, record, way);
        self.ring.note_written(self.cursor.position());
        if way == Way::Ride {
            self.ring.note_inline(self.cursor.position());
        }
        true
    }

    /// Claims the next slot, if there is room, and drops the claim.
    pub(crate) fn claim(&mut self, record: &Record) {
        if self.open_more() {
            self.write(0, record);
        }
    }

    /// Makes sure that the next slot is open, as `Endpoint::open_more` does.
    fn open_more(&mut self) -> bool {
        if self.cursor.is_open() {
            return true;
        }
        let position = self.cursor.position();
        let known = match self.cursor.room(1) {
            Some(known) if self.ring.streams && LINES.is_scrap(position, known) => {
                let room = self.cursor.look(&self.ring.head);
                room.expect("the head is in range")
            }
            _ => (self.steps.room)(&mut self.cursor, 1, &self.ring),
        };
        if !(self.steps.suffices)(position, known) {
            return false;
        }
        if self.ring.streams && LINES.is_scrap(position, known) {
            reach(State::Scrap);
        }
        let units = (self.steps.group)(position, known);
        for ahead in 0..units as usize {
            self.touch(ahead);
        }
        self.cursor.open(units);
        true
    }

    pub(crate) fn push(&mut self, record: Record, way: Way) {
        while !self.try_push(record, way) {
            yield_now();
        }
    }

    /// Pushes all records, as many at a time as there is room for.
    pub(crate) fn push_slice(&mut self, mut records: &[Record]) {
        while !records.is_empty() {
            let wanted = records.len() as u64;
            let room = (self.steps.room)(&mut self.cursor, wanted, &self.ring).min(wanted);
            if room == 0 {
                reach(State::Full);
                yield_now();
                continue;
            }
            let (batch, rest) = records.split_at(room as usize);
            (self.steps.push_all)(self, batch);
            self.ring.note_written(self.cursor.position());
            if room > 1 {
                reach(State::Published);
            }
            records = rest;
        }
    }

    pub(crate) fn write(&self, ahead: usize, record: &Record) {
        let slot = (self.steps.place)(End::Write(&self.cursor), ahead) * WORDS;
        for (word, &value) in record.iter().enumerate() {
            self.ring.write(slot + word, value);
        }
    }

    /// Fetches the lines of a slot for writing, without a change.
    fn touch(&self, ahead: usize) {
        let slot = (self.steps.place)(End::Write(&self.cursor), ahead) * WORDS;
        (slot..slot + WORDS).for_each(|word| self.ring.touch(word));
    }

    pub(crate) fn publish(&mut self, records: u64) {
        self.cursor.publish(records, self.ring.line());
    }

    pub(crate) fn publish_open(&mut self) {
        let position = self.cursor.position();
        self.cursor.publish_open(position, self.ring.line());
    }
}

pub(crate) struct Consumer {
    pub(crate) cursor: ReadCursor,
    pub(crate) ring: Rc<Ring>,
    pub(crate) steps: &'static Steps,
    /// Whether records are small enough for an inline copy.
    inline: bool,
}

impl Consumer {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps, inline: bool) -> Self {
        Self {
            cursor: (steps.take_consumer)(ring).expect("the tail is in range"),
            ring: Rc::clone(ring),
            steps,
            inline,
        }
    }

    pub(crate) fn try_pop(&mut self) -> Option<Record> {
        if !self.cursor.is_open() {
            let position = self.cursor.position();
            let mut unread = self.cursor.seen();
            let waits = self.ring.streams && LINES.is_scrap(position, unread);
            if unread == 0 || waits {
                unread = self.look();
                if !(self.steps.suffices)(position, unread) {
                    return None;
                }
                if self.ring.streams && LINES.is_scrap(position, unread) {
                    reach(State::Scrap);
                }
                if self.inline {
                    if let Some(record) = (self.steps.catch)(self, unread) {
                        reach(State::Rode);
                        self.ring.note_delivered();
                        (self.steps.let_go)(self);
                        return Some(record);
                    }
                }
            }
            self.cursor.open((self.steps.group)(position, unread));
        }
        let end = self.cursor.position().wrapping_add(1);
        self.ring.note_if_inline(end, State::Walked);
        self.ring.note_delivered();
        Some((self.steps.pop)(self))
    }

    pub(crate) fn pop(&mut self) -> Record {
        loop {
            match self.try_pop() {
                Some(record) => return record,
                None => yield_now(),
            }
        }
    }

    /// Pops this many records, as many at a time as have arrived.
    pub(crate) fn pop_slice(&mut self, count: usize) -> Vec<Record> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let wanted = (count - taken.len()) as u64;
            let mut unread = self.cursor.seen();
            if unread < wanted {
                unread = self.look();
            }
            if unread == 0 {
                yield_now();
                continue;
            }
            let batch = unread.min(wanted);
            if batch > 1 {
                reach(State::Released);
            }
            self.ring.note_delivered();
            taken.extend((self.steps.pop_all)(self, batch));
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

    pub(crate) fn read(&self, ahead: usize) -> Record {
        let slot = (self.steps.place)(End::Read(&self.cursor), ahead) * WORDS;
        std::array::from_fn(|word| self.ring.read(slot + word))
    }

    pub(crate) fn release(&mut self, records: u64) {
        self.cursor.release(records, &self.ring.head);
    }

    pub(crate) fn release_open(&mut self) {
        let position = self.cursor.position();
        self.cursor.release_open(position, &self.ring.head);
    }
}

pub(crate) fn suffices(_position: u64, known: u64) -> bool {
    known > 0
}

pub(crate) fn group(position: u64, known: u64) -> u64 {
    LINES.group(position, known)
}

pub(crate) fn let_go(consumer: &mut Consumer) {
    consumer.release(1);
}

pub(crate) fn push(producer: &mut Producer, record: Record, way: Way) {
    producer.write(0, &record);
    match way {
        Way::Walk => producer.publish_open(),
        Way::Ride => {
            let publish = producer.steps.publish_inline;
            publish(&mut producer.cursor, 1, &record, &producer.ring);
        }
    }
}

pub(crate) fn catch(consumer: &Consumer, unread: u64) -> Option<Record> {
    if unread != 1 {
        return None;
    }
    let mut record = [0; WORDS];
    if (consumer.steps.copy_inline)(&consumer.cursor, &mut record, &consumer.ring) {
        return Some(record);
    }
    let end = consumer.cursor.position().wrapping_add(1);
    consumer.ring.note_if_inline(end, State::Refused);
    None
}

pub(crate) fn pop(consumer: &mut Consumer) -> Record {
    let record = consumer.read(0);
    consumer.release_open();
    record
}

pub(crate) fn push_all(producer: &mut Producer, records: &[Record]) {
    for (ahead, record) in records.iter().enumerate() {
        producer.write(ahead, record);
    }
    producer.publish(records.len() as u64);
}

pub(crate) fn pop_all(consumer: &mut Consumer, count: u64) -> Vec<Record> {
    let records = (0..count as usize)
        .map(|ahead| consumer.read(ahead))
        .collect();
    consumer.release(count);
    records
}
