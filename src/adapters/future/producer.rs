//! The endpoints that write, in async code.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_sink::Sink;

use super::{AsyncEnd, IntoAsyncError};
use crate::error::{ClaimError, PeerError, PushError};
use crate::frame_producer::{FrameProducer, parts_len};
use crate::frames::FrameClaim;
use crate::producer::{Claim, Producer};
use crate::ring::Record;

/// The producer of a ring of records, in async code; feature `futures`.
///
/// Made by [`Producer::into_async`]. It is a [`Sink`] of messages, and has an
/// `async` form of `push`; the peer may be a plain endpoint.
/// [`AsyncConsumer`](crate::AsyncConsumer) says how async endpoints wait, when they yield
/// to other tasks, and what that means for a `fork`.
///
/// # Cancelling
///
/// A push that is dropped before it is ready has written nothing, and a push that is ready has
/// written everything.
///
/// # The sink
///
/// A record is in the ring as soon as the sink has accepted it, and one that it refuses is lost.
/// Closing the sink does nothing; the role is given up by dropping the producer.
///
/// # Examples
///
/// ```
/// let (producer, mut consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
/// let mut producer = producer.into_async()?;
/// futures_executor::block_on(producer.push(7))?;
/// assert_eq!(consumer.try_pop()?, 7); // the peer is a plain one
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a dropped producer frees its role"]
pub struct AsyncProducer<T: Record> {
    inner: AsyncEnd<Producer<T>>,
}

/// The producer of a ring of frames, in async code; feature `futures`.
///
/// Made by [`FrameProducer::into_async`]. It is a [`Sink`] of frames, and has an `async`
/// form of `push`. [`AsyncConsumer`](crate::AsyncConsumer) says how async endpoints wait, and
/// what that means for a `fork`.
///
/// # The sink
///
/// A frame that the ring has no room for waits in the sink, one at a time: it is in the
/// ring after a flush, or before the next frame or push. `close` flushes; the role is given
/// up by dropping the producer. A frame that waits at that time is lost.
///
/// The sink's error is that of a claim: a frame that was accepted and could not be flushed stays in
/// the sink, for a later consumer. A frame that it refuses is lost.
#[must_use = "a dropped producer frees its role"]
pub struct AsyncFrameProducer {
    inner: AsyncEnd<FrameProducer>,
    /// A frame that the sink has accepted and the ring had no room for.
    waiting: Option<Vec<u8>>,
}

/// Shows the length of the frame that waits, and no payload.
impl fmt::Debug for AsyncFrameProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFrameProducer")
            .field("inner", &self.inner)
            .field("waiting", &self.waiting.as_ref().map(Vec::len))
            .finish()
    }
}

impl<T: Record> Producer<T> {
    /// This endpoint for async code; [`AsyncConsumer`](crate::AsyncConsumer) says how it waits.
    /// It ignores the ring's wait strategy and spin budget.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why there cannot be another async endpoint, and returns this one.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_async(self) -> Result<AsyncProducer<T>, IntoAsyncError<Self>> {
        AsyncEnd::new(self).map(|inner| AsyncProducer { inner })
    }
}

impl FrameProducer {
    /// This endpoint for async code; [`AsyncConsumer`](crate::AsyncConsumer) says how it waits.
    /// It ignores the ring's wait strategy and spin budget.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why there cannot be another async endpoint, and returns this one.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_async(self) -> Result<AsyncFrameProducer, IntoAsyncError<Self>> {
        AsyncEnd::new(self).map(|inner| AsyncFrameProducer {
            inner,
            waiting: None,
        })
    }
}

impl<T: Record> AsyncProducer<T> {
    /// Returns the plain endpoint, with its position.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; waits until the thread `quoit-reactor` has left the endpoint's sleep.
    pub fn into_inner(self) -> Producer<T> {
        self.inner.into_end()
    }

