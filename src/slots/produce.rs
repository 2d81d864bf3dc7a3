//! Writing records.

use core::ops::{Deref, DerefMut};
use core::slice;
use std::time::Duration;

use super::{before_lap_end, rides, words};
use crate::cursor::RIDE_WORDS;
use crate::error::{ClaimError, PushError};
use crate::ladder::Timeout;
use crate::producer::Producer;
use crate::ring::Record;

/// Records. See [`Producer<[u8]>`](#impl-Producer<[u8]>) for frames.
impl<T: Record> Producer<T> {
    /// Pushes a record if there is room now.
    ///
    /// # Errors
    ///
    /// The record comes back: [`PushError::Full`] if there is no room,
    /// [`PushError::Abandoned`] if there is none and the consumer closed its
    /// end, [`PushError::Corrupt`] if the endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        match self.room(1) {
            Ok(_) => {
                // SAFETY: the slot is this side's until it is published.
                unsafe { self.slot(0).write(value) };
                self.finish(&value);
                Ok(())
            }
            Err(reason) => Err(PushError::new(value, reason)),
        }
    }

    /// Pushes a record, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push), but never [`PushError::Full`];
    /// [`PushError::Superseded`] in place of `Abandoned` if no consumer will
    /// come. A consumer that dies is noticed within a tenth of a second.
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(1).heap::<u32>()?;
    /// producer.push(1)?;
    /// let reader = thread::spawn(move || (consumer.pop(), consumer.pop()));
    /// producer.push(2)?; // waits until the first is popped
    /// assert_eq!(reader.join().expect("no panic"), (Ok(1), Ok(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.push_until(value, None)
    }

    /// Pushes a record, and waits for room at most so long.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`PushError::Full`] if no room came in
    /// time.
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{PushError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(1).heap::<u32>()?;
    /// producer.try_push(1)?;
    /// let pushed = producer.push_timeout(2, Duration::from_millis(1));
    /// assert_eq!(pushed, Err(PushError::Full(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_timeout(&mut self, value: T, timeout: Duration) -> Result<(), PushError<T>> {
        self.push_until(value, Some(timeout))
    }

    #[inline]
    fn push_until(&mut self, value: T, timeout: Timeout) -> Result<(), PushError<T>> {
        match self.try_push(value) {
            Err(PushError::Full(value) | PushError::Abandoned(value)) => {
                match self.wait(1, timeout) {
                    Ok(()) => self.try_push(value),
                    Err(reason) => Err(PushError::new(value, reason)),
                }
            }
            other => other,
        }
    }

    /// Pushes as many of `values` as there is room for now, with one publish;
    /// returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), if there is room for none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the records), no allocation, no syscall but the
    /// wake of a consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(4).heap::<u32>()?;
    /// assert_eq!(producer.try_push_slice(&[1, 2, 3, 4, 5])?, 4); // now it is full
    /// assert_eq!(consumer.drain().sum::<u32>(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_slice(&mut self, values: &[T]) -> Result<usize, ClaimError> {
        if values.is_empty() {
            return Ok(0);
        }
        let room = self.room_for(values.len())?;
        let count = room.min(values.len());
        let first = before_lap_end(self.cursor.index(0), count, self.capacity());
        let (front, back) = values[..count].split_at(first);
        // SAFETY: `first` slots from here on are this side's, and lie together.
        unsafe {
            self.slot(0)
                .copy_from_nonoverlapping(front.as_ptr(), front.len())
        };
        if !back.is_empty() {
            // SAFETY: and so are the rest, from the lap's beginning on.
            unsafe {
                self.slot(first)
                    .copy_from_nonoverlapping(back.as_ptr(), back.len())
            };
        }
        self.publish(count as u64);
        Ok(count)
    }

    /// Waits for room for at least one record, then pushes as many of `values`
    /// as there is room for; returns how many.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// To push all of a slice:
    ///
    /// ```
    /// use std::thread;
    ///
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(4).heap::<u32>()?;
    /// let reader = thread::spawn(move || {
    ///     let mut count = 0;
    ///     while consumer.pop().is_ok() {
    ///         count += 1;
    ///     }
    ///     count
    /// });
    /// let mut rest = &[7; 100][..];
    /// while !rest.is_empty() {
    ///     let pushed = producer.push_slice(rest)?;
    ///     rest = &rest[pushed..];
    /// }
    /// drop(producer);
    /// assert_eq!(reader.join().expect("no panic"), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, ClaimError> {
        self.push_slice_until(values, None)
    }

    /// [`push_slice`](Self::push_slice) that waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`claim_timeout`](Self::claim_timeout).
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(2).heap::<u32>()?;
    /// assert_eq!(producer.push_slice_timeout(&[1, 2, 3], Duration::ZERO), Ok(2));
    /// let pushed = producer.push_slice_timeout(&[3], Duration::from_millis(1));
    /// assert_eq!(pushed, Err(ClaimError::Full));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_slice_timeout(
        &mut self,
        values: &[T],
        timeout: Duration,
    ) -> Result<usize, ClaimError> {
        self.push_slice_until(values, Some(timeout))
    }

    fn push_slice_until(&mut self, values: &[T], timeout: Timeout) -> Result<usize, ClaimError> {
        if !values.is_empty() {
            self.wait(1, timeout)?;
        }
        self.try_push_slice(values)
    }

    /// Claims the next slot, to be filled in place, if there is room now.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Full`] if there is no room, [`ClaimError::Abandoned`] if
    /// there is none and the consumer closed its end, [`ClaimError::Corrupt`]
    /// if the endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<[u32; 2]>()?;
    /// let mut claim = producer.try_claim()?;
    /// claim[0] = 1;
    /// claim[1] = 2;
    /// claim.commit();
    /// assert_eq!(consumer.try_pop()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A claim borrows the producer; one at a time:
    ///
    /// ```
    /// let (mut producer, _consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// let claim = producer.try_claim()?;
    /// claim.commit();
    /// producer.try_push(1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// ```compile_fail,E0499
    /// let (mut producer, _consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// let claim = producer.try_claim()?;
    /// producer.try_push(1)?;
    /// claim.commit();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_claim(&mut self) -> Result<Claim<'_, T>, ClaimError> {
        self.room(1)?;
        Ok(Claim { producer: self })
    }

    /// Claims the next slot, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), but never [`ClaimError::Full`];
    /// [`ClaimError::Superseded`] in place of `Abandoned` if no consumer will
    /// come. A consumer that dies is noticed within a tenth of a second.
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](Self::try_claim) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<[u32; 2]>()?;
    /// let mut claim = producer.claim()?; // waits while every slot is taken
    /// *claim = [1, 2];
    /// claim.commit();
    /// assert_eq!(consumer.try_pop()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim(&mut self) -> Result<Claim<'_, T>, ClaimError> {
        self.wait(1, None)?;
        Ok(Claim { producer: self })
    }

    /// Claims the next slot, and waits for room at most so long.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), and [`ClaimError::Full`] if no room came in
    /// time.
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](Self::try_claim) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(1).heap::<u32>()?;
    /// producer.try_push(1)?;
    /// let claim = producer.claim_timeout(Duration::from_millis(1));
    /// assert_eq!(claim.err(), Some(ClaimError::Full));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_timeout(&mut self, timeout: Duration) -> Result<Claim<'_, T>, ClaimError> {
        self.wait(1, Some(timeout))?;
        Ok(Claim { producer: self })
    }

    /// Claims up to `count` slots, as many as there is room for now.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), if there is room for none.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// let mut claim = producer.try_claim_many(5)?;
    /// let (first, _wrapped) = claim.slices_mut();
    /// first[..2].copy_from_slice(&[1, 2]);
    /// claim.commit_first(2); // the other three are not published
    /// assert_eq!(consumer.try_pop()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_claim_many(&mut self, count: usize) -> Result<ClaimMany<'_, T>, ClaimError> {
        let count = self.room_for(count.max(1))?.min(count);
        Ok(ClaimMany {
            producer: self,
            count,
        })
    }

    /// Whether every slot holds a record that the consumer has not released. It
    /// may release some at any moment.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_full(&self) -> bool {
        self.fill() == self.capacity()
    }

    /// Slots that can be written now, after a look if fewer than `wanted` are
    /// known of; at least one.
    fn room_for(&mut self, wanted: usize) -> Result<usize, ClaimError> {
        match self.cursor.room(wanted as u64) {
            Some(room) => Ok(room as usize),
            None => self.look(1).map(|room| room as usize),
        }
    }

    /// The address of the slot `ahead` of the next one.
    #[inline(always)]
    fn slot(&self, ahead: usize) -> *mut T {
        let offset = self.cursor.index(ahead) * size_of::<T>();
        // SAFETY: an index is below the capacity, and the data hold as many slots.
        unsafe { self.at(offset) }.cast()
    }

    /// Publishes the next slot, which holds `value`; on the fly if it may ride.
    #[inline(always)]
    fn finish(&mut self, value: &T) {
        if const { rides::<T>() } && self.role.peer_hint() {
            let mut ride = [0u64; RIDE_WORDS];
            let bytes: *const u8 = (&raw const *value).cast();
            // SAFETY: a record that rides is at most as long as the words, and
            // has no padding.
            unsafe {
                bytes.copy_to_nonoverlapping(ride.as_mut_ptr().cast(), size_of::<T>());
            }
            self.publish_riding(1, &ride[..const { words::<T>() }]);
        } else {
            self.publish(1);
        }
    }
}

