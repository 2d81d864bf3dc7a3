//! A view of a ring that changes nothing: [`Observer`].

mod answers;
mod view;

use core::{fmt, ptr, slice};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use self::answers::{EndpointState, Positions, Rates, RingInfo, Sample, ShapeKind};
pub use self::view::Message;
use self::view::{NoCopy, View};

use crate::doorbell::DoorbellKind;
use crate::error::{Corrupt, Error, Holder, Role};
use crate::header::{self, check_magic, least_length};
use crate::layout::{
    CONSUMER_BYTE, DATA, Header, LAYOUT, PRODUCER_BYTE, RoleState, SHAPE_FRAMES, SHAPE_SLOTS,
};
use crate::parker::PARKED;
use crate::peer::State;
use crate::segment::{Name, Named, Segment};
use crate::sync::{AtomicU32, AtomicU64, PLAIN};

/// Reads a ring of any shape and schema, without a role. The memory is mapped
/// read-only.
///
/// Each call reads what it needs once. It costs the endpoints a cache miss sometimes. It never
/// waits for them.
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
/// assert_eq!(observer.endpoint(Role::Consumer).epoch, 0); // never attached
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
    /// Opens a ring to read it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::InvalidName`], [`Error::NotARing`],
    /// [`Error::VersionMismatch`], or [`Error::Corrupt`] if the header is impossible; or an OS
    /// error: the file must be readable.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error> {
        let segment = Segment::observe(&Name::parse(name.as_ref())?)?;
        let info = read_info(&segment)?;
        Ok(Self { segment, info })
    }

    /// The ring's name, as you gave it.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn name(&self) -> &str {
        self.segment.display_name()
    }

    /// The header's values when the ring was opened.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn info(&self) -> RingInfo {
        self.info
    }

    /// The positions of both endpoints.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn positions(&self) -> Positions {
        let (head, tail) = self.view().positions();
        Positions {
            tail,
            head,
            capacity: self.info.capacity,
        }
    }

    /// The positions and counters of both endpoints, with the time. Two samples give the rates:
    /// [`Sample::rates_since`].
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

    /// The state and counters of an endpoint.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn endpoint(&self, role: Role) -> EndpointState {
        let (state, word) = self.state(role);
        // First: a closed state is stored after the last counts.
        let at = State::poll(&state.state);
        EndpointState {
            epoch: at.epoch(),
            is_closed: at.is_closed(),
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
    /// holder has crashed. Between two calls an endpoint may attach or close.
    ///
    /// # Errors
    ///
    /// An OS error.
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
    /// does. The `pid` of [`endpoint`](Self::endpoint) is only the number that it stored.
    ///
    /// # Errors
    ///
    /// An OS error of the query whether the role is held.
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

    /// Whether the ring was unlinked or replaced, or its name refers to another file now.
    /// That may be a copy with the same [incarnation](RingInfo::incarnation), which
    /// overlayfs makes for the first process that opens a file of a lower layer to write:
    /// open the name again, and continue at the same position.
    ///
    /// # Errors
    ///
    /// An OS error.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; allocates if the name is long, or does not refer to the ring.
    pub fn is_superseded(&self) -> Result<bool, Error> {
        if self.segment.is_nameless()? {
            return Ok(true);
        }
        match self.segment.named()? {
            Named::This => match self.segment.opened_by_name()? {
                Some(file) => self.is_mapped_elsewhere(&file),
                None => Ok(true), // it has just lost the name
            },
            Named::Another => Ok(true),
            // The name may not resolve in this process although the ring has it.
            Named::Nothing => Ok(self.is_marked()),
        }
    }

    /// Whether the ring is marked as superseded and its name still refers to it. A process removes
    /// or replaces it at this moment, or crashed while it did. The next process that opens the ring
    /// to write removes the name, or clears the mark if it may not.
    ///
    /// # Errors
    ///
    /// An OS error.
    ///
    /// # Real-time
    ///
    /// As [`is_superseded`](Self::is_superseded).
    pub fn is_half_removed(&self) -> Result<bool, Error> {
        let marked = self.is_marked() && !self.segment.is_nameless()?;
        Ok(marked && matches!(self.segment.named()?, Named::This))
    }

    fn is_marked(&self) -> bool {
        self.header().fixed.superseded.load(PLAIN) != 0
    }

    /// Whether the mapping is of another file than this one, which has the same device and inode:
    /// then a word that only grows has another value in it.
    fn is_mapped_elsewhere(&self, file: &File) -> Result<bool, Error> {
        let header = self.header();
        for word in [
            &header.producer.tail,
            &header.consumer.head,
            &header.producer.state.state,
            &header.consumer.state.state,
        ] {
            let offset = ptr::from_ref(word).addr() - self.segment.base().addr().get();
            let before = word.load(PLAIN);
            let mut bytes = [0; 8];
            let read = file.read_exact_at(&mut bytes, offset as u64);
            read.map_err(|source| self.segment.failed("read", source))?;
            let grown = u64::from_le_bytes(bytes).wrapping_sub(before);
            if grown > word.load(PLAIN).wrapping_sub(before) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Copies unread messages, from the oldest on and `most` at most, and passes each to `see`. The
    /// consumer may take them at the same time: a message that it took before the copy was made is
    /// not shown. Returns how many were shown.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the positions or a frame's length are impossible;
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
    /// message that was seen before. Released messages are not shown. A position that the tail has
    /// not reached, such as one of another ring, counts as the head: all unread messages are shown.
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
    /// To see each new message once:
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
        let Positions {
            tail,
            head,
            capacity,
        } = self.positions();
        let (unread, ahead) = (tail.wrapping_sub(head), from.wrapping_sub(head));
        // Before the head, beyond the tail, or only in a ring whose tail is corrupt.
        let from = match ahead <= unread.min(capacity) {
            true => from,
            false => head,
        };
        self.copy(from, tail, most, see)
    }

    /// Shows the unread messages between two positions.
    fn copy(
        &self,
        at: u64,
        tail: u64,
        most: usize,
        see: impl FnMut(Message),
    ) -> Result<usize, Error> {
        let copied = self.view().copy(at, tail, most, see);
        copied.map_err(|reason| match reason {
            NoCopy::Corrupt(corrupt) => Error::Corrupt(corrupt),
            NoCopy::OutOfMemory => {
                let source = io::ErrorKind::OutOfMemory.into();
                self.segment.failed("copy a message of", source)
            }
        })
    }

    fn view(&self) -> View<'_> {
        let header = self.header();
        View {
            tail: &header.producer.tail,
            head: &header.consumer.head,
            data: self.data(),
            capacity: self.info.capacity,
            slot_size: match self.info.shape {
                ShapeKind::Records => Some(self.info.slot_size),
                ShapeKind::Frames => None,
            },
        }
    }

    /// The whole words of the data, which are only loaded.
    fn data(&self) -> &[AtomicU64] {
        let words = (self.segment.length() - DATA as u64) / 8;
        // SAFETY: `read_info` has found that the segment is longer than its header.
        let data = unsafe { self.segment.base().add(DATA) }.cast();
        // SAFETY: this process mapped `length` bytes, until `self` is dropped; `DATA` is a multiple
        // of a page.
        unsafe { slice::from_raw_parts(data.as_ptr(), words as usize) }
    }

    fn header(&self) -> &Header {
        header::header(&self.segment)
    }

    /// The state and counters of an endpoint, and its sleep word.
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
    let Some(least) = least_length(found, capacity, slot_size).filter(|_| slot_size > 0) else {
        return Err(match (1..segment.length()).contains(&slot_size) {
            true => corrupt("capacity", capacity),
            false => corrupt("slot size", slot_size),
        });
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
