//! A ring in a segment of another library.

use super::super::lifetime::{lock_all, with_holder};
use super::super::{Content, Ring, Shape};
use super::RingOptions;
use crate::error::Error;
use crate::header::{check_magic, header};
use crate::layout::DATA;
use crate::segment::{Name, Segment, random};
use crate::sync::{AtomicU64, PLAIN};

impl RingOptions {
    /// Makes a ring in a segment that is still blank. The other library has mapped it as well:
    /// `incarnation_alias` is the address of the incarnation in that mapping.
    pub(crate) fn create_in_existing<T: Shape + ?Sized>(
        &self,
        name: &str,
        incarnation_alias: &AtomicU64,
    ) -> Result<Ring<T>, Error> {
        let segment = Segment::open_blank(&Name::parse(name.as_ref())?)?;
        let options = self.fitting::<T>(&segment)?;
        // From here on the memory is accessed.
        segment.reserve()?;
        // One creator at a time.
        let lock = segment.lock_file()?;
        if let Some(lock) = &lock {
            lock_all(&segment, lock).map_err(|error| with_holder(&segment, error))?;
        }
        if !segment.is_blank()? {
            return Err(match check_magic(&segment) {
                Err(_) => segment.not_a_ring("it holds something else"),
                Ok(_) => Error::AlreadyExists {
                    name: name.to_owned(),
                    in_use: false, // or else it were not ours to lock
                },
            });
        }
        // What is written through one mapping is seen through the other, or the
        // name refers to another segment. Then the first one may be a ring, and is not written to.
        let is_same = incarnation_alias.load(PLAIN) == 0 && {
            let number = random();
            incarnation_alias.store(number, PLAIN);
            let seen = header(&segment).fixed.incarnation.load(PLAIN);
            incarnation_alias.store(0, PLAIN);
            seen == number
        };
        if !is_same {
            return Err(segment.superseded());
        }
        options.prepare(&segment)?;
        options.format(Content::of::<T>(), &segment);
        Ok(options.new_ring(Content::of::<T>(), segment))
    }

    /// The same with a capacity for which there is room; the largest if none was
    /// set.
    fn fitting<T: Shape + ?Sized>(&self, segment: &Segment) -> Result<Self, Error> {
        let available = segment.length();
        let mut options = self.clone();
        if self.capacity.is_none() {
            let units = available.saturating_sub(DATA as u64) / T::DESCRIPTION.slot_size;
            options.capacity = Some(1 << units.checked_ilog2().unwrap_or(0));
        }
        let wanted = options.length(Content::of::<T>())?;
        if wanted > available {
            return Err(Error::NotEnoughMemory {
                wanted,
                available,
                hint: "make the Shmem larger, or the ring smaller".into(),
            });
        }
        Ok(options)
    }
}
