//! Messages and memfds that any program could send.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use quoit::{Ring, Shape};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::common::rings::anonymous;

/// The message of `handoff::send` for a version, without the descriptor.
pub(crate) fn message(version: u64) -> Vec<u8> {
    [b"quoit-fd", &version.to_le_bytes()[..]].concat()
}

/// Sends these bytes with these descriptors.
pub(crate) fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let rights = SendAncillaryMessage::ScmRights(descriptors);
    let mut space = vec![MaybeUninit::uninit(); rights.size()];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(rights), "there is room for all of them");
    }
    let parts = [IoSlice::new(bytes)];
    let sent = sendmsg(socket, &parts, &mut ancillary, SendFlags::empty());
    assert_eq!(sent, Ok(bytes.len()));
}

/// A memfd with these bytes, and then with these seals.
pub(crate) fn memfd(bytes: &[u8], seals: SealFlags) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("quoit-test", flags).expect("a memfd"));
    file.write_all_at(bytes, 0).expect("there is memory");
    fcntl_add_seals(&file, seals).expect("it can be sealed");
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

/// Switches an option of a socket, if the kernel has it.
pub(crate) fn set_option(socket: &UnixStream, option: libc::c_int, value: libc::c_int) {
    let (value, length) = ((&raw const value).cast(), size_of_val(&value));
    let (fd, length) = (socket.as_raw_fd(), length as libc::socklen_t);
    // SAFETY: the option is an integer, which outlives the call.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value, length) };
}
