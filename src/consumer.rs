//! The endpoint that reads records.

use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::slice;

use crate::cursor::{RIDE_WORDS, ReadCursor};
use crate::deadline::Deadline;
use crate::endpoint::inline_copy::InlineCopy;
use crate::endpoint::{
    End, Endpoint, open_methods, shared_methods, shared_traits, wait_for_message,
};
use crate::error::PopError;
use crate::payload;
use crate::ring::Record;
use crate::slots::{before_wrap, inline_words, is_inline};

/// The consumer of a ring of records.
///
/// A record is any type that implements [`Record`]; [`FrameConsumer`](crate::FrameConsumer)
/// reads messages of any length.
///
/// Dropping the consumer closes it: the producer gets `Abandoned` when the ring is full. Records
/// that were not popped stay in the ring for the next consumer. The same holds when the process
/// crashes.
///
/// After `fork` a child has a consumer of a private copy of the ring, whose producer has closed: it
/// may read what was unread, which the parent reads and may overwrite as well
/// ([`docs::process`](crate::docs::process)), its waits for messages end with `Abandoned`, and its
/// drop changes nothing. The child may open the ring again and take another role.
///
/// What [`is_empty`](Self::is_empty) and [`len`](Self::len) return is a snapshot: the producer may
/// publish messages at any moment. A record stays until this consumer takes it.
///
/// ```
/// use std::time::Duration;
///
/// use quoit::{Consumer, PopError, RingOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-consumer-{}", std::process::id());
/// let ring = RingOptions::new(1024).schema_tag("price/1").open_or_create::<u64>(name)?;
/// let mut consumer: Consumer<u64> = ring.consumer()?;
/// match consumer.pop_timeout(Duration::from_millis(5)) {
///     Ok(value) => println!("{value}"),
///     Err(PopError::TimedOut) => println!("no record in time"),
///     Err(error) => return Err(error.into()),
/// }
/// # drop(consumer);
/// # quoit::unlink(name)?;
/// # Ok(())
/// # }
/// ```
///
/// A consumer is `Send` but not `Sync`, and its methods take `&mut self`:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<quoit::Consumer<u64>>();
/// ```
#[must_use = "a dropped consumer frees its role"]
pub struct Consumer<T> {
    pub(crate) end: Endpoint<ReadCursor>,
    /// The inline copy that a peek has found.
    inline: InlineCopy,
    records: PhantomData<fn() -> T>,
}

shared_traits!([T: Record] Consumer<T>, "Consumer", ReadCursor, end);

impl<T> Consumer<T> {
    open_methods!(T, consumer, "slots", where T: Record);
}

impl<T: Record> Consumer<T> {
    pub(crate) fn new(end: Endpoint<ReadCursor>) -> Self {
        Self {
            end,
            inline: InlineCopy::default(),
            records: PhantomData,
        }
    }

    shared_methods!("producer", "slots");

