//! The ends that the commands move messages with, of either shape, and how they wait.

use std::time::{Duration, Instant};

use quoit::raw::{RawConsumer, RawProducer};
use quoit::{ClaimError, Corrupt, Error, FrameConsumer, FrameProducer, PeerError, PopError};

use crate::interrupt::{Interrupt, MOMENT};
use crate::progress::Progress;
use crate::stop::Stop;

/// Bytes that are written before their messages are released, or a message more: what
/// may come twice.
pub(crate) const BATCH: usize = 16384;
/// Bytes of a frame's header in the ring.
const FRAME_HEADER: u64 = 8;

/// The end that writes.
pub(crate) enum Sink {
    Frames(FrameProducer),
    Records(RawProducer, usize),
}

/// The end that reads.
pub(crate) enum Source {
    Frames(FrameConsumer),
    Records(RawConsumer, usize),
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

/// The other end, and what it is to do.
#[derive(Clone, Copy)]
struct Awaited {
    peer: &'static str,
    deed: &'static str,
}

const CONSUMER: Awaited = Awaited {
    peer: "consumer",
    deed: "made room",
};
const PRODUCER: Awaited = Awaited {
    peer: "producer",
    deed: "sent anything",
};

/// A wait for the other end, in moments.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    timeout: Option<Duration>,
    /// When the time-out is over, from the first moment on.
    until: Option<Instant>,
    /// The epoch of the other end, if it was gone before this one came: either end
    /// may come first, each time anew.
    gone: Option<u64>,
}

impl Wait {
    pub(crate) fn new(timeout: Option<Duration>, gone: Option<u64>) -> Self {
        Self {
            timeout,
            until: None,
            gone,
        }
    }

    /// Whether to wait on though the other end is gone: the first one since this end
    /// came is awaited, and looked for once more when it has just come.
    fn still_awaits(&mut self, epoch: u64) -> bool {
        let awaits = self.gone.is_some();
        self.gone = self.gone.filter(|&gone| gone == epoch);
        awaits
    }

    /// How long to wait now.
    fn moment(&mut self) -> Duration {
        let Some(timeout) = self.timeout else {
            return MOMENT;
        };
        let now = Instant::now();
        // A time that is beyond the clock does not come.
        self.until = self.until.or_else(|| now.checked_add(timeout));
        let left = self.until.map(|until| until.saturating_duration_since(now));
        left.map_or(MOMENT, |left| left.min(MOMENT))
    }

    /// That moment was in vain.
    fn goes_on(
        &mut self,
        interrupt: &Interrupt,
        progress: &mut Progress,
        awaited: Awaited,
    ) -> Result<(), Stop> {
        progress.wait_for(awaited.peer);
        interrupt.check()?;
        match (self.timeout, self.until) {
            (Some(timeout), Some(until)) if Instant::now() >= until => {
                let wanted = awaited.deed;
                Err(Stop::TimedOut { wanted, timeout })
            }
            _ => Ok(()),
        }
    }
}

impl Sink {
    pub(crate) fn is_abandoned(&self) -> bool {
        either!(self, end => end.is_abandoned())
    }

    pub(crate) fn peer_epoch(&self) -> u64 {
        either!(self, end => end.peer_epoch())
    }

    /// Bytes of a record.
    pub(crate) fn record(&self) -> Option<usize> {
        match self {
            Self::Frames(_) => None,
            Self::Records(_, size) => Some(*size),
        }
    }

    /// Bytes of the longest message.
    pub(crate) fn longest(&self) -> usize {
        match self {
            Self::Frames(end) => end.max_frame_len(),
            Self::Records(_, size) => *size,
        }
    }

    /// Bytes of a piece of a stream: four fill a lap, as `FrameProducer::writer` does it.
    pub(crate) fn piece(&self) -> usize {
        match self {
            Self::Frames(end) => (end.capacity() / 4 - 8) as usize,
            Self::Records(_, size) => *size,
        }
    }

    fn try_push(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        match self {
            Self::Frames(end) => end.try_push_kind(kind, payload),
            Self::Records(end, _) => end.try_push(payload),
        }
    }

    /// Waits for room for a message of so many bytes.
    fn wait(&mut self, length: usize, time: Duration) -> Result<(), ClaimError> {
        match self {
            Self::Frames(end) => end.claim_timeout(length, time).map(drop),
            Self::Records(end, _) => end.wait(1, time.into()),
        }
    }

    fn wait_for_peer(&mut self, time: Duration) -> Result<(), PeerError> {
        either!(self, end => end.wait_for_peer_timeout(time))
    }

    fn corruption(&self) -> Option<Corrupt> {
        either!(self, end => end.corruption())
    }

    /// Pushes a message, and waits for room as long as there is a consumer or may be one.
    pub(crate) fn push(
        &mut self,
        (kind, payload): (u32, &[u8]),
        mut wait: Wait,
        interrupt: &Interrupt,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        if let Some(record) = self.record().filter(|&size| size != payload.len()) {
            let length = payload.len();
            return Err(Stop::RecordLength { record, length });
        }
        loop {
            // Who need not wait does not ask the kernel for signals.
            let refused = match self.try_push(kind, payload) {
                Ok(()) => {
                    progress.add(1, payload.len() as u64);
                    return Ok(());
                }
                Err(ClaimError::Full) => {
                    interrupt.check()?;
                    match self.wait(payload.len(), wait.moment()) {
                        Ok(()) => continue,
                        Err(refused) => refused,
                    }
                }
                Err(refused) => refused,
            };
            match refused {
                ClaimError::TimedOut => wait.goes_on(interrupt, progress, CONSUMER)?,
                ClaimError::Abandoned if wait.still_awaits(self.peer_epoch()) => {
                    match self.wait_for_peer(wait.moment()) {
                        Ok(()) => {}
                        Err(PeerError::TimedOut) => wait.goes_on(interrupt, progress, CONSUMER)?,
                        Err(PeerError::Superseded) => return Err(ClaimError::Superseded.into()),
                        Err(PeerError::ReactorDied) => return Err(ClaimError::ReactorDied.into()),
                    }
                }
                error => return Err(corrupt(self.corruption()).unwrap_or(error.into())),
            }
        }
    }
}

