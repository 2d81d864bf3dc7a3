//! The endpoint that writes records.

use core::marker::PhantomData;
use core::slice;

use zerocopy::IntoBytes;

use crate::cursor::{RIDE_WORDS, WriteCursor};
use crate::deadline::Deadline;
use crate::endpoint::{End, Endpoint, open_methods, shared_methods, shared_traits};
use crate::error::{ClaimError, NoRoom, PushError};
use crate::payload;
use crate::ring::Record;
use crate::slots::{before_wrap, inline_words, is_inline};

/// The producer of a ring of records.
///
/// A record is any type that implements [`Record`]; [`FrameProducer`](crate::FrameProducer)
/// writes messages of any length.
///
/// Dropping the producer closes it: the consumer takes the published records and then gets
/// `Abandoned`. The role is free at once for another producer, which continues at the same
/// position. The same holds when the process crashes.
///
/// After `fork` a child has a producer of a private copy of the ring, whose consumer has closed:
/// its pushes and its waits for room return `Abandoned`, what it commits is lost, and its drop
/// changes nothing. The child may open the ring again and take another role.
///
/// What [`is_full`](Self::is_full) and [`vacant`](Self::vacant) return is a snapshot: the consumer may
/// release messages at any moment. Free room stays free until this producer uses it.
///
/// ```
/// use quoit::{Producer, RingOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-producer-{}", std::process::id());
/// let ring = RingOptions::new(1024).schema_tag("price/1").open_or_create::<u64>(name)?;
/// let mut producer: Producer<u64> = ring.producer()?;
/// producer.try_push(42)?;
/// # drop(producer);
/// # quoit::unlink(name)?;
/// # Ok(())
/// # }
/// ```
///
/// A producer is `Send` but not `Sync`, and its methods take `&mut self`:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<quoit::Producer<u64>>();
/// ```
#[must_use = "a dropped producer frees its role"]
pub struct Producer<T> {
    pub(crate) end: Endpoint<WriteCursor>,
    records: PhantomData<fn() -> T>,
}

shared_traits!([T: Record] Producer<T>, "Producer", WriteCursor, end);

impl<T> Producer<T> {
    open_methods!(T, producer, "slots", where T: Record);
}

impl<T: Record> Producer<T> {
    pub(crate) fn new(end: Endpoint<WriteCursor>) -> Self {
        Self {
            end,
            records: PhantomData,
        }
    }

    shared_methods!("consumer", "slots");

