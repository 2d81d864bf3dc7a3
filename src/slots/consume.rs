//! Reading records.

use core::iter::FusedIterator;
use core::ops::Deref;
use core::slice;
use std::time::Duration;

use super::{before_lap_end, rides, words};
use crate::consumer::Consumer;
use crate::cursor::RIDE_WORDS;
use crate::error::PopError;
use crate::ladder::Timeout;
use crate::ring::Record;

/// Records. See [`Consumer<[u8]>`](#impl-Consumer<[u8]>) for frames.
impl<T: Record> Consumer<T> {
    /// Pops a record if there is one now.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if there is none, [`PopError::Abandoned`] if there is
    /// none and the producer closed its end, [`PopError::Corrupt`] if the
    /// endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (mut producer, mut consumer) = RingOptions::new(8).heap::<u32>()?;
    /// assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    /// producer.try_push(7)?;
    /// assert_eq!(consumer.try_pop(), Ok(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_pop(&mut self) -> Result<T, PopError> {
        if self.cursor.seen() > 0 {
            return Ok(self.pop_seen());
        }
        self.look_and_pop()
    }

    /// Pops a record, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), but never [`PopError::Empty`];
    /// [`PopError::Superseded`] in place of `Abandoned` if no producer will
    /// come. A producer that dies is noticed within a tenth of a second.
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](Self::try_pop) if there is a record; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (mut producer, mut consumer) = RingOptions::new(8).heap::<u32>()?;
    /// thread::spawn(move || producer.push(7)); // and leaves
    /// assert_eq!(consumer.pop(), Ok(7)); // waits for it
    /// assert_eq!(consumer.pop(), Err(PopError::Abandoned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop(&mut self) -> Result<T, PopError> {
        self.pop_until(None)
    }

    /// Pops a record, and waits for one at most so long.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), and [`PopError::Empty`] if none came in time.
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](Self::try_pop) if there is a record; otherwise may sleep.
    pub fn pop_timeout(&mut self, timeout: Duration) -> Result<T, PopError> {
        self.pop_until(Some(timeout))
    }

    #[inline]
    fn pop_until(&mut self, timeout: Timeout) -> Result<T, PopError> {
        match self.try_pop() {
            Err(PopError::Empty | PopError::Abandoned) => self.wait(timeout, Self::try_pop),
            other => other,
        }
    }

    /// Pops as many records as there are now and `values` has room for, with
    /// one release; returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), if there are none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the records), no allocation, no syscall but the
    /// wake of a producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// let mut values = [0; 2];
    /// assert_eq!(consumer.try_pop_slice(&mut values)?, 2);
    /// assert_eq!((values, consumer.fill()), ([1, 2], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        if values.is_empty() {
            return Ok(0);
        }
        let count = self.unread(values.len())?.min(values.len());
        let first = before_lap_end(self.cursor.index(0), count, self.capacity());
        let (front, back) = values[..count].split_at_mut(first);
        // SAFETY: `first` slots from here on are published and not released, and
        // lie together.
        unsafe {
            self.slot(0)
                .copy_to_nonoverlapping(front.as_mut_ptr(), front.len())
        };
        if !back.is_empty() {
            // SAFETY: and so are the rest, from the lap's beginning on.
            unsafe {
                self.slot(first)
                    .copy_to_nonoverlapping(back.as_mut_ptr(), back.len())
            };
        }
        self.release(count as u64);
        Ok(count)
    }

    /// Waits for at least one record, then pops as many as there are and
    /// `values` has room for; returns how many.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// let mut values = [0; 8];
    /// assert_eq!(consumer.pop_slice(&mut values)?, 3); // it does not wait for eight
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        self.pop_slice_until(values, None)
    }

    /// [`pop_slice`](Self::pop_slice) that waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`pop_timeout`](Self::pop_timeout).
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
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (_producer, mut consumer) = RingOptions::new(8).heap::<u32>()?;
    /// let popped = consumer.pop_slice_timeout(&mut [0; 8], Duration::from_millis(1));
    /// assert_eq!(popped, Err(PopError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop_slice_timeout(
        &mut self,
        values: &mut [T],
        timeout: Duration,
    ) -> Result<usize, PopError> {
        self.pop_slice_until(values, Some(timeout))
    }

    fn pop_slice_until(&mut self, values: &mut [T], timeout: Timeout) -> Result<usize, PopError> {
        self.wait(timeout, |consumer| consumer.try_pop_slice(values))
    }

    /// Borrows the next record where it lies, if there is one now.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push(5)?;
    /// let peek = consumer.try_peek()?;
    /// assert_eq!(*peek, 5);
    /// peek.release();
    /// assert!(consumer.try_peek().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What was borrowed cannot outlive its release:
    ///
    /// ```
    /// # let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// # producer.try_push(5)?;
    /// let peek = consumer.try_peek()?;
    /// let value: &u32 = &peek;
    /// assert_eq!(*value, 5);
    /// peek.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// ```compile_fail,E0505
    /// # let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// # producer.try_push(5)?;
    /// let peek = consumer.try_peek()?;
    /// let value: &u32 = &peek;
    /// peek.release();
    /// assert_eq!(*value, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_peek(&mut self) -> Result<Peek<'_, T>, PopError> {
        self.find()?;
        Ok(Peek { consumer: self })
    }

    /// Borrows the next record, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](Self::try_peek) if there is a record; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push(5)?;
    /// let peek = consumer.peek()?; // waits while there is none
    /// assert_eq!(*peek, 5);
    /// peek.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(&mut self) -> Result<Peek<'_, T>, PopError> {
        self.wait(None, Self::find)?;
        Ok(Peek { consumer: self })
    }

    /// Borrows the next record, and waits for one at most so long.
    ///
    /// # Errors
    ///
    /// As [`pop_timeout`](Self::pop_timeout).
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](Self::try_peek) if there is a record; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (_producer, mut consumer) = RingOptions::new(8).heap::<u32>()?;
    /// let peek = consumer.peek_timeout(Duration::from_millis(1));
    /// assert_eq!(peek.err(), Some(PopError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Peek<'_, T>, PopError> {
        self.wait(Some(timeout), Self::find)?;
        Ok(Peek { consumer: self })
    }

    /// Borrows every record that is there now, where it lies.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// let peek = consumer.try_peek_many()?;
    /// assert_eq!(peek.slices(), (&[1, 2, 3][..], &[][..]));
    /// peek.release_first(2); // the third stays
    /// assert_eq!(consumer.try_pop()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_peek_many(&mut self) -> Result<PeekMany<'_, T>, PopError> {
        let count = self.unread(usize::MAX)?;
        Ok(PeekMany {
            consumer: self,
            count,
        })
    }

    /// Pops every record that is there now, one by one, with one release at the
    /// end. Records that the iterator has not yielded when it is dropped stay.
    /// Empty if nothing is there, or if the endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// assert_eq!(consumer.drain().take(2).sum::<u32>(), 3);
    /// assert_eq!(consumer.try_pop()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain(&mut self) -> Drain<'_, T> {
        let count = self.unread(usize::MAX).unwrap_or(0);
        Drain {
            consumer: self,
            count,
            taken: 0,
        }
    }

    /// Whether every slot holds a record that was not released: the producer has
    /// no room until one is.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_full(&self) -> bool {
        self.fill() == self.capacity()
    }

    /// Apart, so that a pop of what has been seen is small enough to be inlined.
    #[inline(never)]
    fn look_and_pop(&mut self) -> Result<T, PopError> {
        let mut ride = [0; RIDE_WORDS];
        if !self.look_for_one(&mut ride)? {
            return Ok(self.pop_seen());
        }
        let words: *const u64 = ride.as_ptr();
        // SAFETY: a record that rides is at most as long as the words, and any
        // bytes are a record.
        let value = unsafe { words.cast::<T>().read() };
        self.release(1);
        Ok(value)
    }

    /// The next record, which has been seen.
    #[inline(always)]
    fn pop_seen(&mut self) -> T {
        // SAFETY: the slot is published and not released, and any bytes are a
        // record.
        let value = unsafe { self.slot(0).read() };
        self.release(1);
        value
    }

    /// Makes sure that there is a record to borrow, in its slot or carried.
    #[inline(always)]
    fn find(&mut self) -> Result<(), PopError> {
        if self.cursor.seen() == 0 {
            let mut ride = [0; RIDE_WORDS];
            if self.look_for_one(&mut ride)? {
                self.carried.words = ride;
                self.carried.position = Some(self.position());
            }
        }
        Ok(())
    }

    /// Looks at the tail; whether the ride has been taken into `ride`.
    #[inline(always)]
    fn look_for_one(&mut self, ride: &mut [u64; RIDE_WORDS]) -> Result<bool, PopError> {
        let unread = self.look()?;
        if unread == 1 {
            return Ok(const { rides::<T>() } && self.ride(&mut ride[..const { words::<T>() }]));
        }
        self.crowded(unread);
        Ok(false)
    }

    /// Records that can be read now, after a look if fewer than `wanted` are
    /// known of; at least one.
    fn unread(&mut self, wanted: usize) -> Result<usize, PopError> {
        let seen = self.cursor.seen() as usize;
        if seen >= wanted {
            return Ok(seen);
        }
        let unread = self.look()? as usize;
        if unread > 1 {
            self.crowded(unread as u64);
        }
        Ok(unread)
    }

    /// The address of the slot `ahead` of the next one.
    #[inline(always)]
    fn slot(&self, ahead: usize) -> *const T {
        let offset = self.cursor.index(ahead) * size_of::<T>();
        // SAFETY: an index is below the capacity, and the data hold as many slots.
        unsafe { self.at(offset) }.cast()
    }
}

