//! How a ring is created and opened.

mod build;
#[cfg(feature = "shared_memory")]
mod inside;

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::lifetime::{already_exists, finish_unlink, is_stale, retry_if_superseded};
use super::{Content, EndpointConfig, Fences, Ring, Shape};
use crate::doorbell::DoorbellKind;
use crate::error::Error;
use crate::header::{Geometry, Units, check, format, is_in_use, length};
use crate::layout::SHAPE_FRAMES;
use crate::segment::{DirectoryLock, Name, Segment};
use crate::wait::{WaitConfig, WaitStrategy};

/// Default of how long a wait spins.
const SPIN: Duration = Duration::from_micros(20);
/// Default of how often a waiting endpoint checks its peer.
const PEER_CHECK: Duration = Duration::from_millis(100);
/// How many slots go by without a sleep until an endpoint saves its peer the fence: enough that the
/// barriers cost next to nothing.
const STRETCH_SLOTS: u64 = 1024;
/// The same in bytes of frames.
const STRETCH_BYTES: u64 = 65536;

/// Options for creating or opening a ring. Finish with [`create`](Self::create),
/// [`open`](Self::open), [`open_or_create`](Self::open_or_create),
/// [`create_anonymous`](Self::create_anonymous),
/// [`open_descriptor`](Self::open_descriptor) or [`heap`](Self::heap).
///
/// [`capacity`](Self::capacity), [`mode`](Self::mode),
/// [`first_position`](Self::first_position) and [`doorbell`](Self::doorbell) belong to
/// a new ring, and an existing ring keeps its own. The other options belong to this
/// process and its endpoints.
///
/// A name is `ticks` for POSIX shared memory (`/dev/shm/ticks`), or any path
/// with a `/`: a file, a tmpfs mount, a hugetlbfs mount.
///
/// ```
/// # fn main() -> Result<(), quoit::Error> {
/// let name = format!("quoit-doc-options-{}", std::process::id());
/// let ring = quoit::RingOptions::default()
///     .capacity(4096)
///     .mode(0o660)
///     .prefault(true)
///     .schema_tag("tick/3")
///     .open_or_create::<[u64; 4]>(&name)?;
/// # ring.unlink()
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until a ring is created or opened"]
pub struct RingOptions {
    /// `None` where none was given: any, of a ring that exists.
    capacity: Option<u64>,
    mode: u32,
    prefault: bool,
    lock_memory: bool,
    schema_tag: Option<String>,
    /// The fingerprint that counts, whatever type and tag have.
    pub(crate) schema: Option<u64>,
    stale: StalePolicy,
    unlink_on_drop: bool,
    first_position: u64,
    doorbell: DoorbellKind,
    strategy: WaitStrategy,
    spin: Duration,
    peer_check: Duration,
    fences: Fences,
}

/// What to do with a *stale* ring: a ring that was in use and that no process
/// holds now. The locks decide. A ring whose producer or consumer is stopped is
/// not stale; a ring whose two endpoints crashed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StalePolicy {
    /// Use the ring as it is, with its positions and its unread messages.
    /// [`create`](RingOptions::create) fails, since it never takes a ring over.
    #[default]
    TakeOver,
    /// Create a new ring in its place. The unread messages are lost.
    /// [`create`](RingOptions::create) also replaces a ring that no process has
    /// used yet.
    Replace,
    /// Return [`Error::AlreadyExists`], so that the caller can decide.
    Fail,
}

impl Default for RingOptions {
    fn default() -> Self {
        Self {
            capacity: None,
            mode: 0o600,
            prefault: false,
            lock_memory: false,
            schema_tag: None,
            schema: None,
            stale: StalePolicy::TakeOver,
            unlink_on_drop: false,
            first_position: 0,
            doorbell: DoorbellKind::default(),
            strategy: WaitStrategy::default(),
            spin: SPIN,
            peer_check: PEER_CHECK,
            fences: Fences::default(),
        }
    }
}

