//! Calls that read frames in place, and calls that copy them out.

use std::hint::black_box;
use std::ops::{ControlFlow, Range};

use quoit::{FrameConsumer, FrameView, PopError};

use crate::attacked::arena::{
    Arena, Bites, CAPACITY, SPACING, TEXT, Tally, any_text, count_pop_error, is_text, run,
    spaced_text,
};
use crate::attacked::attacker::Target;
use crate::common::dice::Dice;

crate::common::suite::tests! {
    views_of_frames_do_not_crash_under_attack,
    visitors_and_skips_do_not_crash_under_attack,
    popped_text_is_text,
}

/// The longest payload that can be published inline.
const SHORT_FRAME: usize = 40;

/// Where payload may be located.
pub(crate) struct Places {
    /// The mapped data.
    data: Range<usize>,
    /// The endpoint itself, with its copy of an inline frame.
    end: Range<usize>,
}

impl Places {
    pub(crate) fn of(arena: &mut Arena<[u8]>) -> Self {
        let end = (&raw const *arena.consumer()).addr();
        Self {
            data: arena.data.clone(),
            end: end..end + size_of::<FrameConsumer>(),
        }
    }

    /// Uses every safe method of a view.
    fn check(&self, view: FrameView<'_>, tally: &mut Tally, dice: &mut Dice) {
        let (len, start) = (view.len(), view.as_ptr().addr());
        assert!(len as u64 <= CAPACITY - 8, "a frame of {len} bytes");
        let is_in = |range: &Range<usize>| range.start <= start && start + len <= range.end;
        let is_inline = len <= SHORT_FRAME && is_in(&self.end);
        assert!(is_inline || is_in(&self.data), "{len} bytes at {start:#x}");

        let mut copy = vec![0xee; len + 16];
        assert_eq!(view.copy_to(&mut copy), len);
        let after = copy.split_off(len);
        assert_eq!(after, [0xee; 16], "bytes behind the copy");
        let again = view.to_vec();
        assert_eq!(again.len(), len);
        let mut bytes = b"before".to_vec();
        view.append_to(&mut bytes);
        assert_eq!(bytes.len(), 6 + len);
        assert!(bytes.starts_with(b"before"));

        let offset = dice.roll(len as u64 + 1);
        let mut part = vec![0; dice.roll((len - offset) as u64 + 1)];
        view.read_at(offset, &mut part);
        tally.value(copy == again && again == bytes[6..] && again[offset..].starts_with(&part));
        assert_eq!((view.len(), view.is_empty()), (len, len == 0));
        assert_eq!(view.as_ptr().addr(), start);
    }
}

/// One random call of a consumer of frames.
pub(crate) fn read_somehow(
    consumer: &mut FrameConsumer,
    places: &Places,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), PopError> {
    match dice.roll(6) {
        0 => {
            let frame = consumer.try_peek()?;
            places.check(frame.view(), tally, dice);
            if dice.roll(4) > 0 {
                frame.release();
            }
        }
        1 => {
            // The two reads may find different headers; each view must match its own header.
            let first = consumer.try_peek()?.to_vec();
            let second = consumer.try_peek()?;
            tally.value(first == second.to_vec());
            places.check(second.view(), tally, dice);
            second.release();
        }
        2 => {
            let mut buffer = vec![0xee; dice.roll(600) + 16];
            let room = buffer.len() - 16;
            let popped = consumer.try_pop(&mut buffer[..room])?;
            tally.value(is_text(&buffer[..popped.len]));
            assert!(buffer[popped.len..].iter().all(|&byte| byte == 0xee));
        }
        3 => {
            let mut bytes = Vec::new();
            consumer.try_pop_into(&mut bytes)?;
            assert!(bytes.len() as u64 <= CAPACITY - 8);
            tally.value(is_text(&bytes));
        }
        _ => read_many(consumer, places, tally, dice)?,
    }
    Ok(())
}

