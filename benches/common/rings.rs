//! The bench's rings: their directory, both endpoints as a link, and their counters.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use quoit::{Observer, RingOptions, Shape};

use super::exchange::Link;
use super::interleaved::Side;
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
        let pushed = self.producer.push(message);
        pushed.expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        self.consumer.pop().expect("the partner is attached")
    }
}

impl Carrier for RingLink<[u8]> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let pushed = self.producer.push(message);
        pushed.expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        let popped = self.consumer.pop(message).expect("the partner is attached");
        assert_eq!(popped.len, message.len());
    }
}

impl Rings {
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { directory }
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
        let (paths, options) = (self.ways(name), options.clone());
        move |side| {
            let ring = |path: &PathBuf| options.open_or_create::<T>(path).expect("a ring");
            let [out, back] = side.ways(paths.each_ref().map(ring));
            RingLink {
                producer: out.producer().expect("the role is free"),
                consumer: back.consumer().expect("the role is free"),
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

    /// The share of the messages of links that were sent to a parked receiver.
    pub(crate) fn woke(&self, names: &[impl AsRef<str>]) -> Result<f64, quoit::Error> {
        let (mut wakes, mut messages) = (0, 0);
        for path in names.iter().flat_map(|name| self.ways(name.as_ref())) {
            let sample = Observer::open(path)?.sample();
            messages += sample.positions.tail;
            wakes += sample.producer.wakes;
        }
        Ok(wakes as f64 / messages as f64)
    }

    /// The number of missed wake-ups on all rings of the bench, and the number of rings.
    pub(crate) fn rescues(&self) -> Result<(u64, usize), Box<dyn Error>> {
        let (mut rescues, mut rings) = (0, 0);
        for entry in fs::read_dir(&self.directory)? {
            match Observer::open(entry?.path()) {
                Ok(ring) => {
                    let sample = ring.sample();
                    rescues += sample.producer.rescues + sample.consumer.rescues;
                    rings += 1;
                }
                Err(quoit::Error::NotARing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((rescues, rings))
    }

    fn ways(&self, name: &str) -> [PathBuf; 2] {
        ["out", "back"].map(|way| self.path(&format!("{name}.{way}")))
    }
}
