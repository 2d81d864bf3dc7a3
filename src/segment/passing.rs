//! Sends descriptors over a Unix socket, as ancillary data of bytes (`SCM_RIGHTS`).

use core::mem::{offset_of, size_of, zeroed};
use core::ptr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// One descriptor, as it is sent.
#[repr(C)]
struct Right {
    header: libc::cmsghdr,
    descriptor: RawFd,
}

/// Room for the ancillary data: one descriptor, and what a socket adds with `SO_PASSCRED`.
type Ancillary = [u64; 16];

/// A descriptor of the sender's process, which a receiver requests by `SO_PASSPIDFD` (Linux 6.5).
const SCM_PIDFD: libc::c_int = 4;

/// What one call received.
pub(crate) struct Passed {
    /// How many bytes; 0 at the end of the stream.
    pub(crate) bytes: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether ancillary data was truncated (`MSG_CTRUNC`).
    pub(crate) is_cut_off: bool,
}

/// Sends the descriptor, and as many of `bytes` as it returns.
pub(crate) fn pass(
    socket: &UnixStream,
    bytes: &[u8],
    descriptor: BorrowedFd<'_>,
) -> io::Result<usize> {
    let mut right = Right {
        // SAFETY: all zero bytes are a `cmsghdr`.
        header: unsafe { zeroed() },
        descriptor: descriptor.as_raw_fd(),
    };
    right.header.cmsg_level = libc::SOL_SOCKET;
    right.header.cmsg_type = libc::SCM_RIGHTS;
    right.header.cmsg_len = (offset_of!(Right, descriptor) + size_of::<RawFd>()) as _;
    let mut part = part(bytes.as_ptr().cast_mut(), bytes.len());
    let message = message(&mut part, &mut right);
    // SAFETY: the message, and what it points to, outlives the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives into `bytes`; the descriptors are this process's from now on.
pub(crate) fn take(socket: &UnixStream, bytes: &mut [u8]) -> io::Result<Passed> {
    let mut ancillary = Ancillary::default();
    let mut part = part(bytes.as_mut_ptr(), bytes.len());
    let mut message = message(&mut part, &mut ancillary);
    let flags = libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message, and what it points to, outlives the call.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let bytes = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled in the message.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    loop {
        // SAFETY: it is null, or what the kernel has written.
        let header: Option<&libc::cmsghdr> = unsafe { next.as_ref() };
        let Some(header) = header else { break };
        let is_rights = header.cmsg_type == libc::SCM_RIGHTS;
        // Both are descriptors.
        let is_ours = is_rights || header.cmsg_type == SCM_PIDFD;
        if header.cmsg_level == libc::SOL_SOCKET && is_ours {
            let whole: usize = header.cmsg_len as _;
            let length = whole - offset_of!(Right, descriptor);
            // SAFETY: the descriptors follow their header.
            let first = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
            for index in 0..length / size_of::<RawFd>() {
                // SAFETY: this many follow.
                let place = unsafe { first.add(index) };
                // SAFETY: the kernel has written it.
                let descriptor = unsafe { place.read() };
                // SAFETY: it was just opened and has no other owner.
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                if is_rights {
                    descriptors.push(descriptor);
                } // or else one that was not requested: it is closed
            }
        }
        // SAFETY: the header is one of the message's.
        next = unsafe { libc::CMSG_NXTHDR(&raw const message, next) };
    }
    Ok(Passed {
        bytes,
        descriptors,
        is_cut_off: message.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

fn part(base: *mut u8, length: usize) -> libc::iovec {
    libc::iovec {
        iov_base: base.cast(),
        iov_len: length,
    }
}

/// A message of bytes and ancillary data; it points to both.
fn message<A>(part: &mut libc::iovec, ancillary: &mut A) -> libc::msghdr {
    // SAFETY: all zero bytes are a `msghdr`.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = ptr::from_mut(part);
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(ancillary).cast();
    message.msg_controllen = size_of::<A>() as _;
    message
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_comes_is_closed_by_an_exec() {
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        let file = File::open("/dev/null").expect("there is one");
        let sent = pass(&ours, b"x", file.as_fd()).expect("it is sent");
        let passed = take(&theirs, &mut [0; 2]).expect("it arrives");
        assert_eq!((sent, passed.bytes), (1, 1));
        let [descriptor] = passed.descriptors.as_slice() else {
            panic!("not one descriptor: {:?}", passed.descriptors);
        };
        // SAFETY: the descriptor is open, and no memory is involved.
        let flags = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC);
    }
}
