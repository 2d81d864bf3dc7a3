//! The endpoints that the commands move messages with, how they wait, and what they have
//! moved: a line on the terminal, and a summary at the end.

use std::time::{Duration, Instant};

use indicatif::HumanBytes;
use quoit::observer::{Message, ShapeKind};
use quoit::raw::{RawConsumer, RawProducer};
use quoit::{ClaimError, Corrupt, Error, FrameProducer, Observer, PeerError, PopError, Role};
use serde_json::json;

use crate::interrupt::{Interrupt, MOMENT};
use crate::output::{Output, terminal_size};
use crate::standard::Patient;
use crate::stop::{Code, Moved, Stop};

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

impl Sink {
    fn peer_epoch(&self) -> u64 {
        either!(self, end => end.peer_epoch())
    }

    /// The epoch of the consumer, if it has closed or crashed.
    pub(crate) fn abandoned(&self) -> Option<u64> {
        // First: another one may attach in between.
        let epoch = self.peer_epoch();
        either!(self, end => end.is_abandoned()).then_some(epoch)
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
        progress: &mut Progress<'_>,
    ) -> Result<(), Stop> {
        let length = payload.len();
        if let Some(record) = self.record().filter(|&size| size != length) {
            // What is longer may have been cut.
            let wrong = if length > record {
                "more"
            } else {
                &length.to_string()
            };
            let text = format!("a record of this ring has {record} bytes, not {wrong}");
            return Err(Stop::new(Code::Refused, text));
        }
        loop {
            // The kernel is asked for signals only if there is a wait.
            let refused = match self.try_push(kind, payload) {
                Ok(()) => {
                    progress.add(1, length as u64);
                    return Ok(());
                }
                Err(ClaimError::Full) => {
                    progress.interrupt.check()?;
                    self.wait(length, progress.moment(Role::Consumer)).err()
                }
                Err(refused) => Some(refused),
            };
            match refused {
                None => {}
                Some(ClaimError::TimedOut) => progress.continues()?,
                Some(ClaimError::Abandoned) if progress.awaits(self.peer_epoch()) => {
                    let time = progress.moment(Role::Consumer);
                    match either!(self, end => end.wait_for_peer_timeout(time)) {
                        Err(PeerError::TimedOut) => progress.continues()?,
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
        // First: another one may attach in between.
        let epoch = self.end.peer_epoch();
        let is_over = self.end.is_abandoned() && self.end.is_empty();
        is_over.then_some(epoch)
    }

    /// Hands over all messages in batches, until the producer has closed or crashed. What is
    /// not taken entirely stays in the ring.
    pub(crate) fn drain(
        &mut self,
        taker: &mut impl Taker,
        progress: &mut Progress<'_>,
    ) -> Result<(), Stop> {
        let mut fitting = usize::MAX;
        while self.has_more(progress)? {
            progress.interrupt.check()?;
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
            self.end
                .poll(released, None)
                .map_err(|error| self.refused(error))?;
            self.end.release(released);
            progress.add(count, bytes);
            fitting = match bytes < BATCH_BYTES {
                true => most.saturating_mul(2),
                false => count as usize,
            };
            // What was before it is sound.
            found?;
        }
        Ok(())
    }

    fn refused(&self, error: PopError) -> Stop {
        corrupt(self.end.corruption()).unwrap_or(error.into())
    }

    /// Waits for a message; false if none will arrive.
    fn has_more(&mut self, progress: &mut Progress<'_>) -> Result<bool, Stop> {
        loop {
            match self
                .end
                .wait(1, None, progress.moment(Role::Producer).into())
            {
                Ok(_) => return Ok(true),
                Err(PopError::TimedOut) => progress.continues()?,
                Err(PopError::Abandoned) if progress.awaits(self.end.peer_epoch()) => {
                    match self
                        .end
                        .wait_for_peer_timeout(progress.moment(Role::Producer))
                    {
                        Err(PeerError::TimedOut) => progress.continues()?,
                        Err(PeerError::Superseded) => return Ok(false),
                        other => other?,
                    }
                }
                Err(PopError::Abandoned | PopError::Superseded) => return Ok(false),
                Err(error) => return Err(self.refused(error)),
            }
        }
    }
}

/// The time between two lines.
const PERIOD: Duration = Duration::from_millis(200);

/// What a command has moved, how it waits for its peer, and the signals that interrupt it. Dropping
/// it erases the line.
pub(crate) struct Progress<'a> {
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) output: &'a Output,
    moved: Moved,
    start: Instant,
    shown: Instant,
    pub(crate) timeout: Option<Duration>,
    /// The epoch of the peer, if it had closed or crashed before this endpoint attached:
    /// either may attach first, each time again.
    pub(crate) abandoned: Option<u64>,
    /// For which peer it waits, and since when, if it does.
    waits: Option<(Role, Instant)>,
    /// What the consumer had taken before it could be copied, and its unit.
    pub(crate) missed: Option<(u64, &'static str)>,
    /// The terminal that shows how far it is, if one does.
    terminal: Option<Patient<'static>>,
}

impl<'a> Progress<'a> {
    /// `data_on_terminal`: whether the terminal shows what is moved.
    pub(crate) fn new(
        verb: &'static str,
        data_on_terminal: bool,
        interrupt: &'a Interrupt,
        output: &'a Output,
    ) -> Self {
        let now = Instant::now();
        Self {
            interrupt,
            output,
            moved: Moved {
                verb,
                ..Moved::default()
            },
            start: now,
            shown: now,
            timeout: None,
            abandoned: None,
            waits: None,
            missed: None,
            terminal: output.terminal().filter(|_| !data_on_terminal),
        }
    }

    /// Whether to wait though the peer has closed or crashed: the first that attaches after
    /// this endpoint is awaited, and polled again when it has just attached.
    fn awaits(&mut self, epoch: u64) -> bool {
        let awaits = self.abandoned.is_some();
        self.abandoned = self.abandoned.filter(|&abandoned| abandoned == epoch);
        awaits
    }

    /// How long to wait for the peer now.
    pub(crate) fn moment(&mut self, peer: Role) -> Duration {
        let (_, since) = self.waits.get_or_insert((peer, Instant::now()));
        let left = self
            .timeout
            .map(|timeout| timeout.saturating_sub(since.elapsed()));
        left.map_or(MOMENT, |left| left.min(MOMENT))
    }

    /// That moment was without success.
    pub(crate) fn continues(&mut self) -> Result<(), Stop> {
        self.show();
        self.interrupt.check()?;
        match (self.waits, self.timeout) {
            (Some((peer, since)), Some(timeout)) if since.elapsed() >= timeout => {
                let wanted = match peer {
                    Role::Consumer => "made room",
                    Role::Producer => "sent anything",
                };
                let text = format!("no process {wanted} for {timeout:?}");
                Err(Stop::new(Code::TimedOut, text))
            }
            _ => Ok(()),
        }
    }

    /// Messages were moved.
    pub(crate) fn add(&mut self, messages: u64, bytes: u64) {
        self.waits = None;
        self.moved.messages += messages;
        self.moved.bytes += bytes;
        self.show();
    }

    /// Messages were not seen.
    pub(crate) fn miss(&mut self, more: u64) {
        if let Some((missed, _)) = &mut self.missed {
            *missed += more;
        }
    }

    fn show(&mut self) {
        if self.terminal.is_none() || self.shown.elapsed() < PERIOD {
            return;
        }
        self.shown = Instant::now();
        let waits = self.waits.map(|(peer, _)| format!("; waits for a {peer}"));
        let words = self.words() + &waits.unwrap_or_default();
        // A line that is wrapped could not be erased.
        let size = self.terminal.as_ref().map(terminal_size);
        let (columns, _) = size.and_then(Result::ok).unwrap_or((80, 24));
        let line: String = words.chars().take(usize::from(columns) - 1).collect();
        self.draw(&line);
    }

    /// Replaces the line, if the terminal takes it.
    fn draw(&mut self, line: &str) {
        if let Some(terminal) = &mut self.terminal {
            terminal.show(&format!("\r{line}\x1b[K"));
        }
    }

    /// Says what was moved, at once or together with what has failed.
    pub(crate) fn end(self, ended: Result<(), Stop>) -> Result<(), Stop> {
        if let Err(stop @ Stop::Error(..)) = ended {
            return Err(Stop::Partly(Box::new(stop), self.moved));
        }
        let mut value = json!(self.moved);
        value["seconds"] = self.start.elapsed().as_secs_f64().into();
        let mut words = self.words();
        if let Some((missed, unit)) = self.missed {
            value["missed"] = missed.into();
            words += &format!("; missed {missed} {unit}");
        }
        if let Err(Stop::Signal(_)) = ended {
            words += ", and was interrupted";
        }
        let output = self.output;
        drop(self);
        ended.and(output.summary(&words, &value))
    }

    fn words(&self) -> String {
        let (verb, messages, bytes) = (self.moved.verb, self.moved.messages, self.moved.bytes);
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = HumanBytes((bytes as f64 / seconds) as u64);
        let bytes = HumanBytes(bytes);
        format!("{verb} {messages} messages, {bytes} in {seconds:.1} s ({rate}/s)")
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown > self.start {
            self.draw("");
        }
    }
}