    /// Slots that are free: the [`capacity`](Self::capacity) less the
    /// [`len`](Self::len). A snapshot: the consumer may free more at any moment.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn vacant(&self) -> u64 {
        self.capacity() - self.len()
    }

    /// Whether no slot is free. A snapshot.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_full(&self) -> bool {
        self.vacant() == 0
    }

    /// Pushes a record if there is room now.
    ///
    /// # Errors
    ///
    /// The error returns the record: [`PushError::Full`] if there is no room,
    /// [`PushError::Abandoned`] if there is none and the consumer has closed,
    /// [`PushError::Corrupt`] if the endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        if !self.end.cursor.is_open() {
            if let Err(reason) = self.end.open_more() {
                return Err(PushError::new(value, reason));
            }
        }
        self.push_open(value)
    }

    /// Pushes a record, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_push`](Self::try_push), but never [`PushError::Full`];
    /// [`PushError::Superseded`] in place of `Abandoned` if no consumer can attach.
    /// A consumer that crashes is noticed within
    /// [`peer_check`](crate::RingOptions::peer_check).
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
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.push_timeout(value, Deadline::NEVER)
    }

    /// Pushes a record, and waits for room up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`PushError::TimedOut`].
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
    /// assert_eq!(pushed, Err(PushError::TimedOut(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn push_timeout(
        &mut self,
        value: T,
        timeout: impl Into<Deadline>,
    ) -> Result<(), PushError<T>> {
        if !self.end.cursor.is_open() {
            if let Err(reason) = self.end.wait_and_open(timeout.into()) {
                return Err(PushError::new(value, reason));
            }
        }
        self.push_open(value)
    }

    /// Pushes as many of `values` as there is room for now, with one publish; returns
    /// how many.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), if there is room for none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the records), no allocation, no syscall but the wake of a
    /// consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(4).heap::<u32>()?;
    /// assert_eq!(producer.try_push_slice(&[1, 2, 3, 4, 5])?, 4); // now it is full
    /// assert_eq!(consumer.try_iter().sum::<u32>(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_slice(&mut self, values: &[T]) -> Result<usize, ClaimError> {
        let mut claim = self.try_claim_many(values.len())?;
        let count = claim.len();
        claim.copy_from_slice(&values[..count]);
        claim.commit();
        self.pushed(count)
    }

    /// Waits for room for at least one record, then pushes as many of `values` as there
    /// is room for; returns how many. [`push_all`](Self::push_all) pushes all.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, ClaimError> {
        self.push_slice_timeout(values, Deadline::NEVER)
    }

    /// [`push_slice`](Self::push_slice) that waits up to `timeout`.
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
    /// assert_eq!(pushed, Err(ClaimError::TimedOut));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_slice_timeout(
        &mut self,
        values: &[T],
        timeout: impl Into<Deadline>,
    ) -> Result<usize, ClaimError> {
        if !values.is_empty() {
            self.end.wait(1, timeout.into())?;
        }
        self.try_push_slice(values)
    }

    /// Pushes all of `values`, and waits for room as often as needed. The consumer sees each part
    /// at once.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim). The records before that stay pushed, and
    /// [`position`](Self::position) says how many they are.
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(4).heap::<u32>()?;
    /// let reader = thread::spawn(move || consumer.iter().sum::<u32>());
    /// producer.push_all(&[7; 100])?; // more than the ring holds at once
    /// drop(producer);
    /// assert_eq!(reader.join().expect("no panic"), 700);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_all(&mut self, values: &[T]) -> Result<(), ClaimError> {
        self.push_all_timeout(values, Deadline::NEVER)
    }

    /// [`push_all`](Self::push_all) that waits up to `timeout` in all.
    ///
    /// # Errors
    ///
    /// As [`push_all`](Self::push_all), and [`ClaimError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn push_all_timeout(
        &mut self,
        values: &[T],
        timeout: impl Into<Deadline>,
    ) -> Result<(), ClaimError> {
        let timeout = timeout.into();
        timeout.in_parts(values.len(), ClaimError::TimedOut, |done, deadline| {
            self.push_slice_timeout(&values[done..], deadline)
        })
    }

    /// Pushes records of an iterator until there is no room now or no more record, with
    /// one publish; returns how many. The other records stay in the iterator. If it panics, those
    /// before are pushed.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), if there is room for none.
    ///
    /// # Real-time
    ///
    /// Wait-free but for the iterator, no allocation, no syscall but the wake of a
    /// consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(4).heap::<u32>()?;
    /// let mut numbers = 1..;
    /// assert_eq!(producer.try_extend(&mut numbers)?, 4);
    /// assert_eq!(numbers.next(), Some(5));
    /// assert_eq!(consumer.try_pop()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_extend(
        &mut self,
        values: &mut impl Iterator<Item = T>,
    ) -> Result<usize, ClaimError> {
        // Before a value leaves the iterator.
        if !self.end.is_ours() {
            return Err(ClaimError::Abandoned);
        }
        let claim = self.try_claim_many(usize::MAX)?;
        let mut extension = Extension { claim, count: 0 };
        while extension.count < extension.claim.len() {
            let Some(value) = values.next() else { break };
            extension.claim.write(extension.count, value);
            extension.count += 1;
        }
        let count = extension.count;
        drop(extension);
        self.pushed(count)
    }

    /// Pushes every record of an iterator, and waits for room as often as needed; returns how many.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), with the record that was refused. Those before it stay pushed, and
    /// [`position`](Self::position) says how many they are.
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(4).heap::<u32>()?;
    /// assert_eq!(producer.extend([1, 2, 3])?, 3);
    /// assert_eq!(consumer.try_iter().sum::<u32>(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend(&mut self, values: impl IntoIterator<Item = T>) -> Result<usize, PushError<T>> {
        let mut count = 0;
        for value in values {
            self.push(value)?;
            count += 1;
        }
        Ok(count)
    }

    /// Claims the next slot, to be filled in place, if there is room now.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Full`] if there is no room, [`ClaimError::Abandoned`] if there is none and the
    /// consumer has closed, [`ClaimError::Corrupt`] if the endpoint is poisoned.
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
    /// claim.write([1, 2]);
    /// claim.commit();
    /// assert_eq!(consumer.try_pop()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A claim borrows the producer; one at a time:
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
        if !self.end.cursor.is_open() {
            self.end.open_more()?;
        }
        Ok(Claim { producer: self })
    }

    /// Claims the next slot, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), but never [`ClaimError::Full`];
    /// [`ClaimError::Superseded`] in place of `Abandoned` if no consumer can attach.
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](Self::try_claim) if there is room; otherwise may sleep.
    #[inline]
    pub fn claim(&mut self) -> Result<Claim<'_, T>, ClaimError> {
        self.claim_timeout(Deadline::NEVER)
    }

    /// Claims the next slot, and waits for room up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), and [`ClaimError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](Self::try_claim) if there is room; otherwise may sleep.
    #[inline]
    pub fn claim_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<Claim<'_, T>, ClaimError> {
        self.end.wait(1, timeout.into())?;
        self.try_claim()
    }

    /// Claims up to `count` slots, as many as there is room for now.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), if there is room for none of at least one.
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
    /// claim.write(0, 1);
    /// claim.write(1, 2);
    /// claim.commit_first(2); // the other three are not published
    /// assert_eq!(consumer.try_pop()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_claim_many(&mut self, count: usize) -> Result<ClaimMany<'_, T>, ClaimError> {
        let room = match self.end.cursor.room(count as u64) {
            Some(room) => room,
            None => self.end.poll(1)?,
        };
        let count = count.min(room as usize);
        Ok(ClaimMany {
            producer: self,
            count,
        })
    }

    /// Claims exactly `count` slots, and waits for room.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), and [`ClaimError::TooLong`] if the ring has fewer
    /// slots.
    ///
    /// # Real-time
    ///
    /// May sleep, if there is not enough room.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// let mut claim = producer.claim_many(3)?;
    /// claim.copy_from_slice(&[1, 2, 3]);
    /// claim.commit();
    /// assert_eq!(consumer.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_many(&mut self, count: usize) -> Result<ClaimMany<'_, T>, ClaimError> {
        self.claim_many_timeout(count, Deadline::NEVER)
    }

    /// [`claim_many`](Self::claim_many) that waits up to `timeout`; with
    /// [`Duration::ZERO`](std::time::Duration::ZERO), exactly `count` slots or none.
    ///
    /// # Errors
    ///
    /// As [`claim_many`](Self::claim_many), and [`ClaimError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// May sleep, if there is not enough room.
    pub fn claim_many_timeout(
        &mut self,
        count: usize,
        timeout: impl Into<Deadline>,
    ) -> Result<ClaimMany<'_, T>, ClaimError> {
        if count as u64 > self.capacity() {
            let max = self.capacity() as usize;
            return Err(ClaimError::TooLong { max });
        }
        self.end.wait(count as u64, timeout.into())?;
        Ok(ClaimMany {
            producer: self,
            count,
        })
    }

    /// The address of the slot `ahead` of the next one.
    #[inline(always)]
    fn slot(&self, ahead: usize) -> *mut T {
        self.slot_of(self.end.cursor.position().wrapping_add(ahead as u64))
    }

    /// Pushes into the next slot, which is open.
    #[inline(always)]
    fn push_open(&mut self, value: T) -> Result<(), PushError<T>> {
        let position = self.end.cursor.position();
        let (slot, peer_waits) = (self.slot_of(position), || self.end.role.peer_hint());
        // SAFETY: the slot is open, so it is mapped, and `T` fits it.
        unsafe { payload::store(slot, &value, peer_waits) };
        if self.publish_one(position, &value) {
            Ok(())
        } else {
            Err(PushError::new(value, NoRoom::Abandoned))
        }
    }

    /// The address of the slot of a position.
    #[inline(always)]
    fn slot_of(&self, position: u64) -> *mut T {
        let index = self.end.cursor.index_of(position);
        self.end.at(index * size_of::<T>()).cast()
    }

    /// What a commit has published: nothing in a forked child, whose endpoint is closed.
    fn pushed(&self, count: usize) -> Result<usize, ClaimError> {
        if count > 0 && self.end.closed {
            return Err(ClaimError::Abandoned);
        }
        Ok(count)
    }

    /// Publishes the slot of `position`, the next one, which is open and holds `value`;
    /// inline if it fits. `false` in a forked child.
    #[inline(always)]
    fn publish_one(&mut self, position: u64, value: &T) -> bool {
        if const { is_inline::<T>() } && self.end.role.peer_hint() {
            let mut words = [0u64; RIDE_WORDS];
            let bytes = value.as_bytes();
            words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
            let words = &words[..const { inline_words::<T>() }];
            self.end.publish_inline(1, words.iter().copied())
        } else {
            self.end.publish_open(position) && (const { is_inline::<T>() } || self.end.prepare(1))
        }
    }
}

