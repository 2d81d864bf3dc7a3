//! Several frames that are written one after the other and published together.

use super::writer::{FrameWriter, Place, check_len};
use crate::deadline::Deadline;
use crate::error::ClaimError;

/// Several frames that are published together; begun by [`FrameProducer::batch`](crate::FrameProducer::batch).
///
/// [`commit`](Self::commit) publishes them; dropping the batch publishes nothing.
#[derive(Debug)]
#[must_use = "a dropped batch publishes nothing; commit it"]
pub struct FrameBatch<'a> {
    frames: &'a mut FrameWriter,
    bytes: u64,
    count: usize,
}

impl<'a> FrameBatch<'a> {
    pub(crate) fn new(frames: &'a mut FrameWriter) -> Self {
        Self {
            frames,
            bytes: 0,
            count: 0,
        }
    }

    /// Adds a copy of a frame if there is room now.
    ///
    /// # Errors
    ///
    /// As [`FrameProducer::try_claim`](crate::FrameProducer::try_claim); [`ClaimError::Full`] also if the ring never has
    /// room for the whole batch: commit it, and begin another one. The batch keeps what it holds,
    /// unless the endpoint is poisoned: then it is empty.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn try_push(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        self.try_claim(kind, payload.len())?
            .copy_from_slice(payload);
        Ok(())
    }

    /// Adds a frame of `len` bytes, to be filled in place, if there is room now.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn try_claim(&mut self, kind: u32, len: usize) -> Result<BatchFrame<'_>, ClaimError> {
        let place = self.frames.reserve(self.bytes, len);
        self.add(kind, place)
    }

    /// Adds a frame of `len` bytes, to be filled in place, and waits for room. The
    /// frames of the batch are not published in the meantime.
    ///
    /// # Errors
    ///
    /// As [`FrameProducer::claim`](crate::FrameProducer::claim); [`ClaimError::TooLong`] also if the ring never has
    /// room for the whole batch. The batch keeps what it holds, unless the endpoint is
    /// poisoned.
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn claim(&mut self, kind: u32, len: usize) -> Result<BatchFrame<'_>, ClaimError> {
        self.claim_timeout(kind, len, Deadline::NEVER)
    }

    /// [`claim`](Self::claim) that waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), and [`ClaimError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn claim_timeout(
        &mut self,
        kind: u32,
        len: usize,
        timeout: impl Into<Deadline>,
    ) -> Result<BatchFrame<'_>, ClaimError> {
        let place = self.frames.wait_for(self.bytes, len, timeout.into());
        self.add(kind, place)
    }

    fn add(
        &mut self,
        kind: u32,
        place: Result<Place, ClaimError>,
    ) -> Result<BatchFrame<'_>, ClaimError> {
        let place = place.inspect_err(|error| {
            if *error == ClaimError::Corrupt {
                (self.bytes, self.count) = (0, 0);
            }
        })?;
        self.bytes += self.frames.seal(place, kind, place.len);
        self.count += 1;
        Ok(BatchFrame {
            frames: self.frames,
            place,
        })
    }

    /// How many frames the batch holds.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the batch holds no frame.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Publishes the frames at once; returns how many: none in a child of `fork`, whose endpoint is
    /// then closed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    pub fn commit(self) -> usize {
        if self.bytes > 0 && !self.frames.end.publish(self.bytes) {
            return 0;
        }
        self.count
    }
}

/// A frame of a batch, to be filled in place; from [`FrameBatch::try_claim`].
#[derive(Debug)]
pub struct BatchFrame<'a> {
    frames: &'a mut FrameWriter,
    place: Place,
}

impl BatchFrame<'_> {
    /// Copies `bytes` into the payload, from `offset` on.
    ///
    /// # Panics
    ///
    /// If they reach beyond what was claimed.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        self.frames.write_at(self.place, offset, bytes);
    }

    /// Copies the whole payload.
    ///
    /// # Panics
    ///
    /// If `bytes` and the claim differ in length.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn copy_from_slice(&mut self, bytes: &[u8]) {
        check_len(bytes.len(), self.place.len);
        self.write_at(0, bytes);
    }

    /// The payload in place, without a copy.
    ///
    /// # Safety
    ///
    /// As [`FrameClaim::as_mut_bytes`](crate::FrameClaim::as_mut_bytes).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub unsafe fn as_mut_bytes(&mut self) -> &mut [u8] {
        // SAFETY: the caller's promise.
        unsafe { self.frames.bytes_mut(self.place) }
    }
}
