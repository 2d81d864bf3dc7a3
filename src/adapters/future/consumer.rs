//! The ends that read, in async code.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;

use super::{AsyncEnd, IntoAsyncError};
use crate::consumer::{Consumer, Peek};
use crate::error::PopError;
use crate::frame_consumer::{FrameConsumer, Popped};
use crate::frames::Frame;
use crate::ring::Record;

/// The end of a ring of records that reads, in async code; feature `futures`.
///
/// Made by [`Consumer::into_async`]. It is a [`Stream`] of messages, and has
/// `async` forms of `pop` and `peek`; the other end need not be async, nor know.
///
/// No particular runtime is needed: one thread of the process, `quoit-reactor`,
/// sleeps on all rings whose async ends wait, and wakes their tasks. It starts
/// with the first async end and stops after the last. There can be 127 async
/// ends in a process at a time.
///
/// An async end neither spins nor yields before it sleeps: it gives its thread
/// back to the runtime, and each wake-up goes through the reactor. For the
/// lowest latency use the plain [`Consumer`] in a thread of its own.
///
/// # Cancelling
///
/// A future of this end that is dropped before it is ready has taken nothing
/// out of the ring, and the next one finds everything in its place.
///
/// # The stream
///
/// It ends when the producer is gone, closed or dead, and everything that it
/// published was taken. It goes on, if it is polled again, when another producer
/// has come; none will if the ring is [superseded](Consumer::is_superseded). After an error, the ring is corrupt, and the stream is at its end.
///
/// # Forking
///
/// A child of `fork` has no such thread, and must make no async ends of its own
/// before it calls `exec`. Those that it inherited it may drop; their waits end as
/// those of a plain [`Consumer`], but on a ring on the heap they never end.
///
/// # Examples
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
///
/// let (ticks_in, ticks) = quoit::RingOptions::new(8).heap::<u64>()?;
/// let mut ticks_in = ticks_in.into_async()?;
/// let mut ticks = ticks.into_async()?;
///
/// let write = async move {
///     for price in 1..=100 {
///         ticks_in.send(price).await?; // waits while the ring is full
///     }
///     Ok::<_, quoit::ClaimError>(())
/// }; // here the producer leaves, and the stream ends
/// let read = async {
///     let mut sum = 0;
///     while let Some(price) = ticks.next().await {
///         sum += price?;
///     }
///     Ok::<_, quoit::PopError>(sum)
/// };
/// let (written, sum) = futures_executor::block_on(futures_util::future::join(write, read));
/// written?;
/// assert_eq!(sum?, 5050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a dropped consumer gives its role up"]
pub struct AsyncConsumer<T: Record> {
    inner: AsyncEnd<Consumer<T>>,
}

/// The end of a ring of frames that reads, in async code; feature `futures`.
///
/// Made by [`FrameConsumer::into_async`]. It is a [`Stream`] of frames, each copied, and
/// has `async` forms of `pop` and `peek`. [`AsyncConsumer`] says how async ends wait, when
/// the stream ends, and what that means for a `fork`.
#[derive(Debug)]
#[must_use = "a dropped consumer gives its role up"]
pub struct AsyncFrameConsumer {
    inner: AsyncEnd<FrameConsumer>,
}

impl<T: Record> Consumer<T> {
    /// This end for async code; [`AsyncConsumer`] says how it waits. The ring's
    /// wait strategy and spin budget do not matter to it.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why there cannot be another async end, and gives this one
    /// back.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_async(self) -> Result<AsyncConsumer<T>, IntoAsyncError<Self>> {
        AsyncEnd::new(self).map(|inner| AsyncConsumer { inner })
    }
}

impl FrameConsumer {
    /// This end for async code; [`AsyncConsumer`] says how it waits. The ring's
    /// wait strategy and spin budget do not matter to it.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why there cannot be another async end, and gives this one
    /// back.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_async(self) -> Result<AsyncFrameConsumer, IntoAsyncError<Self>> {
        AsyncEnd::new(self).map(|inner| AsyncFrameConsumer { inner })
    }
}

impl<T: Record> AsyncConsumer<T> {
    /// The plain end again, with its place in the ring.
    ///
    /// # Real-time
    ///
    /// Makes a syscall; waits for the reactor to let go of its table.
    pub fn into_inner(self) -> Consumer<T> {
        self.inner.into_end()
    }

