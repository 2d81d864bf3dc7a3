//! A ring, its two endpoints, and the model queue.

use std::ops::ControlFlow;
use std::time::Duration;

use quoit::{
    ClaimError, FrameConsumer, FrameProducer, FrameView, PopError, Popped, Ring, RingOptions, Role,
};

use crate::Journeys;
use crate::common::names::RingName;
use crate::common::sample::bytes;
use crate::common::segment_file::SegmentFile;
use crate::operation::{Commit, Length, Release, Setting, Step, Wish};
use crate::queue::{Queue, Sent, frame_size};

pub(crate) struct World<'a> {
    producer: Option<FrameProducer>,
    consumer: Option<FrameConsumer>,
    /// The segment, where roles can be taken again; `None` on the heap.
    segment: Option<Segment>,
    queue: Queue,
    /// The number of the next payload.
    number: u64,
    /// Whether an endpoint has closed.
    producer_closed: bool,
    consumer_closed: bool,
    journeys: &'a Journeys,
}

struct Segment {
    ring: Ring<[u8]>,
    file: SegmentFile,
    _name: RingName,
}

impl<'a> World<'a> {
    pub(crate) fn new(setting: &Setting, journeys: &'a Journeys) -> Self {
        let options = RingOptions::new(setting.capacity).first_position(setting.first_position);
        let (segment, producer, consumer) = if setting.named {
            let name = RingName::new("frames-model");
            let ring = options
                .create::<[u8]>(&name)
                .expect("the ring can be created");
            let producer = ring.producer().expect("the role is free");
            let consumer = ring.consumer().expect("the role is free");
            let file = SegmentFile::open(&name.file());
            let segment = Segment {
                ring,
                file,
                _name: name,
            };
            (Some(segment), producer, consumer)
        } else {
            let (producer, consumer) = options.heap::<[u8]>().expect("there is memory");
            (None, producer, consumer)
        };
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
            segment,
            queue: Queue::new(setting.capacity, setting.first_position),
            number: 0,
            producer_closed: false,
            consumer_closed: false,
            journeys,
        }
    }

    /// Performs one step on the ring and on the queue, and compares.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Push(length) => self.push(*length),
            Step::PushKind(wish) => self.push_kind(*wish),
            Step::PushInTime(wish) => self.push_in_time(*wish),
            Step::PushParts(wish, parts) => self.push_parts(*wish, *parts),
            Step::PushSlice(kind, lengths) => self.push_slice(*kind, lengths),
            Step::PushAll(kind, lengths) => self.push_all(*kind, lengths),
            Step::Claim { wish, commit } => self.claim(*wish, *commit),
            Step::Batch {
                wishes,
                commit,
                in_time,
            } => self.batch(wishes, *commit, *in_time),
            Step::Pop => self.pop(),
            Step::PopInto => self.pop_into(),
            Step::PopInTime => self.pop_in_time(),
            Step::PopTooShort => self.pop_too_short(),
            Step::Peek { release } => self.peek(*release),
            Step::PeekMany {
                visit,
                release,
                in_time,
            } => self.peek_many(*visit, *release, *in_time),
            Step::Drain(stop) => self.drain(*stop),
            Step::Skip(count) => self.skip(*count),
            Step::SkipToLatest => self.skip_to_latest(),
            Step::CatchUp => self.catch_up(),
            Step::PingPong { rounds, length } => {
                for _ in 0..*rounds {
                    self.push(*length);
                    self.pop();
                }
            }
            Step::Leave(role) => self.leave(*role),
            Step::Close(role) => self.close(*role),
        }
        self.compare();
    }

    fn push(&mut self, length: Length) {
        let payload = self.payload(length);
        let expected = self.place(0, payload.len());
        assert_eq!(self.producer().try_push(&payload), expected.map(drop));
        if let Ok(units) = expected {
            self.published_alone(Sent {
                kind: 0,
                payload,
                units,
            });
        }
    }

    fn push_kind(&mut self, Wish { kind, length }: Wish) {
        let payload = self.payload(length);
        let expected = self.place(0, payload.len());
        assert_eq!(
            self.producer().try_push_kind(kind, &payload),
            expected.map(drop)
        );
        if let Ok(units) = expected {
            self.published_alone(Sent {
                kind,
                payload,
                units,
            });
        }
    }

    fn push_in_time(&mut self, Wish { kind, length }: Wish) {
        let payload = self.payload(length);
        let place = self.place(0, payload.len());
        let expected = place.map(drop).map_err(late);
        let producer = self.producer();
        let (kind, pushed) = match kind % 3 {
            0 => (0, producer.push_timeout(&payload, Duration::ZERO)),
            1 => {
                let claim = producer.claim_timeout(payload.len(), Duration::ZERO);
                let fill = claim.map(|mut claim| {
                    claim.write_at(0, &payload);
                    claim.set_kind(kind);
                    claim.commit();
                });
                (kind, fill)
            }
            _ => {
                let pushed = producer.push_kind_timeout(kind, &payload, Duration::ZERO);
                (kind, pushed)
            }
        };
        assert_eq!(pushed, expected);
        if let Ok(units) = place {
            self.published_alone(Sent {
                kind,
                payload,
                units,
            });
        }
    }

    fn push_parts(&mut self, Wish { kind, length }: Wish, parts: usize) {
        let mut payload = self.payload(length);
        if parts == 0 {
            payload.clear();
        }
        let place = self.place(0, payload.len());
        let size = payload.len().div_ceil(parts.max(1)).max(1);
        // Some are empty.
        let mut all: Vec<&[u8]> = payload.chunks(size).collect();
        all.resize(parts, &[]);
        if kind % 2 == 0 {
            let pushed = self.producer().try_push_parts(kind, &all);
            assert_eq!(pushed, place.map(drop));
        } else {
            let producer = self.producer();
            let pushed = producer.push_parts_timeout(kind, &all, Duration::ZERO);
            assert_eq!(pushed, place.map(drop).map_err(late));
        }
        if let Ok(units) = place {
            self.published_alone(Sent {
                kind,
                payload,
                units,
            });
        }
    }

    /// The first of these payloads that fit, and the error of the next one.
    fn fitting(&self, kind: u32, payloads: &[Vec<u8>]) -> (Vec<Sent>, Option<ClaimError>) {
        let mut ahead = 0;
        let mut fitting = Vec::new();
        for payload in payloads {
            match self.place(ahead, payload.len()) {
                Ok(units) => {
                    ahead += units;
                    fitting.push(Sent {
                        kind,
                        payload: payload.clone(),
                        units,
                    });
                }
                Err(error) => return (fitting, Some(error)),
            }
        }
        (fitting, None)
    }

    fn push_slice(&mut self, kind: u32, lengths: &[Length]) {
        let payloads: Vec<_> = lengths.iter().map(|&length| self.payload(length)).collect();
        let (fitting, refusal) = self.fitting(kind, &payloads);
        let expected = match refusal {
            Some(error) if fitting.is_empty() => Err(error),
            _ => Ok(fitting.len()),
        };
        let pushed = self.producer().try_push_slice(kind, &payloads);
        assert_eq!(pushed, expected);
        self.published(fitting);
    }

    fn push_all(&mut self, kind: u32, lengths: &[Length]) {
        let payloads: Vec<_> = lengths.iter().map(|&length| self.payload(length)).collect();
        let (fitting, refusal) = self.fitting(kind, &payloads);
        let producer = self.producer();
        let pushed = producer.push_all_timeout(kind, &payloads, Duration::ZERO);
        assert_eq!(pushed, refusal.map(late).map_or(Ok(()), Err));
        self.published(fitting);
    }

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
                        return self.published_alone(Sent {
                            kind,
                            payload,
                            units,
                        });
                    }
                }
                self.published_alone(Sent {
                    kind,
                    payload,
                    units,
                });
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
                    frames.push(Sent {
                        kind,
                        payload,
                        units,
                    });
                }
                Err(error) => assert_eq!(Err(error), place),
            }
            assert_eq!(batch.len(), frames.len());
            assert_eq!(batch.is_empty(), frames.is_empty());
        }
        if commit {
            assert_eq!(batch.commit(), frames.len());
            self.published(frames);
        }
    }

    fn pop(&mut self) {
        let mut buffer = vec![0; self.queue.longest()];
        let expected = self.next().map(|frame| (frame.kind, frame.payload.clone()));
        let popped = self.consumer().try_pop(&mut buffer);
        let popped = popped.map(|Popped { len, kind }| (kind, buffer[..len].to_vec()));
        assert_eq!(popped, expected);
        self.queue.release(usize::from(expected.is_ok()));
    }

    fn pop_into(&mut self) {
        let expected = self.next().map(|frame| (frame.kind, frame.payload.clone()));
        let before = b"the previous content".to_vec();
        let mut bytes = before.clone();
        let popped = self.consumer().try_pop_into(&mut bytes);
        if popped.is_err() {
            assert_eq!(bytes, before, "a refused pop writes nothing");
        }
        assert_eq!(popped.map(|kind| (kind, bytes)), expected);
        self.queue.release(usize::from(expected.is_ok()));
    }

    fn pop_in_time(&mut self) {
        let next = self.next().map(|frame| (frame.kind, frame.payload.clone()));
        let expected = next.map_err(|error| match error {
            PopError::Empty => PopError::TimedOut,
            other => other,
        });
        let mut buffer = vec![0; self.queue.longest()];
        self.number += 1;
        let way = self.number % 3;
        let consumer = self.consumer();
        let popped = match way {
            0 => consumer
                .pop_timeout(&mut buffer, Duration::ZERO)
                .map(|Popped { len, kind }| (kind, buffer[..len].to_vec())),
            1 => {
                let kind = consumer.pop_into_timeout(&mut buffer, Duration::ZERO);
                kind.map(|kind| (kind, buffer))
            }
            _ => consumer.peek_timeout(Duration::ZERO).map(|frame| {
                let popped = (frame.kind(), frame.to_vec());
                frame.release();
                popped
            }),
        };
        assert_eq!(popped, expected);
        self.queue.release(usize::from(expected.is_ok()));
    }

    fn pop_too_short(&mut self) {
        let expected = match self.next().map(|frame| frame.payload.len()) {
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
        let expected = self.next().map(|frame| (frame.kind, frame.payload.clone()));
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
        let next = match self.next().map(drop) {
            Err(PopError::Empty) if in_time => Err(PopError::TimedOut),
            next => next,
        };
        let frames = self.queue.frames().take(visit);
        let expected: Vec<_> = frames
            .map(|frame| (frame.kind, frame.payload.clone()))
            .collect();
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
        let sent = self.queue.frames().take(shown);
        let sent = sent.map(|frame| (frame.kind, frame.payload.clone()));
        assert!(sent.eq(drained));
        self.queue.release(released);
    }

    fn skip(&mut self, count: usize) {
        let expected = match self.next() {
            Err(error) if count > 0 => Err(error),
            _ => Ok(count.min(self.queue.len())),
        };
        assert_eq!(self.consumer().skip(count), expected);
        self.queue.release(expected.unwrap_or(0));
    }

    fn skip_to_latest(&mut self) {
        let expected = self.next().map(|_| self.queue.len() - 1);
        assert_eq!(self.consumer().skip_to_latest(), expected);
        self.queue.release(expected.unwrap_or(0));
    }

    fn catch_up(&mut self) {
        while self.queue.len() > 0 {
            self.pop();
        }
        for _ in 0..64 {
            self.pop();
        }
    }

    fn leave(&mut self, role: Role) {
        if self.segment.is_some() {
            match role {
                Role::Producer => (self.producer, self.producer_closed) = (None, false),
                Role::Consumer => (self.consumer, self.consumer_closed) = (None, false),
            }
        }
    }

    fn close(&mut self, role: Role) {
        if self.segment.is_some() {
            match role {
                Role::Producer => {
                    self.producer().close();
                    self.producer_closed = true;
                }
                Role::Consumer => {
                    self.consumer().close();
                    self.consumer_closed = true;
                }
            }
        }
    }

    fn producer_has_closed(&self) -> bool {
        self.producer.is_none() || self.producer_closed
    }

    fn consumer_has_closed(&self) -> bool {
        self.consumer.is_none() || self.consumer_closed
    }

    /// The producer; a new one if it was dropped.
    fn producer(&mut self) -> &mut FrameProducer {
        self.producer.get_or_insert_with(|| {
            let segment = self
                .segment
                .as_ref()
                .expect("only endpoints of segments are dropped");
            segment.ring.producer().expect("the role is free")
        })
    }

    /// The consumer; a new one if it was dropped.
    fn consumer(&mut self) -> &mut FrameConsumer {
        self.consumer.get_or_insert_with(|| {
            let segment = self
                .segment
                .as_ref()
                .expect("only endpoints of segments are dropped");
            segment.ring.consumer().expect("the role is free")
        })
    }

    fn payload(&mut self, length: Length) -> Vec<u8> {
        self.number += 1;
        let len = match length {
            Length::Bytes(len) => len % (self.queue.longest() + 1),
            Length::Longest => self.queue.longest(),
            Length::TooLong(by) => self.queue.longest() + by,
        };
        bytes(self.number, len)
    }

    /// The bytes of a frame that begins `ahead` bytes after the tail, or the error.
    fn place(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        match self.queue.place(ahead, len) {
            Ok(_) if self.producer_closed => Err(ClaimError::Abandoned),
            Err(ClaimError::Full) if self.consumer_has_closed() || self.producer_closed => {
                Err(ClaimError::Abandoned)
            }
            other => other,
        }
    }

    /// The error of a frame of a batch that finds no room in time. No consumer makes room
    /// for more than the ring holds.
    fn timed_out_in_batch(&self, ahead: u64, len: usize, error: ClaimError) -> ClaimError {
        let capacity = self.queue.capacity();
        match self.queue.units(ahead, len) {
            Some(units) if ahead + units > capacity => ClaimError::TooLong {
                max: self.queue.longest(),
            },
            _ => late(error),
        }
    }

    /// The next frame, or the error if there is none.
    fn next(&self) -> Result<&Sent, PopError> {
        match self.queue.frames().next() {
            Some(frame) => Ok(frame),
            None if self.producer_has_closed() || self.consumer_closed => Err(PopError::Abandoned),
            None => Err(PopError::Empty),
        }
    }

    fn published_alone(&mut self, frame: Sent) {
        self.published(vec![frame]);
        if let Some(segment) = &self.segment {
            let rode = segment.file.has_inline_copy();
            let journey = if rode {
                &self.journeys.has_inline_copy
            } else {
                &self.journeys.walks
            };
            journey.set(journey.get() + 1);
        }
    }

    fn published(&mut self, frames: Vec<Sent>) {
        for frame in frames {
            if frame.units > frame_size(frame.payload.len()) {
                self.journeys.paddings.set(self.journeys.paddings.get() + 1);
            }
            self.queue.publish(frame);
        }
    }

    /// Compares the state of the endpoints with that of the queue.
    fn compare(&self) {
        if let Some(producer) = &self.producer {
            assert_eq!(producer.position(), self.queue.tail);
            assert_eq!(producer.len(), self.queue.unread());
            assert_eq!(producer.is_empty(), self.queue.unread() == 0);
            assert_eq!(producer.max_frame_len(), self.queue.longest());
            assert!(self.queue.has_room_up_to(producer.vacant()));
            assert_eq!(producer.is_abandoned(), self.consumer_has_closed());
            assert_eq!(producer.corruption(), None);
        }
        if let Some(consumer) = &self.consumer {
            assert_eq!(consumer.position(), self.queue.head);
            assert_eq!(consumer.len(), self.queue.unread());
            assert_eq!(consumer.is_empty(), self.queue.unread() == 0);
            assert_eq!(consumer.is_abandoned(), self.producer_has_closed());
            assert_eq!(consumer.corruption(), None);
        }
    }
}

/// The error of the same call if it may wait and its time has passed.
fn late(error: ClaimError) -> ClaimError {
    match error {
        ClaimError::Full => ClaimError::TimedOut,
        other => other,
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
