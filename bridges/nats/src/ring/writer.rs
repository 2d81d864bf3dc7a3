//! The endpoint that writes.

use std::fmt;
use std::io;
use std::mem;
use std::ptr;

use quoit::ClaimError;
use quoit::observer::{RingInfo, ShapeKind};
use quoit::raw::{RawProducer, Reachable};

use super::{Bell, RingChoice, ring_bell, store};
use crate::error::Error;

/// Bytes of a frame's header.
const HEADER: u64 = 8;
/// The header of padding.
const PADDING: u64 = u32::MAX as u64;

/// Why a message can never be in the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) String);

/// A producer that publishes several messages by one store.
pub(crate) struct Writer {
    bell: Option<Bell>,
    end: Reachable<RawProducer>,
    info: RingInfo,
    name: String,
    /// Units after the tail that are written and not published.
    staged: u64,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Bytes of padding before a frame.
    padding: u64,
    /// The byte of the data at which the payload begins.
    payload: u64,
    /// Slots or bytes, with header and padding.
    units: u64,
}

impl Place {
    fn of(info: &RingInfo, position: u64, len: u64) -> Self {
        let index = position & (info.capacity - 1);
        if info.shape == ShapeKind::Records {
            return Self {
                padding: 0,
                payload: index * info.slot_size,
                units: 1,
            };
        }
        let size = (len + HEADER + 7) & !7;
        let rest = info.capacity - index;
        let (padding, begin) = match size <= rest {
            true => (0, index),
            false => (rest, 0),
        };
        Self {
            padding,
            payload: begin + HEADER,
            units: padding + size,
        }
    }
}

impl Writer {
    pub(crate) fn open(choice: &RingChoice) -> Result<Self, Error> {
        let (ring, observer) = choice.open()?;
        let end = ring
            .producer()
            .map_err(|source| Error::ring(choice.text(), source))?;
        Ok(Self {
            bell: None,
            end: Reachable::new(end),
            info: observer.info(),
            name: choice.text(),
            staged: 0,
        })
    }

    pub(crate) fn info(&self) -> &RingInfo {
        &self.info
    }

    /// The tail.
    pub(crate) fn position(&mut self) -> u64 {
        self.end.get().position()
    }

    /// The tail as it will be when what is staged is published.
    pub(crate) fn staged(&mut self) -> u64 {
        self.position().wrapping_add(self.staged)
    }

    /// Whether a message of this length fits into the empty ring.
    pub(crate) fn check(&self, len: usize) -> Result<(), Unfit> {
        let len = len as u64;
        let (size, capacity) = (self.info.slot_size, self.info.capacity);
        match self.info.shape {
            ShapeKind::Records if len != size => Err(Unfit(format!(
                "the payload has {len} bytes, and a record of the ring {size}"
            ))),
            ShapeKind::Frames if len > max_frame(capacity) => Err(Unfit(format!(
                "the payload has {len} bytes, and the longest frame of a ring of {capacity} bytes \
                 {}",
                max_frame(capacity)
            ))),
            _ => Ok(()),
        }
    }

    /// Copies a message after those that are staged; false if there is no room now. The
    /// message was checked.
    pub(crate) fn stage(&mut self, kind: u32, payload: &[u8]) -> Result<bool, Error> {
        let position = self.staged();
        let len = payload.len() as u64;
        let place = Place::of(&self.info, position, len);
        match self.end.get().poll(self.staged + place.units) {
            Ok(_) => {}
            // The message fits into the ring, but not with those that are staged.
            Err(ClaimError::Full | ClaimError::Abandoned | ClaimError::TooLong { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(self.failed(error)),
        }
        let data = self.end.get().words().data;
        let to = data.wrapping_add(place.payload as usize);
        // SAFETY: the room after the tail is this producer's, and the place is in it.
        unsafe { ptr::copy_nonoverlapping(payload.as_ptr(), to, payload.len()) };
        if self.info.shape == ShapeKind::Frames {
            self.seal(place, position, len, kind);
        }
        self.staged += place.units;
        Ok(true)
    }

    /// Stores the padding before a frame, its header, and the zeros after it.
    fn seal(&mut self, place: Place, position: u64, len: u64, kind: u32) {
        let data = self.end.get().words().data;
        if place.padding != 0 {
            let index = position & (self.info.capacity - 1);
            put(data, index, PADDING);
        }
        let rest = (len.wrapping_neg() & 7) as usize;
        let end = data.wrapping_add((place.payload + len) as usize);
        // SAFETY: the end of the frame's last word, in the room of this producer.
        unsafe { ptr::write_bytes(end, 0, rest) };
        put(data, place.payload - HEADER, len | u64::from(kind) << 32);
    }

    /// Fails if the ring has lost its name and has no consumer: what is written to it could
    /// never be read.
    pub(crate) fn check_name(&mut self) -> Result<(), Error> {
        let end = self.end.get();
        let is_lost = end.is_superseded() && (end.is_abandoned() || end.peer_epoch() == 0);
        match is_lost {
            true => Err(Error::Replaced(self.name.clone())),
            false => Ok(()),
        }
    }

    /// Publishes what is staged by one store of the tail.
    pub(crate) fn publish(&mut self) -> Result<(), Error> {
        let tail = self.staged();
        let units = mem::take(&mut self.staged);
        let end = self.end.get();
        store(end.words().own, tail);
        end.follow(tail);
        match end.moved(units) {
            true => Ok(()),
            false => Err(self.failed(ClaimError::Abandoned)),
        }
    }

    /// Waits until there is room for a message of this length after those that are
    /// published. Nothing is staged.
    ///
    /// Cancel safety: nothing is written.
    pub(crate) async fn room(&mut self, len: usize) -> Result<(), Error> {
        let position = self.position();
        let wanted = Place::of(&self.info, position, len as u64).units;
        loop {
            match self.end.get().poll(wanted) {
                Ok(_) => return Ok(()),
                Err(ClaimError::Full) => {}
                Err(ClaimError::Abandoned) if !self.end.get().is_superseded() => {}
                Err(ClaimError::Abandoned) => return Err(Error::Replaced(self.name.clone())),
                Err(error) => return Err(self.failed(error)),
            }
            let wait = match self.end.arm(wanted) {
                Ok(descriptor) => ring_bell(&mut self.bell, descriptor).await,
                Err(error) => Err(io::Error::other(error)),
            };
            wait.map_err(|source| Error::wait(&self.name, source))?;
        }
    }

    /// Counts a message that the ring does not get.
    pub(crate) fn count_dropped(&mut self) {
        self.end.get().count_dropped(1);
    }

    fn failed(&mut self, error: ClaimError) -> Error {
        let why = match self.end.get().corruption() {
            Some(corrupt) => quoit::Error::from(corrupt).to_string(),
            None => error.to_string(),
        };
        Error::Failed(self.name.clone(), why)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("name", &self.name)
            .field("staged", &self.staged)
            .finish_non_exhaustive()
    }
}

/// Stores a word of the data.
fn put(data: *mut u8, offset: u64, value: u64) {
    let word = data.wrapping_add(offset as usize).cast::<u64>();
    // SAFETY: a multiple of 8 within the data, in the room of this producer.
    unsafe { word.write_volatile(value) };
}

/// The longest payload of a frame.
fn max_frame(capacity: u64) -> u64 {
    (capacity / 2 - HEADER).min((1 << 31) - 16)
}