    /// Whether every slot holds a record that was not released: the producer has no
    /// room until one is. A snapshot.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Pops a record if there is one now.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if there is none, [`PopError::Abandoned`] if there is none
    /// and the producer has closed, [`PopError::Corrupt`] if the endpoint is
    /// poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
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
        if !self.end.cursor.is_open() {
            if const { is_inline::<T>() } {
                return self.open_more_and_pop();
            }
            self.open_slot()?;
        }
        Ok(self.pop_open())
    }

    /// Pops a record, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), but never [`PopError::Empty`];
    /// [`PopError::Superseded`] in place of `Abandoned` if no producer can attach. A
    /// producer that crashes is noticed within
    /// [`peer_check`](crate::RingOptions::peer_check).
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
    /// thread::spawn(move || producer.push(7)); // and closes
    /// assert_eq!(consumer.pop(), Ok(7)); // waits for it
    /// assert_eq!(consumer.pop(), Err(PopError::Abandoned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn pop(&mut self) -> Result<T, PopError> {
        self.pop_timeout(Deadline::NEVER)
    }

    /// Pops a record, and waits for one up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), and [`PopError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](Self::try_pop) if there is a record; otherwise may sleep.
    #[inline(always)]
    pub fn pop_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<T, PopError> {
        if self.end.cursor.is_open() {
            return Ok(self.pop_open());
        }
        wait_for_message(self, timeout.into(), Self::try_pop)
    }

    /// Pops as many records as there are now and `values` has room for, with one
    /// release; returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), if there are none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the records), no allocation, no syscall but the wake of a
    /// producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// let mut values = [0; 2];
    /// assert_eq!(consumer.try_pop_slice(&mut values)?, 2);
    /// assert_eq!((values, consumer.len()), ([1, 2], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        if values.is_empty() {
            return Ok(0);
        }
        let count = self.unread(values.len())?.min(values.len());
        self.copy_to_slice(&mut values[..count]);
        self.end.release(count as u64);
        Ok(count)
    }

    /// Waits for at least one record, then pops as many as there are and `values` has
    /// room for; returns how many. [`pop_exact`](Self::pop_exact) fills the slice.
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
        self.pop_slice_timeout(values, Deadline::NEVER)
    }

    /// [`pop_slice`](Self::pop_slice) that waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`pop_timeout`](Self::pop_timeout).
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn pop_slice_timeout(
        &mut self,
        values: &mut [T],
        timeout: impl Into<Deadline>,
    ) -> Result<usize, PopError> {
        wait_for_message(self, timeout.into(), |consumer| {
            consumer.try_pop_slice(values)
        })
    }

    /// Fills `values`, and waits for records as often as needed.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop). The records before that are in `values`, and
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
    /// let writer = thread::spawn(move || producer.push_all(&[7; 100]));
    /// let mut values = [0; 100]; // more than the ring holds at once
    /// consumer.pop_exact(&mut values)?;
    /// assert_eq!(values, [7; 100]);
    /// # writer.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop_exact(&mut self, values: &mut [T]) -> Result<(), PopError> {
        self.pop_exact_timeout(values, Deadline::NEVER)
    }

    /// [`pop_exact`](Self::pop_exact) that waits up to `timeout` in all.
    ///
    /// # Errors
    ///
    /// As [`pop_exact`](Self::pop_exact), and [`PopError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn pop_exact_timeout(
        &mut self,
        values: &mut [T],
        timeout: impl Into<Deadline>,
    ) -> Result<(), PopError> {
        let timeout = timeout.into();
        timeout.in_parts(values.len(), PopError::TimedOut, |done, deadline| {
            self.pop_slice_timeout(&mut values[done..], deadline)
        })
    }

    /// Finds the next record in place, if there is one now.
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
    /// assert_eq!(peek.read(), 5);
    /// peek.release();
    /// assert!(consumer.try_peek().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_peek(&mut self) -> Result<Peek<'_, T>, PopError> {
        self.find()?;
        Ok(Peek { consumer: self })
    }

    /// Finds the next record in place, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](Self::try_peek) if there is a record; otherwise may sleep.
    #[inline]
    pub fn peek(&mut self) -> Result<Peek<'_, T>, PopError> {
        self.peek_timeout(Deadline::NEVER)
    }

    /// Finds the next record in place, and waits for one up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`pop_timeout`](Self::pop_timeout).
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](Self::try_peek) if there is a record; otherwise may sleep.
    #[inline]
    pub fn peek_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<Peek<'_, T>, PopError> {
        if !self.end.cursor.is_open() {
            wait_for_message(self, timeout.into(), Self::find)?;
        }
        Ok(Peek { consumer: self })
    }

    /// Finds every record that is there now, in place.
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
    /// assert_eq!(peek.iter().collect::<Vec<_>>(), [1, 2, 3]);
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

    /// Waits until at least `min` records are there, and finds every one in place. A `min` of 0
    /// counts as 1: a peek is never empty.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); [`PopError::Abandoned`] also if fewer are left. Then
    /// [`try_peek_many`](Self::try_peek_many) finds those. [`PopError::TooMany`] if the
    /// ring has fewer slots.
    ///
    /// # Real-time
    ///
    /// May sleep, if fewer are there.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// assert_eq!(consumer.peek_many(2)?.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek_many(&mut self, min: usize) -> Result<PeekMany<'_, T>, PopError> {
        self.peek_many_timeout(min, Deadline::NEVER)
    }

    /// [`peek_many`](Self::peek_many) that waits up to `timeout`; with
    /// [`Duration::ZERO`](std::time::Duration::ZERO), at least `min` records or none.
    ///
    /// # Errors
    ///
    /// As [`peek_many`](Self::peek_many), and [`PopError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// May sleep, if fewer are there.
    pub fn peek_many_timeout(
        &mut self,
        min: usize,
        timeout: impl Into<Deadline>,
    ) -> Result<PeekMany<'_, T>, PopError> {
        if min as u64 > self.capacity() {
            let max = self.capacity() as usize;
            return Err(PopError::TooMany { max });
        }
        let min = min.max(1) as u64;
        let unread = wait_for_message(self, timeout.into(), |consumer| consumer.end.poll(min))?;
        Ok(PeekMany {
            consumer: self,
            count: unread as usize,
        })
    }

    /// Pops the records that are there now, with one release when the iterator is dropped. Records
    /// that it has not yielded stay. It is empty if nothing is there;
    /// [`is_abandoned`](Self::is_abandoned) and [`corruption`](Self::corruption) say whether more
    /// can arrive.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// assert_eq!(consumer.try_iter().take(2).sum::<u32>(), 3);
    /// assert_eq!(consumer.try_pop()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_iter(&mut self) -> TryIter<'_, T> {
        let count = self.unread(usize::MAX).unwrap_or(0);
        TryIter {
            consumer: self,
            count,
            taken: 0,
        }
    }

    /// Pops record after record, and waits for each. It ends where [`pop`](Self::pop) fails: when
    /// the producer has closed or crashed and everything was taken, or the endpoint is poisoned
    /// ([`corruption`](Self::corruption)).
    ///
    /// # Real-time
    ///
    /// Each step is as [`pop`](Self::pop), and may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// drop(producer);
    /// let mut sum = 0;
    /// for record in &mut consumer {
    ///     sum += record;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter { consumer: self }
    }

    /// Releases up to `count` records that are there now without reading them; returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), if there are none.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// assert_eq!(consumer.skip(2)?, 2); // `usize::MAX` clears the ring
    /// assert_eq!(consumer.try_pop()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip(&mut self, count: usize) -> Result<usize, PopError> {
        let count = self.unread(count)?.min(count);
        if count > 0 {
            self.end.release(count as u64);
        }
        Ok(count)
    }

    /// Releases every record that is there now but the newest; returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), if there are none.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
    /// producer.try_push_slice(&[1, 2, 3])?;
    /// assert_eq!(consumer.skip_to_latest()?, 2);
    /// assert_eq!(consumer.try_pop()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_to_latest(&mut self) -> Result<usize, PopError> {
        let older = self.unread(usize::MAX)? - 1;
        self.skip(older)
    }

    /// Separate and not inlined, so that a pop of an open record stays small.
    #[inline(never)]
    fn open_more_and_pop(&mut self) -> Result<T, PopError> {
        let mut words = [0; RIDE_WORDS];
        if !self.open_more(&mut words)? {
            return Ok(self.pop_open());
        }
        self.end.release(1);
        Ok(from_words(&words))
    }

    /// Opens the next records, which have no inline copies.
    #[inline(never)]
    fn open_slot(&mut self) -> Result<(), PopError> {
        self.open_more(&mut [0; RIDE_WORDS]).map(drop)
    }

    /// The next record, which is open.
    #[inline(always)]
    fn pop_open(&mut self) -> T {
        let position = self.end.cursor.position();
        // SAFETY: the slot is mapped, and any bytes are a record.
        let value = unsafe { payload::load(self.slot_of(position)) };
        self.end.release_open(position);
        value
    }

    /// Makes sure that there is a record: an open slot, or an inline copy.
    #[inline(always)]
    fn find(&mut self) -> Result<(), PopError> {
        if self.end.cursor.is_open() {
            return Ok(());
        }
        self.find_next()
    }

    #[inline(never)]
    fn find_next(&mut self) -> Result<(), PopError> {
        // Found before, unless the endpoint was poisoned since: then it has seen nothing.
        if self.end.cursor.seen() > 0 && self.inline.position == Some(self.position()) {
            return Ok(());
        }
        let mut words = [0; RIDE_WORDS];
        if self.open_more(&mut words)? {
            self.inline.words = words;
            self.inline.position = Some(self.position());
        }
        Ok(())
    }

    /// Opens the next records, after a poll if none has been seen; or `true`: the inline
    /// copy of the next one is in `words`.
    #[inline(always)]
    fn open_more(&mut self, words: &mut [u64; RIDE_WORDS]) -> Result<bool, PopError> {
        if self.end.open_more() {
            return Ok(false);
        }
        let unread = self.end.poll(1)?;
        if unread == 1 {
            let words = &mut words[..const { inline_words::<T>() }];
            let is_inline = const { is_inline::<T>() } && self.end.take_inline(words);
            self.end.lone(1);
            if is_inline {
                return Ok(true);
            }
        } else {
            self.end.crowded(unread);
        }
        self.end.open(unread);
        Ok(false)
    }

    /// Records that can be read now, after a poll if fewer than `wanted` are known;
    /// at least one, unless `wanted` is 0.
    fn unread(&mut self, wanted: usize) -> Result<usize, PopError> {
        let seen = self.end.cursor.seen() as usize;
        if seen >= wanted {
            return Ok(seen);
        }
        let unread = self.end.poll(1)?;
        if unread > 1 {
            self.end.crowded(unread);
        } else {
            self.end.lone(unread);
        }
        Ok(unread as usize)
    }

    /// Copies the next records, as many as `values` has room for.
    fn copy_to_slice(&self, values: &mut [T]) {
        let index = self.end.cursor.index(0);
        let first = before_wrap(index, values.len(), self.capacity());
        let (front, back) = values.split_at_mut(first);
        for (first, part) in [(0, front), (first, back)] {
            if part.is_empty() {
                continue;
            }
            let source = self.slot(first).cast();
            // SAFETY: the slots of each part are mapped, and lie together; any bytes
            // are records.
            unsafe { payload::copy_long(part.as_mut_ptr().cast(), source, size_of_val(part)) };
        }
    }

    /// The address of the slot `ahead` of the next one.
    #[inline(always)]
    fn slot(&self, ahead: usize) -> *const T {
        self.slot_of(self.end.cursor.position().wrapping_add(ahead as u64))
    }

    /// The address of the slot of a position.
    #[inline(always)]
    fn slot_of(&self, position: u64) -> *const T {
        let index = self.end.cursor.index_of(position);
        self.end.at(index * size_of::<T>()).cast()
    }
}

