//! Frames of every length, with kinds, batches, parts, and buffers that are too short.
//!
//! The model computes from `layout.md` how much room each frame takes, with padding, and so
//! when a ring is full.

mod call;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use proptest::prelude::BoxedStrategy;
use quoit::{ClaimError, FrameConsumer, FrameProducer, FrameView, PopError, Popped, RingOptions};

use crate::common::sample::bytes;
use crate::world::{Modelled, World, behaves_like_a_queue, late, late_read, settings};
use call::{Call, Commit, Length, Release, Wish, calls, wishes_of_one_kind};

/// The number of sequences for each of the four capacities.
const SEQUENCES: u32 = 9_000;

fn is_a_queue(capacity: &'static [u64; 1]) {
    let journeys = behaves_like_a_queue::<[u8]>(SEQUENCES, settings(capacity, 5000, 8));
    for seen in [
        &journeys.has_inline_copy,
        &journeys.walks,
        &journeys.paddings,
    ] {
        assert!(seen.get() > 100, "too few of a kind: {journeys:?}");
    }
}

#[test]
fn a_ring_of_64_bytes_is_a_queue() {
    is_a_queue(&[64]);
}

#[test]
fn a_ring_of_128_bytes_is_a_queue() {
    is_a_queue(&[128]);
}

#[test]
fn a_ring_of_512_bytes_is_a_queue() {
    is_a_queue(&[512]);
}

#[test]
fn a_ring_of_4096_bytes_is_a_queue() {
    is_a_queue(&[4096]);
}

/// Every length at every place in the lap: with and without padding, with an inline copy
/// (every second time) and without.
#[test]
fn every_length_passes_from_every_place() {
    const CAPACITY: u64 = 256;
    for place in (0..CAPACITY).step_by(8) {
        let options = RingOptions::new(CAPACITY).first_position(place);
        for caught_up in [false, true] {
            let mut len = 0;
            loop {
                let (mut producer, mut consumer) = options.heap::<[u8]>().expect("there is memory");
                if len > producer.max_frame_len() {
                    break;
                }
                if caught_up {
                    for _ in 0..64 {
                        assert!(consumer.try_pop(&mut []).is_err());
                    }
                }
                let mut buffer = vec![0; producer.max_frame_len()];
                for round in 0..3 {
                    let payload = bytes(round, len);
                    producer
                        .try_push(&payload)
                        .expect("an empty ring takes any frame");
                    let popped = consumer.try_pop(&mut buffer);
                    assert_eq!(popped, Ok(Popped { len, kind: 0 }));
                    assert_eq!(buffer[..len], payload);
                }
                len += 1;
            }
        }
    }
}

