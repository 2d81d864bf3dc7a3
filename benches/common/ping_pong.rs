//! The bare cache line: one line in each direction, which contains the message itself. It
//! is the least that two processors need to communicate. Round trips are compared with it.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

use super::interleaved::Side;
use super::link::Link;

/// One endpoint of two lines in shared memory, placed like a ring's.
#[derive(Debug)]
pub(crate) struct PingPong {
    map: MmapRaw,
    outgoing: usize,
    incoming: usize,
    /// The last message that was received.
    last: u64,
}

/// The lines are on two pages, like the ring's tails.
const LINES: [usize; 2] = [0, 4096];

/// Returns how each process opens its endpoint: each time in another file, as
/// `Rings::links` does.
pub(crate) fn wire(directory: &Path) -> impl FnMut(Side) -> PingPong + use<> {
    let directory = directory.to_owned();
    let mut turn = 0;
    move |side| {
        turn += 1;
        let file = lines(&directory.join(format!("bare-{turn}"))).expect("a file of two pages");
        let [outgoing, incoming] = match side {
            Side::Lead => LINES,
            Side::Partner => [LINES[1], LINES[0]],
        };
        PingPong {
            map: MmapRaw::map_raw(&file).expect("two pages can be mapped"),
            outgoing,
            incoming,
            last: 0,
        }
    }
}

/// The file; the second process opens the first one's.
fn lines(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path)?;
    file.set_len(8192)?;
    Ok(file)
}

impl PingPong {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: both offsets are within the pages.
        let word = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: the pages outlive `self`, and every access to the word is atomic.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }
}

/// Two consecutive messages differ.
impl Link for PingPong {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        self.word(self.outgoing).store(message, Ordering::Release);
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            let message = self.word(self.incoming).load(Ordering::Acquire);
            if message != self.last {
                self.last = message;
                return message;
            }
            std::hint::spin_loop();
        }
    }
}
