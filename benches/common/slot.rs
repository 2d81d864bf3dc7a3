//! Shared memory and POSIX semaphores, as in textbooks: one slot in each direction, with
//! one semaphore for empty and one for full.

use std::io;
use std::path::Path;

use super::interleaved::Side;
use super::memory::{self, Memory};
use super::message::Carrier;

/// Offsets of the semaphores and the message in a slot, each in a separate stripe.
const EMPTY: usize = 0;
const FULL: usize = 128;
const MESSAGE: usize = 256;

/// One endpoint of two slots.
#[derive(Debug)]
pub(crate) struct Slots {
    memory: Memory,
    outgoing: usize,
    incoming: usize,
}

/// Creates the file with two slots for messages of this size.
pub(crate) fn wire(path: &Path, size: usize) -> io::Result<impl FnMut(Side) -> Slots + use<>> {
    let slot = MESSAGE + size.next_multiple_of(128);
    let file = memory::file(path, 2 * slot)?;
    let memory = Memory::of(&file);
    for (offset, count) in [(EMPTY, 1), (FULL, 0), (slot + EMPTY, 1), (slot + FULL, 0)] {
        // SAFETY: there is room for a semaphore, and no other process has the file.
        if unsafe { libc::sem_init(memory.at(offset).cast(), 1, count) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(move |side: Side| {
        let [outgoing, incoming] = side.ways([0, slot]);
        Slots {
            memory: Memory::of(&file),
            outgoing,
            incoming,
        }
    })
}

impl Slots {
    #[inline(always)]
    fn wait(&self, semaphore: usize) {
        // SAFETY: the semaphore was initialized before the fork.
        while unsafe { libc::sem_wait(self.memory.at(semaphore).cast()) } != 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
        }
    }

    #[inline(always)]
    fn post(&self, semaphore: usize) {
        // SAFETY: as in `wait`.
        let error = unsafe { libc::sem_post(self.memory.at(semaphore).cast()) };
        assert_eq!(error, 0, "the semaphore counts to one");
    }
}

impl Carrier for Slots {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.wait(self.outgoing + EMPTY);
        let slot = self.memory.at(self.outgoing + MESSAGE);
        // SAFETY: the slot has the message's length. It is empty, so this process owns it.
        unsafe { slot.copy_from_nonoverlapping(message.as_ptr(), message.len()) };
        self.post(self.outgoing + FULL);
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        self.wait(self.incoming + FULL);
        let slot = self.memory.at(self.incoming + MESSAGE);
        // SAFETY: the slot has the message's length. It is full, so this process owns it.
        unsafe { slot.copy_to_nonoverlapping(message.as_mut_ptr(), message.len()) };
        self.post(self.incoming + EMPTY);
    }
}
