//! A view of a ring that changes nothing: [`Observer`].

mod answers;

use core::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use self::answers::{EndpointState, Message, Positions, Rates, RingInfo, Sample, ShapeKind};

use crate::doorbell::DoorbellKind;
use crate::error::{Corrupt, Error, Holder, Role};
use crate::header::{self, check_magic, least_length};
use crate::layout::{CLOSED, CONSUMER_BYTE, DATA, Header, LAYOUT, PRODUCER_BYTE, RoleState};
use crate::layout::{FRAME_HEADER, PADDING, SHAPE_FRAMES, SHAPE_SLOTS, frame_parts, frame_size};
use crate::parker::PARKED;
use crate::segment::{Name, Segment};
use crate::sync::{AtomicU32, AtomicU64, COPIED, FREE, LEFT, PLAIN, READY, fence};

/// Looks into a ring of any shape and schema, without a role. The memory is mapped
/// read-only.
///
/// Each call reads what it needs once. So it takes the ends a cache line now and
/// then, and nothing else; it never waits for them.
///
/// ```
/// use quoit::{Observer, Role};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-observer-{}", std::process::id());
/// let mut producer = quoit::FrameProducer::create(name, 1024)?;
/// producer.try_push(b"hello")?;
///
/// let observer = Observer::open(name)?;
/// assert_eq!(observer.positions().len(), 16); // bytes, with the header
/// assert!(observer.is_alive(Role::Producer)?);
/// assert_eq!(observer.endpoint(Role::Consumer).epoch, 0); // never came
/// observer.unread(10, |message| assert_eq!(message.bytes, b"hello"))?;
/// # drop(producer);
/// # Ok(quoit::unlink(name)?)
/// # }
/// ```
pub struct Observer {
    segment: Segment,
    info: RingInfo,
}

