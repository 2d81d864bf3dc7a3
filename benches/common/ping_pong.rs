//! The bare cache line: one line in each direction, which contains the message itself. It
//! is the least that two processors need to communicate. Round trips are compared with it.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::path::Path;
use std::sync::atomic::Ordering;

use super::exchange::Link;
use super::interleaved::Side;
use super::memory::{Memory, file};

/// One endpoint of two lines in shared memory, placed like a ring's.
#[derive(Debug)]
pub(crate) struct PingPong {
    memory: Memory,
    outgoing: usize,
    incoming: usize,
    /// The last message that was received.
    last: u64,
}

/// Returns how each process opens its endpoint: each time in another file, as
/// `Rings::links` does.
pub(crate) fn wire(directory: &Path) -> impl FnMut(Side) -> PingPong + use<> {
    let directory = directory.to_owned();
    let mut turn = 0;
    move |side| {
        turn += 1;
        let file = file(&directory.join(format!("bare-{turn}")), 8192);
        // The lines are on two pages, like the ring's tails.
        let [outgoing, incoming] = side.ways([0, 4096]);
        PingPong {
            memory: Memory::of(&file.expect("a file of two pages")),
            outgoing,
            incoming,
            last: 0,
        }
    }
}

/// Two consecutive messages differ.
impl Link for PingPong {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let word = self.memory.word(self.outgoing);
        word.store(message, Ordering::Release);
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            let message = self.memory.word(self.incoming).load(Ordering::Acquire);
            if message != self.last {
                self.last = message;
                return message;
            }
            std::hint::spin_loop();
        }
    }
}
