//! The rings that the commands move messages to and from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use quoit::observer::{RingInfo, ShapeKind};
use quoit::raw::{self, RawRing};
use quoit::{Corrupt, Error, Ring, RingOptions, Role};

use crate::ends::{Sink, Source, Wait};
use crate::output::{Output, plain};
use crate::progress::Progress;
use crate::sight::Sight;
use crate::stop::Stop;

/// Bytes of a ring that nobody chose the capacity of.
const CAPACITY: u64 = 1 << 20;

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
        Some(schema) => raw::with_schema(options, schema),
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
        Wait::new(self.timeout, gone.then(|| source.peer_epoch()))
    }

    /// How long a sender waits for its consumer.
    pub(crate) fn senders_wait(&self, sink: &Sink) -> Wait {
        let gone = sink.is_abandoned();
        Wait::new(self.timeout, gone.then(|| sink.peer_epoch()))
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
