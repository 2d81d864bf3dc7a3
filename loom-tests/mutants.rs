//! The protocol with one wrong step. `cursor.rs` itself is unchanged: a mutant calls it in
//! the wrong order, with the wrong values, or not at all.

use crate::cursor::{ReadCursor, TailLine, WriteCursor};
use crate::error::Corrupt;
use crate::frames::{self, Found, Place, size_of};
use crate::harness::mutants::Mutant;
use crate::layout::{PADDING, frame_header};
use crate::observer::view::{Message, NoCopy, View};
use crate::ring::Ring;
use crate::slots::{self, LINES, Record, WORDS};
use crate::steps::{End, Steps, Way};
use crate::sync::{AtomicU64, CHECK, FREE, READY, RIDE, RIDING, fence};

const SHIPPED: Steps = Steps::SHIPPED;

macro_rules! mutants {
    ($($name:literal: $step:ident = $wrong:expr;)*) => {
        pub(crate) static MUTANTS: &[Mutant<Steps>] = &[$(Mutant {
            name: $name,
            step: stringify!($step),
            steps: Steps { $step: $wrong, ..SHIPPED },
        }),*];
    };
}

mutants! {
    "publish before write": push = publish_before_write;
    "publish before the batch's last write": push_all = publish_before_last;
    "release before read": pop = release_before_read;
    "release before the batch's last read": pop_all = release_before_last;
    "full off by one": room = one_more;
    "room without a poll of the head": room = |_, wanted, _| wanted;
    "two positions share a slot": place = lowest_bit_lost;

    "producer resumes at the head": take_producer = resume_at_head;
    "consumer resumes at the tail": take_consumer = resume_at_tail;
    "next producer does not clear the inline copy": take_producer = keep_inline;
    "next producer takes a slot as open": take_producer = open_at_once;
    "next consumer takes a record as open": take_consumer = seen_at_once;

    "units opened beyond what is known": group = |position, known| slots::group(position, known) + 1;
    "last part of a line refused": suffices = |position, known| !LINES.is_scrap(position, known);
    "batch does not move the producer's stop": push_all = push_all_as_open;
    "batch does not move the consumer's stop": pop_all = pop_all_as_open;
    "inline copy does not move the consumer's stop": let_go = slots::Consumer::release_open;

    "record with an inline copy not in its slot": push = inline_only;
    "words before ride_position": publish_inline = words_first;
    "fence before ride_position": publish_inline = fence_first;
    "inline copy after publish": publish_inline = tail_first;
    "ride_position one message early": publish_inline = mark_start;
    "inline copy used without check": copy_inline = unchecked;
    "inline copy checked before it is loaded": copy_inline = checked_first;
    "inline copy taken although two are unread": catch = catch_any;
    "inline copy taken with the frames before it": catch_frame = catch_any_frame;

    "frame laid across the lap's end": padding = |_, _, _| 0;
    "room for the frame, not its padding": units = |_, size| size;
    "padding without a header": seal = no_padding_header;
    "padding published ahead of its frame": finish = padding_ahead;
    "padding not released": find = keep_padding;
    "padding read as a frame": find = no_skip;

    "tail read before the head": positions = tail_before_head;
    "copy shown without a check": observe = shown_unchecked;
    "head read before the copy": observe = checked_before_copy;
}

fn publish_before_write(producer: &mut slots::Producer, record: Record, way: Way) {
    // The slot's place, which is still the next one.
    let slot = (producer.steps.place)(End::Write(&producer.cursor), 0) * WORDS;
    match way {
        Way::Walk => producer.publish(1),
        Way::Ride => {
            let publish = producer.steps.publish_inline;
            publish(&mut producer.cursor, 1, &record, &producer.ring);
        }
    }
    for (word, value) in record.into_iter().enumerate() {
        producer.ring.write(slot + word, value);
    }
}

fn publish_before_last(producer: &mut slots::Producer, records: &[Record]) {
    let (last, others) = records.split_last().expect("no batch is empty");
    let slot = (producer.steps.place)(End::Write(&producer.cursor), others.len()) * WORDS;
    for (ahead, record) in others.iter().enumerate() {
        producer.write(ahead, record);
    }
    producer.publish(records.len() as u64);
    for (word, &value) in last.iter().enumerate() {
        producer.ring.write(slot + word, value);
    }
}