impl<T: ?Sized> Ring<T> {
    /// Opens an existing ring, of whatever capacity.
    ///
    /// # Errors
    ///
    /// As [`RingOptions::open`].
    ///
    /// # Real-time
    ///
    /// As [`RingOptions::open`].
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
    /// assert!(matches!(frames, Err(Error::ShapeMismatch { found: "records", .. })));
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(name: impl AsRef<Path>) -> Result<Self, Error>
    where
        T: Shape,
    {
        RingOptions::default().open(name)
    }
}

impl RingOptions {
    /// Short for `RingOptions::default().capacity(capacity)`.
    pub fn new(capacity: u64) -> Self {
        Self::default().capacity(capacity)
    }

    /// How much a new ring holds, in records, or bytes for frames: a power of two,
    /// at least 64 for frames. **Default: none**, so that you can open a ring of any
    /// capacity and cannot create one. Set it whenever the ring may have to be
    /// created.
    pub fn capacity(mut self, capacity: u64) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// The permission bits of a new segment, exactly: the umask does not apply.
    /// **Default: 0600.** Set 0660 to share a ring with a group. A ring without a name
    /// does not get the bits of execution. A process that can
    /// read a ring can also block its roles, and a process that can write it can
    /// change what the other endpoint reads.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Maps every page at once. **Default: false.** Use it when the first push or
    /// pop of each page must not take a page fault.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// Keeps the pages in memory (`mlock`; see `ulimit -l`). **Default: false.** Use
    /// it on a machine that swaps, when no push or pop may wait for the disk. Where the
    /// control group has no room for the pages of a ring on a disk, the ring is refused with
    /// [`Error::NotEnoughMemory`].
    pub fn lock_memory(mut self, lock_memory: bool) -> Self {
        self.lock_memory = lock_memory;
        self
    }

    /// The tag that goes into the schema's fingerprint, in addition to the record's size and
    /// alignment. **Default: the last segment of the type's name**, or `frames`. Set it, with a
    /// version (`"tick/3"`), for every ring that two separately built programs share.
    ///
    /// # Real-time
    ///
    /// Allocates.
    pub fn schema_tag(mut self, tag: impl Into<String>) -> Self {
        self.schema_tag = Some(tag.into());
        self
    }

    /// What [`create`](Self::create) and [`open_or_create`](Self::open_or_create) do with a stale
    /// ring of the name. **Default: [`StalePolicy::TakeOver`].** Use [`StalePolicy::Replace`] when
    /// messages of an earlier run are useless.
    pub fn stale(mut self, stale: StalePolicy) -> Self {
        self.stale = stale;
        self
    }

    /// Removes the ring's name when you drop an endpoint that was taken with this option and the
    /// other role is free. **Default: false**, and the ring stays. Use it for a ring that should
    /// not outlive its processes, and set it in both programs: the endpoint that closes last
    /// removes the name. An endpoint whose peer never attached removes the name too; an
    /// endpoint that is killed does not. The drop makes syscalls, and waits up to 100 ms for the
    /// locks of the ring: another process may hold them. If a drop must not wait, leave this out,
    /// and call [`unlink`](crate::unlink) where you can. An anonymous ring has no name to remove.
    pub fn unlink_on_drop(mut self, unlink_on_drop: bool) -> Self {
        self.unlink_on_drop = unlink_on_drop;
        self
    }

    /// Where both positions of a new ring begin, in records, or bytes for frames, a
    /// multiple of 8. **Default: 0.** Use it to continue a numbering, or to test a
    /// wrap.
    pub fn first_position(mut self, position: u64) -> Self {
        self.first_position = position;
        self
    }

    /// What the endpoints of a new ring sleep on. **Default:
    /// [`DoorbellKind::Futex`].** Use a semaphore for a client that has no futex
    /// call.
    pub fn doorbell(mut self, doorbell: DoorbellKind) -> Self {
        self.doorbell = doorbell;
        self
    }

