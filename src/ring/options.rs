//! How a ring is created and opened.

#[cfg(feature = "shared_memory")]
mod inside;

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use super::lifetime::{already_exists, finish_unlink, is_stale, replace, retry_if_superseded};
use super::{EndpointConfig, Ring, Shape};
use crate::consumer::Consumer;
use crate::doorbell::DoorbellKind;
use crate::error::Error;
use crate::header::{Geometry, Units, check, check_magic, format, length};
use crate::ladder::{WaitConfig, WaitStrategy};
use crate::layout::SHAPE_FRAMES;
use crate::producer::Producer;
use crate::segment::{Draft, Linked, Name, Segment};

/// How long a wait spins, unless it is told otherwise.
const SPIN: Duration = Duration::from_micros(20);
/// How many slots go by without a sleep until an end spares its peer the
/// fence: few enough barriers that none of them is felt.
const STRETCH_SLOTS: u64 = 1024;
/// The same in bytes of frames.
const STRETCH_BYTES: u64 = 65536;

/// Everything that a ring can be asked to be; the ends of the chain are
/// [`create`](Self::create), [`open`](Self::open),
/// [`open_or_create`](Self::open_or_create),
/// [`create_anonymous`](Self::create_anonymous),
/// [`open_descriptor`](Self::open_descriptor) and [`heap`](Self::heap).
///
/// A name is `ticks` for POSIX shared memory (`/dev/shm/ticks`), or any path
/// with a `/`: a file, a tmpfs mount, a hugetlbfs mount.
///
/// ```
/// # fn main() -> Result<(), quoit::Error> {
/// let name = format!("quoit-doc-options-{}", std::process::id());
/// let ring = quoit::RingOptions::new(4096)
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
    capacity: u64,
    mode: u32,
    prefault: bool,
    lock_memory: bool,
    schema_tag: Option<String>,
    stale: StalePolicy,
    unlink_on_drop: bool,
    first_position: u64,
    doorbell: DoorbellKind,
    strategy: WaitStrategy,
    spin: Duration,
    fences: Fences,
}

/// What becomes of a *stale* ring: one that was in use, and that nobody holds
/// any more. The locks tell it from a live one, so no ring is stale whose
/// producer or consumer is stopped, and every ring is whose both ends died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StalePolicy {
    /// It goes on, at its positions, with the messages that are in it.
    /// [`create`](RingOptions::create) takes nothing over: it fails.
    #[default]
    TakeOver,
    /// A new ring takes its name. Its unread messages are lost.
    /// [`create`](RingOptions::create) also replaces a ring that nobody has
    /// used yet.
    Replace,
    /// [`Error::AlreadyExists`], so that somebody decides.
    Fail,
}

/// How the two ends of a ring see to it that no wake-up is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fences {
    /// The end that goes to sleep pays: it has the kernel run a barrier on
    /// every processor that runs a process with this option, and pushing to an
    /// end that is awake costs no fence. Where the kernel has no such barrier,
    /// the ends fall back to the symmetric form by themselves.
    #[default]
    Asymmetric,
    /// Both ends pay a full fence for each message, and this process is not
    /// interrupted by the barriers of others: for a processor that must not be
    /// disturbed. Its ends ask for one barrier each, before their first sleep.
    Symmetric,
}

