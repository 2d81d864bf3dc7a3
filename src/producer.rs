//! The end that writes, whatever the shape.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::cursor::{TailLine, WriteCursor};
use crate::error::{ClaimError, Error, Role};
use crate::ladder::{Ladder, Step, Timeout};
use crate::layout::Header;
use crate::polls::Polls;
use crate::ring::{PeerWait, Ring, RingOptions, RoleGuard, Shape, Shared, retry_if_superseded};
use crate::sync::{FREE, PLAIN};

/// The end of a ring that writes.
///
/// `T` is a [`Record`](crate::Record) for a ring of fixed-size records, or
/// `[u8]` for a ring of frames; each shape has its own methods below.
///
/// Dropping the producer closes its end: the consumer takes what was published
/// and then sees `Abandoned`. The role is free at once for another producer,
/// which goes on at the same position. The same holds when the process dies.
///
/// A child of `fork` inherits a producer of a private copy of the ring, whose
/// consumer has left: what it pushes is lost, its waits end with `Abandoned`, and
/// its drop changes nothing. It may open the ring again and take another role.
///
/// What `try_push` says of a full ring is true for a moment only: the consumer
/// may be reading. That there is room stays true until this producer uses it.
///
/// ```
/// use quoit::Producer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-producer-{}", std::process::id());
/// let mut producer = Producer::<u64>::open_or_create(name, 1024)?;
/// producer.try_push(42)?;
/// # drop(producer);
/// # quoit::unlink(name)?;
/// # Ok(())
/// # }
/// ```
///
/// A producer is `Send` but not `Sync`, and its methods take `&mut self`:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<quoit::Producer<u64>>();
/// ```
#[must_use = "a dropped producer gives its role up"]
pub struct Producer<T: ?Sized> {
    pub(crate) cursor: CachePadded<WriteCursor>,
    polls: Polls,
    pub(crate) data: NonNull<u8>,
    pub(crate) role: RoleGuard,
    shape: PhantomData<*const T>,
}

// SAFETY: the pointers lead into memory that `role` keeps mapped and that is
// bound to no thread; records are `Send`.
unsafe impl<T: ?Sized> Send for Producer<T> {}

impl<T: ?Sized> Producer<T> {
    /// Creates a ring of `capacity` slots (bytes for frames) and takes its
    /// producer's role.
    ///
    /// # Errors
    ///
    /// As [`RingOptions::create`] and [`Ring::producer`]. If only the role is
    /// refused, the ring is there, and nobody holds it.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{Error, Producer};
    ///
    /// # let name = &format!("quoit-doc-producer-create-{}", std::process::id());
    /// let producer = Producer::<u64>::create(name, 1024)?; // slots
    /// let another = Producer::<u64>::create(name, 1024);
    /// assert!(matches!(another, Err(Error::AlreadyExists { in_use: true, .. })));
    /// # drop(producer);
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(name: impl AsRef<Path>, capacity: u64) -> Result<Self, Error>
    where
        T: Shape,
    {
        RingOptions::new(capacity).create(name)?.producer()
    }

    /// Opens a ring and takes its producer's role.
    ///
    /// # Errors
    ///
    /// As [`Ring::open`] and [`Ring::producer`].
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// # let name = &format!("quoit-doc-producer-open-{}", std::process::id());
    /// let ring = quoit::RingOptions::new(1024).create::<u64>(name)?; // somewhere else
    /// let producer = quoit::Producer::<u64>::open(name)?;
    /// assert_eq!(producer.capacity(), 1024);
    /// # drop(producer);
    /// # ring.unlink()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error>
    where
        T: Shape,
    {
        let name = name.as_ref();
        retry_if_superseded(|| Ring::open(name)?.producer())
    }

    /// Opens a ring, or creates it if there is none, and takes its producer's
    /// role.
    ///
    /// # Errors
    ///
    /// As [`RingOptions::open_or_create`] and [`Ring::producer`].
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn open_or_create(name: impl AsRef<Path>, capacity: u64) -> Result<Self, Error>
    where
        T: Shape,
    {
        let name = name.as_ref();
        let options = RingOptions::new(capacity);
        retry_if_superseded(|| options.open_or_create(name)?.producer())
    }

    pub(crate) fn take(shared: &Arc<Shared>) -> Result<Self, Error>
    where
        T: Shape,
    {
        let (role, cursor) = RoleGuard::take(shared, Role::Producer, |header| {
            let head = &header.consumer.head;
            let cursor = WriteCursor::resume(tail_line(header), head, shared.capacity())?;
            let position = cursor.position();
            T::DESCRIPTION.check_position("tail", position)?;
            Ok((cursor, position))
        })?;
        Ok(Self {
            cursor: CachePadded::new(cursor),
            polls: Polls::new(shared.capacity(), T::DESCRIPTION.slot_size),
            data: shared.data(),
            role,
            shape: PhantomData,
        })
    }
}

