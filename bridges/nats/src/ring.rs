//! The endpoints of a ring as the bridge uses them: messages of any shape, moved by
//! position.
//!
//! The bridge learns at run time what a ring holds, so it uses the endpoints that the
//! bindings use. This is the only file with unsafe code.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use quoit::observer::{Message, RingInfo, ShapeKind};
use quoit::raw::{self, RawConsumer, RawProducer, RawRing, Reachable};
use quoit::{ClaimError, Observer, PopError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::Error;

/// Bytes of a new ring of frames, unless you choose.
const CAPACITY: u64 = 1 << 20;
/// Bytes of a frame's header.
const HEADER: u64 = 8;
/// The header of padding.
const PADDING: u64 = u32::MAX as u64;

/// What a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Messages of any length, each with a kind.
    Frames,
    /// Records of one size.
    Records {
        /// Bytes of a record.
        size: u64,
        /// Its alignment, a power of two that divides the size.
        align: u32,
    },
}

/// Which ring, and how it is created if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingChoice {
    /// A name in `/dev/shm`, or a path with a `/`.
    pub name: PathBuf,
    /// What it holds. `None` takes what an existing ring holds, and otherwise frames.
    pub shape: Option<Shape>,
    /// The schema tag. A ring of records needs it; frames have one by default.
    pub tag: Option<String>,
    /// How much a new ring holds, in records, or bytes for frames. An existing ring must
    /// hold as much. `None` takes any, and creates a ring of frames with 1 MiB.
    pub capacity: Option<u64>,
    /// Mode bits of a new ring.
    pub mode: Option<u32>,
}

impl RingChoice {
    /// A ring of this name, whatever it holds.
    pub fn new(name: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            shape: None,
            tag: None,
            capacity: None,
            mode: None,
        }
    }

    /// The name, for people.
    pub(crate) fn text(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn shape(&self) -> Result<Shape, quoit::Error> {
        if let Some(shape) = self.shape {
            return Ok(shape);
        }
        match Observer::open(&self.name) {
            Err(quoit::Error::NotFound { .. }) => Ok(Shape::Frames),
            other => Ok(shape_of(&other?.info())),
        }
    }

    /// The ring, found or created, and what it says of itself.
    fn open(&self) -> Result<(RawRing, Observer), Error> {
        let failed = |source| Error::ring(self.text(), source);
        let shape = self.shape().map_err(failed)?;
        let content = match shape {
            Shape::Frames => raw::frames(),
            Shape::Records { size, align } => raw::records(size, align).ok_or_else(|| {
                Error::Config(format!(
                    "ring {}: a record has at least one byte, and an alignment of 1 to 4096, a \
                     power of two that divides its size; {size}:{align} is none",
                    self.text()
                ))
            })?,
        };
        let mut options = quoit::RingOptions::default();
        if let Some(tag) = &self.tag {
            options = options.schema_tag(tag);
        } else if shape != Shape::Frames {
            return Err(Error::Config(format!(
                "ring {} holds records: give the schema tag that its programs use (--tag), the \
                 name of the type by default, as in Tick or u64",
                self.text()
            )));
        }
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        let found = match (self.capacity, shape) {
            (Some(capacity), _) => {
                let options = options.capacity(capacity);
                RawRing::open_or_create(&options, content, &self.name)
            }
            (None, Shape::Records { .. }) => RawRing::open(&options, content, &self.name),
            (None, Shape::Frames) => match RawRing::open(&options, content, &self.name) {
                Err(quoit::Error::NotFound { .. }) => {
                    let options = options.capacity(CAPACITY);
                    RawRing::open_or_create(&options, content, &self.name)
                }
                other => other,
            },
        };
        let ring = found.map_err(failed)?;
        let observer = Observer::open(&self.name).map_err(failed)?;
        if observer.info().incarnation != ring.ring().incarnation() {
            return Err(Error::Replaced(self.text()));
        }
        Ok((ring, observer))
    }
}

fn shape_of(info: &RingInfo) -> Shape {
    match info.shape {
        ShapeKind::Frames => Shape::Frames,
        ShapeKind::Records => Shape::Records {
            size: info.slot_size,
            align: info.slot_align,
        },
    }
}

/// Stores the shared position of an endpoint.
fn store(line: *mut u64, position: u64) {
    // SAFETY: the line is a word of the mapped header, aligned, and this endpoint's.
    let word = unsafe { AtomicU64::from_ptr(line) };
    // publish -> ready, reclaim -> free: the bytes before the position.
    word.store(position, Ordering::Release);
    // awake -> drowsy: the position is stored before the peer's word is loaded.
    compiler_fence(Ordering::SeqCst);
}

/// The descriptor of an endpoint, in tokio's loop: a duplicate, which lives as long as it
/// is registered.
type Bell = AsyncFd<OwnedFd>;

fn make_bell(descriptor: RawFd) -> io::Result<Bell> {
    // SAFETY: the endpoint has just been armed, and keeps its descriptor open.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let own = descriptor.try_clone_to_owned()?;
    // SAFETY: the loop owns the duplicate, and nobody else closes it.
    let bell = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) };
    Ok(bell?)
}

/// Waits for the descriptor once.
async fn ring_bell(bell: &mut Option<Bell>, descriptor: RawFd) -> io::Result<()> {
    let bell = match bell {
        Some(bell) => bell,
        None => bell.insert(make_bell(descriptor)?),
    };
    bell.readable().await?.clear_ready();
    Ok(())
}

