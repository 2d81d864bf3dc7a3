//! The endpoints that read, in async code.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::{AsyncEnd, IntoAsyncError};
use crate::consumer::{Consumer, Peek};
use crate::error::{PeerError, PopError};
use crate::frame_consumer::{FrameConsumer, Popped};
use crate::frames::{Frame, Frames};
use crate::ring::Record;

/// The consumer of a ring of records, in async code; feature `futures`.
///
/// Made by [`Consumer::into_async`]. It is a [`Stream`] of messages, and has
/// `async` forms of `pop` and `peek`; the peer may be a plain endpoint.
///
/// Any runtime works: one thread of the process, `quoit-reactor`, sleeps on all rings whose async
/// endpoints wait, and wakes their tasks. It starts with the first async endpoint and stops after
/// the last. A process can have 127 async and pollable endpoints at a time.
///
/// An async endpoint neither spins nor yields before it sleeps: it gives its thread
/// back to the runtime, and each wake-up goes through the reactor. For the
/// lowest latency use the plain [`Consumer`] in a thread of its own.
///
/// # Cancelling
///
/// A future of this endpoint that is dropped before it is ready has taken nothing
/// out of the ring, and the next one finds everything in its place.
///
/// # Other tasks
///
/// A ring may have a message whenever it is polled. So that the other tasks of the
/// thread run nevertheless, an async endpoint counts the polls that are ready at once. After
/// 128 in a row, the next poll wakes its own task and is pending, once. This holds for
/// each `async` method, for streams and for sinks; `try_` calls are not counted.
///
/// # The stream
///
/// It ends when the producer has closed or crashed, and everything that it published was taken. If
/// another producer attaches, a later poll continues with its messages. None can if the ring is
/// [superseded](Consumer::is_superseded). It also ends after the error
/// [`Corrupt`](PopError::Corrupt), and continues after [`ReactorDied`](PopError::ReactorDied).
///
/// It is a [`FusedStream`]: `is_terminated` is true after its end, until another producer attaches.
/// `select!` therefore skips a stream that has ended, and polls it again after that;
/// [`wait_for_peer`](Self::wait_for_peer) waits for that moment.
///
/// # Forking
///
/// A child of `fork` has no such thread, and can make no async endpoints of its own before it
/// calls `exec`, if its parent had any. It may drop those that it inherited; their waits end as
/// those of a plain [`Consumer`], on a ring on the heap with
/// [`ReactorDied`](PopError::ReactorDied).
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
/// }; // here the producer closes, and the stream ends
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
#[must_use = "a dropped consumer frees its role"]
pub struct AsyncConsumer<T: Record> {
    inner: AsyncEnd<Consumer<T>>,
}

/// The consumer of a ring of frames, in async code; feature `futures`.
///
/// Made by [`FrameConsumer::into_async`]. It is a [`Stream`] of frames, each copied, and
/// has `async` forms of `pop` and `peek`. [`AsyncConsumer`] says how async endpoints wait, when
/// the stream ends, and what that means for a `fork`.
#[derive(Debug)]
#[must_use = "a dropped consumer frees its role"]
pub struct AsyncFrameConsumer {
    inner: AsyncEnd<FrameConsumer>,
}

impl<T: Record> Consumer<T> {
    /// This endpoint for async code; [`AsyncConsumer`] says how it waits. It ignores the ring's
    /// wait strategy and spin budget.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why there cannot be another async endpoint, and returns this one.
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
    /// This endpoint for async code; [`AsyncConsumer`] says how it waits. It ignores the ring's
    /// wait strategy and spin budget.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why there cannot be another async endpoint, and returns this one.
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
    /// Returns the plain endpoint, with its position.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; waits until the thread `quoit-reactor` has left the endpoint's sleep.
    pub fn into_inner(self) -> Consumer<T> {
        self.inner.into_end()
    }

