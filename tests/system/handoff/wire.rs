//! Messages and memfds that any program could send.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use quoit::{Ring, Shape};

use crate::common::rings::anonymous;

/// The message of `handoff::send` for a version, without the descriptor.
pub(crate) fn message(version: u64) -> Vec<u8> {
    [b"quoit-fd", &version.to_le_bytes()[..]].concat()
}

/// Sends these bytes with these descriptors.
pub(crate) fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[RawFd]) {
    let length = size_of_val(descriptors);
    let mut ancillary = vec![0_u64; 2 + length.div_ceil(8)];
    // The header is a length, SOL_SOCKET and SCM_RIGHTS, in sixteen bytes.
    ancillary[0] = 16 + length as u64;
    ancillary[1] = libc::SOL_SOCKET as u64 | (libc::SCM_RIGHTS as u64) << 32;
    let data = ancillary[2..].as_mut_ptr().cast::<RawFd>();
    // SAFETY: there is room for all of them.
    unsafe { data.copy_from_nonoverlapping(descriptors.as_ptr(), descriptors.len()) };
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all zero bytes are a valid `msghdr`.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !descriptors.is_empty() {
        header.msg_control = ancillary.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(ancillary.as_slice()) as _;
    }
    // SAFETY: the message and its buffers outlive the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
    let whole = usize::try_from(sent).is_ok_and(|sent| sent == bytes.len());
    assert!(whole, "it is sent: {}", io::Error::last_os_error());
}

/// A memfd with these bytes, and then with these seals.
pub(crate) fn memfd(bytes: &[u8], seals: libc::c_int) -> File {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"quoit-test".as_ptr(), flags) };
    assert_ne!(fd, -1, "a memfd: {}", io::Error::last_os_error());
    // SAFETY: the descriptor was just opened and has no other owner.
    let file = unsafe { File::from_raw_fd(fd) };
    file.write_all_at(bytes, 0).expect("there is memory");
    // SAFETY: the descriptor is open, and no memory is involved.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(sealed, 0, "it can be sealed");
    file
}

/// The memfd of a ring.
pub(crate) fn file<T: Shape + ?Sized>(ring: &Ring<T>) -> File {
    let descriptor = ring.descriptor().expect("it is anonymous");
    let file = descriptor.try_clone_to_owned().map(File::from);
    file.expect("a descriptor is free")
}

/// The bytes of a new ring.
pub(crate) fn ring<T: Shape + ?Sized>(capacity: u64) -> Vec<u8> {
    let file = file(&anonymous::<T>(capacity));
    let mut bytes = vec![0; file.metadata().expect("a length").len() as usize];
    let read = file.read_exact_at(&mut bytes, 0);
    read.expect("it has this length");
    bytes
}

/// Switches an option of a socket; `None` if the kernel has no such option.
pub(crate) fn set_option(
    socket: &UnixStream,
    option: libc::c_int,
    value: libc::c_int,
) -> Option<()> {
    // SAFETY: the option is an integer, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    (set == 0).then_some(())
}