/// The record in an inline copy.
#[inline(always)]
fn from_words<T: Record>(words: &[u64; RIDE_WORDS]) -> T {
    let words: *const u64 = words.as_ptr();
    // SAFETY: `is_inline` found `T` no longer and no more aligned than the words, and
    // any bytes are a record.
    unsafe { words.cast::<T>().read() }
}

/// The next record of a ring, in place: what [`Consumer::peek`] and its like return.
///
/// [`release`](Self::release) gives the slot back; dropping it does not, and the next
/// peek is the same record.
///
/// It does not dereference: the peer can write to the memory as well.
///
/// ```compile_fail,E0614
/// let (_producer, mut consumer) = quoit::RingOptions::new(8).heap::<u32>()?;
/// let peek = consumer.try_peek()?;
/// assert_eq!(*peek, 5); // use `read`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a dropped peek keeps the record in the ring; release it"]
pub struct Peek<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
}

impl<T: Record> Peek<'_, T> {
    /// Copies the record.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn read(&self) -> T {
        match self.inline_words() {
            Some(words) => from_words(words),
            // SAFETY: the slot is mapped, and any bytes are a record.
            None => unsafe { payload::load(self.consumer.slot(0)) },
        }
    }

    /// Where the record is, for code that reads through a pointer. It is mapped and aligned for a
    /// record while the peek exists.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        match self.inline_words() {
            Some(words) => words.as_ptr().cast(),
            None => self.consumer.slot(0),
        }
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
    pub unsafe fn as_ref(&self) -> &T {
        // SAFETY: mapped and aligned as `as_ptr` says, and any bytes are a record; the
        // caller promises the rest.
        unsafe { &*self.as_ptr() }
    }

    /// Gives the slot back to the producer.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    #[inline]
    pub fn release(self) {
        self.consumer.end.release(1);
    }

    /// The private copy, if this record was copied inline.
    #[inline(always)]
    fn inline_words(&self) -> Option<&[u64; RIDE_WORDS]> {
        let inline = &self.consumer.inline;
        let is_next = inline.position == Some(self.consumer.position());
        (const { is_inline::<T>() } && is_next).then_some(&inline.words)
    }
}

