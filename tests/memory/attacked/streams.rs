//! A ring of frames as a stream of bytes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::io::{self, BufRead, ErrorKind, Read};
use std::time::Duration;

use quoit::{FrameConsumer, Reader};

use crate::attacked::arena::{
    Arena, Bites, CAPACITY, SPACING, Tally, any_text, is_text, run, spaced_text,
};
use crate::attacked::attacker::Target;
use crate::attacked::views::walk;
use crate::common::dice::Dice;

crate::common::suite::tests! {
    pieces_of_frames_add_up,
    lines_are_text,
    bytes_of_fill_buf_do_not_change,
}

/// The timeout of a reader that finds nothing.
const SOON: Duration = Duration::from_nanos(1);

fn reader(consumer: &mut FrameConsumer) -> Reader<&mut FrameConsumer> {
    let mut reader = consumer.reader();
    reader.set_timeout(Some(SOON));
    reader
}

/// Counts the result of a read.
fn count(result: io::Result<()>, tally: &mut Tally) {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => tally.corrupt += 1,
        Err(error) if error.kind() == ErrorKind::TimedOut => tally.idle += 1,
        Err(error) => panic!("{error}"),
    }
}

/// Reads in pieces, with both traits, and stops anywhere.
pub(crate) fn read_pieces(
    consumer: &mut FrameConsumer,
    tally: &mut Tally,
    dice: &mut Dice,
) -> io::Result<()> {
    let mut reader = reader(consumer);
    let mut buffer = [0xee; 80];
    for _ in 0..dice.roll(12) {
        let room = dice.roll(64);
        if dice.roll(4) == 0 {
            let there = reader.fill_buf()?.len();
            assert!(there as u64 <= CAPACITY - 8);
            reader.consume(dice.roll(there as u64 + 1));
            continue;
        }
        let count = reader.read(&mut buffer[..room])?;
        assert!(count <= room);
        tally.value(count > 0 || room == 0);
        assert!(buffer[room..].iter().all(|&byte| byte == 0xee));
        buffer[..count].fill(0xee);
    }
    Ok(())
}

fn pieces_of_frames_add_up() {
    let targets = [Target::Headers, Target::Payload, Target::Inline];
    let mut arena = Arena::frames("pieces", 0, &targets);
    run(Bites::Corrupt, |tally, dice| {
        arena.feed(1 + dice.roll(3), any_text, dice);
        count(read_pieces(arena.consumer(), tally, dice), tally);
    });
}

/// A line in an evenly spaced frame.
const LINE: &str = "äöüßéèñç äöüßéèñç äöüßéèñç\n";

fn lines_are_text() {
    let mut arena = Arena::frames("lines", SPACING, &[Target::Payload, Target::Inline]);
    let mut line = String::new();
    run(Bites::Wrong, |tally, dice| {
        arena.feed(2, |_| LINE.as_bytes(), dice);
        let mut reader = reader(arena.consumer());
        for _ in 0..2 {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(_) => tally.value(line == LINE),
                // The bytes are not text, or the endpoint is poisoned.
                Err(error) if error.kind() == ErrorKind::InvalidData => tally.wrong += 1,
                Err(error) => count(Err(error), tally),
            }
            assert_eq!(walk(line.as_bytes()), Some(line.len()));
        }
    });
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    black_box(bytes).hash(&mut hasher);
    hasher.finish()
}

/// Borrows the result of `fill_buf`, reads it twice, and consumes a part of it.
fn borrow_twice(
    consumer: &mut FrameConsumer,
    tally: &mut Tally,
    dice: &mut Dice,
) -> io::Result<()> {
    let mut reader = reader(consumer);
    let mut is_in_a_frame = false;
    for _ in 0..1 + dice.roll(3) {
        let bytes = reader.fill_buf()?;
        let (before, is_right) = (checksum(bytes), is_text(bytes));
        let walked = walk(bytes);
        assert_eq!(checksum(bytes), before, "borrowed bytes change");
        assert_eq!(walk(bytes), walked);
        tally.value(is_right || is_in_a_frame);
        let consumed = dice.roll(bytes.len() as u64 + 1);
        let rest = (consumed < bytes.len()).then(|| checksum(&bytes[consumed..]));
        is_in_a_frame = rest.is_some();
        reader.consume(consumed);
        if let Some(rest) = rest {
            assert_eq!(checksum(reader.fill_buf()?), rest, "a frame's rest changes");
        }
    }
    Ok(())
}

fn bytes_of_fill_buf_do_not_change() {
    let targets = [Target::Payload, Target::Payload, Target::Headers];
    let mut arena = Arena::frames("fill_buf", SPACING, &targets);
    run(Bites::Both, |tally, dice| {
        arena.feed(1 + dice.roll(2), spaced_text, dice);
        count(borrow_twice(arena.consumer(), tally, dice), tally);
    });
}