/// The next record of a ring, where it lies: what
/// [`Consumer::peek`](Consumer#method.peek) and its like give.
///
/// [`release`](Self::release) gives the slot back; dropping it does not, and
/// the next peek is the same record. The bytes are the producer's memory: one
/// that breaks the rules can change them under the borrow. A copying read
/// (`try_pop`) is immune to that.
#[derive(Debug)]
#[must_use = "a dropped peek keeps the record in the ring; release it"]
pub struct Peek<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
}

impl<T: Record> Peek<'_, T> {
    /// Gives the slot back to the producer.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    #[inline]
    pub fn release(self) {
        self.consumer.release(1);
    }
}

impl<T: Record> Deref for Peek<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        let consumer = &self.consumer;
        if rides::<T>() && consumer.carried.position == Some(consumer.position()) {
            // SAFETY: a record that rides is at most as long and as aligned as
            // the words, and any bytes are a record.
            return unsafe { &*consumer.carried.words.as_ptr().cast() };
        }
        // SAFETY: the slot is published and not released: a well-behaved
        // producer does not write to it; and any bytes are a record.
        unsafe { &*consumer.slot(0) }
    }
}

/// All records that were in the ring, where they lie: two slices, because the
/// lap may end among them. [`Consumer::try_peek_many`](Consumer#method.try_peek_many)
/// gives it.
///
/// [`release_first`](Self::release_first) gives some back,
/// [`release`](Self::release) all; dropping it gives back none.
#[derive(Debug)]
#[must_use = "a dropped peek keeps the records in the ring; release them"]
pub struct PeekMany<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
    count: usize,
}