impl RingOptions {
    /// Options for a ring of `capacity` slots, or bytes for frames: a power of
    /// two, at least 64 for frames. [`open`](Self::open) takes any capacity.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            mode: 0o600,
            prefault: false,
            lock_memory: false,
            schema_tag: None,
            stale: StalePolicy::TakeOver,
            unlink_on_drop: false,
            first_position: 0,
            doorbell: DoorbellKind::default(),
            strategy: WaitStrategy::default(),
            spin: SPIN,
            fences: Fences::default(),
        }
    }

    /// The permission bits of a new segment, exactly (the umask does not
    /// apply); by default 0600. Who may read a ring may also block its roles,
    /// and who may write it may change what the other end reads.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Maps every page at once, so that no push or pop takes a page fault.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// Keeps the pages in memory (`mlock`; see `ulimit -l`).
    pub fn lock_memory(mut self, lock_memory: bool) -> Self {
        self.lock_memory = lock_memory;
        self
    }

    /// The tag that goes into the schema's fingerprint beside the record's size
    /// and alignment; by default the last segment of the type's name, or
    /// `frames`. Give it a version: `"tick/3"`.
    ///
    /// # Real-time
    ///
    /// Allocates.
    pub fn schema_tag(mut self, tag: impl Into<String>) -> Self {
        self.schema_tag = Some(tag.into());
        self
    }

    /// What [`create`](Self::create) and
    /// [`open_or_create`](Self::open_or_create) do with a ring of the name that
    /// was in use, and that nobody holds any more; by default it is taken over.
    pub fn stale(mut self, stale: StalePolicy) -> Self {
        self.stale = stale;
        self
    }

    /// Removes the ring's name when an endpoint that was taken with this
    /// option is dropped and the other role is free: the last one out. So does
    /// an end whose peer never came, and an end that is killed does not.
    pub fn unlink_on_drop(mut self, unlink_on_drop: bool) -> Self {
        self.unlink_on_drop = unlink_on_drop;
        self
    }

    /// Where both positions of a new ring begin, in slots, or bytes for frames, a
    /// multiple of 8; by default 0. Lets a numbering go on, or a test begin before
    /// a wrap.
    pub fn first_position(mut self, position: u64) -> Self {
        self.first_position = position;
        self
    }

    /// What the ends of a new ring sleep on; by default futexes.
    pub fn doorbell(mut self, doorbell: DoorbellKind) -> Self {
        self.doorbell = doorbell;
        self
    }

    /// How this process waits at its ends; by default it parks.
    pub fn wait_strategy(mut self, strategy: WaitStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How long a wait spins before it yields or parks; by default 20 µs, about
    /// as long as a sleep and a wake take. Zero parks at once.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// How this process avoids lost wake-ups; by default without a fence while
    /// both ends are awake.
    pub fn fences(mut self, fences: Fences) -> Self {
        self.fences = fences;
        self
    }

    /// Creates a ring. Its memory is reserved, or the call fails.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], unless nobody holds the existing ring and
    /// [`StalePolicy::Replace`] was asked for; [`Error::NotEnoughMemory`],
    /// [`Error::FileSizeLimit`], [`Error::InvalidName`],
    /// [`Error::InvalidCapacity`], or the system's refusal.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{RingOptions, StalePolicy};
    ///
    /// # let name = &format!("quoit-doc-options-create-{}", std::process::id());
    /// let old = RingOptions::new(64).create::<u64>(name)?;
    /// let new = RingOptions::new(128).stale(StalePolicy::Replace).create::<u64>(name)?;
    /// assert_ne!(old.incarnation(), new.incarnation()); // nobody held the old one
    /// # new.unlink()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create<T: Shape + ?Sized>(&self, name: impl AsRef<Path>) -> Result<Ring<T>, Error> {
        let name = Name::parse(name.as_ref())?;
        retry_if_superseded(|| {
            self.build(&name, |draft| {
                let old = match Segment::open(&name) {
                    // The name has become free meanwhile: as good as replaced.
                    Err(Error::NotFound { name }) => return Err(Error::Superseded { name }),
                    other => other?,
                };
                check_magic(&old)?;
                finish_unlink(&old)?;
                if self.stale == StalePolicy::Replace {
                    replace(&old, draft)
                } else {
                    Err(already_exists(&old)?)
                }
            })
        })
    }

    /// Opens an existing ring, whatever its capacity.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::NotARing`], [`Error::VersionMismatch`],
    /// [`Error::ShapeMismatch`], [`Error::SchemaMismatch`] or
    /// [`Error::Corrupt`] if it is not the ring that was asked for; or the
    /// system's refusal.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{RingOptions, WaitStrategy};
    ///
    /// # let name = &format!("quoit-doc-options-open-{}", std::process::id());
    /// # RingOptions::new(64).create::<u64>(name)?;
    /// let mine = RingOptions::new(0).wait_strategy(WaitStrategy::Spin);
    /// let consumer = mine.open::<u64>(name)?.consumer()?; // waits without a sleep
    /// # drop(consumer);
    /// # quoit::unlink(name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open<T: Shape + ?Sized>(&self, name: impl AsRef<Path>) -> Result<Ring<T>, Error> {
        let name = Name::parse(name.as_ref())?;
        retry_if_superseded(|| self.attach(Segment::open(&name)?))
    }

    /// Opens the ring, or creates it if there is none: either end may come
    /// first. [`stale`](Self::stale) says what becomes of a ring that both ends
    /// have left.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create);
    /// [`Error::AlreadyExists`] if the ring is stale and [`StalePolicy::Fail`] was
    /// asked for; [`Error::CapacityMismatch`] if the ring exists with another
    /// capacity, and is not to be replaced.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn open_or_create<T: Shape + ?Sized>(
        &self,
        name: impl AsRef<Path>,
    ) -> Result<Ring<T>, Error> {
        let name = Name::parse(name.as_ref())?;
        retry_if_superseded(|| {
            let found = match Segment::open(&name) {
                Err(Error::NotFound { .. }) => None,
                other => Some(other?),
            };
            let Some(segment) = found else {
                // If somebody else is faster, open that one.
                return self.build(&name, |draft| Err(draft.segment().superseded()));
            };
            if self.stale != StalePolicy::TakeOver && is_stale(&segment)? {
                finish_unlink(&segment)?;
                if self.stale == StalePolicy::Fail {
                    return Err(already_exists(&segment)?);
                }
                return self.build(&name, |draft| match replace(&segment, draft) {
                    // Somebody else was faster: it is stale no more.
                    Err(Error::InUse { .. }) => Err(segment.superseded()),
                    other => other,
                });
            }
            let ring = self.attach::<T>(segment)?;
            if ring.capacity() == self.capacity {
                Ok(ring)
            } else {
                Err(Error::CapacityMismatch {
                    found: ring.capacity(),
                    expected: self.capacity,
                })
            }
        })
    }

    /// Creates a ring without a name, in a sealed memfd: nothing lies in
    /// `/dev/shm`, and when the last process that has it is gone, so is the
    /// ring. Other processes get it through [`handoff`](crate::handoff), or with
    /// its [`descriptor`](Ring::descriptor) in any other way.
    ///
    /// Such a ring is never `Superseded`, unless by [`Ring::unlink`], which ends
    /// its life. Its roles are taken through `/proc`.
    ///
    /// # Errors
    ///
    /// [`Error::NotEnoughMemory`], [`Error::FileSizeLimit`],
    /// [`Error::InvalidCapacity`], or the system's refusal.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ring = quoit::RingOptions::new(64).create_anonymous::<u64>()?;
    /// let mut producer = ring.producer()?;
    /// producer.try_push(7)?;
    ///
    /// // In earnest: in another process.
    /// let descriptor = ring.descriptor().expect("an anonymous ring has one");
    /// let again = quoit::RingOptions::new(0).open_descriptor::<u64>(descriptor)?;
    /// assert_eq!(again.consumer()?.try_pop()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_anonymous<T: Shape + ?Sized>(&self) -> Result<Ring<T>, Error> {
        let segment = Segment::anonymous(self.length::<T>()?, self.mode)?;
        self.format::<T>(&segment);
        self.prepare(&segment)?;
        Ok(Ring::new(
            segment,
            self.geometry(),
            self.endpoint_config::<T>(),
        ))
    }

    /// Opens an anonymous ring, whatever its capacity. The descriptor stays the
    /// caller's, and is not needed any more.
    ///
    /// # Errors
    ///
    /// [`Error::WrongDescriptor`] if it is not a memfd, or not one that is
    /// sealed against shrinking, or no ring is in it; otherwise as
    /// [`open`](Self::open).
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates.
    pub fn open_descriptor<T: Shape + ?Sized>(
        &self,
        descriptor: impl AsFd,
    ) -> Result<Ring<T>, Error> {
        self.attach(Segment::from_descriptor(descriptor.as_fd())?)
    }

    /// A ring in this process's own memory, with both its ends: for tests, and
    /// for threads of one program. Name, mode and the like do not matter.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCapacity`], [`Error::NotEnoughMemory`].
    ///
    /// # Real-time
    ///
    /// Allocates.
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<u32>()?;
    /// producer.try_push(1)?;
    /// assert_eq!(consumer.try_pop()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn heap<T: Shape + ?Sized>(&self) -> Result<(Producer<T>, Consumer<T>), Error> {
        let segment = Segment::heap(self.length::<T>()?)?;
        self.format::<T>(&segment);
        let ring = Ring::<T>::new(segment, self.geometry(), self.endpoint_config::<T>());
        // Nobody else has this ring, and it is dropped at once.
        Ok((ring.producer()?, ring.consumer()?))
    }

    /// Bytes of a new segment.
    fn length<T: Shape + ?Sized>(&self) -> Result<u64, Error> {
        let frames = T::DESCRIPTION.shape == SHAPE_FRAMES;
        let invalid = |capacity, reason| Err(Error::InvalidCapacity { capacity, reason });
        if frames && self.first_position & 7 != 0 {
            return invalid(
                self.first_position,
                "the first position of frames is a multiple of 8",
            );
        }
        match length(units::<T>(), self.capacity) {
            Some(length) => Ok(length),
            None if !self.capacity.is_power_of_two() => invalid(
                self.capacity,
                "a capacity is a power of two; take the next larger one",
            ),
            None if frames && self.capacity < 64 => invalid(
                self.capacity,
                "a ring of frames has at least 64 bytes; take 64 or more",
            ),
            None => invalid(
                self.capacity,
                "no address space holds so large a ring; take a smaller one",
            ),
        }
    }

    /// Of a new ring.
    fn geometry(&self) -> Geometry {
        Geometry {
            capacity: self.capacity,
            doorbell: self.doorbell,
        }
    }

    fn endpoint_config<T: Shape + ?Sized>(&self) -> EndpointConfig {
        EndpointConfig {
            wait: WaitConfig::new(self.strategy, self.spin),
            fences: self.fences,
            stretch: match T::DESCRIPTION.shape {
                SHAPE_FRAMES => STRETCH_BYTES,
                _ => STRETCH_SLOTS,
            },
            unlink_on_drop: self.unlink_on_drop,
        }
    }

    fn fingerprint<T: Shape + ?Sized>(&self) -> u64 {
        match &self.schema_tag {
            Some(tag) => T::DESCRIPTION.schema(tag),
            None => T::DESCRIPTION.schema(&T::tag()),
        }
    }

    fn format<T: Shape + ?Sized>(&self, segment: &Segment) {
        format(
            segment,
            units::<T>(),
            self.geometry(),
            self.fingerprint::<T>(),
            self.first_position,
        );
    }

    /// A ring in a segment that was found.
    fn attach<T: Shape + ?Sized>(&self, segment: Segment) -> Result<Ring<T>, Error> {
        let geometry = check(&segment, units::<T>(), self.fingerprint::<T>())?;
        finish_unlink(&segment)?;
        self.prepare(&segment)?;
        Ok(Ring::new(segment, geometry, self.endpoint_config::<T>()))
    }

    /// A ring in a new segment; `taken` finds a place for it if the name is
    /// another's.
    fn build<T: Shape + ?Sized>(
        &self,
        name: &Name,
        taken: impl FnOnce(Draft) -> Result<Segment, Error>,
    ) -> Result<Ring<T>, Error> {
        let draft = Draft::new(name, self.length::<T>()?, self.mode)?;
        self.format::<T>(draft.segment());
        self.prepare(draft.segment())?;
        let segment = match draft.link()? {
            Linked::Done(segment) => segment,
            Linked::NameTaken(draft) => taken(draft)?,
        };
        Ok(Ring::new(
            segment,
            self.geometry(),
            self.endpoint_config::<T>(),
        ))
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

fn units<T: Shape + ?Sized>() -> Units {
    Units {
        shape: T::DESCRIPTION.shape,
        slot_size: T::DESCRIPTION.slot_size,
        slot_align: T::DESCRIPTION.slot_align,
    }
}