/// The next slot of a ring, to be filled in place: what
/// [`Producer::claim`](Producer#method.claim) and its like give.
///
/// Holds what the slot held before, some older record or zeros, until it is
/// written. [`commit`](Self::commit) publishes it; dropping it publishes
/// nothing, and the next claim is the same slot.
#[derive(Debug)]
#[must_use = "a dropped claim publishes nothing; commit it"]
pub struct Claim<'a, T: Record> {
    producer: &'a mut Producer<T>,
}

impl<T: Record> Claim<'_, T> {
    /// Publishes the record.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    #[inline]
    pub fn commit(self) {
        let value = *self;
        self.producer.finish(&value);
    }
}

impl<T: Record> Deref for Claim<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the slot is this side's until it is published, a well-behaved
        // consumer does not write, and any bytes are a record.
        unsafe { &*self.producer.slot(0) }
    }
}

impl<T: Record> DerefMut for Claim<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; the claim is borrowed for as long.
        unsafe { &mut *self.producer.slot(0) }
    }
}

/// Some next slots of a ring, to be filled in place: two slices, because the
/// lap may end among them. [`Producer::try_claim_many`] gives it.
///
/// [`commit_first`](Self::commit_first) publishes some, [`commit`](Self::commit)
/// all; dropping it publishes nothing.
#[derive(Debug)]
#[must_use = "a dropped claim publishes nothing; commit it"]
pub struct ClaimMany<'a, T: Record> {
    producer: &'a mut Producer<T>,
    count: usize,
}