    /// How this process waits at its endpoints. **Default: [`WaitStrategy::Park`].**
    /// Use [`WaitStrategy::Spin`] for an endpoint that has a processor to itself, and
    /// [`WaitStrategy::Adaptive`] for one whose messages arrive at even intervals.
    pub fn wait_strategy(mut self, strategy: WaitStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How long a wait spins before it yields or parks. **Default: 20 µs**, about the time of a
    /// sleep and a wake. Set zero to park at once, and more to save wake-ups at the cost of
    /// processor time.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// How often a waiting endpoint checks whether its peer is alive. **Default:
    /// 100 ms**; at least 1 ms, and a shorter interval counts as 1 ms. A check is one
    /// system call, and it ends a sleep. Set it lower to notice a killed peer
    /// earlier, and higher to let an idle endpoint sleep longer. A peer that closes
    /// its endpoint is noticed at once, whatever the interval. A peer that is killed or
    /// stopped between its message and its wake-up is noticed at the check. A check that is
    /// due near the deadline of a wait is made then, so that the wait wakes once. A
    /// [`Select`](crate::Select) uses the shortest interval of its endpoints.
    pub fn peer_check(mut self, interval: Duration) -> Self {
        self.peer_check = interval;
        self
    }

    /// How this process avoids lost wake-ups. **Default: [`Fences::Asymmetric`]**,
    /// without a fence while both endpoints are busy. Use [`Fences::Symmetric`] on a
    /// processor that must not be interrupted.
    pub fn fences(mut self, fences: Fences) -> Self {
        self.fences = fences;
        self
    }

    /// Creates a ring. Its memory is reserved, or the call fails. Where there is no
    /// memory for two, [`StalePolicy::Replace`] removes the old ring before it creates the
    /// new one, and for that time another process can find no ring. If the memory does not become
    /// free, because a process still maps the old ring, there is none afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], or with [`StalePolicy::Replace`] [`Error::InUse`] while a process
    /// holds the existing ring; [`Error::NotARing`] or [`Error::VersionMismatch`] if the file of
    /// that name is no ring of this layout; [`Error::NotEnoughMemory`],
    /// [`Error::FileSizeLimit`], [`Error::InvalidName`], [`Error::InvalidCapacity`];
    /// [`Error::Superseded`] if other processes replace the name all the time; or an OS error.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates, linear in the ring's size. While another process
    /// replaces or unlinks the name, tries again for half a second, and ten times at least. Each
    /// attempt waits up to 300 ms for the locks of the ring that has the name, up to 1 s while
    /// this process forks, and up to 100 ms for a process that creates a ring in the same directory
    /// and lacked memory. If memory is lacking, it waits up to 10 s for all that create one there, and
    /// tries again: for 1 s, if a ring has just lost the name, which other processes still map. For a ring of 4 MiB or more in memory it reads the limits of this
    /// process's control groups (0.1 ms), and waits up to 2.5 s while the kernel has not counted
    /// what is in use.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{RingOptions, StalePolicy};
    ///
    /// # let name = &format!("quoit-doc-options-create-{}", std::process::id());
    /// let old = RingOptions::new(64).create::<u64>(name)?;
    /// let new = RingOptions::new(128).stale(StalePolicy::Replace).create::<u64>(name)?;
    /// assert_ne!(old.incarnation(), new.incarnation()); // no process held the old one
    /// # new.unlink()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create<T: Shape + ?Sized>(&self, name: impl AsRef<Path>) -> Result<Ring<T>, Error> {
        self.create_with(Content::of::<T>(), name.as_ref())
    }

