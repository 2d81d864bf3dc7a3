//! A ring: a segment whose bytes mean something. Formats and checks the
//! header, hands out the two roles, and ends a segment's life.

mod options;
mod role;
mod shape;
#[cfg(feature = "futures")]
mod watch;

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use self::options::again;
pub use self::options::{Fences, RingOptions, Stale};
pub(crate) use self::role::{Company, RoleGuard};
pub(crate) use self::shape::Description;
pub use self::shape::Record;
pub(crate) use self::shape::Sealed;
#[cfg(feature = "futures")]
pub(crate) use self::watch::Watch;
use crate::doorbell::DoorbellKind;
use crate::error::{Corrupt, Error, Role};
use crate::ladder::Patience;
use crate::layout::{
    CLOSED, CONSUMER_BYTE, DATA, Header, LAYOUT, MAGIC, NAME_BYTE, PRODUCER_BYTE, SHAPE_FRAMES,
};
use crate::segment::{LockFile, Name, Segment, random};
use crate::sync::{FORMAT, OPEN, PLAIN};

/// A ring that was created or opened, before a role is taken.
///
/// Most programs go straight to [`Producer::open_or_create`](crate::Producer::open_or_create) and
/// [`Consumer::open`](crate::Consumer::open); a `Ring` is for options ([`RingOptions`]) and for both
/// roles in one process.
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
/// Sealed: there are these two.
#[diagnostic::on_unimplemented(
    message = "a ring holds records or `[u8]`, and `{Self}` is neither",
    note = "a record is `Copy`, and derives `FromBytes`, `IntoBytes` and `Immutable` of zerocopy",
    note = "with `#[repr(C)]`, and fields such as `_pad: [u8; 3]` where it would have padding",
    note = "`bool`, `char` and enums are no records: use u8 (u32 for a char), and convert"
)]
pub trait Shape: Sealed + 'static {
    /// The end that writes: [`Producer`](crate::Producer) or
    /// [`FrameProducer`](crate::FrameProducer).
    type Producer;
    /// The end that reads: [`Consumer`](crate::Consumer) or
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
    manners: Manners,
}

/// What the header says, read once and checked.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    capacity: u64,
    doorbell: DoorbellKind,
}

/// What this process wants of its ends of a ring.
#[derive(Debug, Clone, Copy)]
struct Manners {
    patience: Patience,
    fences: Fences,
    /// Units after which an end that did not sleep spares its peer the fence.
    stretch: u64,
    unlink_on_drop: bool,
}

impl<T: Shape + ?Sized> Ring<T> {
    /// Opens an existing ring, of whatever capacity.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], or what makes the file another ring than asked
    /// for, or none at all.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{Error, Ring, RingOptions};
    ///
    /// # let name = &format!("quoit-doc-ring-open-{}", std::process::id());
    /// RingOptions::new(64).create::<u64>(name)?;
    /// assert_eq!(Ring::<u64>::open(name)?.capacity(), 64);
    /// let frames = Ring::<[u8]>::open(name);
    /// assert!(matches!(frames, Err(Error::ShapeMismatch { found: "slots", .. })));
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error> {
        RingOptions::new(0).open(name)
    }