    /// The plain endpoint, read only.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &Consumer<T> {
        &self.inner.end
    }

    /// Pops a record, and waits if there is none.
    ///
    /// Cancel safety: a future that is dropped has taken nothing.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop`], and [`PopError::ReactorDied`] if the wait is impossible.
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
    /// producer.try_push(7)?; // the peer is a plain one
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
    /// for; returns how many.
    ///
    /// Cancel safety: a future that is dropped has taken nothing.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
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
    /// Cancel safety: a future that is dropped has taken nothing.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Real-time
    ///
    /// As [`pop`](Self::pop).
    pub async fn peek(&mut self) -> Result<Peek<'_, T>, PopError> {
        self.ready().await?;
        self.inner.end.try_peek()
    }

    /// Waits until there is a record, and leaves it in the ring: the next
    /// [`try_pop`](Self::try_pop) finds it.
    ///
    /// Cancel safety: neither the future nor its completion takes anything.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Real-time
    ///
    /// As [`pop`](Self::pop).
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(7)?;
    /// futures_executor::block_on(consumer.ready())?;
    /// assert_eq!(consumer.try_pop()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn ready(&mut self) -> Result<(), PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_peek().map(drop))
        })
        .await
    }

    /// Waits until a producer holds its role, or one has attached since the first poll: for
    /// an endpoint that was `Abandoned`, or that attached first. The wait also ends when
    /// there is something to read.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one sees only
    /// a producer that is there, or attaches after its own first poll.
    ///
    /// # Errors
    ///
    /// [`PeerError::Superseded`] if none will attach: the ring was unlinked or replaced, or is on
    /// the heap. That is noticed at the next [`peer_check`](crate::RingOptions::peer_check).
    /// [`PeerError::ReactorDied`] if the wait is impossible; never [`PeerError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// Makes syscalls and takes a lock, and the task sleeps. Allocates only to count a missed wake-up,
    /// or to start the thread `quoit-reactor` again.
    ///
    /// # Examples
    ///
    /// ```
    /// let ring = quoit::RingOptions::new(8).create_anonymous::<u64>()?;
    /// let mut consumer = ring.consumer()?.into_async()?;
    /// let starts = std::thread::spawn(move || ring.producer());
    /// futures_executor::block_on(consumer.wait_for_peer())?;
    /// # let _producer = starts.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_for_peer(&mut self) -> Result<(), PeerError> {
        self.inner.wait_for_producer().await
    }

    /// Waits until the producer has closed or crashed, whatever is unread: for a task that has to
    /// stop, or to restart the other program. Waits for one to attach first if none has. Each
    /// message wakes the task in between, and it sleeps again.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one waits for
    /// the producer that is there at its own first poll.
    ///
    /// # Errors
    ///
    /// [`PeerError::Superseded`] if no producer has ever attached, and none will;
    /// [`PeerError::ReactorDied`] if the wait is impossible; never [`PeerError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`wait_for_peer`](Self::wait_for_peer).
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(7)?;
    /// drop(producer);
    /// futures_executor::block_on(consumer.closed())?;
    /// assert_eq!(consumer.try_pop()?, 7); // it is still there
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn closed(&mut self) -> Result<(), PeerError> {
        self.inner.closed().await
    }
}

impl AsyncFrameConsumer {
    /// Returns the plain endpoint, with its position.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; waits until the thread `quoit-reactor` has left the endpoint's sleep.
    pub fn into_inner(self) -> FrameConsumer {
        self.inner.into_end()
    }

