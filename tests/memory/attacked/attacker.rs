//! The hostile process: it maps the ring's file itself, takes no role, and writes.

use std::fs::OpenOptions;
use std::hint;
use std::thread;

use memmap2::MmapRaw;

use crate::common::child::{hear, say};
use crate::common::dice::Dice;
use crate::common::segment_file::{CAPACITY, DATA, HEAD, RIDE, RIDE_POSITION, SLOT_SIZE, TAIL};

/// The sleep words of consumer and producer.
const SLEEP_WORDS: [u64; 2] = [12288, 12416];
/// The states of producer and consumer.
const STATES: [u64; 2] = [4224, 8320];
const STATE_WORDS: u64 = 7;
/// A reserved word, which no endpoint reads: not 0 while the attacker pauses.
pub(crate) const HOLD: u64 = DATA - 8;
const PADDING: u64 = u32::MAX as u64;

/// What the attacker rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Bytes of the data between the frames' headers, if the frames are evenly
    /// spaced; else any.
    Payload,
    /// Words of the data where headers are, if the frames are evenly spaced; else any.
    Headers,
    /// The inline copy.
    Inline,
    /// Both positions, with values near the correct ones and far from them.
    Positions,
    /// The tail, like a producer that publishes the content of the ring.
    Tail,
    /// The head, like a consumer that releases everything immediately.
    Release,
    /// Both sleep words.
    SleepWords,
    /// Epochs, closed states, process ids and counters of both roles.
    States,
}

#[rustfmt::skip]
const TARGETS: [Target; 8] = [
    Target::Payload, Target::Headers, Target::Inline, Target::Positions, Target::Tail,
    Target::Release, Target::SleepWords, Target::States,
];

impl Target {
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    fn named(name: &str) -> Self {
        let target = TARGETS.into_iter().find(|target| target.name() == name);
        target.expect("the name of a target")
    }
}

/// The child part: a file, the distance of the frames (0 for any), and targets.
pub(crate) fn attack(arguments: &[String]) {
    let [path, spacing, targets @ ..] = arguments else {
        panic!("a file, a distance, and targets");
    };
    let file = OpenOptions::new().read(true).write(true).open(path);
    let map = MmapRaw::map_raw(&file.expect("the ring's file opens"));
    let map = map.expect("the ring's file can be mapped");
    let mut attacker = Attacker {
        length: map.len() as u64 - DATA,
        map,
        spacing: spacing.parse().expect("a number"),
        dice: Dice(u64::from(std::process::id())),
    };
    let targets: Vec<_> = targets.iter().map(|name| Target::named(name)).collect();
    for &target in &targets {
        attacker.write(target);
    }
    say("ready");
    thread::spawn(hear); // ends the process when the parent has exited
    loop {
        for &target in &targets {
            while attacker.load(HOLD) != 0 {
                hint::spin_loop();
            }
            attacker.write(target);
        }
    }
}

struct Attacker {
    map: MmapRaw,
    /// Bytes of the data.
    length: u64,
    spacing: u64,
    dice: Dice,
}

