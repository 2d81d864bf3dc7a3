//! The rings that the commands move messages to and from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use quoit::observer::{RingInfo, ShapeKind};
use quoit::raw::{self, RawRing};
use quoit::{Corrupt, Error, Observer, RingOptions, Role};

use crate::ends::{Progress, Sink, Source, Taker};
use crate::output::{Output, plain};
use crate::sight::Look;
use crate::stop::{Code, Stop};

/// Bytes of a ring without a --capacity.
pub(crate) const CAPACITY: u64 = 1 << 20;

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

    /// Give up (exit code 7) when the peer has made no room, or has sent nothing, for this
    /// time, as in 500ms, 2s, 5m or 1h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,

    /// Remove the ring's name at the end if the peer has closed, too, and nothing is
    /// unread
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

impl RingArguments {
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Takes the producer's role, sends, and says what was moved. A new ring is as it is
    /// wanted, and an existing one must have the shape, and the schema if it is known.
    pub(crate) fn send(
        &self,
        new: Kind,
        mut progress: Progress<'_>,
        send: impl FnOnce(&mut Sink, &mut Progress<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let (ring, mut sink) = again(|| {
            let (ring, kind) = self.ring(new)?;
            let sink = match kind.slot {
                None => Sink::Frames(ring.frame_producer()?),
                Some((size, _)) => Sink::Records(ring.producer()?, size as usize),
            };
            Ok((ring, sink))
        })?;
        (progress.abandoned, progress.timeout) = (sink.abandoned(), self.timeout);
        let sent = send(&mut sink, &mut progress);
        drop(sink);
        self.leave(&ring, sent, progress)
    }

    /// Takes the consumer's role, hands over all messages, and says what was moved.
    pub(crate) fn receive<T: Taker>(
        &self,
        begin: impl FnOnce(&Source) -> Result<T, Stop>,
        mut progress: Progress<'_>,
    ) -> Result<(), Stop> {
        let (ring, mut source) = again(|| {
            let (ring, _) = self.ring(Kind::FRAMES)?;
            let (end, observer) = (ring.consumer()?, Observer::open(&self.name)?);
            let name = observer.name().to_owned();
            match observer.info().incarnation == end.incarnation() {
                true => Ok((ring, Source { end, observer })),
                false => Err(Error::Superseded { name }),
            }
        })?;
        let mut taker = begin(&source)?;
        self.tell_what_it_takes(&source, progress.output);
        (progress.abandoned, progress.timeout) = (source.abandoned(), self.timeout);
        let drained = source.drain(&mut taker, &mut progress);
        let drained = ended(drained, taker.end()).and_then(|()| was_closed(&source.observer));
        drop(source);
        self.leave(&ring, drained, progress)
    }

    /// The last endpoint removes what has been read, and not another ring that now has
    /// its name.
    fn leave(
        &self,
        ring: &RawRing,
        ended: Result<(), Stop>,
        progress: Progress<'_>,
    ) -> Result<(), Stop> {
        let removed = match self.unlink {
            true => ring.ring().unlink_if_read().map(drop).map_err(Stop::from),
            false => Ok(()),
        };
        progress.end(ended.and(removed))
    }

    /// Says on a terminal that the role is taken, and that there is nothing to receive yet.
    fn tell_what_it_takes(&self, source: &Source, output: &Output) {
        let (name, end) = (plain(&self.name.to_string_lossy()), &source.end);
        let takes = "takes the consumer's role, and removes what it reads (tail only shows it)";
        output.note(&format!("{name}: {takes}"));
        let is_unused = end.peer_epoch() == 0;
        if end.is_empty() && (is_unused || end.is_abandoned()) {
            let new = (is_unused && end.position() == 0).then_some("a new ring, ");
            let new = new.unwrap_or_default();
            output.note(&format!("{name}: {new}waiting for a producer"));
        }
    }

    /// The ring of that name, or a new one: either endpoint may attach first. An existing one
    /// has whatever schema it has.
    fn ring(&self, new: Kind) -> Result<(RawRing, Kind), Error> {
        let (mut kind, is_new) = match Observer::open(&self.name) {
            Ok(observer) => (Kind::of(&observer.info()), false),
            Err(Error::NotFound { .. }) => (new, true),
            Err(error) => return Err(error),
        };
        let capacity = self.capacity.or(new.capacity).unwrap_or(CAPACITY);
        let mut options = RingOptions::new(capacity);
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        if let Some(tag) = &self.schema_tag {
            options = options.schema_tag(tag);
            kind.schema = None;
        } else if new.schema.is_some() {
            // What was recorded is moved into a ring of the same records.
            (kind.slot, kind.schema) = (new.slot, new.schema);
        }
        if let Some(schema) = kind.schema {
            options = raw::with_schema(options, schema);
        }
        let content = match kind.slot {
            None => raw::frames(),
            Some((size, align)) => raw::records(size, align).ok_or(Corrupt {
                field: "slot align",
                found: align.into(),
            })?,
        };
        // An existing one may have any capacity if none is given.
        let opened = match is_new || self.capacity.is_some() {
            true => RawRing::open_or_create(&options, content, &self.name),
            false => RawRing::open(&options, content, &self.name),
        };
        match opened {
            // It was removed, or made, just now.
            Err(Error::NotFound { name } | Error::CapacityMismatch { name, .. })
                if self.capacity.is_none() =>
            {
                Err(Error::Superseded { name })
            }
            ring => ring.map(|ring| (ring, kind)),
        }
    }
}

/// What ended a command, and its file: a signal does not hide that the end could not be written.
pub(crate) fn ended(done: Result<(), Stop>, end: Result<(), Stop>) -> Result<(), Stop> {
    match done {
        Err(Stop::Signal(_)) if end.is_err() => end,
        done => done.and(end),
    }
}

/// An error if the producer of this ring crashed.
pub(crate) fn was_closed(observer: &Observer) -> Result<(), Stop> {
    let look = Look::at(observer, None);
    match look.map(|look| *look.peer(Role::Producer)) {
        Ok(peer) if peer.has_crashed() => {
            let text = format!("the producer ({}) crashed", peer.named());
            Err(Stop::new(Code::Crashed, text))
        }
        _ => Ok(()),
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

/// A number, and the letters after it.
fn with_unit(text: &str) -> (&str, &str) {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic());
    text.split_at(unit.unwrap_or(text.len()))
}

/// `64K` and the like.
fn capacity(text: &str) -> Result<u64, String> {
    let (number, unit) = with_unit(text);
    let mut units = ["", "K", "M", "G"].into_iter();
    let thousands = units.position(|known| known.eq_ignore_ascii_case(unit));
    match number.parse::<u64>().ok().zip(thousands) {
        Some((number, power)) => number
            .checked_mul(1 << (10 * power))
            .ok_or("too large".into()),
        None => Err("a number of bytes, as in 65536, 64K, 1M or 1G".to_owned()),
    }
}

/// `660`, in octal.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0o600..=0o777) => Ok(mode),
        _ => Err("mode bits are octal, from 600 to 777: each endpoint reads and writes".to_owned()),
    }
}

/// `500ms` and the like.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, unit) = with_unit(text);
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, seconds) = known.ok_or("a number and its unit: 500ms, 2s, 5m, 1h")?;
    let number: f64 = number.parse().map_err(|error| format!("{error}"))?;
    let duration = Duration::try_from_secs_f64(number * seconds);
    duration.map_err(|_| "below 0, or too long".to_owned())
}
