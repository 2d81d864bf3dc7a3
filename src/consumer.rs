//! The end that reads, whatever the shape.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::cursor::{RIDE_WORDS, ReadCursor, TailLine};
use crate::error::{Error, PopError, Role};
use crate::ladder::{Ladder, Step, Timeout};
use crate::layout::Header;
use crate::polls::Polls;
use crate::ring::{PeerWait, Ring, RingOptions, RoleGuard, Shape, Shared, retry_if_superseded};
use crate::sync::{PLAIN, READY};

/// The end of a ring that reads.
///
/// `T` is a [`Record`](crate::Record) for a ring of fixed-size records, or
/// `[u8]` for a ring of frames; each shape has its own methods below.
///
/// Dropping the consumer closes its end: a producer that finds the ring full
/// sees `Abandoned`. What was not released stays in the ring for the next
/// consumer. The same holds when the process dies.
///
/// A child of `fork` inherits a consumer of a private copy of the ring, whose
/// producer has left: it may find what was in the ring at the time, whole only
/// while the parent keeps it there, and then `Abandoned`; its drop changes
/// nothing. It may open the ring again and take another role.
///
/// What `try_pop` says of an empty ring is true for a moment only: the producer
/// may be writing. That there is a message stays true until this consumer
/// takes it.
///
/// ```
/// use quoit::{Consumer, PopError};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-consumer-{}", std::process::id());
/// let mut consumer = Consumer::<u64>::open_or_create(name, 1024)?;
/// match consumer.pop_timeout(Duration::from_millis(5)) {
///     Ok(value) => println!("{value}"),
///     Err(PopError::Empty) => println!("nothing came in time"),
///     Err(error) => return Err(error.into()),
/// }
/// # drop(consumer);
/// # quoit::unlink(name)?;
/// # Ok(())
/// # }
/// ```
///
/// A consumer is `Send` but not `Sync`, and its methods take `&mut self`:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<quoit::Consumer<u64>>();
/// ```
#[must_use = "a dropped consumer gives its role up"]
pub struct Consumer<T: ?Sized> {
    pub(crate) cursor: CachePadded<ReadCursor>,
    polls: Polls,
    /// The ride that a peek has handed out.
    pub(crate) carried: Carried,
    pub(crate) data: NonNull<u8>,
    pub(crate) role: RoleGuard,
    shape: PhantomData<*const T>,
}

/// A private copy of the message at `position`, kept until its release: a
/// second peek cannot differ from the first.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) position: Option<u64>,
    pub(crate) words: [u64; RIDE_WORDS],
}

// SAFETY: the pointers lead into memory that `role` keeps mapped and that is
// bound to no thread; records are `Send`.
unsafe impl<T: ?Sized> Send for Consumer<T> {}

impl<T: ?Sized> Consumer<T> {
    /// Creates a ring of `capacity` slots (bytes for frames) and takes its
    /// consumer's role.
    ///
    /// # Errors
    ///
    /// As [`RingOptions::create`] and [`Ring::consumer`]. If only the role is
    /// refused, the ring is there, and nobody holds it.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// # let name = &format!("quoit-doc-consumer-create-{}", std::process::id());
    /// let consumer = quoit::Consumer::<[u8]>::create(name, 1 << 16)?; // bytes
    /// assert_eq!((consumer.capacity(), consumer.fill()), (65536, 0));
    /// # drop(consumer);
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(name: impl AsRef<Path>, capacity: u64) -> Result<Self, Error>
    where
        T: Shape,
    {
        RingOptions::new(capacity).create(name)?.consumer()
    }

    /// Opens a ring and takes its consumer's role.
    ///
    /// # Errors
    ///
    /// As [`Ring::open`] and [`Ring::consumer`].
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{Consumer, Error, Producer};
    ///
    /// # let name = &format!("quoit-doc-consumer-open-{}", std::process::id());
    /// let too_early = Consumer::<u64>::open(name);
    /// assert!(matches!(too_early, Err(Error::NotFound { .. })));
    /// let producer = Producer::<u64>::create(name, 1024)?; // in another process
    /// let consumer = Consumer::<u64>::open(name)?;
    /// # drop((producer, consumer));
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error>
    where
        T: Shape,
    {
        let name = name.as_ref();
        retry_if_superseded(|| Ring::open(name)?.consumer())
    }

