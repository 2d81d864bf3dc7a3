//! A child of `fork` that has a socket to its parent.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::PATIENCE;
use super::fork::forked;

/// A child, and the socket to it.
pub(crate) struct Worker {
    pub(crate) pid: libc::pid_t,
    pub(crate) socket: UnixStream,
}

impl Worker {
    pub(crate) fn start(work: impl FnOnce(UnixStream)) -> Self {
        let (socket, theirs) = pair();
        let ours = socket.as_raw_fd();
        let pid = forked(|| {
            // SAFETY: the child does not use it.
            unsafe { libc::close(ours) };
            work(theirs);
        });
        Self { pid, socket }
    }
}

/// Sends a byte to the other process.
pub(crate) fn tell(mut socket: &UnixStream, byte: u8) {
    socket.write_all(&[byte]).expect("it is read");
}

/// The next byte of the other process.
pub(crate) fn hear(mut socket: &UnixStream) -> u8 {
    let mut byte = [0];
    socket.read_exact(&mut byte).expect("a byte");
    byte[0]
}

/// A pair within this process.
pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    (patient(ours), patient(theirs))
}

/// A socket with a timeout.
pub(crate) fn patient(socket: UnixStream) -> UnixStream {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}