fn release_before_read(consumer: &mut slots::Consumer) -> Record {
    let slot = (consumer.steps.place)(End::Read(&consumer.cursor), 0) * WORDS;
    consumer.release(1);
    std::array::from_fn(|word| consumer.ring.read(slot + word))
}

fn release_before_last(consumer: &mut slots::Consumer, count: u64) -> Vec<Record> {
    let last = count as usize - 1;
    let mut records: Vec<_> = (0..last).map(|ahead| consumer.read(ahead)).collect();
    let slot = (consumer.steps.place)(End::Read(&consumer.cursor), last) * WORDS;
    consumer.release(count);
    records.push(std::array::from_fn(|word| consumer.ring.read(slot + word)));
    records
}

fn one_more(cursor: &mut WriteCursor, wanted: u64, ring: &Ring) -> u64 {
    (SHIPPED.room)(cursor, wanted, ring).saturating_add(1)
}

fn lowest_bit_lost(end: End<'_>, ahead: usize) -> usize {
    (SHIPPED.place)(end, ahead) & !1
}

fn resume_at_head(ring: &Ring) -> Result<WriteCursor, Corrupt> {
    let head = ring.head.load(FREE);
    let (tail, head) = (&AtomicU64::new(head), &AtomicU64::new(head));
    let line = TailLine {
        tail,
        ..ring.line()
    };
    WriteCursor::resume(line, head, ring.capacity)
}

fn resume_at_tail(ring: &Ring) -> Result<ReadCursor, Corrupt> {
    let tail = ring.tail().load(READY);
    let (tail, head) = (&AtomicU64::new(tail), &AtomicU64::new(tail));
    ReadCursor::resume(tail, head, ring.capacity)
}

fn open_at_once(ring: &Ring) -> Result<WriteCursor, Corrupt> {
    let mut cursor = (SHIPPED.take_producer)(ring)?;
    cursor.open(1);
    Ok(cursor)
}

fn seen_at_once(ring: &Ring) -> Result<ReadCursor, Corrupt> {
    let mut cursor = (SHIPPED.take_consumer)(ring)?;
    cursor.open(1);
    Ok(cursor)
}

/// Writes records as if each slot were open.
fn push_all_as_open(producer: &mut slots::Producer, records: &[Record]) {
    for (ahead, record) in records.iter().enumerate() {
        producer.write(ahead, record);
    }
    let last = producer
        .cursor
        .position()
        .wrapping_add(records.len() as u64 - 1);
    producer.cursor.publish_open(last, producer.ring.line());
}

fn pop_all_as_open(consumer: &mut slots::Consumer, count: u64) -> Vec<Record> {
    let records = (0..count as usize).map(|ahead| consumer.read(ahead));
    let records = records.collect();
    let last = consumer.cursor.position().wrapping_add(count - 1);
    consumer.cursor.release_open(last, &consumer.ring.head);
    records
}

/// Makes `resume` clear another word.
fn keep_inline(ring: &Ring) -> Result<WriteCursor, Corrupt> {
    let ride_position = &AtomicU64::new(0);
    let line = TailLine {
        ride_position,
        ..ring.line()
    };
    WriteCursor::resume(line, &ring.head, ring.capacity)
}

fn inline_only(producer: &mut slots::Producer, record: Record, way: Way) {
    match way {
        Way::Walk => (SHIPPED.push)(producer, record, way),
        Way::Ride => {
            let publish = producer.steps.publish_inline;
            publish(&mut producer.cursor, 1, &record, &producer.ring);
        }
    }
}

/// The same as in `cursor.rs`, where it is private.
fn mark(tail: u64) -> u64 {
    tail << 1 | 1
}

fn store_words(words: &[u64], line: TailLine<'_>) {
    for (slot, &word) in line.ride.iter().zip(words) {
        slot.store(word, RIDING);
    }
}