    pub(crate) fn create_with<T: ?Sized>(
        &self,
        content: Content,
        name: &Path,
    ) -> Result<Ring<T>, Error> {
        let name = Name::parse(name)?;
        self.length(content)?;
        let mut has_lost = false;
        retry_if_superseded(|| {
            let has_lost = mem::replace(&mut has_lost, true);
            // Before the old ring is mapped, which keeps its memory.
            let lock = DirectoryLock::shared(&name);
            // First, since the ring that has the name may hold the memory that is lacking.
            let old = match Segment::open(&name) {
                Err(Error::NotFound { .. }) => return self.build(content, &name, lock, has_lost),
                other => other?,
            };
            finish_unlink(&old)?;
            if self.stale == StalePolicy::Replace {
                self.replace(content, &name, lock, old)
            } else {
                Err(already_exists(&old)?)
            }
        })
    }

    /// Opens an existing ring, whatever its capacity.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::InvalidName`]; [`Error::NotARing`],
    /// [`Error::VersionMismatch`], [`Error::ShapeMismatch`], [`Error::SchemaMismatch`],
    /// [`Error::DoorbellMismatch`] or [`Error::Corrupt`] if it is not a ring that this process can
    /// use; [`Error::NotEnoughMemory`] if its file is sparse and cannot be filled, or with
    /// [`lock_memory`](Self::lock_memory); [`Error::Superseded`] if other processes replace the
    /// name all the time; or an OS error.
    ///
    /// # Real-time
    ///
    /// As [`create`](Self::create), and linear in the size only if the file is sparse, or with
    /// [`prefault`](Self::prefault) or [`lock_memory`](Self::lock_memory).
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{RingOptions, WaitStrategy};
    ///
    /// # let name = &format!("quoit-doc-options-open-{}", std::process::id());
    /// # RingOptions::new(64).create::<u64>(name)?;
    /// let mine = RingOptions::default().wait_strategy(WaitStrategy::Spin);
    /// let consumer = mine.open::<u64>(name)?.consumer()?; // waits without a sleep
    /// # drop(consumer);
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open<T: Shape + ?Sized>(&self, name: impl AsRef<Path>) -> Result<Ring<T>, Error> {
        self.open_with(Content::of::<T>(), name.as_ref())
    }

    pub(crate) fn open_with<T: ?Sized>(
        &self,
        content: Content,
        name: &Path,
    ) -> Result<Ring<T>, Error> {
        let name = Name::parse(name)?;
        retry_if_superseded(|| self.attach(content, Segment::open(&name)?))
    }

    /// Opens the ring, or creates it if there is none: either endpoint may attach first.
    /// [`stale`](Self::stale) decides about a ring that no process holds. Without a
    /// [`capacity`](Self::capacity) it takes an existing ring of any capacity, and creates none.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create);
    /// [`Error::AlreadyExists`] if the ring is stale and [`StalePolicy::Fail`] was
    /// asked for; [`Error::CapacityMismatch`] if the ring exists with another
    /// capacity and is not to be replaced; [`Error::InvalidCapacity`] if there is no
    /// ring and no capacity was set.
    ///
    /// # Real-time
    ///
    /// As [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// # let name = &format!("quoit-doc-options-either-{}", std::process::id());
    /// let options = quoit::RingOptions::new(64).schema_tag("price/1");
    /// let producer = options.open_or_create::<u64>(name)?.producer()?; // in one process
    /// let consumer = options.open_or_create::<u64>(name)?.consumer()?; // in another
    /// assert_eq!(producer.incarnation(), consumer.incarnation());
    /// # drop((producer, consumer));
    /// # quoit::unlink(name)?;
    /// # Ok::<(), quoit::Error>(())
    /// ```
    pub fn open_or_create<T: Shape + ?Sized>(
        &self,
        name: impl AsRef<Path>,
    ) -> Result<Ring<T>, Error> {
        self.open_or_create_with(Content::of::<T>(), name.as_ref())
    }