/// The next slot of a ring, to be filled in place. [`Producer::claim`] and its variants return
/// it.
///
/// Contains an older record or zeros until you write it.
/// [`commit`](Self::commit) publishes it; dropping it publishes nothing, and the next
/// claim is the same slot.
///
/// It does not dereference: the peer can write to the memory as well.
///
/// ```compile_fail,E0614
/// let (mut producer, _consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
/// let mut claim = producer.try_claim()?;
/// *claim = 7; // use `write`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a dropped claim publishes nothing; commit it"]
pub struct Claim<'a, T: Record> {
    producer: &'a mut Producer<T>,
}

impl<T: Record> Claim<'_, T> {
    /// Copies a record into the slot.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn write(&mut self, value: T) {
        let slot = self.as_mut_ptr();
        let peer_waits = || self.producer.end.role.peer_hint();
        // SAFETY: the slot was claimed, so it is mapped, and `T` fits it.
        unsafe { payload::store(slot, &value, peer_waits) };
    }

    /// Copies the record out of the slot.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn read(&self) -> T {
        // SAFETY: the slot is mapped, and any bytes are a record.
        unsafe { payload::load(self.producer.slot(0)) }
    }

    /// Where the slot is, for code that writes through a pointer. It is mapped and aligned for a
    /// record while the claim exists.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.producer.slot(0)
    }

    /// The record in place, without a copy.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the reference exists; a peer that keeps the protocol
    /// does not.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub unsafe fn as_mut(&mut self) -> &mut T {
        // SAFETY: mapped and aligned as in `write`; the caller promises the rest.
        unsafe { &mut *self.as_mut_ptr() }
    }

    /// Publishes the record. In a child of `fork` it does not, and the producer's next call
    /// returns [`ClaimError::Abandoned`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    #[inline]
    pub fn commit(self) {
        if const { is_inline::<T>() } {
            self.commit_inline();
        } else {
            let position = self.producer.position();
            let _ = self.producer.end.publish_open(position) && self.producer.end.prepare(1);
        }
    }

    /// Separate, so that a large record takes no space on the stack of `commit`.
    #[inline]
    fn commit_inline(self) {
        let position = self.producer.position();
        let value = self.read();
        self.producer.publish_one(position, &value);
    }
}

