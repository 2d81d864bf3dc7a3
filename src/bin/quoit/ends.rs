//! The endpoints that the commands move messages with, and how they wait.

use std::time::{Duration, Instant};

use quoit::observer::{Message, ShapeKind};
use quoit::raw::{RawConsumer, RawProducer};
use quoit::{ClaimError, Corrupt, Error, FrameProducer, Observer, PeerError, PopError, Role};

use crate::interrupt::{Interrupt, MOMENT};
use crate::progress::Progress;
use crate::stop::{Code, Stop};

/// The endpoint that writes; one of records with their size.
pub(crate) enum Sink {
    Frames(FrameProducer),
    Records(RawProducer, usize),
}

/// The endpoint that reads, and the observer that copies its messages: frames and records
/// in the same way.
pub(crate) struct Source {
    pub(crate) end: RawConsumer,
    pub(crate) observer: Observer,
}

/// What both shapes can do.
macro_rules! either {
    ($end:expr, $each:ident => $does:expr) => {
        match $end {
            Self::Frames($each) => $does,
            Self::Records($each, _) => $does,
        }
    };
}

/// Waits for the peer, in moments, and what was moved until then.
pub(crate) struct Wait<'a> {
    peer: Role,
    timeout: Option<Duration>,
    /// The epoch of the peer, if it had closed or crashed before this endpoint attached:
    /// either may attach first, each time again.
    abandoned: Option<u64>,
    /// Since when, if it waits.
    start: Option<Instant>,
    interrupt: &'a Interrupt,
    pub(crate) progress: Progress,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(
        peer: Role,
        abandoned: Option<u64>,
        timeout: Option<Duration>,
        (interrupt, progress): (&'a Interrupt, Progress),
    ) -> Self {
        Self {
            peer,
            timeout,
            abandoned,
            start: None,
            interrupt,
            progress,
        }
    }

    /// Whether to wait though the peer has closed or crashed: the first that attaches after
    /// this endpoint is awaited, and polled again when it has just attached.
    fn awaits(&mut self, epoch: u64) -> bool {
        let awaits = self.abandoned.is_some();
        self.abandoned = self.abandoned.filter(|&abandoned| abandoned == epoch);
        awaits
    }

    /// How long to wait now.
    fn moment(&mut self) -> Duration {
        let waited = self.start.get_or_insert_with(Instant::now).elapsed();
        let left = self.timeout.map(|timeout| timeout.saturating_sub(waited));
        left.map_or(MOMENT, |left| left.min(MOMENT))
    }

    /// That moment was without success.
    fn continues(&mut self) -> Result<(), Stop> {
        self.progress.wait_for(self.peer);
        self.interrupt.check()?;
        let wanted = match self.peer {
            Role::Consumer => "made room",
            Role::Producer => "sent anything",
        };
        let waited = self.start.map_or(Duration::ZERO, |start| start.elapsed());
        match self.timeout.filter(|&timeout| waited >= timeout) {
            Some(timeout) => {
                let text = format!("no process {wanted} for {timeout:?}");
                Err(Stop::new(Code::TimedOut, text))
            }
            None => Ok(()),
        }
    }

    /// Messages were moved.
    fn moved(&mut self, count: u64, bytes: u64) {
        self.start = None;
        self.progress.add(count, bytes);
    }
}

impl Sink {
    fn peer_epoch(&self) -> u64 {
        either!(self, end => end.peer_epoch())
    }

    /// The epoch of the consumer, if it has closed or crashed.
    pub(crate) fn abandoned(&self) -> Option<u64> {
        either!(self, end => end.is_abandoned()).then(|| self.peer_epoch())
    }

    /// Bytes of a record.
    pub(crate) fn record(&self) -> Option<usize> {
        match self {
            Self::Frames(_) => None,
            Self::Records(_, size) => Some(*size),
        }
    }

