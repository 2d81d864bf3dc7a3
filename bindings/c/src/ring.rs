//! Rings, before a role is taken.

use std::ffi::{CString, OsStr, c_char, c_int};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use quoit::handoff;
use quoit::raw::RawRing;

use crate::options::quoit_options;
use crate::status::quoit_status::{self, QUOIT_INVALID};
use crate::status::{Fault, answer, guard};

/// A ring that was created or opened, before a role is taken. It may be freed while its
/// endpoints live.
pub struct quoit_ring {
    pub(crate) raw: RawRing,
    name: CString,
}

/// A C string as a path.
pub(crate) unsafe fn path<'a>(name: *const c_char) -> Result<&'a Path, Fault> {
    if name.is_null() {
        return Err(QUOIT_INVALID.into());
    }
    // SAFETY: the caller gives a string that ends with a zero.
    let name = unsafe { std::ffi::CStr::from_ptr(name) };
    Ok(Path::new(OsStr::from_bytes(name.to_bytes())))
}

/// Makes a ring by these options.
unsafe fn make(
    options: *const quoit_options,
    ring: *mut *mut quoit_ring,
    make: impl FnOnce(&quoit_options) -> Result<RawRing, Fault>,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let ring = unsafe { ring.as_mut() }.ok_or(QUOIT_INVALID)?;
        *ring = std::ptr::null_mut();
        // SAFETY: null or valid.
        let options = unsafe { options.as_ref() }.ok_or(QUOIT_INVALID)?;
        let raw = make(options)?;
        let name = CString::new(raw.ring().name()).unwrap_or_default();
        *ring = Box::into_raw(Box::new(quoit_ring { raw, name }));
        Ok(())
    })
}

/// Creates a ring: its name is free, or the options replace a ring that no process holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_create(
    options: *const quoit_options,
    name: *const c_char,
    ring: *mut *mut quoit_ring,
) -> quoit_status {
    let create = |options: &quoit_options| {
        // SAFETY: null or a string.
        let name = unsafe { path(name) }?;
        Ok(RawRing::create(&options.options, options.content()?, name)?)
    };
    // SAFETY: null or valid.
    unsafe { make(options, ring, create) }
}

/// Opens a ring of any capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_open(
    options: *const quoit_options,
    name: *const c_char,
    ring: *mut *mut quoit_ring,
) -> quoit_status {
    let open = |options: &quoit_options| {
        // SAFETY: null or a string.
        let name = unsafe { path(name) }?;
        Ok(RawRing::open(&options.options, options.content()?, name)?)
    };
    // SAFETY: null or valid.
    unsafe { make(options, ring, open) }
}

/// Opens a ring, or creates it if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_open_or_create(
    options: *const quoit_options,
    name: *const c_char,
    ring: *mut *mut quoit_ring,
) -> quoit_status {
    let open = |options: &quoit_options| {
        // SAFETY: null or a string.
        let name = unsafe { path(name) }?;
        let content = options.content()?;
        Ok(RawRing::open_or_create(&options.options, content, name)?)
    };
    // SAFETY: null or valid.
    unsafe { make(options, ring, open) }
}

/// Creates a ring without a name; quoit_send hands it to another process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_create_anonymous(
    options: *const quoit_options,
    ring: *mut *mut quoit_ring,
) -> quoit_status {
    let create = |options: &quoit_options| {
        let content = options.content()?;
        Ok(RawRing::create_anonymous(&options.options, content)?)
    };
    // SAFETY: null or valid.
    unsafe { make(options, ring, create) }
}

/// Opens the ring of a descriptor from another process. It stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_open_descriptor(
    options: *const quoit_options,
    descriptor: c_int,
    ring: *mut *mut quoit_ring,
) -> quoit_status {
    let open = |options: &quoit_options| {
        // SAFETY: it is open, and the caller has it open during the call.
        let descriptor = unsafe { BorrowedFd::borrow_raw(opened(descriptor)?) };
        let content = options.content()?;
        let ring = RawRing::open_descriptor(&options.options, content, descriptor)?;
        Ok(ring)
    };
    // SAFETY: null or valid.
    unsafe { make(options, ring, open) }
}