    /// The plain endpoint, read only.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &FrameConsumer {
        &self.inner.end
    }

    /// Copies the next frame into `buffer`, and waits if there is none.
    ///
    /// Cancel safety: a future that is dropped has taken nothing.
    ///
    /// # Errors
    ///
    /// As [`FrameConsumer::pop`], and [`PopError::ReactorDied`] if the wait is impossible.
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

    /// Copies the next frame into `bytes`, replacing its content, and waits if there is
    /// none; returns its kind.
    ///
    /// Cancel safety: a future that is dropped has taken nothing, and `bytes` is unchanged.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), but never [`PopError::TooShort`].
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
    /// Cancel safety: a future that is dropped has taken nothing.
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
    /// producer.try_push(b"hello")?; // the peer is a plain one
    /// futures_executor::block_on(async {
    ///     let frame = consumer.peek().await?;
    ///     assert_eq!(frame.to_vec(), b"hello");
    ///     frame.release();
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })
    /// # ?; Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn peek(&mut self) -> Result<Frame<'_>, PopError> {
        self.ready().await?;
        self.inner.end.try_peek()
    }

    /// Waits for a frame, then finds all that are there, to be visited one after the other,
    /// in place. They stay in the ring unless they are released.
    ///
    /// Cancel safety: a future that is dropped has taken nothing.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    ///
    /// # Real-time
    ///
    /// As [`peek`](Self::peek).
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push_slice(0, &["one", "two"])?;
    /// futures_executor::block_on(async {
    ///     let mut frames = consumer.peek_many().await?;
    ///     while let Some(frame) = frames.next_frame()? {
    ///         assert_eq!(frame.len(), 3);
    ///     }
    ///     frames.release();
    ///     Ok::<(), quoit::PopError>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn peek_many(&mut self) -> Result<Frames<'_>, PopError> {
        self.ready().await?;
        self.inner.end.try_peek_many()
    }

    /// Waits until there is a frame, and leaves it in the ring: the next
    /// [`try_pop`](Self::try_pop) finds it.
    ///
    /// Cancel safety: neither the future nor its completion takes anything.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    ///
    /// # Real-time
    ///
    /// As [`peek`](Self::peek).
    pub async fn ready(&mut self) -> Result<(), PopError> {
        poll_fn(|cx| {
            self.inner
                .poll_message(cx, |consumer| consumer.try_peek().map(drop))
        })
        .await
    }

    /// Waits until a producer holds its role, or one has attached since the first poll: for
    /// an endpoint that was `Abandoned`, or that attached first. The wait also ends when
    /// there is something to read.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one sees only
    /// a producer that is there, or attaches after its own first poll.
    ///
    /// # Errors
    ///
    /// [`PeerError::Superseded`] if none will attach: the ring was unlinked or replaced, or is on
    /// the heap. That is noticed at the next [`peer_check`](crate::RingOptions::peer_check).
    /// [`PeerError::ReactorDied`] if the wait is impossible; never [`PeerError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// Makes syscalls and takes a lock, and the task sleeps. Allocates only to count a missed wake-up,
    /// or to start the thread `quoit-reactor` again.
    pub async fn wait_for_peer(&mut self) -> Result<(), PeerError> {
        self.inner.wait_for_producer().await
    }

    /// Waits until the producer has closed or crashed, whatever is unread: for a task that has to
    /// stop, or to restart the other program. Waits for one to attach first if none has. Each
    /// message wakes the task in between, and it sleeps again.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one waits for
    /// the producer that is there at its own first poll.
    ///
    /// # Errors
    ///
    /// [`PeerError::Superseded`] if no producer has ever attached, and none will;
    /// [`PeerError::ReactorDied`] if the wait is impossible; never [`PeerError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`wait_for_peer`](Self::wait_for_peer).
    pub async fn closed(&mut self) -> Result<(), PeerError> {
        self.inner.closed().await
    }
}

/// Records, each popped as it arrives.
impl<T: Record> Stream for AsyncConsumer<T> {
    type Item = Result<T, PopError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let consumer = self.get_mut();
        consumer.inner.poll_item(cx, Consumer::<T>::try_pop)
    }

    /// At least what is unread now; nothing if the ring is corrupt.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let is_sound = self.get_ref().corruption().is_none();
        let unread = if is_sound { self.get_ref().len() } else { 0 };
        (unread as usize, None)
    }
}

/// Terminated after the stream's end, until another producer attaches; permanently if the ring is
/// corrupt.
impl<T: Record> FusedStream for AsyncConsumer<T> {
    fn is_terminated(&self) -> bool {
        self.inner.has_ended()
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

/// Terminated after the stream's end, until another producer attaches; permanently if the ring is
/// corrupt.
impl FusedStream for AsyncFrameConsumer {
    fn is_terminated(&self) -> bool {
        self.inner.has_ended()
    }
}
