//! Two eventfds: a write adds to the number, and a read takes it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;

use super::interleaved::Side;
use super::link::{Link, STOP};

/// The largest number that an eventfd holds.
const LARGEST: u64 = u64::MAX - 1;

/// One endpoint of two eventfds.
#[derive(Debug)]
pub(crate) struct Events {
    outgoing: File,
    incoming: File,
}

/// Creates the eventfds; both processes have both.
pub(crate) fn wire() -> io::Result<impl FnMut(Side) -> Events> {
    let [out, back] = [eventfd()?, eventfd()?];
    Ok(move |side| {
        let [outgoing, incoming] = match side {
            Side::Lead => [&out, &back],
            Side::Partner => [&back, &out],
        }
        .map(|event| event.try_clone().expect("a descriptor is free"));
        Events { outgoing, incoming }
    })
}

fn eventfd() -> io::Result<File> {
    // SAFETY: the call has no pointers.
    let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and has no other owner.
    Ok(unsafe { File::from_raw_fd(event) })
}

/// Only for one number at a time: two writes without a read between them add up.
impl Link for Events {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let bytes = message.min(LARGEST).to_ne_bytes();
        self.outgoing.write_all(&bytes).expect("the number is sent");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.incoming
            .read_exact(&mut bytes)
            .expect("a number comes");
        match u64::from_ne_bytes(bytes) {
            LARGEST => STOP,
            number => number,
        }
    }
}
