//! A ring: a formatted segment, before a role is taken.

mod lifetime;
mod options;
mod role;
mod shape;
mod watch;

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

pub(crate) use self::lifetime::retry_if_superseded;
pub use self::lifetime::{unlink, unlink_if_read, unlink_if_stale};
pub use self::options::{RingOptions, StalePolicy};
pub(crate) use self::role::{PeerWait, RoleGuard};
pub use self::shape::Content;
pub(crate) use self::shape::Description;
pub use self::shape::Record;
pub(crate) use self::shape::Sealed;
pub(crate) use self::watch::Watch;
use crate::error::Error;
use crate::header::{Geometry, header};
use crate::layout::{DATA, Header};
use crate::segment::Segment;
use crate::sync::PLAIN;
use crate::wait::WaitConfig;

/// A ring that was created or opened, before a role is taken.
///
/// Most programs use [`Producer::open_or_create`](crate::Producer::open_or_create) and
/// [`Consumer::open`](crate::Consumer::open); use a `Ring` for options ([`RingOptions`]) and for
/// both roles in one process.
///
/// A child of `fork` may take roles from a `Ring` that it inherited, if none was
/// taken from it at the fork; otherwise it opens the ring again
/// ([`Error::Superseded`]).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("quoit-doc-ring-{}", std::process::id());
/// let ring = quoit::RingOptions::new(64).create::<u64>(&name)?;
/// let mut producer = ring.producer()?;
/// let mut consumer = ring.consumer()?;
/// producer.try_push(7)?;
/// assert_eq!(consumer.try_pop()?, 7);
/// # drop((producer, consumer));
/// ring.unlink()?;
/// # Ok(())
/// # }
/// ```
pub struct Ring<T: ?Sized> {
    shared: Arc<Shared>,
    shape: PhantomData<fn() -> *const T>,
}

/// What a ring holds: records of a type ([`Record`]), or frames (`[u8]`).
///
/// Sealed: no other type can implement it.
#[diagnostic::on_unimplemented(
    message = "a ring holds records or `[u8]`, and `{Self}` is neither",
    note = "a record is `Copy`, and derives `FromBytes`, `IntoBytes` and `Immutable` of zerocopy",
    note = "with `#[repr(C)]`, and fields such as `_pad: [u8; 3]` where it would have padding",
    note = "`bool`, `char` and enums are not records: use u8 (u32 for a char), and convert"
)]
pub trait Shape: Sealed + 'static {
    /// The endpoint that writes: [`Producer`](crate::Producer) or
    /// [`FrameProducer`](crate::FrameProducer).
    type Producer;
    /// The endpoint that reads: [`Consumer`](crate::Consumer) or
    /// [`FrameConsumer`](crate::FrameConsumer).
    type Consumer;

    #[doc(hidden)]
    fn producer(ring: &Ring<Self>) -> Result<Self::Producer, Error>;

    #[doc(hidden)]
    fn consumer(ring: &Ring<Self>) -> Result<Self::Consumer, Error>;
}

/// What both endpoints of a process keep of a ring: the memory, and what was
/// read from the header once and is never read again.
#[derive(Debug)]
pub(crate) struct Shared {
    segment: Segment,
    geometry: Geometry,
    config: EndpointConfig,
}

/// How the two endpoints of a ring avoid lost wake-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fences {
    /// The endpoint that goes to sleep pays: it asks the kernel for a barrier on every processor
    /// that runs a process with this option. A push to a busy endpoint costs no fence. Where the
    /// kernel has no such barrier, the endpoints use the symmetric form.
    #[default]
    Asymmetric,
    /// Both endpoints pay a full fence for each message, and the barriers of other processes do not
    /// interrupt this one. Use it on a processor that must not be interrupted. Each of its
    /// endpoints asks for one barrier, before its first sleep.
    Symmetric,
}

/// What this process asked of its endpoints.
#[derive(Debug, Clone, Copy)]
struct EndpointConfig {
    wait: WaitConfig,
    fences: Fences,
    /// Units after which an endpoint that did not sleep saves its peer the fence.
    grant_interval: u64,
    unlink_on_drop: bool,
}

impl<T: Shape + ?Sized> Ring<T> {
    /// Takes the producer's role, at the position where the last producer stopped.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if there is a producer, in this process or another;
    /// [`Error::Superseded`] if the ring was unlinked or replaced, or this is a
    /// child's copy of it;
    /// [`Error::Corrupt`] if the stored positions are impossible; or an OS error.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; waits up to 100 ms for a process that is
    /// replacing or unlinking the name, or closing its endpoint, and up to 1 s while this process
    /// forks.
    pub fn producer(&self) -> Result<T::Producer, Error> {
        T::producer(self)
    }

    /// Takes the consumer's role, at the position where the last consumer stopped.
    ///
    /// # Errors
    ///
    /// As [`producer`](Self::producer).
    ///
    /// # Real-time
    ///
    /// As [`producer`](Self::producer).
    pub fn consumer(&self) -> Result<T::Consumer, Error> {
        T::consumer(self)
    }
}