    /// Bytes of the longest message, and of a piece of a stream: four fill a lap, as
    /// `FrameProducer::writer` does it.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        match self {
            Self::Frames(end) => (end.max_frame_len(), (end.capacity() / 4 - 8) as usize),
            Self::Records(_, size) => (*size, *size),
        }
    }

    fn try_push(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        match self {
            Self::Frames(end) => end.try_push_kind(kind, payload),
            Self::Records(end, _) => end.try_push(payload),
        }
    }

    /// Waits for room for a message of this length.
    fn wait(&mut self, length: usize, time: Duration) -> Result<(), ClaimError> {
        match self {
            Self::Frames(end) => end.claim_timeout(length, time).map(drop),
            Self::Records(end, _) => end.wait(1, time.into()),
        }
    }

    /// Pushes a message, and waits for room while there is a consumer or may be one.
    pub(crate) fn push(
        &mut self,
        kind: u32,
        payload: &[u8],
        wait: &mut Wait<'_>,
    ) -> Result<(), Stop> {
        let length = payload.len();
        if let Some(record) = self.record().filter(|&size| size != length) {
            let text = format!("a record of this ring has {record} bytes, not {length}");
            return Err(Stop::new(Code::Refused, text));
        }
        loop {
            // The kernel is asked for signals only if there is a wait.
            let refused = match self.try_push(kind, payload) {
                Ok(()) => {
                    wait.moved(1, length as u64);
                    return Ok(());
                }
                Err(ClaimError::Full) => {
                    wait.interrupt.check()?;
                    self.wait(length, wait.moment()).err()
                }
                Err(refused) => Some(refused),
            };
            match refused {
                None => {}
                Some(ClaimError::TimedOut) => wait.continues()?,
                Some(ClaimError::Abandoned) if wait.awaits(self.peer_epoch()) => {
                    let time = wait.moment();
                    match either!(self, end => end.wait_for_peer_timeout(time)) {
                        Err(PeerError::TimedOut) => wait.continues()?,
                        other => other?,
                    }
                }
                Some(error) => {
                    let corruption = either!(self, end => end.corruption());
                    return Err(corrupt(corruption).unwrap_or(error.into()));
                }
            }
        }
    }
}

/// What was found in a ring that is corrupt.
fn corrupt(found: Option<Corrupt>) -> Option<Stop> {
    found.map(|corrupt| Error::from(corrupt).into())
}

/// Bytes that complete a batch. If the process is killed, the next holder of the role
/// receives the messages of the batch again.
const BATCH_BYTES: u64 = 16 << 10;

/// Takes messages in batches.
pub(crate) trait Taker {
    /// Messages of the next batch at most.
    fn most(&self) -> usize;

    /// Adds a message.
    fn take(&mut self, message: &Message) -> Result<(), Stop>;

    /// The batch is complete: what is in it may be released if this succeeds.
    fn finish(&mut self) -> Result<(), Stop>;

    /// There are no more.
    fn end(self) -> Result<(), Stop>;
}

impl Source {
    pub(crate) fn is_of_records(&self) -> bool {
        self.observer.info().shape == ShapeKind::Records
    }

    /// The epoch of the producer, if it has closed or crashed, and nothing is unread.
    pub(crate) fn abandoned(&self) -> Option<u64> {
        let is_over = self.end.is_abandoned() && self.end.is_empty();
        is_over.then(|| self.end.peer_epoch())
    }

    /// Hands over all messages in batches, until the producer has closed or crashed. What is
    /// not taken entirely stays in the ring.
    pub(crate) fn drain(
        &mut self,
        taker: &mut impl Taker,
        wait: &mut Wait<'_>,
    ) -> Result<(), Stop> {
        let mut fitting = usize::MAX;
        while self.has_more(wait)? {
            wait.interrupt.check()?;
            let start = self.end.position();
            let (mut taken, mut released) = (Ok(()), 0);
            let (mut count, mut bytes) = (0, 0);
            let most = taker.most().min(fitting);
            let found = self.observer.unread_from(start, most, |message| {
                if taken.is_ok() && bytes < BATCH_BYTES {
                    taken = taker.take(&message);
                    released = message.next.wrapping_sub(start);
                    (count, bytes) = (count + 1, bytes + message.bytes.len() as u64);
                }
            });
            taken.and_then(|()| taker.finish())?;
            // The endpoint releases what it has seen.
            self.end.poll(released, None)?;
            self.end.release(released);
            wait.moved(count, bytes);
            fitting = match bytes < BATCH_BYTES {
                true => most.saturating_mul(2),
                false => count as usize,
            };
            // What was before it is sound.
            found?;
        }
        Ok(())
    }

    /// Waits for a message; false if none will arrive.
    fn has_more(&mut self, wait: &mut Wait<'_>) -> Result<bool, Stop> {
        loop {
            match self.end.wait(1, None, wait.moment().into()) {
                Ok(_) => return Ok(true),
                Err(PopError::TimedOut) => wait.continues()?,
                Err(PopError::Abandoned) if wait.awaits(self.end.peer_epoch()) => {
                    match self.end.wait_for_peer_timeout(wait.moment()) {
                        Err(PeerError::TimedOut) => wait.continues()?,
                        Err(PeerError::Superseded) => return Ok(false),
                        other => other?,
                    }
                }
                Err(PopError::Abandoned | PopError::Superseded) => return Ok(false),
                Err(error) => return Err(corrupt(self.end.corruption()).unwrap_or(error.into())),
            }
        }
    }
}
