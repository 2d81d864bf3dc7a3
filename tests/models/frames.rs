//! Frames of every length, with kinds, batches, parts, and buffers that are too short.
//!
//! The model computes from `layout.md` how much room each frame takes, with padding, and so
//! when a ring is full.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use quoit::{ClaimError, FrameConsumer, FrameProducer, PopError};

use crate::common::dice::Dice;
use crate::common::rings::heap;
use crate::common::sample::bytes;
use crate::tests;
use crate::world::{Modelled, World, behaves_like_a_queue};

/// The number of sequences for each of the four capacities.
const SEQUENCES: u32 = 9_000;

fn is_a_queue(capacity: &'static [u64; 1]) {
    let journeys = behaves_like_a_queue::<[u8]>(SEQUENCES, capacity, 5000);
    for seen in [
        &journeys.has_inline_copy,
        &journeys.walks,
        &journeys.paddings,
    ] {
        assert!(seen.get() > 100, "too few of a kind: {journeys:?}");
    }
}

tests! {
    a_ring_of_64_bytes_is_a_queue: is_a_queue(&[64]);
    a_ring_of_128_bytes_is_a_queue: is_a_queue(&[128]);
    a_ring_of_512_bytes_is_a_queue: is_a_queue(&[512]);
    a_ring_of_4096_bytes_is_a_queue: is_a_queue(&[4096]);
}

#[test]
fn frames_stay_if_their_visitor_panics() {
    let (mut producer, mut consumer) = heap::<[u8]>(256);
    let words = ["one", "two", "three"];
    assert_eq!(producer.try_push_slice(0, &words), Ok(words.len()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        consumer.drain_with(|frame| {
            assert_ne!(frame.to_vec(), b"two", "planned");
            ControlFlow::Continue(())
        })
    }));
    assert!(panicked.is_err());
    let mut seen = Vec::new();
    let popped = consumer.drain_with(|frame| {
        seen.push(frame.to_vec());
        ControlFlow::Continue(())
    });
    assert_eq!(popped, Ok(words.len()));
    assert_eq!(seen, words.map(|word| word.as_bytes()));
}

/// No consumer makes room for more than the ring holds.
#[test]
fn a_batch_does_not_wait_for_room_that_it_occupies_itself() {
    let (mut producer, _consumer) = heap::<[u8]>(64);
    let mut batch = producer.batch();
    for _ in 0..2 {
        batch.try_push(7, &[0; 24]).expect("there is room");
    }
    let too_long = Err(ClaimError::TooLong { max: 24 });
    assert_eq!(
        batch.claim_timeout(7, 0, Duration::ZERO).map(drop),
        too_long
    );
    assert_eq!(batch.claim(7, 0).map(drop), too_long);
    assert_eq!(batch.commit(), 2);
}

/// A kind and a payload.
type Frame = (u32, Vec<u8>);

/// The bytes of a frame with its header, rounded up to a multiple of eight.
fn frame_size(len: usize) -> u64 {
    (8 + len as u64).next_multiple_of(8)
}

impl Modelled for [u8] {
    const UNIT: u64 = 8;

    /// Of one kind, as the calls want that give all frames the same.
    fn fresh(world: &mut World<'_, [u8]>, dice: &mut Dice) -> Vec<Frame> {
        let kind = [0, u32::MAX, dice.roll(1 << 32) as u32][dice.roll(3)];
        let (count, longest) = (1 + dice.roll(4), world.longest());
        let frame = |_| {
            let len = match dice.roll(15) {
                0..8 => dice.roll(49) % (longest + 1),
                8..12 => dice.roll(2049) % (longest + 1),
                12..14 => longest,
                _ => longest + 1 + dice.roll(99),
            };
            world.number += 1;
            (kind, bytes(world.number, len))
        };
        (0..count).map(frame).collect()
    }

    fn size((_, payload): &Frame) -> u64 {
        frame_size(payload.len())
    }

    fn place(world: &World<'_, [u8]>, ahead: u64, (_, payload): &Frame) -> Result<u64, ClaimError> {
        world.place(ahead, payload.len())
    }

    /// More than the message needs, of which a part is committed.
    fn claimed((kind, payload): &Frame, manner: usize) -> Frame {
        (*kind, vec![0; payload.len() + manner % 2 * (manner % 17)])
    }

    fn skip(consumer: &mut FrameConsumer, count: Option<usize>) -> Result<usize, PopError> {
        match count {
            Some(count) => consumer.skip(count),
            None => consumer.skip_to_latest(),
        }
    }

    fn compare(
        world: &World<'_, [u8]>,
        producer: Option<&FrameProducer>,
        _: Option<&FrameConsumer>,
    ) {
        if let Some(producer) = producer {
            assert_eq!(producer.max_frame_len(), world.longest());
            // The longest payload for which there is room: a longer one never needs less.
            let vacant = producer.vacant();
            let fits = |len| world.room_for(0, len).is_ok();
            assert!(vacant.is_none_or(fits) && !fits(vacant.map_or(0, |len| len + 1)));
        }
    }
}

impl World<'_, [u8]> {
    fn longest(&self) -> usize {
        self.capacity as usize / 2 - 8
    }

    /// The bytes of a frame that begins `ahead` bytes after the tail, or the error if there is
    /// no room for it.
    fn room_for(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        let (max, capacity) = (self.longest(), self.capacity);
        if len > max {
            return Err(ClaimError::TooLong { max });
        }
        let rest = capacity - self.tail.wrapping_add(ahead) % capacity;
        let size = frame_size(len);
        let units = if size > rest { rest + size } else { size };
        let fits = self.unread() + ahead + units <= capacity;
        fits.then_some(units).ok_or(ClaimError::Full)
    }

    /// The same for a producer that may be closed or alone.
    fn place(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        match self.room_for(ahead, len) {
            Ok(_) if self.producer_closed => Err(ClaimError::Abandoned),
            Err(ClaimError::Full) if self.no_room_comes() => Err(ClaimError::Abandoned),
            other => other,
        }
    }
}