    pub(crate) fn open_or_create_with<T: ?Sized>(
        &self,
        content: Content,
        name: &Path,
    ) -> Result<Ring<T>, Error> {
        let name = Name::parse(name)?;
        let mut has_lost = false;
        retry_if_superseded(|| {
            let has_lost = mem::replace(&mut has_lost, true);
            // As in `create_with`.
            let lock = (self.stale == StalePolicy::Replace).then(|| DirectoryLock::shared(&name));
            let lock = || lock.unwrap_or_else(|| DirectoryLock::shared(&name));
            let segment = match Segment::open(&name) {
                Err(Error::NotFound { .. }) => {
                    return self.build(content, &name, lock(), has_lost);
                }
                other => other?,
            };
            if self.stale != StalePolicy::TakeOver && is_stale(&segment)? {
                finish_unlink(&segment)?;
                if self.stale == StalePolicy::Fail {
                    return Err(already_exists(&segment)?);
                }
                let superseded = segment.superseded();
                return match self.replace(content, &name, lock(), segment) {
                    // Another process was faster: the ring is no longer stale.
                    Err(Error::InUse { .. }) => Err(superseded),
                    other => other,
                };
            }
            let ring = self.attach::<T>(content, segment)?;
            match self.capacity {
                Some(expected) if expected != ring.capacity() => Err(Error::CapacityMismatch {
                    name: ring.name().to_owned(),
                    found: ring.capacity(),
                    expected,
                    in_use: is_in_use(&ring.shared.segment),
                }),
                _ => Ok(ring),
            }
        })
    }

