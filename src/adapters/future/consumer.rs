//! The end that reads, in async code.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;

use super::{AsyncError, Guest};
use crate::consumer::Consumer;
use crate::error::PopError;
use crate::frames::Frame;
use crate::ring::{Record, Shape};

/// The end of a ring that reads, in async code; feature `futures`.
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
#[must_use = "a dropped consumer gives its role up"]
pub struct AsyncConsumer<T: ?Sized> {
    guest: Guest<Consumer<T>>,
    /// The stream has told that the ring is corrupt.
    corrupt: bool,
}

impl<T: Shape + ?Sized> Consumer<T> {
    /// This end for async code; [`AsyncConsumer`] says how it waits. The ring's
    /// wait strategy and spin budget do not matter to it.
    ///
    /// # Errors
    ///
    /// [`AsyncError`] says why there cannot be another async end. This end is
    /// dropped then, and its role free.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    pub fn into_async(self) -> Result<AsyncConsumer<T>, AsyncError> {
        Ok(AsyncConsumer {
            guest: Guest::new(self)?,
            corrupt: false,
        })
    }
}

impl<T: ?Sized> AsyncConsumer<T> {
    /// The plain end again, with its place in the ring.
    ///
    /// # Real-time
    ///
    /// Makes a syscall; waits for the reactor to let go of its table.
    pub fn into_inner(self) -> Consumer<T> {
        self.guest.into_end()
    }

    /// The plain end, to look at.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &Consumer<T> {
        &self.guest.end
    }

    /// Repeats `attempt` until it finds something or the producer is gone.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&mut Consumer<T>) -> Result<R, PopError>,
    ) -> Poll<Result<R, PopError>> {
        let attempt = |consumer: &mut Consumer<T>| match attempt(consumer) {
            Err(PopError::Empty) => None,
            other => Some(other),
        };
        let found = self.guest.poll(cx, 1, attempt);
        found.map(|found| match found {
            None | Some(Err(PopError::Abandoned)) => Err(self.guest.end.left_alone()),
            Some(found) => found,
        })
    }

    /// [`poll`](Self::poll) as a stream sees it.
    fn poll_item<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&mut Consumer<T>) -> Result<R, PopError>,
    ) -> Poll<Option<Result<R, PopError>>> {
        if self.corrupt {
            return Poll::Ready(None);
        }
        self.poll(cx, attempt).map(|found| {
            self.corrupt = matches!(found, Err(PopError::Corrupt(_)));
            let alone = matches!(found, Err(PopError::Abandoned | PopError::Superseded));
            (!alone).then_some(found)
        })
    }
}

/// Records. See [`AsyncConsumer<[u8]>`](#impl-AsyncConsumer<[u8]>) for frames.
impl<T: Record> AsyncConsumer<T> {
    /// Pops a record, and waits if there is none. Dropping the future takes
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop`].
    ///
    /// # Real-time
    ///
    /// As [`Consumer::try_pop`] if there is a record; otherwise makes syscalls
    /// and takes a lock, and the task sleeps.
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
        poll_fn(|cx| self.poll(cx, Consumer::<T>::try_pop)).await
    }
}

/// Frames. See [`AsyncConsumer<T>`](#impl-AsyncConsumer<T>-1) for records.
impl AsyncConsumer<[u8]> {
    /// Copies the next frame into `buffer`, and waits if there is none; returns
    /// its length. Dropping the future takes nothing.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop`](Consumer#method.pop-1).
    ///
    /// # Real-time
    ///
    /// As [`Consumer::try_pop`](Consumer#method.try_pop-1) if there is a frame;
    /// otherwise makes syscalls and takes a lock, and the task sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(b"hello")?;
    /// let mut buffer = [0; 24];
    /// let len = futures_executor::block_on(consumer.pop(&mut buffer))?;
    /// assert_eq!(&buffer[..len], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn pop(&mut self, buffer: &mut [u8]) -> Result<usize, PopError> {
        poll_fn(|cx| self.poll(cx, |consumer| consumer.try_pop(buffer))).await
    }

    /// Borrows the next frame where it lies, and waits if there is none. It
    /// stays in the ring unless it is released.
    ///
    /// # Errors
    ///
    /// As [`pop`](#method.pop-1), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`Consumer::try_peek`](Consumer#method.try_peek-1) if there is a
    /// frame; otherwise makes syscalls and takes a lock, and the task sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut consumer = consumer.into_async()?;
    /// producer.try_push(b"hello")?; // the other end is a plain one
    /// futures_executor::block_on(async {
    ///     let frame = consumer.peek().await?;
    ///     assert_eq!(&*frame, b"hello");
    ///     frame.release();
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })
    /// # ?; Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn peek(&mut self) -> Result<Frame<'_>, PopError> {
        poll_fn(|cx| self.poll(cx, |consumer| consumer.try_peek().map(drop))).await?;
        self.guest.end.try_peek()
    }
}

/// Records, each popped as it comes.
impl<T: Record> Stream for AsyncConsumer<T> {
    type Item = Result<T, PopError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(cx, Consumer::<T>::try_pop)
    }
}

/// Frames, each copied out of the ring; to read them in place,
/// [`peek`](AsyncConsumer::peek).
impl Stream for AsyncConsumer<[u8]> {
    type Item = Result<Vec<u8>, PopError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(cx, |consumer| {
            let frame = consumer.try_peek()?;
            let payload = frame.to_vec();
            frame.release();
            Ok(payload)
        })
    }
}

/// Shows positions, never payload.
impl<T: ?Sized> fmt::Debug for AsyncConsumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncConsumer")
            .field(&self.guest.end)
            .finish()
    }
}