impl<T: ?Sized> Ring<T> {
    /// How much the ring holds, in slots, or bytes for frames; a power of two.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn capacity(&self) -> u64 {
        self.shared.geometry.capacity
    }

    /// The name that the ring was created or opened with; `anonymous` if it has
    /// none.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn name(&self) -> &str {
        self.shared.name()
    }

    /// The sealed memfd of an anonymous ring, to be given to another process;
    /// `None` for a ring with a name.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.shared.segment.descriptor().map(AsFd::as_fd)
    }

    /// A random number that this segment was given when it was created: another
    /// ring of the same name has another one.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn incarnation(&self) -> u64 {
        self.shared.incarnation()
    }

    /// Waits until the ring as it is now, with its name, is on its disk: both
    /// positions, and every message that is published and not released.
    /// [`docs::files`] says what survives when the machine fails. On `/dev/shm` and
    /// on the heap nothing does, and the call succeeds without effect.
    ///
    /// [`docs::files`]: crate::docs::files
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with the error of the disk or the file system. Bytes that were not written may
    /// be lost then, even if a later call succeeds. [`Error::NameElsewhere`], in the first call, if
    /// its name does not refer to it from here: the bytes are on the disk, the name perhaps not.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; waits for the disk.
    pub fn sync_all(&self) -> Result<(), Error> {
        self.shared.sync_all()
    }

    /// Removes the ring's name, if it has one. No process may hold a role. Then you cannot take a
    /// role of any other `Ring` of the same segment, unless it has another name (a hard link).
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while there is a producer or a consumer;
    /// [`Error::Superseded`] if it was unlinked or replaced before;
    /// [`Error::NameElsewhere`] if it has a name that does not refer to it from here; or an OS
    /// error.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; waits up to 100 ms for another process
    /// that is replacing or unlinking the same name, or closing its endpoint, and up to 1 s while
    /// this process forks.
    pub fn unlink(&self) -> Result<(), Error> {
        let again = self.mapped_again_if_marked()?;
        lifetime::unlink_segment(again.as_ref().unwrap_or(&self.shared.segment))
    }

    /// Removes the ring's name if no process holds the ring and nothing is unread, as
    /// [`unlink_if_read`](fn@crate::unlink_if_read) does, and never the name of another ring that
    /// has replaced it. Call it after you have dropped your endpoint. Returns `false`, and changes
    /// nothing, if the ring is in use, if no process has used it yet, if a message is left for the
    /// next consumer, or if it was unlinked or replaced before.
    ///
    /// # Errors
    ///
    /// [`Error::NameElsewhere`] if it has a name that does not refer to it from here; or an OS
    /// error.
    ///
    /// # Real-time
    ///
    /// As [`unlink`](Self::unlink), but waits up to 200 ms for other processes.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let name = format!("quoit-doc-ring-read-{}", std::process::id());
    /// let ring = quoit::RingOptions::new(64).create::<u64>(&name)?;
    /// ring.producer()?.push(7)?; // and it closes
    /// assert!(!ring.unlink_if_read()?);
    /// assert_eq!(ring.consumer()?.pop(), Ok(7));
    /// assert!(ring.unlink_if_read()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unlink_if_read(&self) -> Result<bool, Error> {
        match self.mapped_again_if_marked() {
            Ok(None) => lifetime::unlink_segment_if_read(&self.shared.segment),
            Ok(Some(segment)) => lifetime::unlink_segment_if_read(&segment),
            Err(Error::Superseded { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The memory as other processes see it, if the mark is set in this mapping: a process was
    /// killed between its mark and the removal, or this is a child's copy, whose positions are those
    /// of the fork.
    fn mapped_again_if_marked(&self) -> Result<Option<Segment>, Error> {
        let is_marked = self.shared.header().fixed.superseded.load(PLAIN) != 0;
        is_marked
            .then(|| self.shared.segment.mapped_again())
            .transpose()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn new(segment: Segment, geometry: Geometry, config: EndpointConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                segment,
                geometry,
                config,
            }),
            shape: PhantomData,
        }
    }
}

impl<T: ?Sized> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("name", &self.name())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Another handle to the same ring.
impl<T: ?Sized> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            shape: PhantomData,
        }
    }
}

impl Shared {
    pub(crate) fn name(&self) -> &str {
        self.segment.display_name()
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.header().fixed.incarnation.load(PLAIN)
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.geometry.capacity
    }

    pub(crate) fn header(&self) -> &Header {
        header(&self.segment)
    }

    pub(crate) fn sync_all(&self) -> Result<(), Error> {
        self.segment.sync_all()
    }

    pub(crate) fn data(&self) -> NonNull<u8> {
        // SAFETY: a checked segment is longer than its header.
        unsafe { self.segment.base().add(DATA) }
    }
}
