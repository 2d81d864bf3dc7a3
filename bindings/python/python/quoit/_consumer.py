"""The endpoints that read."""

from . import _native
from ._end import End, Lease
from ._errors import Abandoned, Superseded


class Peek(Lease):
    """A message in place. The ``with`` block has a read-only memoryview of it.

    The end of the block releases the message, unless ``release`` did. An exception leaves it in the
    ring.
    """

    __slots__ = ()

    def __exit__(self, error, *_):
        self._let_go()
        if error is None and not self._is_done:
            self.release()

    def release(self, count=None):
        """Gives the message back; of many records the first ``count``.

        Raises ``BufferError`` while an array or memoryview of it is alive.
        """
        self._let_go()
        self._end.release(self._lease, self._lease.units if count is None else count)
        self._is_done = True

    @property
    def kind(self):
        """The kind of a frame; 0 for records."""
        return self._lease.kind


class _Reads(End, _native.Reader):
    _ABANDONED = "the ring is empty, and its producer has closed or crashed"

    def skip_to_latest(self):
        """Releases every message but the newest; returns how many."""
        return self.skip(None)

    def __iter__(self):
        """Pops message after message, until the producer has closed or crashed and all is read."""
        return self

    def __next__(self):
        try:
            return self.pop()
        except (Abandoned, Superseded):
            raise StopIteration from None

    async def ready(self):
        """Waits until there is a message, and takes nothing.

        Cancel safety: nothing is lost.
        """
        await self._ready()

    async def recv(self):
        """``pop`` for asyncio.

        Cancel safety: a call that is cancelled has popped nothing.
        """
        return await self._until(self.try_pop)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.recv()
        except (Abandoned, Superseded):
            raise StopAsyncIteration from None


class FrameConsumer(_Reads):
    """Reads frames."""

    def __init__(self, ring):
        super().__init__(ring)
        #: The kind of the frame that was popped last.
        self.kind = 0
        #: The kinds of the batch that was popped last.
        self.kinds = []

    def pop(self, timeout=None):
        """The next frame, as ``bytes``. Waits for one up to ``timeout`` seconds."""
        frame, self.kind = self.pop_frame(timeout)
        return frame

    def try_pop(self):
        """The next frame if there is one now, else ``None``."""
        found = self.pop_frame(None, True)
        if found is None:
            return None
        frame, self.kind = found
        return frame

    def pop_many(self, most=1024, timeout=None):
        """A list of the frames that there are, ``most`` at most. Waits for at least one.

        ``kinds`` has their kinds.
        """
        frames, self.kinds = self.pop_frames(most, timeout)
        return frames

    def try_pop_many(self, most=1024):
        """``pop_many`` of what is there now; an empty list if there is nothing."""
        found = self.pop_frames(most, None, True)
        frames, self.kinds = found or ([], [])
        return frames

    async def recv_many(self, most=1024):
        """``pop_many`` for asyncio.

        Cancel safety: a call that is cancelled has popped nothing.
        """
        return await self._until(lambda: self.try_pop_many(most) or None)

    def recv_into(self, buffer, timeout=None):
        """Copies the next frame into ``buffer``; returns its length.

        ``TooLong`` leaves the frame in the ring.
        """
        length, self.kind = self.frame_into(buffer, timeout)
        return length

    def peek(self, timeout=None):
        """Waits for the next frame, and finds it in place: ``with consumer.peek() as view``."""
        return Peek.of(self, self.lease(1, timeout))

    def try_peek(self):
        """The next frame in place if there is one now, else ``None``."""
        return Peek.of(self, self.lease(1, None, True))


class Consumer(_Reads):
    """Reads records."""

    _HAS_RECORDS = True

    def __init__(self, ring):
        super().__init__(ring)
        import numpy

        self._empty = numpy.empty

    @property
    def dtype(self):
        """What a record is."""
        return self._dtype

    def _checked(self, out):
        base, shape = self._dtype.base, self._dtype.shape
        # Other buffers are bytes.
        if hasattr(out, "dtype") and (out.dtype != base or (shape and out.shape[1:] != shape)):
            found = f"{out.dtype} and the shape {out.shape}" if shape else out.dtype
            raise TypeError(f"out has the dtype {found}, the ring {self._dtype}; use numpy.empty(count, consumer.dtype)")
        return out

    def pop(self, timeout=None):
        """The next record, as a numpy scalar. Waits for one up to ``timeout`` seconds."""
        out = self._empty(1, self._dtype)
        self.records_into(out, timeout)
        return out[0]

    def try_pop(self):
        """The next record if there is one now, else ``None``."""
        out = self._empty(1, self._dtype)
        return None if self.records_into(out, None, True) is None else out[0]

    def pop_many(self, out, timeout=None):
        """Copies as many records as there are into the array ``out``; returns how many.

        Waits for at least one.
        """
        return self.records_into(self._checked(out), timeout)

    def try_pop_many(self, out):
        """``pop_many`` of what is there now; 0 if there is nothing."""
        return self.records_into(self._checked(out), None, True) or 0

    async def recv_many(self, out):
        """``pop_many`` for asyncio.

        Cancel safety: a call that is cancelled has popped nothing.
        """
        out = self._checked(out)
        return await self._until(lambda: self.records_into(out, None, True))

    def peek(self, count=1, timeout=None):
        """Waits for a record, and finds up to ``count`` in place that are contiguous.

        ``numpy.frombuffer(view, consumer.dtype)`` is the array; delete it in the block.
        """
        return Peek.of(self, self.lease(count, timeout))

    def try_peek(self, count=1):
        """``peek`` without a wait: ``None`` if there is no record now."""
        return Peek.of(self, self.lease(count, None, True))
