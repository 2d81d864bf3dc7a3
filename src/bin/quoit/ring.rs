//! The rings that the commands move frames to and from.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use quoit::{ClaimError, Consumer, Error, PopError, Producer, Ring, RingOptions};

use crate::interrupt::{Interrupt, MOMENT};
use crate::progress::Progress;
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
    /// existing ring must have as many
    #[arg(long, value_name = "BYTES", value_parser = capacity)]
    capacity: Option<u64>,

    /// The ring's schema tag, if it was made with one
    #[arg(long, value_name = "TAG")]
    schema_tag: Option<String>,

    /// Remove the ring's name at the end if the other end has left, too
    #[arg(long)]
    unlink: bool,
}

impl RingArguments {
    pub(crate) fn producer(&self) -> Result<Producer<[u8]>, Stop> {
        Ok(self.ring()?.producer()?)
    }

    pub(crate) fn consumer(&self) -> Result<Consumer<[u8]>, Stop> {
        Ok(self.ring()?.consumer()?)
    }

    /// The ring of that name, or a new one: either end may come first.
    fn ring(&self) -> Result<Ring<[u8]>, Error> {
        let mut options = RingOptions::new(self.capacity.unwrap_or(CAPACITY));
        if let Some(tag) = &self.schema_tag {
            options = options.schema_tag(tag);
        }
        let options = options.unlink_on_drop(self.unlink);
        match options.open_or_create(&self.name) {
            Err(Error::CapacityMismatch { .. }) if self.capacity.is_none() => {
                options.open(&self.name)
            }
            other => other,
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
    let number: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    let bytes = number.checked_mul(1 << shift);
    bytes.ok_or_else(|| "too large".to_owned())
}

/// Pushes a frame, and waits for room as long as there is a consumer or may
/// be one.
pub(crate) fn push(
    producer: &mut Producer<[u8]>,
    (kind, payload): (u32, &[u8]),
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), Stop> {
    loop {
        match producer.claim_timeout(payload.len(), MOMENT) {
            Ok(mut claim) => {
                claim.copy_from_slice(payload);
                claim.set_kind(kind);
                claim.commit();
                progress.add(1, payload.len() as u64);
                return Ok(());
            }
            Err(ClaimError::Full) => {
                progress.add(0, 0);
                interrupt.check()?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes all frames to `out`, as `encode` has them, until the producer has
/// left. What is not written entirely stays in the ring.
pub(crate) fn drain(
    consumer: &mut Consumer<[u8]>,
    out: &mut impl Write,
    mut encode: impl FnMut(&mut Vec<u8>, u32, &[u8]),
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let mut bytes = Vec::new();
    loop {
        match consumer.peek_timeout(MOMENT) {
            Ok(_) => {}
            Err(PopError::Empty) => {
                progress.add(0, 0);
                interrupt.check()?;
                continue;
            }
            Err(PopError::Abandoned | PopError::Superseded) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        bytes.clear();
        let (mut count, mut moved) = (0, 0);
        let mut frames = consumer.try_peek_many()?;
        while bytes.len() < BATCH {
            let Some((kind, payload)) = frames.next_frame()? else {
                break;
            };
            encode(&mut bytes, kind, payload);
            count += 1;
            moved += payload.len() as u64;
        }
        out.write_all(&bytes).map_err(Stop::io("write"))?;
        frames.release();
        progress.add(count, moved);
    }
}