impl<T: Record> ClaimMany<'_, T> {
    /// How many slots were claimed.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no slot was claimed, because none was asked for.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The slots before the end of the lap, and those after it.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn slices_mut(&mut self) -> (&mut [T], &mut [T]) {
        let capacity = self.producer.capacity();
        let first = before_lap_end(self.producer.cursor.index(0), self.count, capacity);
        // SAFETY: these slots are this side's until they are published, lie
        // together, and any bytes are records.
        let front = unsafe { slice::from_raw_parts_mut(self.producer.slot(0), first) };
        let rest = self.count - first;
        // SAFETY: as above, from the lap's beginning on; the two do not overlap,
        // since together they are no more than the capacity.
        let back = unsafe { slice::from_raw_parts_mut(self.producer.slot(first), rest) };
        (front, back)
    }

    /// Publishes all slots.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    pub fn commit(self) {
        let count = self.count;
        self.commit_first(count);
    }

    /// Publishes the first `count` slots, all at once, and gives up the others.
    ///
    /// # Panics
    ///
    /// If so many were not claimed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    pub fn commit_first(self, count: usize) {
        assert!(
            count <= self.count,
            "{count} slots committed, {} claimed",
            self.count
        );
        if count > 0 {
            self.producer.publish(count as u64);
        }
    }
}