impl Observer {
    /// Opens a ring for looking.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NotARing`], [`Error::VersionMismatch`], or
    /// [`Error::Corrupt`] if the header cannot be; or the system's refusal: the
    /// file must be readable.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error> {
        let segment = Segment::observe(&Name::parse(name.as_ref())?)?;
        let info = read_info(&segment)?;
        Ok(Self { segment, info })
    }

    /// The ring's name, as it was given.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn name(&self) -> &str {
        self.segment.display_name()
    }

    /// What the header said when the ring was opened.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn info(&self) -> RingInfo {
        self.info
    }

    /// Where both ends are.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn positions(&self) -> Positions {
        let header = self.header();
        // reclaim -> free, publish -> ready: the head first, so that the tail is
        // not behind it.
        let head = header.consumer.head.load(FREE);
        let tail = header.producer.tail.load(READY);
        Positions {
            tail,
            head,
            capacity: self.info.capacity,
        }
    }

    /// Where both ends are and what they count, with the time. Two of them tell how
    /// fast messages come and go: [`Sample::rates_since`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation; no syscall where the clock needs none.
    pub fn sample(&self) -> Sample {
        Sample {
            positions: self.positions(),
            producer: self.endpoint(Role::Producer),
            consumer: self.endpoint(Role::Consumer),
            at: Instant::now(),
        }
    }

    /// What an end says of itself.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn endpoint(&self, role: Role) -> EndpointState {
        let (state, word) = self.state(role);
        // close -> left: a closed state comes with the last counts.
        let epoch = state.state.load(LEFT);
        EndpointState {
            epoch: epoch >> 1,
            is_closed: epoch & CLOSED != 0,
            pid: state.pid.load(PLAIN),
            since: time(state.since.load(PLAIN)),
            is_asleep: word.load(PLAIN) == PARKED,
            parks: state.parks.load(PLAIN),
            wakes: state.wakes.load(PLAIN),
            rescues: state.rescues.load(PLAIN),
            dropped: state.dropped.load(PLAIN),
        }
    }

    /// Whether a process holds this role. If this is `false`, and the
    /// [state](Self::endpoint) is open both before and after the call, the last
    /// holder has died. Between two calls an endpoint may attach or close.
    ///
    /// # Errors
    ///
    /// The system's refusal to tell.
    ///
    /// # Real-time
    ///
    /// Makes a syscall; no allocation.
    pub fn is_alive(&self, role: Role) -> Result<bool, Error> {
        self.segment.is_locked(match role {
            Role::Producer => PRODUCER_BYTE,
            Role::Consumer => CONSUMER_BYTE,
        })
    }

    /// The process that holds this role, as the kernel shows it; `None` if no process
    /// does. The `pid` of [`endpoint`](Self::endpoint) is only what it calls itself.
    ///
    /// # Errors
    ///
    /// The system's refusal to tell whether the role is held.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates: it reads `/proc`, all of it if the holder is in
    /// another PID namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{Holder, Observer, Role};
    ///
    /// # let name = &format!("quoit-doc-holder-{}", std::process::id());
    /// let producer = quoit::Producer::<u64>::create(name, 64)?;
    /// let observer = Observer::open(name)?;
    /// let here = Holder::Known(std::process::id());
    /// assert_eq!(observer.holder(Role::Producer)?, Some(here));
    /// assert_eq!(observer.holder(Role::Consumer)?, None);
    /// # drop(producer);
    /// # quoit::unlink(name)?;
    /// # Ok::<(), quoit::Error>(())
    /// ```
    pub fn holder(&self, role: Role) -> Result<Option<Holder>, Error> {
        let pid = header::state(self.header(), role).pid.load(PLAIN);
        let is_held = self.is_alive(role)?;
        Ok(is_held.then(|| self.segment.holder(header::byte(role), pid)))
    }

    /// Whether the ring was unlinked or replaced: its name no longer refers to it.
    ///
    /// # Errors
    ///
    /// The system's refusal to tell.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; no allocation.
    pub fn is_superseded(&self) -> Result<bool, Error> {
        let over = self.header().fixed.superseded.load(PLAIN) != 0;
        Ok(over || !self.segment.is_named()?)
    }

    /// Copies unread messages, from the oldest on and `most` at most, and hands
    /// each to `see`. The consumer may take them meanwhile: what it has taken
    /// before the copy was made is not shown. Returns how many were.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the positions or a frame's length cannot be;
    /// [`Error::Io`] if there is no memory for the copy.
    ///
    /// # Real-time
    ///
    /// Allocates; no syscall; linear in the bytes of `most` messages.
    pub fn unread(&self, most: usize, see: impl FnMut(Message)) -> Result<usize, Error> {
        let positions = self.positions();
        self.copy(positions.head, positions.tail, most, see)
    }

    /// [`unread`](Self::unread) from a position on: the [`next`](Message::next) of a
    /// message that was seen before. What is released by now is not shown.
    ///
    /// # Errors
    ///
    /// As [`unread`](Self::unread); in a ring of frames also if no frame begins there.
    ///
    /// # Real-time
    ///
    /// As [`unread`](Self::unread).
    ///
    /// # Examples
    ///
    /// To see what comes, and each message once:
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("quoit-doc-unread-from-{}", std::process::id());
    /// let mut producer = quoit::FrameProducer::create(name, 1024)?;
    /// let observer = quoit::Observer::open(name)?;
    /// let (mut next, mut texts) = (observer.positions().head, Vec::new());
    /// for text in ["one", "two", "three"] {
    ///     producer.try_push(text.as_bytes())?;
    ///     observer.unread_from(next, 10, |message| {
    ///         next = message.next;
    ///         texts.push(message.bytes);
    ///     })?;
    /// }
    /// assert_eq!(texts, [&b"one"[..], b"two", b"three"]);
    /// # drop(producer);
    /// # Ok(quoit::unlink(name)?)
    /// # }
    /// ```
    pub fn unread_from(
        &self,
        from: u64,
        most: usize,
        see: impl FnMut(Message),
    ) -> Result<usize, Error> {
        let Positions { tail, head, .. } = self.positions();
        let ahead = from.wrapping_sub(head);
        // Behind the head, or what was never there.
        let from = if ahead <= tail.wrapping_sub(head) {
            from
        } else {
            head
        };
        self.copy(from, tail, most, see)
    }

    /// Shows what is unread between two positions.
    fn copy(
        &self,
        mut at: u64,
        tail: u64,
        most: usize,
        mut see: impl FnMut(Message),
    ) -> Result<usize, Error> {
        let mut seen = 0;
        while seen < most && at != tail {
            let left = tail.wrapping_sub(at);
            if left > self.info.capacity && self.is_there(at) {
                return Err(corrupt("tail", tail));
            }
            let copy = match self.info.shape {
                ShapeKind::Records => self.slot(at).map(|record| (1, Some(record))),
                ShapeKind::Frames => self.frame(at, left),
            };
            // Whatever was read of a message that is gone means nothing.
            if !self.is_there(at) {
                break;
            }
            let (units, message) = copy?;
            if let Some(message) = message {
                seen += 1;
                see(message);
            }
            at = at.wrapping_add(units);
        }
        Ok(seen)
    }

    /// Whether the message at a position was not released before this: what was
    /// copied of it is whole.
    fn is_there(&self, position: u64) -> bool {
        // copied -> overtaken: no byte above is newer than the head below.
        fence(COPIED);
        let head = self.header().consumer.head.load(PLAIN);
        let released = head.wrapping_sub(position);
        // Ahead of the head by a ring at most, or behind it.
        released == 0 || released.wrapping_neg() <= self.info.capacity
    }

    fn slot(&self, position: u64) -> Result<Message, Error> {
        let size = self.info.slot_size;
        Ok(Message {
            position,
            next: position.wrapping_add(1),
            kind: 0,
            bytes: self.bytes(self.index(position) * size, size)?,
        })
    }

    /// The frame at a position, or the padding, and how many bytes it takes.
    fn frame(&self, position: u64, left: u64) -> Result<(u64, Option<Message>), Error> {
        let offset = self.index(position);
        let rest = self.info.capacity - offset;
        if offset % 8 != 0 || left < FRAME_HEADER {
            return Err(corrupt("head", position));
        }
        let header = self.word(offset).load(PLAIN);
        let (len, kind) = frame_parts(header);
        if len == PADDING {
            return Ok((rest, None));
        }
        let size = frame_size(u64::from(len));
        if size > left.min(rest) {
            return Err(corrupt("frame length", header));
        }
        let bytes = self.bytes(offset + FRAME_HEADER, u64::from(len))?;
        Ok((
            size,
            Some(Message {
                position,
                next: position.wrapping_add(size),
                kind,
                bytes,
            }),
        ))
    }

    /// The place in the ring of a position.
    fn index(&self, position: u64) -> u64 {
        position & (self.info.capacity - 1)
    }

    /// A copy of bytes of the data, which the caller has found to lie within
    /// them, word by word. A segment may be longer than there is memory for.
    fn bytes(&self, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        let first = offset & !7;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len as usize + 16).map_err(|_| {
            let source = io::ErrorKind::OutOfMemory.into();
            self.segment.failed("copy a message of", source)
        })?;
        for offset in (first..offset + len).step_by(8) {
            bytes.extend(self.word(offset).load(PLAIN).to_ne_bytes());
        }
        bytes.drain(..(offset - first) as usize);
        bytes.truncate(len as usize);
        Ok(bytes)
    }

    /// A word of the data.
    fn word(&self, offset: u64) -> &AtomicU64 {
        debug_assert!(offset % 8 == 0 && offset + 8 <= self.segment.length() - DATA as u64);
        // SAFETY: the data are whole words, since a segment is whole pages or
        // `read_info` has found it so.
        let word = unsafe { self.segment.base().add(DATA + offset as usize) };
        // SAFETY: it is aligned to a word and mapped for as long as `self` is. It is
        // only loaded, while a producer may store to it: `is_there` decides whether
        // what was loaded is used.
        unsafe { word.cast().as_ref() }
    }

    fn header(&self) -> &Header {
        header::header(&self.segment)
    }

    /// What an end says of itself, and its sleep word.
    fn state(&self, role: Role) -> (&RoleState, &AtomicU32) {
        let header = self.header();
        (header::state(header, role), header::word(header, role))
    }
}

