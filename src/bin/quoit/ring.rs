//! The rings that the commands move frames to and from.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use quoit::{
    ClaimError, Corrupt, Error, FrameConsumer, FrameProducer, FrameView, PeerError, PopError, Ring,
    RingOptions, Role,
};

use crate::interrupt::{Interrupt, MOMENT};
use crate::output::{Output, plain};
use crate::progress::Progress;
use crate::sight::Sight;
use crate::stop::Stop;

/// Bytes of a ring that nobody chose the capacity of.
const CAPACITY: u64 = 1 << 20;
/// Bytes that are written before their frames are released, or a frame more: what
/// may come twice.
const BATCH: usize = 16384;

/// Which ring, and how it is made.
#[derive(Args)]
pub(crate) struct RingArguments {
    /// The ring: a name in /dev/shm, or a path with a /
    name: PathBuf,

    /// Bytes of a new ring, a power of two, as in 65536 or 64K or 1M; an
    /// existing ring must have as many [default: 1M, or those of the existing ring]
    #[arg(long, value_name = "BYTES", value_parser = capacity)]
    capacity: Option<u64>,

    /// The ring's schema tag, if it was made with one
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

impl RingArguments {
    /// The ring and its producer; a new ring has so many bytes if nobody chose.
    pub(crate) fn producer(
        &self,
        capacity: Option<u64>,
    ) -> Result<(Ring<[u8]>, FrameProducer), Stop> {
        again(|| {
            let ring = self.ring(capacity)?;
            let producer = ring.producer()?;
            Ok((ring, producer))
        })
    }

    pub(crate) fn consumer(&self) -> Result<(Ring<[u8]>, FrameConsumer), Stop> {
        again(|| {
            let ring = self.ring(None)?;
            let consumer = ring.consumer()?;
            Ok((ring, consumer))
        })
    }

