//! What a forked child must not share with its parent.
//!
//! A child has the endpoints of its parent in its memory, the same mapping, and copies of the
//! descriptors: it would be a second owner of the role, and keep its lock after the parent has
//! exited. So every description that is opened for locks has an [`Entry`] in a table of the
//! process, and a handler of `pthread_atfork` goes through the table in the child:
//!
//! - The lock's descriptor is replaced by one of the mapped file, whose description holds no locks.
//!   Its number stays in use: a drop of the endpoint in the child closes the right descriptor.
//! - The mapping becomes a private copy of the ring, in which both endpoints have closed and the
//!   ring is superseded. So the hot path needs no extra check: its polls and waits end with
//!   `Abandoned`, no role can be taken of a `Ring` on the same mapping, and the sleep words hold
//!   `DETACHED`, which each publish reads. What the child pushes goes into the copy, and the push
//!   fails.
//!
//! The copy takes no time: it shares its pages with the file until the child writes to them. A
//! mapping without a role stays shared, so that a child may take one. A ring on the heap is a copy
//! anyway.
//!
//! A child that is forked after a description was opened and before its entry was made would not
//! find it. So forks are counted: after making an entry the code checks the count, and opens
//! another description if there was a fork.
//!
//! The child's handler makes two system calls for each entry and follows a list:
//! it takes no lock and allocates nothing. Until the child has run for the first
//! time, it does have the lock. `vfork`, `posix_spawn` and the raw `clone` run no
//! handlers; until its `exec`, such a child must not touch what it inherited.

use core::ptr::NonNull;
use std::io;
use std::os::fd::RawFd;

use crate::layout::Header;
use crate::parker::DETACHED;
use crate::peer;
use crate::sync::{AtomicU32, AtomicU64, FORK, List, PLAIN};

/// What a child must not share, until this is dropped.
#[derive(Debug)]
pub(crate) struct Entry(&'static Place);

/// A description that may hold locks, and the mapping that it is for. Both
/// outlive the entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) lock: RawFd,
    pub(super) file: RawFd,
    pub(super) base: NonNull<u8>,
    pub(super) length: usize,
}

/// An entry's place in the table.
#[derive(Debug)]
struct Place {
    state: AtomicU32,
    lock: AtomicU32,
    file: AtomicU32,
    base: AtomicU64,
    length: AtomicU64,
}

/// Unused.
const FREE: u32 = 0;
/// Being initialised.
const TAKEN: u32 = 1;
/// An entry that is only a mark.
const MARK: u32 = 2;
/// An entry with a lock and a mapping.
const HELD: u32 = 3;
/// In the child: an entry that was made before the fork.
const INHERITED: u32 = 4;

static PLACES: List<Place> = List::new();
/// Whether the handlers are installed.
static INSTALLED: AtomicU32 = AtomicU32::new(0);
/// The forks so far, and in the lower half those that are in progress.
static FORKS: AtomicU64 = AtomicU64::new(0);
const BEGUN: u64 = 1 << 32;
const UNDER_WAY: u64 = 1;

impl Entry {
    /// An entry that only shows whether it was inherited.
    pub(crate) fn mark() -> io::Result<Self> {
        install()?;
        let place = Place::take();
        place.state.store(MARK, FORK);
        Ok(Self(place))
    }

    pub(super) fn new(held: Held) -> Self {
        let place = Place::take();
        place.lock.store(held.lock as u32, PLAIN);
        place.file.store(held.file as u32, PLAIN);
        place
            .base
            .store(held.base.as_ptr().expose_provenance() as u64, PLAIN);
        place.length.store(held.length as u64, PLAIN);
        // opened -> forked: a later fork copies the entry ...
        place.state.store(HELD, FORK);
        Self(place)
    }

    /// Whether this process is a child, forked since the entry was made.
    pub(crate) fn is_inherited(&self) -> bool {
        self.0.state.load(PLAIN) == INHERITED
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.state.store(FREE, FORK);
    }
}

/// The forks so far; `None` while another thread forks.
pub(super) fn forks() -> Option<u64> {
    // opened -> forked: ... and an earlier one has been counted.
    let forks = FORKS.load(FORK);
    (forks % BEGUN == 0).then_some(forks)
}

/// Installs the handlers, for every fork from now on, before the first role is taken. Two threads
/// may install them twice, which changes nothing: a lock that a fork could leave locked in the
/// child would be worse.
pub(super) fn install() -> io::Result<()> {
    if INSTALLED.load(FORK) == 0 {
        // SAFETY: the handlers take nothing and never unwind. Their code stays mapped while they
        // are registered: glibc drops those of a library that is unloaded, and musl unloads none.
        match unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } {
            0 => INSTALLED.store(1, FORK),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
    Ok(())
}

extern "C" fn before() {
    FORKS.add(BEGUN + UNDER_WAY, FORK);
}

extern "C" fn in_parent() {
    FORKS.add(UNDER_WAY.wrapping_neg(), FORK);
}

extern "C" fn in_child() {
    FORKS.store(FORKS.load(FORK) / BEGUN * BEGUN, FORK);
    for place in PLACES.iter() {
        match place.state.load(FORK) {
            HELD => place.disinherit(),
            MARK => {}
            _ => continue,
        }
        place.state.store(INHERITED, FORK);
    }
}

impl Place {
    fn take() -> &'static Self {
        let mut places = PLACES.iter();
        let free = places.find(|place| place.state.replace(FREE, TAKEN, FORK));
        free.unwrap_or_else(|| {
            PLACES.add(Self {
                state: AtomicU32::new(TAKEN),
                lock: AtomicU32::new(0),
                file: AtomicU32::new(0),
                base: AtomicU64::new(0),
                length: AtomicU64::new(0),
            })
        })
    }

    /// In a child: gives up the lock and detaches from the ring.
    fn disinherit(&self) {
        let lock = self.lock.load(PLAIN) as RawFd;
        let file = self.file.load(PLAIN) as RawFd;
        // SAFETY: both descriptors are the entry's.
        if unsafe { libc::dup3(file, lock, libc::O_CLOEXEC) } == -1 {
            // The number is above a lowered limit: no new descriptor gets it.
            // SAFETY: it is the entry's.
            unsafe { libc::close(lock) };
        }
        let base = core::ptr::with_exposed_provenance_mut(self.base.load(PLAIN) as usize);
        let length = self.length.load(PLAIN) as usize;
        let map = |protection, flags, file| {
            let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | flags;
            // SAFETY: the mapping outlives the entry, so the addresses are this
            // process's own; they stay mapped. Bytes that the child has not written may still
            // change, as they could before.
            unsafe { libc::mmap(base, length, protection, flags, file, 0) }
        };
        let copy = map(libc::PROT_READ | libc::PROT_WRITE, 0, file);
        if copy == libc::MAP_FAILED {
            // No memory for a copy: touching the ring faults in the child, and the parent's ring is
            // safe. The call may have unmapped the addresses, which no other mapping must get: an
            // endpoint's drop unmaps them.
            map(
                libc::PROT_NONE,
                libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
            );
            return;
        }
        // SAFETY: the copy has just been mapped, as long as the mapping, which was compared with a
        // header's length before this entry was made; a header consists of atomics.
        let header: &Header = unsafe { &*copy.cast::<Header>() };
        header.fixed.superseded.store(1, PLAIN);
        for end in [&header.producer.state, &header.consumer.state] {
            peer::close(&end.state);
        }
        for word in [&header.sleep.producer, &header.sleep.consumer] {
            word.store(DETACHED, PLAIN);
        }
    }
}