/// All records that were in the ring, in place: what [`Consumer::peek_many`] and its
/// like return.
///
/// [`release_first`](Self::release_first) gives some back, [`release`](Self::release)
/// all; dropping it releases none.
#[derive(Debug)]
#[must_use = "a dropped peek keeps the records in the ring; release them"]
pub struct PeekMany<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
    count: usize,
}

impl<T: Record> PeekMany<'_, T> {
    /// How many records there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Copies the record at `index`; `None` after the last.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn read(&self, index: usize) -> Option<T> {
        // SAFETY: the slot is mapped, and any bytes are a record.
        (index < self.count).then(|| unsafe { payload::load(self.consumer.slot(index)) })
    }

    /// Copies the records one after the other.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> {
        // SAFETY: each slot is mapped, and any bytes are a record.
        (0..self.count).map(|index| unsafe { payload::load(self.consumer.slot(index)) })
    }

    /// Copies the first records, as many as `values` has room for; returns how many.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn copy_to_slice(&self, values: &mut [T]) -> usize {
        let count = self.count.min(values.len());
        self.consumer.copy_to_slice(&mut values[..count]);
        count
    }

    /// The records before the end of the ring and those after it, without a copy.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the references exist; a peer that keeps the protocol
    /// does not.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub unsafe fn slices(&self) -> (&[T], &[T]) {
        let capacity = self.consumer.capacity();
        let first = before_wrap(self.consumer.end.cursor.index(0), self.count, capacity);
        // SAFETY: these slots are mapped and lie together, and any bytes are records;
        // the caller promises the rest.
        let front = unsafe { slice::from_raw_parts(self.consumer.slot(0), first) };
        let rest = self.count - first;
        // SAFETY: as above, from the beginning of the ring on.
        let back = unsafe { slice::from_raw_parts(self.consumer.slot(first), rest) };
        (front, back)
    }

    /// Gives all slots back.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    pub fn release(self) {
        let count = self.count;
        self.release_first(count);
    }

    /// Gives the first `count` slots back and keeps the others in the ring.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`len`](Self::len).
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    pub fn release_first(self, count: usize) {
        let found = self.count;
        assert!(count <= found, "{count} records released, {found} found");
        if count > 0 {
            self.consumer.end.release(count as u64);
        }
    }
}

/// Pops what was in the ring; see [`Consumer::try_iter`].
#[derive(Debug)]
#[must_use = "an iterator pops nothing until it is used"]
pub struct TryIter<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
    count: usize,
    taken: usize,
}

impl<T: Record> Iterator for TryIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.taken == self.count {
            return None;
        }
        // SAFETY: the slot is mapped, and any bytes are a record.
        let value = unsafe { payload::load(self.consumer.slot(self.taken)) };
        self.taken += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.taken;
        (left, Some(left))
    }
}

impl<T: Record> ExactSizeIterator for TryIter<'_, T> {}

impl<T: Record> FusedIterator for TryIter<'_, T> {}

impl<T: Record> Drop for TryIter<'_, T> {
    fn drop(&mut self) {
        if self.taken > 0 {
            self.consumer.end.release(self.taken as u64);
        }
    }
}

/// Pops record after record, and waits for each; see [`Consumer::iter`].
#[derive(Debug)]
#[must_use = "an iterator pops nothing until it is used"]
pub struct Iter<'a, T: Record> {
    consumer: &'a mut Consumer<T>,
}

impl<T: Record> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.consumer.pop().ok()
    }
}

impl<'a, T: Record> IntoIterator for &'a mut Consumer<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