impl<T: ?Sized> Producer<T> {
    /// How much the ring holds, in slots, or bytes for frames; a power of two.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn capacity(&self) -> u64 {
        self.cursor.capacity()
    }

    /// The position of the next message: how many slots, or bytes with headers
    /// and padding for frames, were ever published, by this producer and those
    /// before it, counted from the ring's first position. With it each message
    /// can be processed [exactly once](crate::docs::crash#exactly-once).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// How much is unread, in slots, or bytes with headers and padding for frames:
    /// published and not released. The consumer may release more at any moment.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn fill(&self) -> u64 {
        // Advice: orders nothing, and may be late.
        let head = self.role.header().consumer.head.load(PLAIN);
        self.position().wrapping_sub(head).min(self.capacity())
    }

    /// Whether the consumer has released everything that was published: the
    /// [`fill`](Self::fill) is 0.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_empty(&self) -> bool {
        self.fill() == 0
    }

    /// Whether a consumer came and is gone now, closed or dead. A consumer that
    /// never came is not gone, and another one may come at any time. If the system
    /// cannot tell, `false`.
    ///
    /// # Real-time
    ///
    /// No allocation; makes a syscall unless the consumer closed its end.
    pub fn is_abandoned(&self) -> bool {
        self.role.peer_gone()
    }

    /// How often a consumer has come, this one or those before it; 0 if none
    /// has. A number that has grown tells that there is a successor.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn peer_epoch(&self) -> u64 {
        self.role.peer_epoch()
    }

    /// Waits until a consumer is there, or one has come since the call: for an end that
    /// was [`Abandoned`](ClaimError::Abandoned), or that has nothing to say to nobody. It
    /// does not look for room, which one that came and went before the call may have left.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Superseded`] if no consumer will come: the ring's name leads
    /// elsewhere, or the ring is on the heap.
    ///
    /// # Real-time
    ///
    /// May sleep; makes syscalls, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let ring = RingOptions::new(8).create_anonymous::<u32>()?;
    /// let mut producer = ring.producer()?;
    /// let moment = Duration::from_millis(1);
    /// assert_eq!(producer.wait_for_peer_timeout(moment), Err(ClaimError::Abandoned));
    /// let _consumer = ring.consumer()?;
    /// producer.wait_for_peer()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_peer(&mut self) -> Result<(), ClaimError> {
        self.wait_for_peer_until(None)
    }

    /// [`wait_for_peer`](Self::wait_for_peer) that waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`wait_for_peer`](Self::wait_for_peer), and [`ClaimError::Abandoned`] if nobody
    /// came in time.
    ///
    /// # Real-time
    ///
    /// May sleep; makes syscalls, no allocation.
    pub fn wait_for_peer_timeout(&mut self, timeout: Duration) -> Result<(), ClaimError> {
        self.wait_for_peer_until(Some(timeout))
    }

    fn wait_for_peer_until(&mut self, timeout: Timeout) -> Result<(), ClaimError> {
        let position = self.position();
        match self.role.wait_for_peer(position, timeout, |_| false) {
            PeerWait::Present => Ok(()),
            PeerWait::TimedOut => Err(ClaimError::Abandoned),
            PeerWait::Superseded => Err(ClaimError::Superseded),
        }
    }

    /// Waits until the ring as it is now, with what this end has published, is on
    /// its disk; see [`Ring::sync_all`].
    ///
    /// # Errors
    ///
    /// As [`Ring::sync_all`].
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; waits for the disk.
    pub fn flush(&self) -> Result<(), Error> {
        self.role.shared().sync_all()
    }

    /// Whether the ring's name leads elsewhere by now, or nowhere: it was
    /// removed, and perhaps created again. A consumer that is attached goes on;
    /// one that comes by the name will not come here. Open the name again. If the
    /// system cannot tell, `false`.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; no allocation.
    pub fn is_superseded(&self) -> bool {
        self.role.is_superseded()
    }

    /// Room for `wanted` units, or why there is not so much.
    #[inline(always)]
    pub(crate) fn room(&mut self, wanted: u64) -> Result<u64, ClaimError> {
        match self.cursor.room(wanted) {
            Some(room) => Ok(room),
            None => self.look(wanted),
        }
    }

    /// Looks at the head; full, unless the consumer closed its end: then what
    /// it released before still counts.
    #[inline(never)]
    pub(crate) fn look(&mut self, wanted: u64) -> Result<u64, ClaimError> {
        self.polls.begin();
        match self.cursor.look(&self.role.header().consumer.head) {
            Ok(room) if room >= wanted => {
                if room > 1 {
                    self.polls.crowded(room);
                }
                self.role.found(self.position());
                Ok(room)
            }
            Ok(_) if self.role.peer_closed() => self.last_look(wanted),
            Ok(_) => {
                self.polls.in_vain();
                Err(ClaimError::Full)
            }
            Err(corrupt) => Err(ClaimError::Corrupt(corrupt)),
        }
    }

    /// The room that a consumer which is gone has left.
    #[cold]
    fn last_look(&mut self, wanted: u64) -> Result<u64, ClaimError> {
        match self.cursor.look(&self.role.header().consumer.head) {
            Ok(room) if room >= wanted => Ok(room),
            Ok(_) => Err(ClaimError::Abandoned),
            Err(corrupt) => Err(ClaimError::Corrupt(corrupt)),
        }
    }

    /// Waits for room.
    pub(crate) fn wait(&mut self, wanted: u64, timeout: Timeout) -> Result<(), ClaimError> {
        let mut ladder = Ladder::new(self.role.wait_config(), timeout);
        loop {
            match self.room(wanted) {
                Err(ClaimError::Full) => {}
                Err(ClaimError::Abandoned) => return Err(self.left_alone()),
                other => {
                    self.role.liveness.reset();
                    return other.map(drop);
                }
            }
            match ladder.step(&mut self.role.liveness) {
                Step::Retry => {}
                Step::Park(until) => self.park(wanted, until),
                Step::CheckPeer if !self.role.is_left_alone() => {}
                Step::CheckPeer => match self.last_look(wanted) {
                    Err(ClaimError::Abandoned) => return Err(self.left_alone()),
                    other => return other.map(drop),
                },
                Step::TimedOut => return Err(ClaimError::Full),
            }
        }
    }

    /// What a wait for nobody ends with.
    #[cold]
    pub(crate) fn left_alone(&self) -> ClaimError {
        if self.role.is_superseded() {
            ClaimError::Superseded
        } else {
            ClaimError::Abandoned
        }
    }

    fn park(&mut self, wanted: u64, until: u64) {
        let (position, capacity) = (self.position(), self.capacity());
        self.role.park(position, until, |header| {
            has_room(header, position, capacity, wanted)
        });
    }

    /// The second look of an end that is about to sleep.
    pub(crate) fn stirred(&self, wanted: u64) -> bool {
        let (position, capacity) = (self.position(), self.capacity());
        has_room(self.role.header(), position, capacity, wanted) || self.role.peer_closed()
    }

    /// Publishes `units` that were written.
    #[inline(always)]
    pub(crate) fn publish(&mut self, units: u64) {
        self.cursor.publish(units, tail_line(self.role.header()));
        self.role.moved();
    }

    /// Publishes one message that also rides in the tail's line.
    #[inline(always)]
    pub(crate) fn publish_riding(&mut self, units: u64, words: &[u64]) {
        self.cursor
            .publish_riding(units, words, tail_line(self.role.header()));
        self.role.moved();
    }

    /// The address of the byte at `offset` in the data.
    ///
    /// # Safety
    ///
    /// `offset` is at most the data's length.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: the caller's promise; `role` keeps the data mapped.
        unsafe { self.data.as_ptr().add(offset) }
    }
}

#[inline(always)]
fn tail_line(header: &Header) -> TailLine<'_> {
    let page = &header.producer;
    TailLine {
        tail: &page.tail,
        ride_position: &page.ride_position,
        ride: &page.ride,
    }
}

/// Whether `wanted` units can be written after `position`.
fn has_room(header: &Header, position: u64, capacity: u64, wanted: u64) -> bool {
    // reclaim -> free: the second look of park <-> wake.
    let unread = position.wrapping_sub(header.consumer.head.load(FREE));
    // A head that breaks the rules is for the next look to find.
    unread > capacity || capacity - unread >= wanted
}

/// Shows positions, never payload.
impl<T: ?Sized> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("position", &self.position())
            .field("fill", &self.fill())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> Producer<T> {
    /// Counts `n` messages that your program refused, for people who look at the
    /// ring: `quoit stat` shows the sum, and so does
    /// [`EndpointState::dropped`](crate::observer::EndpointState::dropped). Nothing
    /// else depends on it.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn count_dropped(&self, n: u64) {
        self.role.count_dropped(n);
    }
}