/// A descriptor, if it is open: what is closed has no kind that an error could name.
fn opened(descriptor: c_int) -> Result<c_int, Fault> {
    // SAFETY: the call takes no memory.
    match unsafe { libc::fcntl(descriptor, libc::F_GETFD) } {
        -1 => Err(Fault::invalid(
            "no file is open as this descriptor; pass one that is",
        )),
        _ => Ok(descriptor),
    }
}

/// A socket of the caller's, for one call.
unsafe fn socket(descriptor: c_int) -> Result<ManuallyDrop<UnixStream>, Fault> {
    // SAFETY: it is open, the caller has it open during the call, and it is not closed here.
    let socket = unsafe { UnixStream::from_raw_fd(opened(descriptor)?) };
    Ok(ManuallyDrop::new(socket))
}

/// Sends a ring without a name over a Unix stream socket to another process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_send(socket_fd: c_int, ring: *const quoit_ring) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let ring = unsafe { ring.as_ref() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: as documented.
        let socket = unsafe { socket(socket_fd) }?;
        Ok(handoff::send(&socket, ring.raw.ring())?)
    })
}

/// Receives a ring that another process has sent. Waits for as long as the socket does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_receive(
    socket_fd: c_int,
    options: *const quoit_options,
    ring: *mut *mut quoit_ring,
) -> quoit_status {
    let receive = |options: &quoit_options| {
        // SAFETY: as documented.
        let socket = unsafe { socket(socket_fd) }?;
        let content = options.content()?;
        Ok(RawRing::receive(&options.options, content, &socket)?)
    };
    // SAFETY: null or valid.
    unsafe { make(options, ring, receive) }
}

/// Frees the handle; the ring stays. Null is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_free(ring: *mut quoit_ring) {
    if !ring.is_null() {
        answer((), || {
            // SAFETY: it is of a call above, and freed once.
            drop(unsafe { Box::from_raw(ring) });
            Some(())
        });
    }
}

/// The name of the ring, as it was given. Lives as long as the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_name(ring: *const quoit_ring) -> *const c_char {
    // SAFETY: null or valid.
    unsafe { ring.as_ref() }.map_or(std::ptr::null(), |ring| ring.name.as_ptr())
}

/// Records, or bytes for frames. 0 for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_capacity(ring: *const quoit_ring) -> u64 {
    // SAFETY: null or valid.
    unsafe { ring.as_ref() }.map_or(0, |ring| ring.raw.ring().capacity())
}

/// A random number that distinguishes this ring from others of the same name. 0 for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_incarnation(ring: *const quoit_ring) -> u64 {
    // SAFETY: null or valid.
    unsafe { ring.as_ref() }.map_or(0, |ring| ring.raw.ring().incarnation())
}

/// The descriptor of a ring without a name, which stays the ring's; -1 for others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_descriptor(ring: *const quoit_ring) -> c_int {
    // SAFETY: null or valid.
    let ring = unsafe { ring.as_ref() };
    let descriptor = ring.and_then(|ring| ring.raw.ring().descriptor());
    descriptor.map_or(-1, |descriptor| descriptor.as_raw_fd())
}

/// Waits until the ring is on its disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_sync(ring: *const quoit_ring) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let ring = unsafe { ring.as_ref() }.ok_or(QUOIT_INVALID)?;
        Ok(ring.raw.ring().sync_all()?)
    })
}

/// Removes the name of the ring. No process may hold a role.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_unlink(ring: *const quoit_ring) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let ring = unsafe { ring.as_ref() }.ok_or(QUOIT_INVALID)?;
        Ok(ring.raw.ring().unlink()?)
    })
}

/// Removes a ring by its name. No process may hold a role.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_unlink(name: *const c_char) -> quoit_status {
    guard(|| {
        // SAFETY: null or a string.
        let name = unsafe { path(name) }?;
        Ok(quoit::unlink(name)?)
    })
}

/// Removes a ring by its name if it was in use and no process holds a role; `removed` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_unlink_if_stale(
    name: *const c_char,
    removed: *mut bool,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or a string.
        let name = unsafe { path(name) }?;
        let is_removed = quoit::unlink_if_stale(name)?;
        // SAFETY: null or valid.
        if let Some(removed) = unsafe { removed.as_mut() } {
            *removed = is_removed;
        }
        Ok(())
    })
}