/// Reads and checks the header; each field once.
fn read_info(segment: &Segment) -> Result<RingInfo, Error> {
    let fixed = &check_magic(segment)?.fixed;
    let found = fixed.shape.load(PLAIN);
    let shape = match found {
        SHAPE_SLOTS => ShapeKind::Records,
        SHAPE_FRAMES => ShapeKind::Frames,
        _ => return Err(corrupt("shape", found.into())),
    };
    let (capacity, slot_size) = (fixed.capacity.load(PLAIN), fixed.slot_size.load(PLAIN));
    let least = match least_length(found, capacity, slot_size) {
        Some(least) if slot_size > 0 => least,
        _ => return Err(corrupt("capacity", capacity)),
    };
    // The last word may be half the data's.
    if segment.length() < least.next_multiple_of(8) {
        return Err(segment.not_a_ring("it is shorter than its header says"));
    }
    let found = fixed.doorbell.load(PLAIN);
    let Some(doorbell) = DoorbellKind::of_any_library(found) else {
        return Err(corrupt("doorbell", found.into()));
    };
    Ok(RingInfo {
        shape,
        capacity,
        slot_size,
        slot_align: fixed.slot_align.load(PLAIN),
        doorbell,
        layout: LAYOUT,
        schema: fixed.schema.load(PLAIN),
        incarnation: fixed.incarnation.load(PLAIN),
        created: time(fixed.created.load(PLAIN)),
        length: segment.length(),
    })
}

fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn corrupt(field: &'static str, found: u64) -> Error {
    Error::Corrupt(Corrupt { field, found })
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("name", &self.name())
            .field("info", &self.info)
            .field("positions", &self.positions())
            .finish_non_exhaustive()
    }
}