#[test]
fn frames_stay_if_their_visitor_panics() {
    let (mut producer, mut consumer) = RingOptions::new(256)
        .heap::<[u8]>()
        .expect("there is memory");
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

/// A kind and a payload.
type Frame = (u32, Vec<u8>);

/// The bytes of a frame with its header, rounded up to a multiple of eight.
fn frame_size(len: usize) -> u64 {
    (8 + len as u64).next_multiple_of(8)
}

impl Modelled for [u8] {
    type Wish = Wish;
    type Call = Call;

    fn wishes() -> BoxedStrategy<Vec<Wish>> {
        wishes_of_one_kind()
    }

    fn calls() -> BoxedStrategy<Call> {
        calls()
    }

    fn fresh(world: &mut World<'_, [u8]>, wish: &Wish) -> Frame {
        (wish.kind, world.payload(wish.length))
    }

    fn size((_, payload): &Frame) -> u64 {
        frame_size(payload.len())
    }

    fn place(world: &World<'_, [u8]>, ahead: u64, (_, payload): &Frame) -> Result<u64, ClaimError> {
        world.place(ahead, payload.len())
    }

    fn call(world: &mut World<'_, [u8]>, call: &Call) {
        match call {
            Call::Claim { wish, commit } => world.claim(*wish, *commit),
            Call::Batch {
                wishes,
                commit,
                in_time,
            } => world.batch(wishes, *commit, *in_time),
            Call::PopTooShort => world.pop_too_short(),
            Call::Peek { release } => world.peek(*release),
            Call::PeekMany {
                visit,
                release,
                in_time,
            } => world.peek_many(*visit, *release, *in_time),
            Call::Drain(stop) => world.drain(*stop),
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
    fn claim(&mut self, Wish { kind, length }: Wish, commit: Option<Commit>) {
        let mut payload = self.payload(length);
        let expected = self.place(0, payload.len());
        match self.producer().try_claim(payload.len()) {
            Ok(mut claim) => {
                let units = expected.expect("room only where the model has room");
                assert_eq!(claim.len(), payload.len());
                if kind % 2 == 0 {
                    claim.copy_from_slice(&payload);
                } else {
                    // SAFETY: this is the only thread, and it accesses nothing else.
                    let bytes = unsafe { claim.as_mut_bytes() };
                    bytes.copy_from_slice(&payload);
                }
                claim.set_kind(kind);
                match commit {
                    None => return,
                    Some(Commit::All) => claim.commit(),
                    Some(Commit::First(len)) => {
                        let claimed = frame_size(payload.len());
                        payload.truncate(len);
                        claim.commit_first(payload.len());
                        let units = units - claimed + frame_size(payload.len());
                        return self.publish((kind, payload), units, true);
                    }
                }
                self.publish((kind, payload), units, true);
            }
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    fn batch(&mut self, wishes: &[Wish], commit: bool, in_time: bool) {
        let payloads: Vec<_> = wishes
            .iter()
            .map(|wish| self.payload(wish.length))
            .collect();
        let mut ahead = 0;
        let mut expected = Vec::new();
        for payload in &payloads {
            let place = self.place(ahead, payload.len());
            let place = match place {
                Err(error) if in_time => Err(self.timed_out_in_batch(ahead, payload.len(), error)),
                place => place,
            };
            ahead += place.unwrap_or(0);
            expected.push(place);
        }
        let mut frames = Vec::new();
        let mut batch = self.producer().batch();
        for ((payload, place), &Wish { kind, .. }) in payloads.into_iter().zip(expected).zip(wishes)
        {
            let room = if in_time {
                batch.claim_timeout(kind, payload.len(), Duration::ZERO)
            } else {
                batch.try_claim(kind, payload.len())
            };
            match room {
                Ok(mut room) => {
                    room.copy_from_slice(&payload);
                    let units = place.expect("room only where the model has room");
                    frames.push(((kind, payload), units));
                }
                Err(error) => assert_eq!(Err(error), place),
            }
            assert_eq!(batch.len(), frames.len());
            assert_eq!(batch.is_empty(), frames.is_empty());
        }
        if commit {
            assert_eq!(batch.commit(), frames.len());
            for (frame, units) in frames {
                self.publish(frame, units, false);
            }
        }
    }

    fn pop_too_short(&mut self) {
        let expected = match self.next().map(|(_, payload)| payload.len()) {
            Ok(0) => return, // an empty frame fits into every buffer
            Ok(needed) => PopError::TooShort { needed },
            Err(error) => error,
        };
        let short = match expected {
            PopError::TooShort { needed } => needed - 1,
            _ => 0,
        };
        let mut buffer = vec![0; short];
        assert_eq!(self.consumer().try_pop(&mut buffer), Err(expected));
        assert!(
            buffer.iter().all(|&byte| byte == 0),
            "a refused pop writes nothing"
        );
    }

    fn peek(&mut self, release: bool) {
        let expected = self.next().cloned();
        match self.consumer().try_peek() {
            Ok(frame) => {
                assert_eq!(Ok(copies(frame.view())), expected);
                if release {
                    frame.release();
                    self.queue.release(1);
                }
            }
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    fn peek_many(&mut self, visit: usize, release: Release, in_time: bool) {
        let next = self.next().map(drop);
        let next = if in_time {
            next.map_err(late_read)
        } else {
            next
        };
        let expected: Vec<Frame> = self.queue.iter().take(visit).cloned().collect();
        let visited = expected.len();
        let mut expected = expected.into_iter();
        let consumer = self.consumer();
        let found = if in_time {
            consumer.peek_many_timeout(Duration::ZERO)
        } else {
            consumer.try_peek_many()
        };
        match found {
            Ok(mut frames) => {
                assert_eq!(next, Ok(()));
                for _ in 0..visit {
                    let frame = frames.next_frame().expect("a sound ring");
                    assert_eq!(frame.map(copies), expected.next());
                }
                let released = match release {
                    Release::Nothing => {
                        drop(frames);
                        0
                    }
                    Release::All => {
                        frames.release();
                        visited
                    }
                    Release::First(count) => {
                        let count = count.min(visited);
                        frames.release_first(count);
                        count
                    }
                };
                self.queue.release(released);
            }
            Err(error) => assert_eq!(Err(error), next),
        }
    }

    fn drain(&mut self, stop: Option<usize>) {
        let released = self.queue.len().min(stop.unwrap_or(usize::MAX));
        // The frame at which it breaks is visited, and not released.
        let shown = self.queue.len().min(released + 1);
        let expected = self.next().map(|_| released);
        let mut drained = Vec::new();
        let count = self.consumer().drain_with(|frame| {
            drained.push(copies(frame));
            if Some(drained.len() - 1) == stop {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        assert_eq!(count, expected);
        assert!(self.queue.iter().take(shown).eq(&drained));
        self.queue.release(released);
    }

    fn payload(&mut self, length: Length) -> Vec<u8> {
        self.number += 1;
        let len = match length {
            Length::Bytes(len) => len % (self.longest() + 1),
            Length::Longest => self.longest(),
            Length::TooLong(by) => self.longest() + by,
        };
        bytes(self.number, len)
    }

    fn longest(&self) -> usize {
        self.queue.capacity() as usize / 2 - 8
    }

    /// The bytes of a frame that begins `ahead` bytes after the tail, with or without room;
    /// `None` if it is too long.
    fn units(&self, ahead: u64, len: usize) -> Option<u64> {
        let capacity = self.queue.capacity();
        let rest = capacity - self.queue.tail.wrapping_add(ahead) % capacity;
        let size = frame_size(len);
        let units = if size > rest { rest + size } else { size };
        (len <= self.longest()).then_some(units)
    }

    /// The same, or the error if there is no room for it.
    fn room_for(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        let max = self.longest();
        let units = self.units(ahead, len).ok_or(ClaimError::TooLong { max })?;
        let fits = self.queue.unread() + ahead + units <= self.queue.capacity();
        if fits {
            Ok(units)
        } else {
            Err(ClaimError::Full)
        }
    }

    /// The same for a producer that may be closed or alone.
    fn place(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        match self.room_for(ahead, len) {
            Ok(_) if self.producer_closed => Err(ClaimError::Abandoned),
            Err(ClaimError::Full) if self.no_room_comes() => Err(ClaimError::Abandoned),
            other => other,
        }
    }

    /// The error of a frame of a batch that finds no room in time. No consumer makes room
    /// for more than the ring holds.
    fn timed_out_in_batch(&self, ahead: u64, len: usize, error: ClaimError) -> ClaimError {
        let capacity = self.queue.capacity();
        match self.units(ahead, len) {
            Some(units) if ahead + units > capacity => ClaimError::TooLong {
                max: self.longest(),
            },
            _ => late(error),
        }
    }
}

/// A frame's kind and payload, copied in every way.
fn copies(frame: FrameView<'_>) -> (u32, Vec<u8>) {
    let payload = frame.to_vec();
    let len = payload.len();
    assert_eq!((frame.len(), frame.is_empty()), (len, len == 0));
    let mut buffer = vec![0xaa; len + 1];
    assert_eq!(frame.copy_to(&mut buffer), len);
    assert_eq!(buffer[..len], payload);
    assert_eq!(buffer[len], 0xaa, "no byte behind the payload is written");
    for (offset, end) in [(0, len), (len / 3, len / 2), (len, len)] {
        let mut part = vec![0; end - offset];
        frame.read_at(offset, &mut part);
        assert_eq!(part, payload[offset..end]);
    }
    let mut appended = vec![7];
    frame.append_to(&mut appended);
    assert_eq!((appended[0], &appended[1..]), (7, &payload[..]));
    // SAFETY: this is the only thread, and it does not write at the same time.
    assert_eq!(unsafe { frame.as_bytes() }, payload);
    (frame.kind(), payload)
}