    /// The plain end, to look at.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &Consumer<T> {
        &self.inner.end
    }

    /// Pops a record, and waits if there is none. Dropping the future takes nothing.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop`].
    ///
    /// # Real-time
    ///
    /// As [`Consumer::try_pop`] if there is a record; otherwise makes syscalls and takes a
    /// lock, and the task sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(7)?; // the other end is a plain one
    /// assert_eq!(futures_executor::block_on(consumer.pop())?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn pop(&mut self) -> Result<T, PopError> {
        poll_fn(|cx| self.inner.poll_message(cx, Consumer::<T>::try_pop)).await
    }

    /// Pops a record if there is one now.
    ///
    /// # Errors
    ///
    /// As [`Consumer::try_pop`].
    ///
    /// # Real-time
    ///
    /// As [`Consumer::try_pop`]; takes a lock after a wait that was dropped.
    pub fn try_pop(&mut self) -> Result<T, PopError> {
        self.inner.end().try_pop()
    }

    /// Waits for at least one record, then pops as many as there are and `values` has room
    /// for; returns how many. Dropping the future takes nothing.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop_slice`].
    ///
    /// # Real-time
    ///
    /// As [`pop`](Self::pop).
    pub async fn pop_slice(&mut self, values: &mut [T]) -> Result<usize, PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_pop_slice(values))
        })
        .await
    }

    /// Finds the next record in place, and waits if there is none. It stays in the ring
    /// unless it is released.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Real-time
    ///
    /// As [`pop`](Self::pop).
    pub async fn peek(&mut self) -> Result<Peek<'_, T>, PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_peek().map(drop))
        })
        .await?;
        self.inner.end.try_peek()
    }
}

impl AsyncFrameConsumer {
    /// The plain end again, with its place in the ring.
    ///
    /// # Real-time
    ///
    /// Makes a syscall; waits for the reactor to let go of its table.
    pub fn into_inner(self) -> FrameConsumer {
        self.inner.into_end()
    }

    /// The plain end, to look at.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &FrameConsumer {
        &self.inner.end
    }

    /// Copies the next frame into `buffer`, and waits if there is none. Dropping the future
    /// takes nothing.
    ///
    /// # Errors
    ///
    /// As [`FrameConsumer::pop`].
    ///
    /// # Real-time
    ///
    /// As [`FrameConsumer::try_pop`] if there is a frame; otherwise makes syscalls and takes
    /// a lock, and the task sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(b"hello")?;
    /// let mut buffer = [0; 24];
    /// let popped = futures_executor::block_on(consumer.pop(&mut buffer))?;
    /// assert_eq!(&buffer[..popped.len], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn pop(&mut self, buffer: &mut [u8]) -> Result<Popped, PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_pop(buffer))
        })
        .await
    }

    /// Copies the next frame into `buffer` if there is one now.
    ///
    /// # Errors
    ///
    /// As [`FrameConsumer::try_pop`].
    ///
    /// # Real-time
    ///
    /// As [`FrameConsumer::try_pop`]; takes a lock after a wait that was dropped.
    pub fn try_pop(&mut self, buffer: &mut [u8]) -> Result<Popped, PopError> {
        self.inner.end().try_pop(buffer)
    }

    /// Copies the next frame into `bytes`, in place of what was there, and waits if there is
    /// none; returns its kind. Dropping the future takes nothing.
    ///
    /// # Errors
    ///
    /// As [`FrameConsumer::pop_into`].
    ///
    /// # Real-time
    ///
    /// As [`pop`](Self::pop), but allocates if `bytes` is too small.
    pub async fn pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<u32, PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_pop_into(bytes))
        })
        .await
    }

    /// Finds the next frame in place, and waits if there is none. It stays in the ring
    /// unless it is released.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`FrameConsumer::try_peek`] if there is a frame; otherwise makes syscalls and
    /// takes a lock, and the task sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(b"hello")?; // the other end is a plain one
    /// futures_executor::block_on(async {
    ///     let frame = consumer.peek().await?;
    ///     assert_eq!(frame.to_vec(), b"hello");
    ///     frame.release();
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })
    /// # ?; Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn peek(&mut self) -> Result<Frame<'_>, PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_peek().map(drop))
        })
        .await?;
        self.inner.end.try_peek()
    }
}

/// Records, each popped as it comes.
impl<T: Record> Stream for AsyncConsumer<T> {
    type Item = Result<T, PopError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let consumer = self.get_mut();
        consumer.inner.poll_item(cx, Consumer::<T>::try_pop)
    }
}

/// Frames, each copied out of the ring; to read them in place,
/// [`peek`](AsyncFrameConsumer::peek).
impl Stream for AsyncFrameConsumer {
    type Item = Result<Vec<u8>, PopError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().inner.poll_item(cx, |consumer| {
            let mut bytes = Vec::new();
            consumer.try_pop_into(&mut bytes).map(|_kind| bytes)
        })
    }
}