    /// After the end was dropped: the last one out removes what has been read, and not a
    /// ring that has its name by now. Then says what was moved.
    pub(crate) fn leave(
        &self,
        ring: &Ring<[u8]>,
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
    pub(crate) fn had_a_goodbye(&self, consumer: &FrameConsumer) -> Result<(), Stop> {
        let sight = Sight::open(&self.name).ok();
        // The name may be another ring's by now.
        let sight =
            sight.filter(|sight| sight.observer.info().incarnation == consumer.incarnation());
        let look = sight.and_then(|sight| sight.look().ok());
        match look.map(|look| look.peer(Role::Producer)) {
            Some(peer) if peer.has_died() => Err(Stop::Died(peer.state.pid)),
            _ => Ok(()),
        }
    }

    /// How long a receiver waits for its producer.
    pub(crate) fn receivers_wait(&self, consumer: &FrameConsumer) -> Wait {
        let gone = consumer.is_abandoned() && consumer.is_empty();
        self.wait(gone.then(|| consumer.peer_epoch()))
    }

    /// How long a sender waits for its consumer.
    pub(crate) fn senders_wait(&self, producer: &FrameProducer) -> Wait {
        let gone = producer.is_abandoned();
        self.wait(gone.then(|| producer.peer_epoch()))
    }

    fn wait(&self, gone: Option<u64>) -> Wait {
        Wait {
            timeout: self.timeout,
            until: None,
            gone,
        }
    }

    /// Says on a terminal that nobody is there to receive from.
    pub(crate) fn tell_who_waits(&self, consumer: &FrameConsumer, output: &Output) {
        let nobody_came = consumer.peer_epoch() == 0;
        if consumer.is_empty() && (nobody_came || consumer.is_abandoned()) {
            let name = plain(&self.name.to_string_lossy());
            let new = match nobody_came && consumer.position() == 0 {
                true => "a new ring, ",
                false => "",
            };
            output.note(&format!("{name}: {new}waiting for a producer"));
        }
    }

    /// The ring of that name, or a new one: either end may come first.
    fn ring(&self, capacity: Option<u64>) -> Result<Ring<[u8]>, Error> {
        let capacity = self.capacity.or(capacity).unwrap_or(CAPACITY);
        let mut options = RingOptions::new(capacity);
        if let Some(tag) = &self.schema_tag {
            options = options.schema_tag(tag);
        }
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        match options.open_or_create(&self.name) {
            Err(Error::CapacityMismatch { .. }) if self.capacity.is_none() => {
                options.open(&self.name)
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

/// Pushes a frame, and waits for room as long as there is a consumer or may
/// be one.
pub(crate) fn push(
    producer: &mut FrameProducer,
    (kind, payload): (u32, &[u8]),
    mut wait: Wait,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), Stop> {
    loop {
        // Who need not wait does not ask the kernel for signals.
        let claimed = match producer.try_claim(payload.len()) {
            Err(ClaimError::Full) => {
                interrupt.check()?;
                producer.claim_timeout(payload.len(), wait.moment())
            }
            other => other,
        };
        let refused = match claimed {
            Ok(mut claim) => {
                claim.copy_from_slice(payload);
                claim.set_kind(kind);
                claim.commit();
                progress.add(1, payload.len() as u64);
                return Ok(());
            }
            Err(refused) => refused,
        };
        match refused {
            ClaimError::TimedOut => wait.goes_on(interrupt, progress, CONSUMER)?,
            ClaimError::Abandoned if wait.still_awaits(producer.peer_epoch()) => {
                match producer.wait_for_peer_timeout(wait.moment()) {
                    Ok(()) => {}
                    Err(PeerError::TimedOut) => wait.goes_on(interrupt, progress, CONSUMER)?,
                    Err(PeerError::Superseded) => return Err(ClaimError::Superseded.into()),
                    Err(PeerError::ReactorDied) => return Err(ClaimError::ReactorDied.into()),
                }
            }
            error => return Err(corrupt(producer.corruption()).unwrap_or(error.into())),
        }
    }
}

/// What was found in a ring that is corrupt.
fn corrupt(found: Option<Corrupt>) -> Option<Stop> {
    found.map(|corrupt| Error::from(corrupt).into())
}

/// Writes all frames in batches, as `encode` copies them and with their number, until
/// the producer has left; `write` may add to a batch. What is not written entirely stays in the ring.
pub(crate) fn drain(
    consumer: &mut FrameConsumer,
    mut encode: impl FnMut(&mut Vec<u8>, &FrameView<'_>),
    mut write: impl FnMut(&mut Vec<u8>, u64) -> Result<(), Stop>,
    wait: Wait,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let mut bytes = Vec::new();
    while comes(consumer, wait, interrupt, progress)? {
        interrupt.check()?;
        bytes.clear();
        let (mut count, mut moved) = (0, 0);
        let mut frames = consumer.try_peek_many()?;
        let mut sound = true;
        while bytes.len() < BATCH && sound {
            match frames.next_frame() {
                Ok(Some(frame)) => {
                    encode(&mut bytes, &frame);
                    count += 1;
                    moved += frame.len() as u64;
                }
                Ok(None) => break,
                Err(_) => sound = false,
            }
        }
        write(&mut bytes, count)?;
        frames.release();
        progress.add(count, moved);
        // What came before it is sound.
        if let Some(stop) = corrupt(consumer.corruption()) {
            return Err(stop);
        }
    }
    Ok(())
}

/// Waits for a frame; false if none will come.
fn comes(
    consumer: &mut FrameConsumer,
    mut wait: Wait,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<bool, Stop> {
    loop {
        match consumer.peek_timeout(wait.moment()).map(drop) {
            Ok(()) => return Ok(true),
            Err(PopError::TimedOut) => wait.goes_on(interrupt, progress, PRODUCER)?,
            Err(PopError::Abandoned) if wait.still_awaits(consumer.peer_epoch()) => {
                match consumer.wait_for_peer_timeout(wait.moment()) {
                    Ok(()) => {}
                    Err(PeerError::Superseded) => return Ok(false),
                    Err(PeerError::TimedOut) => wait.goes_on(interrupt, progress, PRODUCER)?,
                    Err(PeerError::ReactorDied) => return Err(PopError::ReactorDied.into()),
                }
            }
            Err(PopError::Abandoned | PopError::Superseded) => return Ok(false),
            Err(error) => return Err(corrupt(consumer.corruption()).unwrap_or(error.into())),
        }
    }
}
