//! The rings that the commands move messages to and from.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use quoit::observer::{RingInfo, ShapeKind};
use quoit::raw::{self, RawConsumer, RawProducer, RawRing};
use quoit::{
    ClaimError, Corrupt, Error, FrameConsumer, FrameProducer, PeerError, PopError, Ring,
    RingOptions, Role,
};

use crate::interrupt::{Interrupt, MOMENT};
use crate::output::{Output, plain};
use crate::progress::Progress;
use crate::sight::Sight;
use crate::stop::Stop;

/// Bytes of a ring that nobody chose the capacity of.
const CAPACITY: u64 = 1 << 20;
/// Bytes that are written before their messages are released, or a message more: what
/// may come twice.
pub(crate) const BATCH: usize = 16384;
/// Bytes of a frame's header in the ring.
const FRAME_HEADER: u64 = 8;

/// Which ring, and how it is made.
#[derive(Args)]
pub(crate) struct RingArguments {
    /// The ring: a name in /dev/shm, or a path with a /
    name: PathBuf,

    /// Bytes of a new ring, a power of two, as in 65536 or 64K or 1M; an
    /// existing ring must have as many [default: 1M, or those of the existing ring]
    #[arg(long, value_name = "BYTES", value_parser = capacity)]
    capacity: Option<u64>,

    /// The schema tag of a new ring; an existing one must have the same, or whatever it
    /// has if none is given
    #[arg(long, value_name = "TAG")]
    schema_tag: Option<String>,

    /// Mode bits of a new ring, in octal, as in 660 for a group; an existing ring
    /// keeps its own [default: 600]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,

    /// Give up (exit code 7) when the other end has made no room, or has sent
    /// nothing, for so long, as in 500ms, 2s, 5m or 1h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,

    /// Remove the ring's name at the end if the other end has left, too, and nothing
    /// is unread
    #[arg(long)]
    unlink: bool,
}

/// What a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Bytes of a record and their alignment; none of frames.
    pub(crate) slot: Option<(u64, u32)>,
    /// Nothing is that of the tag.
    pub(crate) schema: Option<u64>,
    pub(crate) capacity: Option<u64>,
}

impl Kind {
    pub(crate) const FRAMES: Self = Self {
        slot: None,
        schema: None,
        capacity: None,
    };

    pub(crate) fn of(info: &RingInfo) -> Self {
        Self {
            slot: match info.shape {
                ShapeKind::Records => Some((info.slot_size, info.slot_align)),
                ShapeKind::Frames => None,
            },
            schema: Some(info.schema),
            capacity: Some(info.capacity),
        }
    }
}

/// A ring that is open, to remove its name.
pub(crate) enum Opened {
    Frames(Ring<[u8]>),
    Records(RawRing, usize),
}

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

impl Opened {
    fn producer(&self) -> Result<Sink, Error> {
        Ok(match self {
            Self::Frames(ring) => Sink::Frames(ring.producer()?),
            Self::Records(ring, size) => Sink::Records(ring.producer()?, *size),
        })
    }

    fn consumer(&self) -> Result<Source, Error> {
        Ok(match self {
            Self::Frames(ring) => Source::Frames(ring.consumer()?),
            Self::Records(ring, size) => Source::Records(ring.consumer()?, *size),
        })
    }

    /// If nobody has an end any more, and nothing is unread.
    pub(crate) fn unlink_if_read(&self) -> Result<bool, Error> {
        match self {
            Self::Frames(ring) => ring.unlink_if_read(),
            Self::Records(ring, _) => ring.ring().unlink_if_read(),
        }
    }
}

/// Opens the ring of that name, or makes one: either end may come first. An existing one
/// has whatever schema it has.
fn open(options: RingOptions, kind: Kind, name: &Path, is_new: bool) -> Result<Opened, Error> {
    let options = match kind.schema {
        Some(schema) => options.schema(schema),
        None => options,
    };
    let Some((size, align)) = kind.slot else {
        let ring = match is_new {
            true => options.open_or_create(name)?,
            false => options.open(name)?,
        };
        return Ok(Opened::Frames(ring));
    };
    let Some(content) = raw::records(size, align) else {
        let corrupt = Corrupt {
            field: "slot align",
            found: align.into(),
        };
        return Err(corrupt.into());
    };
    let ring = match is_new {
        true => RawRing::open_or_create(&options, content, name)?,
        false => RawRing::open(&options, content, name)?,
    };
    Ok(Opened::Records(ring, size as usize))
}

/// The ring of that name as it is.
pub(crate) fn existing(name: &Path) -> Result<Opened, Error> {
    let kind = Kind::of(&Sight::open(name)?.observer.info());
    open(RingOptions::default(), kind, name, false)
}

impl RingArguments {
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The ring and its producer; a new ring is as it is wanted, and an existing one must
    /// have the shape, and the schema if it is known.
    pub(crate) fn producer(&self, new: Kind) -> Result<(Opened, Sink), Stop> {
        again(|| {
            let ring = self.ring(new)?;
            let producer = ring.producer()?;
            Ok((ring, producer))
        })
    }