    /// The plain endpoint, read only.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &Producer<T> {
        &self.inner.end
    }

    /// Pushes a record, and waits for room if there is none.
    ///
    /// Cancel safety: a future that is dropped has pushed nothing, and its record is lost;
    /// [`ready`](Self::ready) waits without one.
    ///
    /// # Errors
    ///
    /// As [`Producer::push`], and [`PushError::ReactorDied`] if the wait is impossible.
    ///
    /// # Real-time
    ///
    /// As [`Producer::try_push`] if there is room; otherwise makes syscalls and takes a
    /// lock, and the task sleeps.
    pub async fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        poll_fn(|cx| self.inner.poll_one(cx))
            .await
            .map_err(|reason| PushError::new(value, reason))?;
        self.inner.end().try_push(value)
    }

    /// Pushes a record if there is room now.
    ///
    /// # Errors
    ///
    /// As [`Producer::try_push`].
    ///
    /// # Real-time
    ///
    /// As [`Producer::try_push`]; takes a lock after a wait that was dropped.
    pub fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.inner.end().try_push(value)
    }

    /// Waits for room for at least one record, then pushes as many of `values` as there is
    /// room for; returns how many.
    ///
    /// Cancel safety: a future that is dropped has pushed nothing.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    pub async fn push_slice(&mut self, values: &[T]) -> Result<usize, ClaimError> {
        if !values.is_empty() {
            poll_fn(|cx| self.inner.poll_one(cx)).await?;
        }
        self.inner.end().try_push_slice(values)
    }

    /// Claims the next slot, to be filled in place, and waits for one if there is none.
    ///
    /// Cancel safety: a future that is dropped has claimed nothing, and a claim that is
    /// dropped publishes nothing.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim`], and [`ClaimError::ReactorDied`] if the wait is impossible.
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// let (producer, mut consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
    /// let mut producer = producer.into_async()?;
    /// let mut claim = futures_executor::block_on(producer.claim())?;
    /// claim.write(7);
    /// claim.commit();
    /// assert_eq!(consumer.try_pop()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn claim(&mut self) -> Result<Claim<'_, T>, ClaimError> {
        self.ready().await?;
        self.inner.end.try_claim()
    }

    /// Waits until there is room for a record: the next [`try_push`](Self::try_push) has it.
    ///
    /// Cancel safety: neither the future nor its completion pushes or claims anything.
    ///
    /// # Errors
    ///
    /// As [`Producer::claim`], and [`ClaimError::ReactorDied`] if the wait is impossible.
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    pub async fn ready(&mut self) -> Result<(), ClaimError> {
        poll_fn(|cx| self.inner.poll_one(cx)).await?;
        Ok(())
    }

    /// Waits until a consumer holds its role, or one has attached since the first poll: for
    /// an endpoint that was `Abandoned`, or that attached first.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one sees only
    /// a consumer that is there, or attaches after its own first poll.
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
        self.inner.wait_for_consumer().await
    }

    /// Waits until the consumer has closed or crashed, whatever is unread: for a task that has to
    /// stop, or to restart the other program. Waits for one to attach first if none has. Each
    /// message wakes the task in between, and it sleeps again.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one waits for
    /// the consumer that is there at its own first poll.
    ///
    /// # Errors
    ///
    /// [`PeerError::Superseded`] if no consumer has ever attached, and none will;
    /// [`PeerError::ReactorDied`] if the wait is impossible; never [`PeerError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`wait_for_peer`](Self::wait_for_peer).
    pub async fn closed(&mut self) -> Result<(), PeerError> {
        self.inner.closed().await
    }
}

impl AsyncFrameProducer {
    /// Returns the plain endpoint, with its position. A frame that waits in the sink is
    /// lost: flush first.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; waits until the thread `quoit-reactor` has left the endpoint's sleep.
    pub fn into_inner(self) -> FrameProducer {
        self.inner.into_end()
    }

