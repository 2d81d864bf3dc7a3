//! A ring inside a [`Shmem`] of the crate `shared_memory` that the program
//! already has.
//!
//! ```
//! use quoit::{RingOptions, shared_memory};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shmem = ::shared_memory::ShmemConf::new().size(1 << 16).create()?;
//! let ring = shared_memory::create::<u64>(&shmem, &RingOptions::new(4096))?;
//! ring.producer()?.try_push(7)?;
//!
//! // In another process, after it knows that the ring exists.
//! let shmem = ::shared_memory::ShmemConf::new().os_id(shmem.get_os_id()).open()?;
//! let ring = shared_memory::open::<u64>(&shmem, &RingOptions::default())?;
//! assert_eq!(ring.consumer()?.try_pop()?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! The ring takes the whole `Shmem`. It opens and maps the memory itself, by
//! [`get_os_id`](Shmem::get_os_id), and makes sure that it is the same memory. So you may drop the
//! `Shmem` before the ring. If it is the owner, its drop removes the name: endpoints that are
//! attached continue, and no process can attach any more ([`Error::Superseded`]).
//!
//! # Limits
//!
//! - The mode bits are that crate's, 0600; [`RingOptions::mode`] changes nothing.
//! - That crate reserves no memory, but `create` does, or fails. Until then an access to the
//!   `Shmem` while `/dev/shm` is full is a `SIGBUS`.
//! - The memory exists before the ring does. If you open it too early you get [`Error::NotARing`],
//!   never half a ring.
//! - While there is a ring, the bytes of the `Shmem` are the ring's.

use ::shared_memory::Shmem;

use crate::error::Error;
use crate::layout::{DATA, Header};
use crate::ring::{Ring, RingOptions, Shape};
use crate::sync::{AtomicU64, PLAIN};

/// Makes a ring in a new `Shmem`, which is all zeros. Without
/// a capacity it takes the largest that fits.
///
/// # Errors
///
/// [`Error::NotEnoughMemory`] if the ring does not fit into the `Shmem`, or
/// `/dev/shm` is full; [`Error::AlreadyExists`] or [`Error::InUse`] if there is
/// a ring in it, [`Error::NotARing`] if there is something else;
/// [`Error::Superseded`] if its name refers to another file now;
/// [`Error::InvalidCapacity`], or an OS error.
///
/// # Real-time
///
/// Makes syscalls and allocates, linear in the size; waits up to 100 ms for a process
/// that holds locks of the memory, and up to 1 s while this process forks.
pub fn create<T: Shape + ?Sized>(shmem: &Shmem, options: &RingOptions) -> Result<Ring<T>, Error> {
    options.create_in_existing(name(shmem), incarnation(shmem)?)
}

/// Opens the ring in a `Shmem`, whatever its capacity.
///
/// # Errors
///
/// As [`RingOptions::open`]; [`Error::Superseded`] if the name of the `Shmem`
/// refers to another file now.
///
/// # Real-time
///
/// As [`RingOptions::open`].
pub fn open<T: Shape + ?Sized>(shmem: &Shmem, options: &RingOptions) -> Result<Ring<T>, Error> {
    let seen = incarnation(shmem)?;
    let ring = options.open(name(shmem))?;
    if seen.load(PLAIN) == ring.incarnation() {
        Ok(ring)
    } else {
        let name = ring.name().to_owned();
        Err(Error::Superseded { name })
    }
}

/// The name for `shm_open`, which needs no slash.
fn name(shmem: &Shmem) -> &str {
    shmem.get_os_id().trim_start_matches('/')
}

/// The address of a ring's incarnation in the mapping of the `Shmem`.
fn incarnation(shmem: &Shmem) -> Result<&AtomicU64, Error> {
    if shmem.len() <= DATA {
        return Err(Error::NotEnoughMemory {
            wanted: DATA as u64 + 1,
            available: shmem.len() as u64,
            hint: "make the Shmem larger".into(),
        });
    }
    // SAFETY: the memory begins at a page, is long enough, and stays mapped
    // while the `Shmem` is borrowed; a header consists of atomics.
    let header: &Header = unsafe { &*shmem.as_ptr().cast::<Header>() };
    Ok(&header.fixed.incarnation)
}
