//! The bench's rings: their directory, both endpoints of a link, and their counters.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quoit::{Observer, RingOptions, Shape, WaitStrategy};

use super::link::Open;

/// The directory of the rings. They exist until the bench has ended, so that their counters
/// can be read.
#[derive(Debug, Clone)]
pub(crate) struct Rings {
    directory: PathBuf,
}

/// One endpoint of a ring in each direction.
pub(crate) struct Pair<T: Shape + ?Sized>(pub(crate) T::Producer, pub(crate) T::Consumer);

/// The options of a ring that is polled.
pub(crate) fn polled(capacity: u64) -> RingOptions {
    let options = RingOptions::new(capacity).prefault(true);
    options.wait_strategy(WaitStrategy::Spin)
}

/// The options of a ring whose endpoints sleep at once.
pub(crate) fn sleeping(capacity: u64) -> RingOptions {
    let options = RingOptions::new(capacity).prefault(true);
    options.spin(Duration::ZERO)
}

impl Rings {
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { directory }
    }

    /// Two rings, one for each direction.
    pub(crate) fn link<T: Shape + ?Sized>(
        &self,
        name: &str,
        options: &RingOptions,
    ) -> Open<Pair<T>> {
        let (paths, options) = (self.ways(name), options.clone());
        Open::new(move |side| {
            let ring = |path: &PathBuf| options.open_or_create::<T>(path).expect("a ring");
            let [out, back] = side.ways(paths.each_ref().map(ring));
            let producer = out.producer().expect("the role is free");
            Pair(producer, back.consumer().expect("the role is free"))
        })
    }

    /// The same as `link`, reopened with other rings each time. The distance of a line from
    /// either processor depends on its address: with the same memory in all slices, whole runs
    /// differed by a third.
    pub(crate) fn links<T: Shape + ?Sized>(
        &self,
        name: &str,
        options: &RingOptions,
    ) -> Open<Pair<T>> {
        let (rings, name, options) = (self.clone(), name.to_owned(), options.clone());
        let mut turn = 0;
        let open = Open::new(move |side| {
            turn += 1;
            let mut link = rings.link::<T>(&format!("{name} {turn}"), &options);
            link.side(side)
        });
        open.reopened()
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
        let file = |way| format!("{name}.{way}").replace(' ', "-");
        ["out", "back"].map(|way| self.directory.join(file(way)))
    }
}