/// The next slots of a ring, to be filled in place. [`Producer::claim_many`] and its variants
/// return them.
///
/// [`commit_first`](Self::commit_first) publishes some, [`commit`](Self::commit) all;
/// dropping it publishes nothing.
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

    /// Whether no slot was claimed, because `count` was 0.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Copies a record into the slot at `index`.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn write(&mut self, index: usize, value: T) {
        let count = self.count;
        assert!(index < count, "slot {index} written, {count} claimed");
        let peer_waits = || self.producer.end.role.peer_hint();
        // SAFETY: the slot was claimed, so it is mapped, and `T` fits it.
        unsafe { payload::store(self.producer.slot(index), &value, peer_waits) };
    }

    /// Copies as many records into the slots.
    ///
    /// # Panics
    ///
    /// If `values` and the claim differ in length.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn copy_from_slice(&mut self, values: &[T]) {
        let count = self.count;
        let given = values.len();
        assert!(
            given == count,
            "{given} records copied, {count} slots claimed"
        );
        self.producer.end.prepare_long(count as u64);
        let peer_waits = || self.producer.end.role.peer_hint();
        let (front, back) = values.split_at(self.before_wrap());
        for (first, part) in [(0, front), (front.len(), back)] {
            if part.is_empty() {
                continue;
            }
            let (target, source) = (self.producer.slot(first).cast(), part.as_ptr().cast());
            // SAFETY: the slots of each part were claimed, so they are mapped, and
            // lie together.
            unsafe { payload::store_bytes(target, source, size_of_val(part), peer_waits) };
        }
    }

    /// The slots before the end of the ring and those after it, without a copy.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the references exist; a peer that keeps the protocol
    /// does not.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub unsafe fn slices_mut(&mut self) -> (&mut [T], &mut [T]) {
        let first = self.before_wrap();
        // SAFETY: these slots are mapped and lie together, and any bytes are records;
        // the caller promises the rest.
        let front = unsafe { slice::from_raw_parts_mut(self.producer.slot(0), first) };
        let rest = self.count - first;
        // SAFETY: as above, from the beginning of the ring on; the two do not overlap,
        // since together they are no more than the capacity.
        let back = unsafe { slice::from_raw_parts_mut(self.producer.slot(first), rest) };
        (front, back)
    }

    /// Publishes all slots.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    pub fn commit(self) {
        let count = self.count;
        self.commit_first(count);
    }

    /// Publishes the first `count` slots at once, and gives up the others.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`len`](Self::len).
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    pub fn commit_first(self, count: usize) {
        let claimed = self.count;
        assert!(
            count <= claimed,
            "{count} slots committed, {claimed} claimed"
        );
        if count > 0 {
            self.producer.end.publish(count as u64);
        }
    }

    fn before_wrap(&self) -> usize {
        let producer = &self.producer;
        before_wrap(
            producer.end.cursor.index(0),
            self.count,
            producer.capacity(),
        )
    }
}

/// The records that [`Producer::try_extend`] has taken from its iterator. The drop publishes them,
/// also while the iterator panics.
struct Extension<'a, T: Record> {
    claim: ClaimMany<'a, T>,
    count: usize,
}

impl<T: Record> Drop for Extension<'_, T> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.claim.producer.end.publish(self.count as u64);
        }
    }
}
