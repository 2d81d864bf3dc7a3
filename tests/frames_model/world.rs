//! A ring, its two ends, and the queue that it should be.

use quoit::{ClaimError, Consumer, PopError, Producer, Ring, RingOptions, Role};

use crate::Journeys;
use crate::common::names::RingName;
use crate::common::sample::bytes;
use crate::common::segment_file::SegmentFile;
use crate::operation::{Commit, Length, Setting, Step, Wish};
use crate::queue::{Queue, Sent, frame_size};

pub(crate) struct World<'a> {
    producer: Option<FrameProducer>,
    consumer: Option<FrameConsumer>,
    /// Where both roles can be taken again; not on the heap.
    segment: Option<Segment>,
    queue: Queue,
    /// The number of the next payload that is written anywhere.
    number: u64,
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
            let ring = options.create(&name).expect("the ring can be created");
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
            let (producer, consumer) = options.heap().expect("there is memory");
            (None, producer, consumer)
        };
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
            segment,
            queue: Queue::new(setting.capacity, setting.first_position),
            number: 0,
            journeys,
        }
    }

    /// Does one step to the ring and to the queue, and compares.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Push(length) => self.push(*length),
            Step::PushKind(wish) => self.push_kind(*wish),
            Step::PushSlice(lengths) => self.push_slice(lengths),
            Step::Claim { wish, commit } => self.claim(*wish, *commit),
            Step::Batch { wishes, commit } => self.batch(wishes, *commit),
            Step::Pop => self.pop(),
            Step::PopTooShort => self.pop_too_short(),
            Step::Peek { release } => self.peek(*release),
            Step::PeekMany { visit, release } => self.peek_many(*visit, *release),
            Step::Drain => self.drain(),
            Step::CatchUp => self.catch_up(),
            Step::PingPong { rounds, length } => {
                for _ in 0..*rounds {
                    self.push(*length);
                    self.pop();
                }
            }
            Step::Leave(role) => self.leave(*role),
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

    fn push_slice(&mut self, lengths: &[Length]) {
        let payloads: Vec<_> = lengths.iter().map(|&length| self.payload(length)).collect();
        let mut ahead = 0;
        let mut fitting = Vec::new();
        let mut refusal = None;
        for payload in &payloads {
            match self.place(ahead, payload.len()) {
                Ok(units) => {
                    ahead += units;
                    fitting.push(Sent {
                        kind: 0,
                        payload: payload.clone(),
                        units,
                    });
                }
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        let expected = match refusal {
            Some(error) if fitting.is_empty() => Err(error),
            _ => Ok(fitting.len()),
        };
        assert_eq!(self.producer().try_push_slice(&payloads), expected);
        self.published(fitting);
    }

    fn claim(&mut self, Wish { kind, length }: Wish, commit: Option<Commit>) {
        let mut payload = self.payload(length);
        let expected = self.place(0, payload.len());
        match self.producer().try_claim(payload.len()) {
            Ok(mut claim) => {
                let units = expected.expect("room only where the model has room");
                assert_eq!(claim.len(), payload.len());
                claim.copy_from_slice(&payload);
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

    fn batch(&mut self, wishes: &[Wish], commit: bool) {
        let payloads: Vec<_> = wishes
            .iter()
            .map(|wish| self.payload(wish.length))
            .collect();
        let mut ahead = 0;
        let mut expected = Vec::new();
        for payload in &payloads {
            let place = self.place(ahead, payload.len());
            ahead += place.unwrap_or(0);
            expected.push(place);
        }
        let mut frames = Vec::new();
        let mut batch = self.producer().batch();
        for ((payload, place), &Wish { kind, .. }) in payloads.into_iter().zip(expected).zip(wishes)
        {
            match batch.try_claim_kind(kind, payload.len()) {
                Ok(room) => {
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
        let expected = self.next().map(|frame| frame.payload.clone());
        let popped = self.consumer().try_pop(&mut buffer);
        assert_eq!(popped.map(|len| buffer[..len].to_vec()), expected);
        self.queue.release(usize::from(expected.is_ok()));
    }

    fn pop_too_short(&mut self) {
        let expected = match self.next().map(|frame| frame.payload.len()) {
            Ok(0) => return, // no buffer is too short for nothing
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
                assert_eq!(Ok((frame.kind(), frame.to_vec())), expected);
                if release {
                    frame.release();
                    self.queue.release(1);
                }
            }
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    fn peek_many(&mut self, visit: usize, release: bool) {
        let next = self.next().map(drop);
        let frames = self.queue.frames().take(visit);
        let expected: Vec<_> = frames
            .map(|frame| (frame.kind, frame.payload.clone()))
            .collect();
        let visited = expected.len();
        let mut expected = expected.into_iter();
        match self.consumer().try_peek_many() {
            Ok(mut frames) => {
                for _ in 0..visit {
                    let frame = frames.next_frame().expect("a sound ring");
                    let frame = frame.map(|(kind, payload)| (kind, payload.to_vec()));
                    assert_eq!(frame, expected.next());
                }
                if release {
                    frames.release();
                    self.queue.release(visited);
                }
            }
            Err(error) => assert_eq!(Err(error), next),
        }
    }

    fn drain(&mut self) {
        let expected = self.next().map(|_| self.queue.len());
        let mut drained = Vec::new();
        let count = self
            .consumer()
            .try_pop_each(|kind, payload| drained.push((kind, payload.to_vec())));
        assert_eq!(count, expected);
        let sent = self
            .queue
            .frames()
            .map(|frame| (frame.kind, frame.payload.clone()));
        assert!(sent.eq(drained));
        self.queue.release(self.queue.len());
    }

    fn catch_up(&mut self) {
        while self.queue.len() > 0 {
            self.pop();
        }
        for _ in 0..5 {
            self.pop();
        }
    }

    fn leave(&mut self, role: Role) {
        if self.segment.is_some() {
            match role {
                Role::Producer => self.producer = None,
                Role::Consumer => self.consumer = None,
            }
        }
    }

    /// The producer; another one if it has left.
    fn producer(&mut self) -> &mut FrameProducer {
        self.producer.get_or_insert_with(|| {
            let segment = self.segment.as_ref().expect("only those of segments leave");
            segment.ring.producer().expect("the role is free")
        })
    }

    /// The consumer; another one if it has left.
    fn consumer(&mut self) -> &mut FrameConsumer {
        self.consumer.get_or_insert_with(|| {
            let segment = self.segment.as_ref().expect("only those of segments leave");
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

    /// Bytes that a frame takes which comes `ahead` bytes after the tail, or
    /// why it cannot.
    fn place(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        match self.queue.place(ahead, len) {
            Err(ClaimError::Full) if self.consumer.is_none() => Err(ClaimError::Abandoned),
            other => other,
        }
    }

    /// What comes next, or why there is nothing.
    fn next(&self) -> Result<&Sent, PopError> {
        match (self.queue.frames().next(), &self.producer) {
            (Some(frame), _) => Ok(frame),
            (None, Some(_)) => Err(PopError::Empty),
            (None, None) => Err(PopError::Abandoned),
        }
    }

    fn published_alone(&mut self, frame: Sent) {
        self.published(vec![frame]);
        if let Some(segment) = &self.segment {
            let rode = segment.file.rides();
            let journey = if rode {
                &self.journeys.rides
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

    /// What the ends say of themselves is what the queue says.
    fn compare(&self) {
        if let Some(producer) = &self.producer {
            assert_eq!(producer.position(), self.queue.tail);
            assert_eq!(producer.fill(), self.queue.unread());
            assert_eq!(producer.is_empty(), self.queue.unread() == 0);
            assert_eq!(producer.longest(), self.queue.longest());
        }
        if let Some(consumer) = &self.consumer {
            assert_eq!(consumer.position(), self.queue.head);
            assert_eq!(consumer.fill(), self.queue.unread());
            assert_eq!(consumer.is_empty(), self.queue.unread() == 0);
        }
    }
}