/// What was found in a ring that is corrupt.
fn corrupt(found: Option<Corrupt>) -> Option<Stop> {
    found.map(|corrupt| Error::from(corrupt).into())
}

/// A message on its way out of a ring.
pub(crate) struct Taken<'a> {
    pub(crate) position: u64,
    pub(crate) kind: u32,
    pub(crate) bytes: &'a [u8],
}

/// Who takes messages in batches.
pub(crate) trait Taker {
    /// Adds a message; whether the batch goes on.
    fn take(&mut self, taken: &Taken<'_>) -> Result<bool, Stop>;

    /// The batch is complete: what is in it may be released if this succeeds.
    fn finish(&mut self) -> Result<(), Stop>;
}

impl Source {
    pub(crate) fn is_abandoned(&self) -> bool {
        either!(self, end => end.is_abandoned())
    }

    pub(crate) fn is_empty(&self) -> bool {
        either!(self, end => end.is_empty())
    }

    pub(crate) fn position(&self) -> u64 {
        either!(self, end => end.position())
    }

    pub(crate) fn peer_epoch(&self) -> u64 {
        either!(self, end => end.peer_epoch())
    }

    pub(crate) fn incarnation(&self) -> u64 {
        either!(self, end => end.incarnation())
    }

    /// Bytes of a record.
    pub(crate) fn record(&self) -> Option<usize> {
        match self {
            Self::Frames(_) => None,
            Self::Records(_, size) => Some(*size),
        }
    }

    fn wait_for_peer(&mut self, time: Duration) -> Result<(), PeerError> {
        either!(self, end => end.wait_for_peer_timeout(time))
    }

    fn corruption(&self) -> Option<Corrupt> {
        either!(self, end => end.corruption())
    }

    /// Waits for a message.
    fn wait(&mut self, time: Duration) -> Result<(), PopError> {
        match self {
            Self::Frames(end) => end.peek_timeout(time).map(drop),
            Self::Records(end, _) => end.wait(1, None, time.into()).map(drop),
        }
    }

    /// Hands over messages that are there until the taker has had enough, and releases
    /// them; how many, and their bytes.
    fn batch(&mut self, taker: &mut impl Taker) -> Result<(u64, u64), Stop> {
        let (mut count, mut moved) = (0, 0);
        let start = self.position();
        let mut copy = Vec::new();
        match self {
            Self::Frames(end) => {
                let mut frames = end.try_peek_many()?;
                // What is wrong is told after what is sound.
                while let Ok(Some(frame)) = frames.next_frame() {
                    copy.clear();
                    frame.append_to(&mut copy);
                    let kind = frame.kind();
                    let size = FRAME_HEADER + copy.len().next_multiple_of(8) as u64;
                    (count, moved) = (count + 1, moved + copy.len() as u64);
                    let goes_on = taker.take(&Taken {
                        position: start + frames.visited() - size,
                        kind,
                        bytes: &copy,
                    })?;
                    if !goes_on {
                        break;
                    }
                }
                taker.finish()?;
                frames.release();
            }
            Self::Records(end, size) => {
                let unread = end.poll(1, None)?.unread;
                let mut goes_on = true;
                while count < unread && goes_on {
                    copy.clear();
                    end.copy(count as usize, &mut copy);
                    goes_on = taker.take(&Taken {
                        position: start + count,
                        kind: 0,
                        bytes: &copy,
                    })?;
                    (count, moved) = (count + 1, moved + *size as u64);
                }
                taker.finish()?;
                end.release(count);
            }
        }
        Ok((count, moved))
    }

    /// Hands over all messages in batches, until the producer has left. What is not taken
    /// entirely stays in the ring.
    pub(crate) fn drain(
        &mut self,
        taker: &mut impl Taker,
        wait: Wait,
        interrupt: &Interrupt,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        while self.comes(wait, interrupt, progress)? {
            interrupt.check()?;
            let (count, bytes) = self.batch(taker)?;
            progress.add(count, bytes);
            // What came before it is sound.
            if let Some(stop) = corrupt(self.corruption()) {
                return Err(stop);
            }
        }
        Ok(())
    }

    /// Waits for a message; false if none will come.
    fn comes(
        &mut self,
        mut wait: Wait,
        interrupt: &Interrupt,
        progress: &mut Progress,
    ) -> Result<bool, Stop> {
        loop {
            match self.wait(wait.moment()) {
                Ok(()) => return Ok(true),
                Err(PopError::TimedOut) => wait.goes_on(interrupt, progress, PRODUCER)?,
                Err(PopError::Abandoned) if wait.still_awaits(self.peer_epoch()) => {
                    match self.wait_for_peer(wait.moment()) {
                        Ok(()) => {}
                        Err(PeerError::Superseded) => return Ok(false),
                        Err(PeerError::TimedOut) => wait.goes_on(interrupt, progress, PRODUCER)?,
                        Err(PeerError::ReactorDied) => return Err(PopError::ReactorDied.into()),
                    }
                }
                Err(PopError::Abandoned | PopError::Superseded) => return Ok(false),
                Err(error) => return Err(corrupt(self.corruption()).unwrap_or(error.into())),
            }
        }
    }
}