    /// The plain endpoint, read only.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &FrameProducer {
        &self.inner.end
    }

    /// Pushes a frame of kind 0, and waits for room if there is none, after a frame that
    /// waits in the sink.
    ///
    /// Cancel safety: a future that is dropped has not pushed `payload`. The frame that waited in
    /// the sink is still there, or in the ring.
    ///
    /// # Errors
    ///
    /// As [`FrameProducer::push`], and [`ClaimError::ReactorDied`] if the wait is impossible.
    ///
    /// # Real-time
    ///
    /// As [`FrameProducer::try_push`] if there is room; otherwise makes syscalls and takes a
    /// lock, and the task sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut producer = producer.into_async()?;
    /// futures_executor::block_on(producer.push(b"hello"))?;
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn push(&mut self, payload: &[u8]) -> Result<(), ClaimError> {
        self.push_kind(0, payload).await
    }

    /// [`push`](Self::push) with a `kind`.
    ///
    /// Cancel safety: as [`push`](Self::push).
    ///
    /// # Errors
    ///
    /// As [`FrameProducer::push`], and [`ClaimError::ReactorDied`] if the wait is impossible.
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    pub async fn push_kind(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        let push = |producer: &mut FrameProducer| producer.try_push_kind(kind, payload);
        poll_fn(|cx| self.poll_after_waiting(cx, payload.len(), push)).await
    }

    /// Pushes a frame of kind 0 if there is room now, and no frame waits in the sink.
    ///
    /// # Errors
    ///
    /// As [`FrameProducer::try_push`]; [`ClaimError::Full`] also while a frame waits.
    ///
    /// # Real-time
    ///
    /// As [`FrameProducer::try_push`]; takes a lock after a wait that was dropped.
    pub fn try_push(&mut self, payload: &[u8]) -> Result<(), ClaimError> {
        if self.waiting.is_some() {
            return Err(ClaimError::Full);
        }
        self.inner.end().try_push(payload)
    }

    /// Pushes one frame whose payload is all of `parts`, one after the other, and waits for
    /// room if there is none, after a frame that waits in the sink.
    ///
    /// Cancel safety: as [`push`](Self::push).
    ///
    /// # Errors
    ///
    /// As [`FrameProducer::push`], and [`ClaimError::ReactorDied`] if the wait is impossible.
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// let (producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut producer = producer.into_async()?;
    /// futures_executor::block_on(producer.push_parts(7, &[b"head", b"er"]))?;
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"header");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn push_parts(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), ClaimError> {
        let len = parts_len(parts);
        let push = |producer: &mut FrameProducer| producer.try_push_parts(kind, parts);
        poll_fn(|cx| self.poll_after_waiting(cx, len, push)).await
    }

    /// Claims room for a frame of at most `len` bytes, to be filled in place, and waits for
    /// it if there is none, after a frame that waits in the sink.
    ///
    /// Cancel safety: a future that is dropped has claimed nothing, and a claim that is dropped
    /// publishes nothing. The frame that waited in the sink is still there, or in the ring.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// let (producer, mut consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
    /// let mut producer = producer.into_async()?;
    /// let mut claim = futures_executor::block_on(producer.claim(64))?;
    /// claim.write_at(0, b"quoit");
    /// claim.commit_first(5);
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"quoit");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn claim(&mut self, len: usize) -> Result<FrameClaim<'_>, ClaimError> {
        self.ready(len).await?;
        self.inner.end.try_claim(len)
    }

    /// Waits until there is room for a frame of `len` bytes, after a frame that waits in the
    /// sink: the next [`try_push`](Self::try_push) of this length succeeds.
    ///
    /// Cancel safety: neither the future nor its completion claims anything. The frame that waited
    /// in the sink is still there, or in the ring.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Real-time
    ///
    /// As [`push`](Self::push).
    pub async fn ready(&mut self, len: usize) -> Result<(), ClaimError> {
        let find = |producer: &mut FrameProducer| producer.try_claim(len).map(drop);
        poll_fn(|cx| self.poll_after_waiting(cx, len, find)).await
    }

    /// Waits until a consumer holds its role, or one has attached since the first poll: for
    /// an endpoint that was `Abandoned`, or that attached first.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one sees only
    /// a consumer that is there, or attaches after its own first poll.
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
        self.inner.wait_for_consumer().await
    }

    /// Waits until the consumer has closed or crashed, whatever is unread: for a task that has to
    /// stop, or to restart the other program. Waits for one to attach first if none has. Each
    /// message wakes the task in between, and it sleeps again.
    ///
    /// Cancel safety: a future that is dropped has changed nothing. The next one waits for
    /// the consumer that is there at its own first poll.
    ///
    /// # Errors
    ///
    /// [`PeerError::Superseded`] if no consumer has ever attached, and none will;
    /// [`PeerError::ReactorDied`] if the wait is impossible; never [`PeerError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`wait_for_peer`](Self::wait_for_peer).
    pub async fn closed(&mut self) -> Result<(), PeerError> {
        self.inner.closed().await
    }

    /// Waits for room for `len` bytes, once no frame waits in the sink.
    fn poll_after_waiting(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
        attempt: impl FnMut(&mut FrameProducer) -> Result<(), ClaimError>,
    ) -> Poll<Result<(), ClaimError>> {
        ready!(self.poll_waiting(cx))?;
        let wanted = self.inner.end.bytes_needed(len);
        self.inner.poll_room(cx, wanted, attempt)
    }

    /// Flushes the frame that waits in the sink.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        // It stays there until it is pushed: a waker may panic.
        let Some(frame) = &self.waiting else {
            return Poll::Ready(Ok(()));
        };
        let wanted = self.inner.end.bytes_needed(frame.len());
        let push = |producer: &mut FrameProducer| producer.try_push(frame);
        let pushed = self.inner.poll_room(cx, wanted, push);
        if matches!(pushed, Poll::Ready(Ok(()))) {
            self.waiting = None;
        }
        pushed
    }
}

/// Records; ready when there is room for one.
impl<T: Record> Sink<T> for AsyncProducer<T> {
    type Error = ClaimError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        let ready = self.get_mut().inner.poll_one(cx);
        ready.map_err(ClaimError::from)
    }

    fn start_send(self: Pin<&mut Self>, value: T) -> Result<(), ClaimError> {
        let pushed = self.get_mut().inner.end().try_push(value);
        pushed.map_err(|error| error.reason())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        Poll::Ready(Ok(()))
    }
}

/// Frames of kind 0; ready when none waits for room.
impl Sink<Vec<u8>> for AsyncFrameProducer {
    type Error = ClaimError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        let producer = self.get_mut();
        if producer.waiting.is_none() {
            return producer.inner.poll_turn(cx).map(Ok);
        }
        producer.poll_waiting(cx)
    }

    fn start_send(self: Pin<&mut Self>, frame: Vec<u8>) -> Result<(), ClaimError> {
        let producer = self.get_mut();
        if producer.waiting.is_some() {
            return Err(ClaimError::Full); // it was not ready
        }
        match producer.inner.end().try_push(&frame) {
            Err(ClaimError::Full) => {
                producer.waiting = Some(frame);
                Ok(())
            }
            other => other,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        self.get_mut().poll_waiting(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ClaimError>> {
        self.get_mut().poll_waiting(cx)
    }
}
