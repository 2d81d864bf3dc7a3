//! The bench's rings: their directory, both endpoints as a link, and the counters of their
//! headers.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use quoit::{RingOptions, Role, Shape};

use super::interleaved::Side;
use super::link::Link;
use super::message::Carrier;

/// The directory of the rings. They exist until the bench has ended, so that their counters
/// can be read.
#[derive(Debug, Clone)]
pub(crate) struct Rings {
    directory: PathBuf,
}

/// One endpoint of a ring in each direction.
pub(crate) struct RingLink<T: Shape + ?Sized> {
    pub(crate) producer: T::Producer,
    pub(crate) consumer: T::Consumer,
}

impl Link for RingLink<u64> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        self.producer
            .push(message)
            .expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        self.consumer.pop().expect("the partner is attached")
    }
}

impl Carrier for RingLink<[u8]> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.producer
            .push(message)
            .expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        let received = self.consumer.pop(message);
        assert_eq!(
            received.expect("the partner is attached").len,
            message.len()
        );
    }
}

/// The counters of one role in the header; see `layout.md`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) parks: u64,
    pub(crate) wakes: u64,
    pub(crate) rescues: u64,
}

/// Offset of the counters in a role's state.
const PARKS: u64 = 24;
/// Offset of the producer's state.
const PRODUCER: u64 = 4224;
/// Offset of the consumer's state.
const CONSUMER: u64 = 8320;
/// Offset of the tail.
const TAIL: u64 = 4096;
/// Offset of the consumer's sleep word.
const SLEEP_WORD: u64 = 12288;
/// Its value while the consumer sleeps.
const PARKED: u32 = 2;

impl Counters {
    fn read(ring: &Path, role: Role) -> io::Result<Self> {
        let state = match role {
            Role::Producer => PRODUCER,
            Role::Consumer => CONSUMER,
        };
        let mut bytes = [0; 24];
        File::open(ring)?.read_exact_at(&mut bytes, state + PARKS)?;
        let word = |index: usize| {
            let word = bytes[index * 8..][..8].try_into();
            u64::from_ne_bytes(word.expect("eight bytes"))
        };
        Ok(Self {
            parks: word(0),
            wakes: word(1),
            rescues: word(2),
        })
    }
}

impl Rings {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// The path of the ring with this name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name.replace(' ', "-"))
    }

    /// Two rings, one for each direction.
    pub(crate) fn link<T: Shape + ?Sized>(
        &self,
        name: &str,
        options: &RingOptions,
    ) -> impl FnMut(Side) -> RingLink<T> + use<T> {
        let ways = [self.way(name, true), self.way(name, false)];
        let options = options.clone();
        move |side| {
            let ring = |path: &PathBuf| options.open_or_create::<T>(path);
            let [out, back] = ways.each_ref().map(|path| ring(path).expect("a ring"));
            let (producer, consumer) = match side {
                Side::Lead => (out.producer(), back.consumer()),
                Side::Partner => (back.producer(), out.consumer()),
            };
            RingLink {
                producer: producer.expect("the role is free"),
                consumer: consumer.expect("the role is free"),
            }
        }
    }

    /// The same as `link`, with other rings each time that both endpoints are opened. The
    /// distance of a line from either processor depends on its address: with the same
    /// memory in all slices, whole runs differed by a third.
    pub(crate) fn links<T: Shape + ?Sized>(
        &self,
        name: &str,
        options: &RingOptions,
    ) -> impl FnMut(Side) -> RingLink<T> + use<T> {
        let (rings, name, options) = (self.clone(), name.to_owned(), options.clone());
        let mut turn = 0;
        move |side| {
            turn += 1;
            rings.link(&format!("{name} {turn}"), &options)(side)
        }
    }

    /// The share of a link's messages that were sent to a parked receiver.
    pub(crate) fn woke(&self, name: &str) -> io::Result<f64> {
        self.all_woke(&[name])
    }

    /// The same for several links together.
    pub(crate) fn all_woke(&self, names: &[impl AsRef<str>]) -> io::Result<f64> {
        let (mut wakes, mut messages) = (0, 0);
        for name in names {
            for out in [true, false] {
                let ring = self.way(name.as_ref(), out);
                let mut tail = [0; 8];
                File::open(&ring)?.read_exact_at(&mut tail, TAIL)?;
                messages += u64::from_ne_bytes(tail);
                wakes += Counters::read(&ring, Role::Producer)?.wakes;
            }
        }
        Ok(wakes as f64 / messages as f64)
    }

    /// The counters of a ring's consumer.
    pub(crate) fn consumer(&self, name: &str) -> io::Result<Counters> {
        Counters::read(&self.path(name), Role::Consumer)
    }

    /// Whether the consumer sleeps or is about to, according to its sleep word.
    pub(crate) fn consumer_is_parked(&self, name: &str) -> io::Result<bool> {
        let mut word = [0; 4];
        File::open(self.path(name))?.read_exact_at(&mut word, SLEEP_WORD)?;
        Ok(u32::from_ne_bytes(word) == PARKED)
    }

    /// The number of lost wake-ups on all rings of the bench, and the number of rings.
    pub(crate) fn rescues(&self) -> io::Result<(u64, usize)> {
        let mut rescues = 0;
        let mut rings = 0;
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if !is_ring(&path)? {
                continue;
            }
            rings += 1;
            for role in [Role::Producer, Role::Consumer] {
                rescues += Counters::read(&path, role)?.rescues;
            }
        }
        Ok((rescues, rings))
    }

    fn way(&self, name: &str, out: bool) -> PathBuf {
        self.path(&format!("{name}.{}", if out { "out" } else { "back" }))
    }
}

/// Whether the file begins with the magic.
fn is_ring(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 8];
    File::open(path)?.read_exact_at(&mut magic, 0)?;
    Ok(magic == *b"quoit\r\n\x1a")
}