impl<T: Record> PeekMany<'_, T> {
    /// How many records are borrowed; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// The records before the end of the lap, and those after it.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn slices(&self) -> (&[T], &[T]) {
        let capacity = self.consumer.capacity();
        let first = before_lap_end(self.consumer.cursor.index(0), self.count, capacity);
        // SAFETY: these slots are published and not released, lie together, and
        // any bytes are records.
        let front = unsafe { slice::from_raw_parts(self.consumer.slot(0), first) };
        let rest = self.count - first;
        // SAFETY: as above, from the lap's beginning on.
        let back = unsafe { slice::from_raw_parts(self.consumer.slot(first), rest) };
        (front, back)
    }

    /// Gives all slots back.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    pub fn release(self) {
        let count = self.count;
        self.release_first(count);
    }

    /// Gives the first `count` slots back and keeps the others in the ring.
    ///
    /// # Panics
    ///
    /// If so many are not borrowed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    pub fn release_first(self, count: usize) {
        assert!(
            count <= self.count,
            "{count} records released, {} borrowed",
            self.count
        );
        if count > 0 {
            self.consumer.release(count as u64);
        }
    }
}

/// Pops what was in the ring; see [`Consumer::drain`].
#[derive(Debug)]
#[must_use = "a drain pops nothing until it is iterated"]
pub struct Drain<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
    count: usize,
    taken: usize,
}

impl<T: Record> Iterator for Drain<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.taken == self.count {
            return None;
        }
        // SAFETY: the slot is published and not released, and any bytes are a
        // record.
        let value = unsafe { self.consumer.slot(self.taken).read() };
        self.taken += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.taken;
        (left, Some(left))
    }
}

impl<T: Record> ExactSizeIterator for Drain<'_, T> {}

impl<T: Record> FusedIterator for Drain<'_, T> {}

impl<T: Record> Drop for Drain<'_, T> {
    fn drop(&mut self) {
        if self.taken > 0 {
            self.consumer.release(self.taken as u64);
        }
    }
}