fn read_many(
    consumer: &mut FrameConsumer,
    places: &Places,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), PopError> {
    let position = consumer.position();
    let mut frames = consumer.try_peek_many()?;
    let mut count = 0;
    while let Some(view) = frames.next_frame()? {
        places.check(view, tally, dice);
        count += 1;
        if dice.roll(4) == 0 {
            break;
        }
    }
    match dice.roll(3) {
        0 => frames.release(),
        1 => frames.release_first(dice.roll(count + 1)),
        _ => drop(frames),
    }
    assert!(consumer.position() - position <= CAPACITY);
    Ok(())
}

/// Counts the result of a call of a consumer. A poisoned endpoint stays poisoned.
pub(crate) fn count(result: Result<(), PopError>, consumer: &mut FrameConsumer, tally: &mut Tally) {
    let Err(error) = result else {
        return;
    };
    count_pop_error(error, tally);
    if error == PopError::Corrupt {
        assert!(consumer.corruption().is_some());
        assert_eq!(consumer.try_peek().err(), Some(PopError::Corrupt));
    }
}

fn views_of_frames_do_not_crash_under_attack() {
    let targets = [Target::Headers, Target::Payload, Target::Inline];
    let mut arena = Arena::frames("views", 0, &targets);
    run(Bites::Both, |tally, dice| {
        arena.feed(1 + dice.roll(3), any_text, dice);
        let places = Places::of(&mut arena);
        let result = read_somehow(arena.consumer(), &places, tally, dice);
        count(result, arena.consumer(), tally);
    });
}

/// One random call that visits or skips several frames.
pub(crate) fn visit_somehow(
    consumer: &mut FrameConsumer,
    places: &Places,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), PopError> {
    let position = consumer.position();
    match dice.roll(4) {
        0 | 1 => {
            let mut shown = 0;
            let visited = consumer.drain_with(|view| {
                places.check(view, tally, dice);
                if dice.roll(6) == 0 {
                    return ControlFlow::Break(());
                }
                shown += 1;
                ControlFlow::Continue(())
            })?;
            assert_eq!(visited, shown);
        }
        2 => {
            let count = dice.roll(4);
            assert!(consumer.skip(count)? <= count);
        }
        _ => {
            let skipped = consumer.skip_to_latest()?;
            assert!(skipped as u64 <= CAPACITY / 8);
        }
    }
    tally.done += 1;
    assert!(consumer.position() - position <= CAPACITY);
    Ok(())
}

fn visitors_and_skips_do_not_crash_under_attack() {
    let targets = [Target::Headers, Target::Payload, Target::Inline];
    let mut arena = Arena::frames("visitors", 0, &targets);
    run(Bites::Both, |tally, dice| {
        arena.feed(1 + dice.roll(4), any_text, dice);
        let places = Places::of(&mut arena);
        let result = visit_somehow(arena.consumer(), &places, tally, dice);
        count(result, arena.consumer(), tally);
    });
}

/// Iterates over the characters, if the bytes are text.
pub(crate) fn walk(bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut length = 0;
    for letter in text.chars() {
        length += letter.len_utf8();
        assert!(
            u32::from(letter) <= 0x10_ffff,
            "{letter:?} is not a character"
        );
        assert!(length <= bytes.len(), "the text is longer than its bytes");
    }
    assert_eq!(length, bytes.len());
    Some(length)
}

fn popped_text_is_text() {
    let mut arena = Arena::frames("text", SPACING, &[Target::Payload]);
    let mut bytes = Vec::new();
    run(Bites::Wrong, |tally, dice| {
        // The ring has one frame more than is popped, which the attacker rewrites.
        let frames = if arena.consumer().is_empty() { 2 } else { 1 };
        arena.feed(frames, spaced_text, dice);
        let consumer = arena.consumer();
        let result = match dice.roll(2) {
            0 => {
                let mut buffer = [0; TEXT.len()];
                let popped = consumer.try_pop(&mut buffer);
                popped.map(|popped| {
                    bytes.clear();
                    bytes.extend_from_slice(black_box(&buffer[..popped.len]));
                })
            }
            _ => consumer.try_pop_into(&mut bytes).map(drop),
        };
        if result.is_ok() {
            let walked = walk(&bytes);
            tally.value(is_text(&bytes) && walked.is_some());
            assert_eq!(walk(&bytes), walked);
        }
        count(result, consumer, tally);
    });
}