impl Attacker {
    fn write(&mut self, target: Target) {
        match target {
            Target::Payload => self.write_payload(),
            Target::Headers => {
                let step = self.spacing.max(8);
                let places = self.length / step;
                let offset = match self.below(4) {
                    0 => step * self.below(places),
                    _ => self.next(),
                };
                // In a loop, so that a second poll finds another value.
                for _ in 0..8 {
                    let header = self.header();
                    self.store(DATA + offset, header);
                }
            }
            Target::Inline => {
                let words = [self.header(), self.word(), self.word()];
                for (ahead, word) in words.into_iter().enumerate() {
                    self.store(RIDE + 8 * ahead as u64, word);
                }
                let position = match self.below(8) {
                    0 => self.word(),
                    // The message always ends at the tail.
                    _ => self.load(TAIL) << 1 | 1,
                };
                self.store(RIDE_POSITION, position);
            }
            Target::Positions => {
                let (offset, other) = if self.below(2) == 0 {
                    (TAIL, HEAD)
                } else {
                    (HEAD, TAIL)
                };
                let near = match self.below(2) {
                    0 => self.load(offset),
                    _ => self.load(other),
                };
                let step = self.below(9) * 8;
                let value = match self.below(16) {
                    0 => self.word(),
                    1 => near.wrapping_add(1 + self.below(7)),
                    2 => near.wrapping_add(1 << self.below(64)),
                    3 => near.wrapping_add(self.length),
                    4..8 => near.wrapping_sub(step),
                    _ => near.wrapping_add(step),
                };
                self.store(offset, value);
            }
            Target::Tail => {
                let head = self.load(HEAD);
                let step = 8 * self.below(64);
                self.store(TAIL, head.wrapping_add(step));
            }
            Target::Release => {
                let tail = self.load(TAIL);
                self.store(HEAD, tail);
            }
            Target::SleepWords => {
                let offset = SLEEP_WORDS[self.below(2) as usize];
                let value = match self.below(8) {
                    state @ 0..3 => state as u32,
                    state @ 3..6 => (state as u32 - 3) | (1 << 8),
                    _ => self.word() as u32,
                };
                self.store_half(offset, value);
            }
            Target::States => {
                let word = 8 * self.below(STATE_WORDS);
                let offset = STATES[self.below(2) as usize] + word;
                let value = match self.below(4) {
                    0 => u64::MAX,
                    1 => self.below(4),
                    2 => self.load(offset) ^ 1,
                    _ => self.word(),
                };
                self.store(offset, value);
            }
        }
    }

    /// The offset of the next message in the data, according to the head.
    fn next(&self) -> u64 {
        let position = self.load(HEAD) & (self.load(CAPACITY) - 1);
        (position * self.load(SLOT_SIZE)) & !7
    }

    fn write_payload(&mut self) {
        let offset = match self.below(4) {
            0 => self.below(self.length / 8) * 8,
            _ => self.next() + 8 * self.below(self.spacing.max(8) / 8),
        };
        if self.spacing > 0 && offset % self.spacing == 0 {
            return;
        }
        for _ in 0..4 {
            self.write_word(DATA + offset % self.length);
        }
    }

    fn write_word(&mut self, offset: u64) {
        match self.below(4) {
            // The first bytes of a character of four bytes, without the rest.
            0 => {
                let byte = self.below(8);
                self.store_byte(offset + byte, 0xf0);
            }
            1 => self.store(offset, u64::from_le_bytes(*b"a\nb\n\0\xf4\x8f\xbf")),
            2 => self.store(offset, u64::MAX),
            _ => {
                let word = self.word();
                self.store(offset, word);
            }
        }
    }

    /// A frame's header: mostly a possible one, otherwise one that is too long.
    fn header(&mut self) -> u64 {
        let length = self.length;
        let len = match self.below(32) {
            0 => PADDING,
            1 => PADDING - 1 - self.below(16),
            2 => length / 2 - self.below(16),
            3 => length + self.below(1 << 20),
            4 => 1 << 31,
            5 => u64::from(self.word() as u32),
            6..20 if self.spacing > 0 => self.spacing - 8 - self.below(8),
            _ => self.below(64),
        };
        (len & PADDING) | (self.below(3) << 32)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.dice.roll(limit) as u64
    }

    fn word(&mut self) -> u64 {
        self.dice.roll(u64::MAX) as u64
    }

    /// The address of `size` bytes at this offset.
    fn at(&self, offset: u64, size: u64) -> *mut u8 {
        assert!(offset + size <= self.map.len() as u64);
        self.map.as_mut_ptr().wrapping_add(offset as usize)
    }

    fn load(&self, offset: u64) -> u64 {
        // SAFETY: eight bytes of the mapping, aligned to eight.
        unsafe { self.at(offset, 8).cast::<u64>().read_volatile() }
    }

    fn store(&self, offset: u64, word: u64) {
        // SAFETY: eight bytes of the mapping, aligned to eight.
        unsafe { self.at(offset, 8).cast::<u64>().write_volatile(word) };
    }

    fn store_half(&self, offset: u64, word: u32) {
        // SAFETY: four bytes of the mapping, aligned to four.
        unsafe { self.at(offset, 4).cast::<u32>().write_volatile(word) };
    }

    fn store_byte(&self, offset: u64, byte: u8) {
        // SAFETY: a byte of the mapping.
        unsafe { self.at(offset, 1).write_volatile(byte) };
    }
}
