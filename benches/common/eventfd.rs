//! Two eventfds: a write adds to the number, and a read takes it.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::event::{EventfdFlags, eventfd};

use super::exchange::{Link, STOP};
use super::interleaved::Side;

/// The largest number that an eventfd holds.
const LARGEST: u64 = u64::MAX - 1;

/// The eventfds that an endpoint writes to and reads from.
#[derive(Debug)]
pub(crate) struct Events([File; 2]);

/// Creates the eventfds; both processes have both.
pub(crate) fn wire() -> io::Result<impl FnMut(Side) -> Events> {
    let event = || eventfd(0, EventfdFlags::CLOEXEC).map(File::from);
    let events = [event()?, event()?];
    Ok(move |side: Side| {
        let events = side.ways(events.each_ref());
        Events(events.map(|event| event.try_clone().expect("a descriptor is free")))
    })
}

/// Only for one number at a time: two writes without a read between them add up.
impl Link for Events {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let bytes = message.min(LARGEST).to_ne_bytes();
        self.0[0].write_all(&bytes).expect("the number is sent");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0[1].read_exact(&mut bytes).expect("a number arrives");
        match u64::from_ne_bytes(bytes) {
            LARGEST => STOP,
            number => number,
        }
    }
}