    /// Takes the producer's role, at the position where the last producer left.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if there is a producer, in this process or another;
    /// [`Error::Superseded`] if the ring was unlinked or replaced, or this is a
    /// child's copy of it;
    /// [`Error::Corrupt`] if the stored positions cannot be.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn producer(&self) -> Result<T::Producer, Error> {
        T::producer(self)
    }

    /// Takes the consumer's role, at the position where the last consumer left.
    ///
    /// # Errors
    ///
    /// As [`producer`](Self::producer).
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn consumer(&self) -> Result<T::Consumer, Error> {
        T::consumer(self)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn new(segment: Segment, geometry: Geometry, manners: Manners) -> Self {
        Self {
            shared: Arc::new(Shared {
                segment,
                geometry,
                manners,
            }),
            shape: PhantomData,
        }
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
        self.shared.segment.shown()
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
        self.shared.header().fixed.incarnation.load(PLAIN)
    }

    /// Waits until the ring as it is now is on its disk, name and all: both
    /// positions, and every message that is published and not released. What
    /// that is worth when the machine fails is in [`docs::files`]. Nothing on
    /// `/dev/shm` or the heap outlives the machine, and there this is a success
    /// without effect.
    ///
    /// [`docs::files`]: crate::docs::files
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with what the disk or the file system says. What was not
    /// written may be lost then, even if a later flush succeeds.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; waits for the disk.
    pub fn sync_all(&self) -> Result<(), Error> {
        self.shared.sync_all()
    }

    /// Removes the ring's name, if it has one. Nobody may hold a role; another
    /// `Ring` of the same segment gives out no role any more.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while there is a producer or a consumer;
    /// [`Error::Superseded`] if the name leads elsewhere by now.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; waits up to 100 ms for another process
    /// that is replacing or unlinking the same name, or leaving the ring.
    pub fn unlink(&self) -> Result<(), Error> {
        unlink_segment(&self.shared.segment)
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

impl Shared {
    pub(crate) fn capacity(&self) -> u64 {
        self.geometry.capacity
    }

    pub(crate) fn header(&self) -> &Header {
        header(&self.segment)
    }

    pub(crate) fn sync_all(&self) -> Result<(), Error> {
        self.segment.flush()
    }

    pub(crate) fn data(&self) -> NonNull<u8> {
        // SAFETY: a checked segment is longer than its header.
        unsafe { self.segment.base().add(DATA) }
    }
}

/// Removes the name of a ring that nobody holds, whatever its shape.
///
/// # Errors
///
/// [`Error::NotFound`]; [`Error::InUse`] while there is a producer or a
/// consumer; [`Error::NotARing`] for any other file, which stays.
///
/// # Real-time
///
/// Makes syscalls and allocates; waits up to 100 ms for another process that
/// is replacing or unlinking the same name, or leaving the ring.
///
/// ```
/// let name = format!("quoit-doc-unlink-{}", std::process::id());
/// quoit::RingOptions::new(64).create::<u64>(&name)?;
/// quoit::unlink(&name)?;
/// # Ok::<(), quoit::Error>(())
/// ```
pub fn unlink(name: impl AsRef<Path>) -> Result<(), Error> {
    let segment = Segment::open(&Name::parse(name.as_ref())?)?;
    check_magic(&segment)?;
    unlink_segment(&segment)
}

/// Removes the name of a stale ring: one that was in use, and that nobody
/// holds any more. `false` if it is in use, or if nobody has used it yet; then
/// it stays.
///
/// # Errors
///
/// [`Error::NotFound`]; [`Error::NotARing`] for any other file, which stays.
///
/// # Real-time
///
/// As [`unlink`].
///
/// ```
/// let name = format!("quoit-doc-stale-{}", std::process::id());
/// let ring = quoit::RingOptions::new(64).create::<u64>(&name)?;
/// assert!(!quoit::unlink_if_stale(&name)?); // somebody is about to use it
/// let producer = ring.producer()?;
/// assert!(!quoit::unlink_if_stale(&name)?); // in use
/// drop(producer);
/// assert!(quoit::unlink_if_stale(&name)?);
/// # Ok::<(), quoit::Error>(())
/// ```
pub fn unlink_if_stale(name: impl AsRef<Path>) -> Result<bool, Error> {
    unlink_stale_if(name.as_ref(), |_| true)
}

/// Removes the name of a stale ring in which nothing is unread: what the last one
/// out does, after dropping its end. `false` if the ring is in use, if nobody has
/// used it yet, or if something is left for the next consumer; then it stays.
///
/// # Errors
///
/// [`Error::NotFound`]; [`Error::NotARing`] for any other file, which stays.
///
/// # Real-time
///
/// As [`unlink`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("quoit-doc-read-{}", std::process::id());
/// let ring = quoit::RingOptions::new(64).create::<u64>(&name)?;
/// ring.producer()?.push(7)?; // and it has left
/// assert!(!quoit::unlink_if_read(&name)?);
/// assert_eq!(ring.consumer()?.pop(), Ok(7));
/// assert!(quoit::unlink_if_read(&name)?);
/// # Ok(())
/// # }
/// ```
pub fn unlink_if_read(name: impl AsRef<Path>) -> Result<bool, Error> {
    unlink_stale_if(name.as_ref(), |header| {
        header.producer.tail.load(PLAIN) == header.consumer.head.load(PLAIN)
    })
}

/// Asks `is_wanted` when nobody can take a role any more.
fn unlink_stale_if(name: &Path, is_wanted: impl FnOnce(&Header) -> bool) -> Result<bool, Error> {
    let segment = Segment::open(&Name::parse(name)?)?;
    if !is_stale(&segment)? {
        return Ok(false);
    }
    match held(&segment) {
        Ok(_lock) if is_wanted(header(&segment)) => {
            supersede(&segment, || segment.unlink()).map(|()| true)
        }
        // Or somebody else was faster.
        Ok(_) | Err(Error::InUse { .. } | Error::Superseded { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn unlink_segment(segment: &Segment) -> Result<(), Error> {
    let _lock = held(segment)?;
    supersede(segment, || segment.unlink())
}

/// Every lock of a segment, as long as what this returns lives.
fn held(segment: &Segment) -> Result<Option<LockFile>, Error> {
    let lock = segment.lock_file()?;
    if let Some(lock) = &lock {
        hold(segment, lock)?;
    }
    Ok(lock)
}

/// Ends a segment's life: marks it, then lets `take_name` take its name. The
/// caller holds all its locks. A name that cannot be taken leaves it alive.
fn supersede<R>(
    segment: &Segment,
    take_name: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    let mark = &header(segment).fixed.superseded;
    mark.store(1, PLAIN);
    let taken = take_name();
    if taken.is_err() {
        mark.store(0, PLAIN);
    }
    taken
}

/// Each role and its byte.
const ROLES: [(Role, u64); 2] = [
    (Role::Producer, PRODUCER_BYTE),
    (Role::Consumer, CONSUMER_BYTE),
];

/// Whether the end that came last has said goodbye: then its lock is about to be free,
/// or has a successor that is about to say so.
fn has_closed(segment: &Segment, role: Role) -> bool {
    role::state(header(segment), role).state.load(PLAIN) & CLOSED != 0
}

/// Takes every lock of a segment, the name's first: who has them may rename
/// over the name or unlink it.
fn hold(segment: &Segment, lock: &LockFile) -> Result<(), Error> {
    let try_lock = |byte| {
        lock.try_lock(byte)
            .map_err(|source| segment.failed("lock", source))
    };
    // Whoever has the name's byte is about to be done.
    if !patiently(|| try_lock(NAME_BYTE))? {
        return Err(segment.failed("lock the name of", ErrorKind::TimedOut.into()));
    }
    for (role, byte) in ROLES {
        if !patiently(|| Ok(try_lock(byte)? || !has_closed(segment, role)))? || !try_lock(byte)? {
            return Err(in_use(segment, role));
        }
    }
    if segment.is_named()? {
        Ok(())
    } else {
        Err(segment.superseded())
    }
}

/// Tries for a tenth of a second, or until it is `true`.
fn patiently(mut attempt: impl FnMut() -> Result<bool, Error>) -> Result<bool, Error> {
    for _ in 0..100 {
        if attempt()? {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(1));
    }
    attempt()
}

/// Takes the name from a segment whose life has ended, in case whoever ended it
/// died before doing so.
fn bury(segment: &Segment) -> Result<(), Error> {
    if header(segment).fixed.superseded.load(PLAIN) == 0 {
        return Ok(());
    }
    if let Some(lock) = &segment.lock_file()? {
        // Whoever is ending it right now needs no help.
        if hold(segment, lock).is_ok() {
            segment.unlink()?;
        }
    }
    Err(segment.superseded())
}

/// Whether somebody has a role of the segment.
fn is_held(segment: &Segment) -> Result<bool, Error> {
    Ok(segment.is_locked(PRODUCER_BYTE)? || segment.is_locked(CONSUMER_BYTE)?)
}

/// Whether somebody has had a role of the segment, and nobody has one.
fn is_stale(segment: &Segment) -> Result<bool, Error> {
    let header = check_magic(segment)?;
    let states = [&header.producer.state, &header.consumer.state];
    if states.iter().all(|state| state.state.load(PLAIN) == 0) {
        return Ok(false);
    }
    let mut held = true;
    // Who has the name's byte has the roles' for a moment only, and so has who leaves.
    patiently(|| {
        held = is_held(segment)?;
        Ok(!held || !segment.is_locked(NAME_BYTE)? && !is_being_left(segment)?)
    })?;
    Ok(!held)
}

/// Whether each role that is locked is so for the last moment of an end.
fn is_being_left(segment: &Segment) -> Result<bool, Error> {
    for (role, byte) in ROLES {
        if segment.is_locked(byte)? && !has_closed(segment, role) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn in_use(segment: &Segment, role: Role) -> Error {
    let state = role::state(header(segment), role);
    Error::InUse {
        role,
        pid: state.pid.load(PLAIN),
    }
}

/// The header of a segment that is long enough for one.
fn header(segment: &Segment) -> &Header {
    debug_assert!(segment.length() >= DATA as u64);
    // SAFETY: `check_magic` or `format` found the segment long enough, it is
    // aligned to a page, and a header is nothing but atomics.
    unsafe { segment.base().cast::<Header>().as_ref() }
}

/// Writes the header of a fresh, zeroed segment; the magic last.
fn format(segment: &Segment, shape: Description, geometry: Geometry, schema: u64, first: u64) {
    let header = header(segment);
    let fixed = &header.fixed;
    fixed.layout.store(LAYOUT, PLAIN);
    fixed.shape.store(shape.shape, PLAIN);
    fixed.capacity.store(geometry.capacity, PLAIN);
    fixed.slot_size.store(shape.slot_size, PLAIN);
    fixed.slot_align.store(shape.slot_align, PLAIN);
    fixed.doorbell.store(geometry.doorbell.code(), PLAIN);
    fixed.schema.store(schema, PLAIN);
    fixed.incarnation.store(random(), PLAIN);
    fixed.created.store(now(), PLAIN);
    fixed.length.store(segment.length(), PLAIN);
    header.producer.tail.store(first, PLAIN);
    header.consumer.head.store(first, PLAIN);
    for role in [Role::Producer, Role::Consumer] {
        role::bell(header, geometry.doorbell, role).init();
    }
    // format -> open: all of the above is visible before the magic.
    fixed.magic.store(MAGIC, FORMAT);
}

/// The header of a segment that has one, of this version.
pub(crate) fn check_magic(segment: &Segment) -> Result<&Header, Error> {
    if segment.length() <= DATA as u64 {
        return Err(segment.not_a_ring("it is too short"));
    }
    let header = header(segment);
    // format -> open: the rest of the header is visible after the magic.
    if header.fixed.magic.load(OPEN) != MAGIC {
        return Err(segment.not_a_ring("it does not begin with quoit's magic"));
    }
    let found = header.fixed.layout.load(PLAIN);
    if found == LAYOUT {
        Ok(header)
    } else {
        Err(Error::VersionMismatch {
            found,
            expected: LAYOUT,
        })
    }
}

/// Checks a header against what the caller wants and against the segment's
/// real length. Each field is read once.
fn check(segment: &Segment, expected: Description, schema: u64) -> Result<Geometry, Error> {
    let fixed = &check_magic(segment)?.fixed;
    let shape = fixed.shape.load(PLAIN);
    if shape != expected.shape {
        return Err(Error::ShapeMismatch {
            found: Description::name(shape),
            expected: Description::name(expected.shape),
        });
    }
    let found = fixed.schema.load(PLAIN);
    let slot_size = fixed.slot_size.load(PLAIN);
    if found != schema {
        return Err(Error::SchemaMismatch {
            found,
            expected: schema,
            found_size: slot_size,
            expected_size: expected.slot_size,
        });
    }
    let corrupt = |field, found| Err(Error::Corrupt(Corrupt { field, found }));
    if slot_size != expected.slot_size {
        return corrupt("slot size", slot_size);
    }
    let slot_align = fixed.slot_align.load(PLAIN);
    if slot_align != expected.slot_align {
        return corrupt("slot align", slot_align.into());
    }
    let capacity = fixed.capacity.load(PLAIN);
    let Some(least) = least_length(shape, capacity, slot_size) else {
        return corrupt("capacity", capacity);
    };
    let whole = fixed.length.load(PLAIN);
    if segment.length() < least.max(whole) {
        return Err(segment.not_a_ring("it is shorter than its header says"));
    }
    if whole < least {
        return corrupt("length", whole);
    }
    let doorbell = fixed.doorbell.load(PLAIN);
    match DoorbellKind::from_code(doorbell) {
        Some(doorbell) => Ok(Geometry { capacity, doorbell }),
        None => Err(Error::DoorbellMismatch { found: doorbell }),
    }
}

/// Bytes of a segment of this shape and capacity, if there can be one.
fn length(shape: Description, capacity: u64) -> Option<u64> {
    least_length(shape.shape, capacity, shape.slot_size)
}

/// Bytes that a segment has at least, if there can be one.
pub(crate) fn least_length(shape: u32, capacity: u64, slot_size: u64) -> Option<u64> {
    let least = if shape == SHAPE_FRAMES { 64 } else { 1 };
    if !capacity.is_power_of_two() || capacity < least {
        return None;
    }
    let length = capacity.checked_mul(slot_size)?.checked_add(DATA as u64)?;
    isize::try_from(length).ok().map(|_| length)
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64)
}
