//! POSIX message queues.

use std::ffi::CString;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use super::interleaved::Side;
use super::message::Carrier;
use super::supervisor::BlockedSignals;

/// The number of messages in a queue: the system's default limit.
const MESSAGES: libc::c_long = 10;

/// The queues that an endpoint sends to and receives from.
#[derive(Debug)]
pub(crate) struct Queues([OwnedFd; 2]);

/// Creates two queues for messages of this size. Both processes have both, and their names
/// are removed.
pub(crate) fn wire(size: usize) -> io::Result<impl FnMut(Side) -> Queues + use<>> {
    let queues = [queue(size)?, queue(size)?];
    Ok(move |side: Side| {
        let queues = side.ways(queues.each_ref());
        Queues(queues.map(|queue| queue.try_clone().expect("a descriptor is free")))
    })
}

fn queue(size: usize) -> io::Result<OwnedFd> {
    // Otherwise a signal could leave the name behind.
    let _held = BlockedSignals::new();
    let name = CString::new(format!("/quoit-bench-{}", std::process::id()))?;
    // SAFETY: all zero bytes are attributes.
    let mut attributes: libc::mq_attr = unsafe { zeroed() };
    attributes.mq_maxmsg = MESSAGES;
    attributes.mq_msgsize = size as libc::c_long;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    // SAFETY: the name and the attributes outlive the call.
    let queue = unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const attributes) };
    if queue < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a queue's number is a descriptor on Linux. It is new and has no other owner.
    let queue = unsafe { OwnedFd::from_raw_fd(queue) };
    // SAFETY: the name outlives the call.
    match unsafe { libc::mq_unlink(name.as_ptr()) } {
        0 => Ok(queue),
        _ => Err(io::Error::last_os_error()),
    }
}

impl Carrier for Queues {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let queue = self.0[0].as_raw_fd();
        // SAFETY: the message outlives the call and has the given length.
        let error = unsafe { libc::mq_send(queue, message.as_ptr().cast(), message.len(), 0) };
        assert_eq!(error, 0, "the message is sent");
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        let (queue, room) = (self.0[1].as_raw_fd(), message.len());
        let buffer = message.as_mut_ptr().cast();
        // SAFETY: the buffer outlives the call and has the given length.
        let received = unsafe { libc::mq_receive(queue, buffer, room, ptr::null_mut()) };
        assert_eq!(received, room as isize, "a message arrives");
    }
}