    pub(crate) fn consumer(&self) -> Result<(Opened, Source), Stop> {
        again(|| {
            let ring = self.ring(Kind::FRAMES)?;
            let consumer = ring.consumer()?;
            Ok((ring, consumer))
        })
    }

    /// After the end was dropped: the last one out removes what has been read, and not a
    /// ring that has its name by now. Then says what was moved.
    pub(crate) fn leave(
        &self,
        ring: &Opened,
        ended: Result<(), Stop>,
        progress: Progress,
        output: &Output,
    ) -> Result<(), Stop> {
        let removed = match self.unlink {
            true => ring.unlink_if_read().map(drop).map_err(Stop::from),
            false => Ok(()),
        };
        progress.end(output, ended.and(removed))
    }

    /// Whether the producer, which is gone, has said goodbye.
    pub(crate) fn had_a_goodbye(&self, source: &Source) -> Result<(), Stop> {
        let sight = Sight::open(&self.name).ok();
        // The name may be another ring's by now.
        let sight = sight.filter(|sight| sight.observer.info().incarnation == source.incarnation());
        let look = sight.and_then(|sight| sight.look().ok());
        match look.map(|look| look.peer(Role::Producer)) {
            Some(peer) if peer.has_died() => Err(Stop::Died(peer.state.pid)),
            _ => Ok(()),
        }
    }

    /// How long a receiver waits for its producer.
    pub(crate) fn receivers_wait(&self, source: &Source) -> Wait {
        let gone = source.is_abandoned() && source.is_empty();
        self.wait(gone.then(|| source.peer_epoch()))
    }

    /// How long a sender waits for its consumer.
    pub(crate) fn senders_wait(&self, sink: &Sink) -> Wait {
        let gone = sink.is_abandoned();
        self.wait(gone.then(|| sink.peer_epoch()))
    }

    fn wait(&self, gone: Option<u64>) -> Wait {
        Wait {
            timeout: self.timeout,
            until: None,
            gone,
        }
    }

    /// Says on a terminal that the role is taken, and that nobody is there to receive from.
    pub(crate) fn tell_who_waits(&self, source: &Source, output: &Output) {
        let name = plain(&self.name.to_string_lossy());
        output.note(&format!(
            "{name}: takes the consumer's role and removes what it reads; to look, use quoit tail"
        ));
        let nobody_came = source.peer_epoch() == 0;
        if source.is_empty() && (nobody_came || source.is_abandoned()) {
            let new = match nobody_came && source.position() == 0 {
                true => "a new ring, ",
                false => "",
            };
            output.note(&format!("{name}: {new}waiting for a producer"));
        }
    }

    /// The ring of that name, or a new one: either end may come first.
    fn ring(&self, new: Kind) -> Result<Opened, Error> {
        let found = match Sight::open(&self.name) {
            Ok(sight) => Some(Kind::of(&sight.observer.info())),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let capacity = self.capacity.or(new.capacity).unwrap_or(CAPACITY);
        let mut options = RingOptions::new(capacity);
        let mut kind = found.unwrap_or(new);
        if let Some(tag) = &self.schema_tag {
            options = options.schema_tag(tag);
            kind.schema = None;
        } else if new.schema.is_some() {
            // What was recorded goes into a ring of the same records.
            kind.slot = new.slot;
            kind.schema = new.schema;
        }
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        match open(options.clone(), kind, &self.name, true) {
            Err(Error::CapacityMismatch { .. }) if self.capacity.is_none() => {
                open(options, kind, &self.name, false)
            }
            other => other,
        }
    }
}

/// Tries again if the ring was removed or replaced between two steps.
fn again<E>(mut end: impl FnMut() -> Result<E, Error>) -> Result<E, Stop> {
    let mut tries = 0..100;
    loop {
        match end() {
            Err(Error::Superseded { .. }) if tries.next().is_some() => {}
            other => return Ok(other?),
        }
    }
}

/// `64K` and the like.
fn capacity(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>();
    let number = number.map_err(|_| "a number of bytes, as in 65536, 64K, 1M or 1G")?;
    let bytes = number.checked_mul(1 << shift);
    bytes.ok_or_else(|| "too large".to_owned())
}

/// `660`, in octal.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0o600..=0o777) => Ok(mode),
        _ => Err("mode bits are octal, from 600 to 777: each end reads and writes".to_owned()),
    }
}

/// `500ms` and the like.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic());
    let (number, unit) = text.split_at(unit.unwrap_or(text.len()));
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a number and its unit: 500ms, 2s, 5m, 1h".to_owned()),
    };
    let number: f64 = number.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
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

    fn peer_epoch(&self) -> u64 {
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

    fn peer_epoch(&self) -> u64 {
        either!(self, end => end.peer_epoch())
    }

    fn incarnation(&self) -> u64 {
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