/// What a wait for a message has ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// There is one.
    Message,
    /// The producer is gone, and no other one can come: the ring has lost its name.
    Superseded,
}

/// A consumer that reads ahead of what it releases.
///
/// The endpoint's private position is what was read, the shared head is what was
/// released. The distance is the window: the ring keeps what a killed process has not
/// released.
pub(crate) struct Reader {
    bell: Option<Bell>,
    end: Reachable<RawConsumer>,
    observer: Observer,
    /// The shared head.
    head: u64,
    /// The position to read at.
    next: u64,
}

impl Reader {
    pub(crate) fn open(choice: &RingChoice) -> Result<Self, Error> {
        let (ring, observer) = choice.open()?;
        let end = ring
            .consumer()
            .map_err(|source| Error::ring(choice.text(), source))?;
        let head = end.position();
        Ok(Self {
            bell: None,
            end: Reachable::new(end),
            observer,
            head,
            next: head,
        })
    }

    pub(crate) fn info(&self) -> RingInfo {
        self.observer.info()
    }

    /// What is released.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// What the producer has published.
    pub(crate) fn tail(&self) -> u64 {
        self.observer.positions().tail
    }

    /// Reads up to `most` messages, and releases nothing; how many there were.
    pub(crate) fn read(
        &mut self,
        most: usize,
        mut see: impl FnMut(Message),
    ) -> Result<usize, Error> {
        let mut next = self.next;
        let read = self.observer.unread_from(next, most, |message| {
            next = message.next;
            see(message);
        });
        self.next = next;
        read.map_err(|source| Error::ring(self.observer.name(), source))
    }

    /// Goes back to what is not released.
    pub(crate) fn rewind(&mut self) {
        self.next = self.head;
    }

    /// Releases what lies before this position, and was read.
    pub(crate) fn release(&mut self, position: u64) -> Result<(), Error> {
        // Before there is more room: the endpoint's position is never behind the head, or
        // the producer would seem to be more than a ring ahead of it.
        self.follow().map_err(|error| self.failed(error))?;
        self.head = position;
        let end = self.end.get();
        store(end.words().own, position);
        end.moved();
        Ok(())
    }

    /// Waits until there is a message that was not read.
    ///
    /// Cancel safety: nothing is read.
    pub(crate) async fn arrival(&mut self) -> Result<Arrival, Error> {
        loop {
            match self.poll() {
                Ok(()) => return Ok(Arrival::Message),
                Err(PopError::Empty) => {}
                Err(PopError::Abandoned) if !self.end.get().is_superseded() => {}
                Err(PopError::Abandoned) => return Ok(Arrival::Superseded),
                Err(error) => return Err(self.failed(error)),
            }
            let armed = self.end.arm(1);
            let wait = match armed {
                Ok(descriptor) => ring_bell(&mut self.bell, descriptor).await,
                Err(error) => Err(io::Error::other(error)),
            };
            wait.map_err(|source| Error::wait(self.observer.name(), source))?;
        }
    }

    /// Whether there is a message at `next`.
    fn poll(&mut self) -> Result<(), PopError> {
        self.follow()?;
        self.end.get().poll(1, None).map(drop)
    }

    /// Moves the endpoint's position to `next`.
    fn follow(&mut self) -> Result<(), PopError> {
        let end = self.end.get();
        let ahead = self.next.wrapping_sub(end.position());
        // The endpoint sees the tail that the observer has seen before it follows.
        if ahead != 0 && ahead <= end.capacity() {
            end.poll(ahead, None)?;
        }
        end.follow(self.next);
        Ok(())
    }

    fn failed(&mut self, error: PopError) -> Error {
        let why = match self.end.get().corruption() {
            Some(corrupt) => quoit::Error::from(corrupt).to_string(),
            None => error.to_string(),
        };
        Error::Failed(self.observer.name().to_owned(), why)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("head", &self.head)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Why a message can never be in the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) String);

/// A producer that publishes several messages by one store.
pub(crate) struct Writer {
    bell: Option<Bell>,
    end: Reachable<RawProducer>,
    info: RingInfo,
    name: String,
    /// Units behind the tail that are written and not published.
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

    /// Copies a message behind those that are staged; false if there is no room now. The
    /// message was checked.
    pub(crate) fn stage(&mut self, kind: u32, payload: &[u8]) -> Result<bool, Error> {
        let position = self.staged();
        let len = payload.len() as u64;
        let place = Place::of(&self.info, position, len);
        match self.end.get().poll(self.staged + place.units) {
            Ok(_) => {}
            Err(ClaimError::Full | ClaimError::Abandoned) => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        }
        let data = self.end.get().words().data;
        let to = data.wrapping_add(place.payload as usize);
        // SAFETY: the room behind the tail is this producer's, and the place lies in it.
        unsafe { ptr::copy_nonoverlapping(payload.as_ptr(), to, payload.len()) };
        if self.info.shape == ShapeKind::Frames {
            self.seal(place, position, len, kind);
        }
        self.staged += place.units;
        Ok(true)
    }

    /// Stores the padding before a frame, its header, and the zeros behind it.
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

    /// Publishes what is staged by one store of the tail.
    pub(crate) fn publish(&mut self) -> Result<(), Error> {
        let tail = self.staged();
        self.staged = 0;
        let end = self.end.get();
        store(end.words().own, tail);
        end.follow(tail);
        match end.moved() {
            true => Ok(()),
            false => Err(self.failed(ClaimError::Abandoned)),
        }
    }

    /// Waits until there is room for a message of this length behind those that are
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