    /// Creates a ring without a name, in a sealed memfd: it is not in `/dev/shm`, and it disappears
    /// when the last process that holds it exits. Other processes get it through
    /// [`handoff`](crate::handoff), or with its [`descriptor`](Ring::descriptor) in any other way.
    ///
    /// Such a ring is never `Superseded`, except by [`Ring::unlink`] and
    /// [`Ring::unlink_if_read`]. Its roles are taken through `/proc`.
    ///
    /// # Errors
    ///
    /// [`Error::NotEnoughMemory`], [`Error::FileSizeLimit`],
    /// [`Error::InvalidCapacity`], or an OS error.
    ///
    /// # Real-time
    ///
    /// As [`create`](Self::create), but waits for no other process.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ring = quoit::RingOptions::new(64).create_anonymous::<u64>()?;
    /// let mut producer = ring.producer()?;
    /// producer.try_push(7)?;
    ///
    /// // In a real program: in another process.
    /// let descriptor = ring.descriptor().expect("an anonymous ring has one");
    /// let again = quoit::RingOptions::default().open_descriptor::<u64>(descriptor)?;
    /// assert_eq!(again.consumer()?.try_pop()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_anonymous<T: Shape + ?Sized>(&self) -> Result<Ring<T>, Error> {
        self.create_anonymous_with(Content::of::<T>())
    }

    pub(crate) fn create_anonymous_with<T: ?Sized>(
        &self,
        content: Content,
    ) -> Result<Ring<T>, Error> {
        let segment = Segment::anonymous(self.length(content)?, self.mode)?;
        self.format(content, &segment);
        self.prepare(&segment)?;
        Ok(self.new_ring(content, segment))
    }

    /// Opens an anonymous ring, whatever its capacity. The descriptor stays yours, and
    /// you may close it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`Error::WrongDescriptor`] if it is not a memfd, or not sealed
    /// against shrinking, or contains no ring.
    ///
    /// # Real-time
    ///
    /// As [`open`](Self::open).
    pub fn open_descriptor<T: Shape + ?Sized>(
        &self,
        descriptor: impl AsFd,
    ) -> Result<Ring<T>, Error> {
        self.open_descriptor_with(Content::of::<T>(), descriptor.as_fd())
    }

    pub(crate) fn open_descriptor_with<T: ?Sized>(
        &self,
        content: Content,
        descriptor: BorrowedFd<'_>,
    ) -> Result<Ring<T>, Error> {
        self.attach(content, Segment::from_descriptor(descriptor)?)
    }

    /// A ring in this process's own memory, with both its endpoints: for tests, and
    /// for threads of one program. Name, mode and
    /// other segment options are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCapacity`], [`Error::NotEnoughMemory`]; [`Error::Io`] if the allocator refuses.
    ///
    /// # Real-time
    ///
    /// As [`create_anonymous`](Self::create_anonymous).
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<u32>()?;
    /// producer.try_push(1)?;
    /// assert_eq!(consumer.try_pop()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn heap<T: Shape + ?Sized>(&self) -> Result<(T::Producer, T::Consumer), Error> {
        let content = Content::of::<T>();
        let segment = Segment::heap(self.length(content)?)?;
        self.format(content, &segment);
        let ring = self.new_ring::<T>(content, segment);
        // No other code has this ring, and it is dropped at once.
        Ok((ring.producer()?, ring.consumer()?))
    }

    /// Bytes of a new segment.
    fn length(&self, content: Content) -> Result<u64, Error> {
        let frames = content.description.shape == SHAPE_FRAMES;
        let invalid = |capacity, reason| Err(Error::InvalidCapacity { capacity, reason });
        if frames && self.first_position & 7 != 0 {
            return invalid(
                self.first_position,
                "the first position of frames is a multiple of 8",
            );
        }
        let Some(capacity) = self.capacity else {
            return invalid(
                0,
                "a new ring needs a capacity; set it with RingOptions::capacity",
            );
        };
        let length = |capacity| length(units(content), capacity);
        let larger = || capacity.checked_next_power_of_two().and_then(length);
        match length(capacity) {
            Some(length) => Ok(length),
            None if larger().is_some() => invalid(
                capacity,
                "a capacity is a power of two; take the next larger one",
            ),
            None if frames && capacity < 64 => invalid(
                capacity,
                "a ring of frames has at least 64 bytes; take 64 or more",
            ),
            None => invalid(
                capacity,
                "no address space holds so large a ring; take a smaller one",
            ),
        }
    }

    /// Of a new ring, whose [`length`](Self::length) was computed.
    fn geometry(&self) -> Geometry {
        Geometry {
            capacity: self.capacity.unwrap_or_default(),
            doorbell: self.doorbell,
        }
    }

    fn endpoint_config(&self, content: Content) -> EndpointConfig {
        EndpointConfig {
            wait: WaitConfig::new(self.strategy, self.spin, self.peer_check),
            fences: self.fences,
            grant_interval: match content.description.shape {
                SHAPE_FRAMES => STRETCH_BYTES,
                _ => STRETCH_SLOTS,
            },
            unlink_on_drop: self.unlink_on_drop,
        }
    }

    fn fingerprint(&self, content: Content) -> u64 {
        match (self.schema, &self.schema_tag) {
            (Some(schema), _) => schema,
            (None, Some(tag)) => content.description.schema(tag),
            (None, None) => content.description.schema(&(content.tag)()),
        }
    }

    fn format(&self, content: Content, segment: &Segment) {
        format(
            segment,
            units(content),
            self.geometry(),
            self.fingerprint(content),
            self.first_position,
        );
    }

    /// A ring in a segment that was found.
    fn attach<T: ?Sized>(&self, content: Content, segment: Segment) -> Result<Ring<T>, Error> {
        let geometry = check(&segment, units(content), self.fingerprint(content))?;
        finish_unlink(&segment)?;
        segment.allocate_all()?;
        self.prepare(&segment)?;
        Ok(Ring::new(segment, geometry, self.endpoint_config(content)))
    }

    fn new_ring<T: ?Sized>(&self, content: Content, segment: Segment) -> Ring<T> {
        Ring::new(segment, self.geometry(), self.endpoint_config(content))
    }

    fn prepare(&self, segment: &Segment) -> Result<(), Error> {
        if self.prefault {
            segment.prefault()?;
        }
        if self.lock_memory {
            segment.lock_memory()?;
        }
        Ok(())
    }
}

fn units(content: Content) -> Units {
    let description = content.description;
    Units {
        shape: description.shape,
        slot_size: description.slot_size,
        slot_align: description.slot_align,
    }
}