    /// Opens a ring, or creates it if there is none, and takes its consumer's
    /// role.
    ///
    /// # Errors
    ///
    /// As [`RingOptions::open_or_create`] and [`Ring::consumer`].
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
        retry_if_superseded(|| options.open_or_create(name)?.consumer())
    }

    pub(crate) fn take(shared: &Arc<Shared>) -> Result<Self, Error>
    where
        T: Shape,
    {
        let (role, cursor) = RoleGuard::take(shared, Role::Consumer, |header| {
            let (tail, head) = (&header.producer.tail, &header.consumer.head);
            let cursor = ReadCursor::resume(tail, head, shared.capacity())?;
            let position = cursor.position();
            T::DESCRIPTION.check_position("head", position)?;
            Ok((cursor, position))
        })?;
        Ok(Self {
            cursor: CachePadded::new(cursor),
            polls: Polls::new(shared.capacity(), T::DESCRIPTION.slot_size),
            carried: Carried::default(),
            data: shared.data(),
            role,
            shape: PhantomData,
        })
    }
}

impl<T: ?Sized> Consumer<T> {
    /// How much the ring holds, in slots, or bytes for frames; a power of two.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn capacity(&self) -> u64 {
        self.cursor.capacity()
    }

    /// The position of the next message: how many slots, or bytes with headers
    /// and padding for frames, were ever released, by this consumer and those
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
    /// published and not released. The producer may publish more at any moment.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn fill(&self) -> u64 {
        // Advice: orders nothing, and may be late.
        let tail = self.role.header().producer.tail.load(PLAIN);
        tail.wrapping_sub(self.position()).min(self.capacity())
    }

    /// Whether nothing is there to be read: the [`fill`](Self::fill) is 0.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_empty(&self) -> bool {
        self.fill() == 0
    }

    /// Whether a producer came and is gone now, closed or dead. What it
    /// published may be unread still. A producer that never came is not gone,
    /// and another one may come at any time. If the system cannot tell, `false`.
    ///
    /// # Real-time
    ///
    /// No allocation; makes a syscall unless the producer closed its end.
    pub fn is_abandoned(&self) -> bool {
        self.role.peer_gone()
    }

    /// How often a producer has come, this one or those before it; 0 if none
    /// has. A number that has grown tells that there is a successor.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn peer_epoch(&self) -> u64 {
        self.role.peer_epoch()
    }

    /// Waits until a producer is there, or has left something to read: for an end that
    /// was [`Abandoned`](PopError::Abandoned), or that came first.
    ///
    /// # Errors
    ///
    /// [`PopError::Superseded`] if no producer will come: the ring's name leads
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
    /// use quoit::{PopError, RingOptions};
    ///
    /// let ring = RingOptions::new(8).create_anonymous::<u32>()?;
    /// let mut consumer = ring.consumer()?;
    /// let producers = std::thread::spawn(move || {
    ///     for number in 0..3 {
    ///         ring.producer().map(|mut producer| producer.push(number)).expect("one at a time").ok();
    ///     }
    /// });
    /// let mut sum = 0;
    /// while sum < 0 + 1 + 2 {
    ///     match consumer.pop() {
    ///         Ok(number) => sum += number,
    ///         Err(PopError::Abandoned) => consumer.wait_for_peer()?, // its successor's
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// producers.join().expect("no panic");
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_peer(&mut self) -> Result<(), PopError> {
        self.wait_for_peer_until(None)
    }

    /// [`wait_for_peer`](Self::wait_for_peer) that waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`wait_for_peer`](Self::wait_for_peer), and [`PopError::Abandoned`] if nobody
    /// came in time.
    ///
    /// # Real-time
    ///
    /// May sleep; makes syscalls, no allocation.
    pub fn wait_for_peer_timeout(&mut self, timeout: Duration) -> Result<(), PopError> {
        self.wait_for_peer_until(Some(timeout))
    }

    fn wait_for_peer_until(&mut self, timeout: Timeout) -> Result<(), PopError> {
        let position = self.position();
        let stirred = |header: &Header| has_moved(header, position);
        match self.role.wait_for_peer(position, timeout, stirred) {
            PeerWait::Present => Ok(()),
            PeerWait::TimedOut => Err(PopError::Abandoned),
            PeerWait::Superseded => Err(PopError::Superseded),
        }
    }

    /// Waits until the ring as it is now, with what this end has released, is on
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
    /// removed, and perhaps created again. A producer that is attached goes on;
    /// one that comes by the name will not come here. Open the name again. If the
    /// system cannot tell, `false`.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; no allocation.
    pub fn is_superseded(&self) -> bool {
        self.role.is_superseded()
    }

    /// Looks at the tail: units that can be read, or why there are none.
    #[inline(always)]
    pub(crate) fn look(&mut self) -> Result<u64, PopError> {
        self.polls.begin();
        match self.cursor.look(&self.role.header().producer.tail) {
            Ok(0) => self.nothing(),
            Ok(unread) => {
                self.role.found(self.position());
                Ok(unread)
            }
            Err(corrupt) => Err(PopError::Corrupt(corrupt)),
        }
    }

    /// Empty, unless the producer closed its end; then what it published before
    /// still counts.
    #[inline]
    fn nothing(&mut self) -> Result<u64, PopError> {
        if self.polls.in_vain() {
            self.role.hint(true);
        }
        if self.role.peer_closed() {
            return self.last_look();
        }
        Err(PopError::Empty)
    }

    /// The last look found more than one message, `unread` units.
    #[inline]
    pub(crate) fn crowded(&mut self, unread: u64) {
        if self.polls.crowded(unread) {
            self.role.hint(false);
        }
    }

    /// What a producer that is gone has left.
    #[cold]
    fn last_look(&mut self) -> Result<u64, PopError> {
        match self.cursor.look(&self.role.header().producer.tail) {
            Ok(0) => Err(PopError::Abandoned),
            Ok(unread) => Ok(unread),
            Err(corrupt) => Err(PopError::Corrupt(corrupt)),
        }
    }

    /// Repeats `attempt` until it finds something or the time is over.
    /// The attempt itself looks at the tail, so that it meets the ride.
    pub(crate) fn wait<R>(
        &mut self,
        timeout: Timeout,
        mut attempt: impl FnMut(&mut Self) -> Result<R, PopError>,
    ) -> Result<R, PopError> {
        let mut ladder = Ladder::new(self.role.wait_config(), timeout);
        loop {
            match attempt(self) {
                Err(PopError::Empty) => {}
                Err(PopError::Abandoned) => return Err(self.left_alone()),
                other => {
                    self.role.liveness.reset();
                    return other;
                }
            }
            match ladder.step(&mut self.role.liveness) {
                Step::Retry => {}
                Step::Park(until) => self.park(until),
                Step::CheckPeer if !self.role.is_left_alone() => {}
                Step::CheckPeer => match self.last_look() {
                    Err(PopError::Abandoned) => return Err(self.left_alone()),
                    other => drop(other?),
                },
                Step::TimedOut => return Err(PopError::Empty),
            }
        }
    }

    /// What a wait for nobody ends with.
    #[cold]
    pub(crate) fn left_alone(&self) -> PopError {
        if self.role.is_superseded() {
            PopError::Superseded
        } else {
            PopError::Abandoned
        }
    }

    fn park(&mut self, until: u64) {
        let position = self.position();
        self.role
            .park(position, until, |header| has_moved(header, position));
    }

    /// The second look of an end that is about to sleep.
    pub(crate) fn stirred(&self) -> bool {
        has_moved(self.role.header(), self.position()) || self.role.peer_closed()
    }

    /// Takes the ride, if it is the message that ends at the tail of the last
    /// look.
    #[inline(always)]
    pub(crate) fn ride(&self, words: &mut [u64]) -> bool {
        let page = &self.role.header().producer;
        let line = TailLine {
            tail: &page.tail,
            ride_position: &page.ride_position,
            ride: &page.ride,
        };
        self.cursor.ride(words, line)
    }

    /// Gives `units` back that were read.
    #[inline(always)]
    pub(crate) fn release(&mut self, units: u64) {
        self.cursor
            .release(units, &self.role.header().consumer.head);
        self.role.moved();
    }

    /// The address of the byte at `offset` in the data.
    ///
    /// # Safety
    ///
    /// `offset` is at most the data's length.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, offset: usize) -> *const u8 {
        // SAFETY: the caller's promise; `role` keeps the data mapped.
        unsafe { self.data.as_ptr().add(offset) }
    }
}

/// Whether something can be read after `position`.
fn has_moved(header: &Header, position: u64) -> bool {
    // publish -> ready: the second look of park <-> wake.
    header.producer.tail.load(READY) != position
}

/// Shows positions, never payload.
impl<T: ?Sized> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("position", &self.position())
            .field("fill", &self.fill())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> Consumer<T> {
    /// Counts `n` messages that your program skipped, for people who look at the
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