fn words_first(cursor: &mut WriteCursor, units: u64, words: &[u64], ring: &Ring) {
    let line = ring.line();
    store_words(words, line);
    fence(RIDE);
    line.ride_position
        .store(mark(cursor.position().wrapping_add(units)), RIDING);
    cursor.publish(units, line);
}

fn fence_first(cursor: &mut WriteCursor, units: u64, words: &[u64], ring: &Ring) {
    let line = ring.line();
    fence(RIDE);
    line.ride_position
        .store(mark(cursor.position().wrapping_add(units)), RIDING);
    store_words(words, line);
    cursor.publish(units, line);
}

fn tail_first(cursor: &mut WriteCursor, units: u64, words: &[u64], ring: &Ring) {
    let line = ring.line();
    line.ride_position
        .store(mark(cursor.position().wrapping_add(units)), RIDING);
    fence(RIDE);
    cursor.publish(units, line);
    store_words(words, line);
}

fn mark_start(cursor: &mut WriteCursor, units: u64, words: &[u64], ring: &Ring) {
    let line = ring.line();
    line.ride_position.store(mark(cursor.position()), RIDING);
    fence(RIDE);
    store_words(words, line);
    cursor.publish(units, line);
}

fn unchecked(cursor: &ReadCursor, words: &mut [u64], ring: &Ring) -> bool {
    cursor.inline_copy(words, ring.line());
    true
}

fn checked_first(cursor: &ReadCursor, words: &mut [u64], ring: &Ring) -> bool {
    let right = cursor.inline_copy(&mut [], ring.line());
    fence(CHECK);
    cursor.inline_copy(words, ring.line());
    right
}

fn catch_any(consumer: &slots::Consumer, _unread: u64) -> Option<Record> {
    (SHIPPED.catch)(consumer, 1)
}

/// Accepts the length of the inline copy, even if more is unread.
fn catch_any_frame(consumer: &frames::Consumer, _unread: u64) -> Option<Vec<u64>> {
    let mut words = vec![0; consumer.ride];
    let whole = (consumer.steps.copy_inline)(&consumer.cursor, &mut words, &consumer.ring);
    let size = size_of(words[0]).filter(|_| whole)?;
    words.truncate((size / 8) as usize);
    Some(words)
}

fn no_padding_header(producer: &frames::Producer, place: &Place, frame: &[u64]) {
    let place = &Place {
        padding: 0,
        ..*place
    };
    (SHIPPED.seal)(producer, place, frame);
}

fn padding_ahead(producer: &mut frames::Producer, place: &Place, frame: &[u64], way: Way) {
    if place.padding > 0 {
        producer.publish(place.padding);
    }
    (SHIPPED.finish)(
        producer,
        &Place {
            padding: 0,
            ..*place
        },
        frame,
        way,
    );
}

fn keep_padding(consumer: &frames::Consumer, visited: u64, unread: u64) -> Found {
    let found = (SHIPPED.find)(consumer, visited, unread);
    let units = found.words.len() as u64 * 8;
    Found { units, ..found }
}

/// Reads padding as an empty frame that fills the lap.
fn no_skip(consumer: &frames::Consumer, visited: u64, unread: u64) -> Found {
    let offset = (consumer.steps.place)(End::Read(&consumer.cursor), visited as usize) as u64;
    let padding = frame_header(PADDING, 0);
    if consumer.word(offset) != padding {
        return (SHIPPED.find)(consumer, visited, unread);
    }
    Found {
        words: vec![padding],
        units: consumer.ring.capacity - offset,
    }
}

fn tail_before_head(view: View<'_>) -> (u64, u64) {
    let tail = view.tail.load(READY);
    (view.head.load(FREE), tail)
}

/// Compares with the head that was read before the copy.
fn shown_unchecked(view: View<'_>, head: u64, tail: u64) -> Result<Vec<Message>, NoCopy> {
    let head_word = &AtomicU64::new(head);
    let view = View {
        head: head_word,
        ..view
    };
    (SHIPPED.observe)(view, head, tail)
}

fn checked_before_copy(view: View<'_>, head: u64, tail: u64) -> Result<Vec<Message>, NoCopy> {
    let now = view.head.load(FREE);
    shown_unchecked(view, head.max(now), tail)
}
