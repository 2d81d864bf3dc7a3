"""The endpoints that write."""

from time import monotonic

from . import _native
from ._end import End, Lease


_PART = 1024


class Claim(Lease):
    """Room for a message, in place. The ``with`` block has a writable memoryview of it.

    The end of the block commits the message, unless ``commit`` did. After an exception nothing is
    published.
    """

    __slots__ = ("kind",)

    def __init__(self, end, lease, kind=0):
        super().__init__(end, lease)
        #: The kind of the frame, to be set before the commit.
        self.kind = kind

    def __exit__(self, error, *_):
        self._let_go()
        if error is None and not self._is_done:
            self.commit()

    def commit(self, count=None):
        """Publishes the message; of a frame the first ``count`` bytes, of records this many.

        Raises ``BufferError`` while an array or memoryview of it is alive.
        """
        self._let_go()
        lease = self._lease
        if count is None:
            count = self._end.claimed(lease)
        self._end.commit(lease, count, self.kind)
        self._is_done = True


def _length(payload):
    # A memoryview cannot be made of numpy's dates.
    return payload.nbytes if hasattr(payload, "nbytes") else memoryview(payload).nbytes


def _has_fields(records):
    if isinstance(records, list):
        return all(map(_has_fields, records))
    return isinstance(records, tuple) or getattr(getattr(records, "dtype", None), "fields", None) is not None


class _Writes(End, _native.Writer):
    _ABANDONED = "the ring is full, and its consumer has closed or crashed"

    @staticmethod
    def _in_parts(push, messages, timeout):
        """Pushes all, within one timeout. A call looks at each message that it is given."""
        until, done = None if timeout is None else monotonic() + timeout, 0
        while done < len(messages):
            done += push(messages[done : done + _PART], timeout)
            timeout = until and max(until - monotonic(), 0)


class FrameProducer(_Writes):
    """Writes frames."""

    def push(self, payload, kind=0, timeout=None):
        """Copies a frame in. Waits for room up to ``timeout`` seconds."""
        self.push_frame(payload, kind, timeout)

    def try_push(self, payload, kind=0):
        """Copies a frame in if there is room now; returns whether there was."""
        return self.push_frame(payload, kind, None, True)

    def push_many(self, payloads, kind=0, timeout=None):
        """Copies as many frames in as there is room for, at least one; returns how many.

        The consumer sees them together.
        """
        return self.push_frames(list(payloads), kind, timeout)

    def try_push_many(self, payloads, kind=0):
        """``push_many`` into the room that there is now; 0 if there is none."""
        return self.push_frames(list(payloads), kind, None, True) or 0

    def push_all(self, payloads, kind=0, timeout=None):
        """Copies all in, and waits as often as it takes, up to ``timeout`` altogether.

        ``TimedOut`` leaves those in the ring that were copied.
        """
        self._in_parts(lambda part, time: self.push_frames(part, kind, time), list(payloads), timeout)

    async def send_many(self, payloads, kind=0):
        """``push_many`` for asyncio.

        Cancel safety: a call that is cancelled has pushed nothing.
        """
        payloads = list(payloads)
        return await self._until(lambda: self.try_push_many(payloads, kind) or None, lambda: _length(payloads[0]))

    async def send(self, payload, kind=0):
        """``push`` for asyncio.

        Cancel safety: a call that is cancelled has pushed nothing.
        """
        await self._until(lambda: self.try_push(payload, kind) or None, lambda: _length(payload))

    def claim(self, length, kind=0, timeout=None):
        """Waits for room for a frame: ``with producer.claim(length) as view``."""
        return Claim.of(self, self.lease(length, timeout), kind)

    def try_claim(self, length, kind=0):
        """``claim`` without a wait: ``None`` if there is no room now."""
        return Claim.of(self, self.lease(length, None, True), kind)

    @staticmethod
    def claimed(lease):
        return len(lease)


class Producer(_Writes):
    """Writes records."""

    _HAS_RECORDS = True

    def __init__(self, ring):
        super().__init__(ring)
        import numpy

        self._arrays = numpy.ndarray, numpy.generic
        self._array = numpy.array
        self._contiguous = numpy.ascontiguousarray

    @property
    def dtype(self):
        """What a record is."""
        return self._dtype

    def _records(self, records):
        """An array that is made of whole records."""
        base, shape = self._dtype.base, self._dtype.shape
        # Not the dtype alone: to numpy, `None` and texts are dtypes.
        if not isinstance(records, self._arrays) or records.dtype != base:
            if hasattr(records, "dtype") and (base.fields or getattr(records.dtype, "fields", None)):
                raise TypeError(f"the records have the dtype {records.dtype}, the ring {self._dtype}")
            if base.fields and not _has_fields(records):
                # numpy stores a number, or a text, in each of the fields.
                raise TypeError(f"a record is a tuple of the fields of {base}, or of that dtype")
            given, records = records, self._array(records, base)
            if not base.fields and self._is_changed(given, records):
                raise ValueError(f"these values are no {base}: convert them first, or push others")
        if shape and records.shape[-len(shape):] != shape:
            raise TypeError(f"the records have the shape {records.shape}, the ring {self._dtype}")
        return self._contiguous(records)

    def _is_changed(self, given, records):
        """Whether a conversion has changed values: numpy does that in silence."""
        kind = records.dtype.kind
        if kind == "c" or type(given) is int and kind in "iuf" or type(given) is float and kind == "f":
            return False  # numpy itself refuses what does not fit
        if kind == "V":
            # Bytes that are too few are filled up; of a bytearray each byte would be a record.
            size = self._array(given, "V").itemsize
            is_short = size < records.itemsize
            return size > records.itemsize or is_short and self._array(given).dtype.kind not in "SV"
        given = self._array(given, kind if kind in "SU" else None)
        if kind == "f":
            return given.dtype.kind == "c"
        if kind in "mM" and given.dtype.kind in "iu":
            return False
        if kind in "mM":
            # To the unit that was given, and back: a date may be too far away, or too fine.
            given = self._array(given, kind)
            given, records = given.view("i8"), records.astype(given.dtype).view("i8")
        return (given != records).any()

    def push(self, record, timeout=None):
        """Copies a record in: a scalar, or a tuple of its fields. Waits for room."""
        self.push_records(self._one(record), timeout)

    def try_push(self, record):
        """Copies a record in if there is room now; returns whether there was."""
        return self.push_records(self._one(record), None, True) is not None

    def _one(self, record):
        record = self._records(record)
        if record.nbytes != self._dtype.itemsize:
            raise ValueError("this is not one record; push_many pushes many")
        return record

    def push_many(self, records, timeout=None):
        """Copies as many as there is room for in, at least one; returns how many."""
        return self.push_records(self._records(records), timeout)

    def try_push_many(self, records):
        """``push_many`` into the room that there is now; 0 if there is none."""
        return self.push_records(self._records(records), None, True) or 0

    def push_all(self, records, timeout=None):
        """Copies all in, and waits as often as it takes, up to ``timeout`` altogether.

        ``TimedOut`` leaves those in the ring that were copied: ``position`` tells how many.
        """
        records = self._records(records).reshape(-1, *self._dtype.shape)
        self._in_parts(self.push_records, records, timeout)

    async def send(self, record):
        """``push`` for asyncio.

        Cancel safety: a call that is cancelled has pushed nothing.
        """
        record = self._one(record)
        await self._until(lambda: self.push_records(record, None, True))

    async def send_many(self, records):
        """``push_many`` for asyncio.

        Cancel safety: a call that is cancelled has pushed nothing.
        """
        records = self._records(records)
        return await self._until(lambda: self.push_records(records, None, True))

    def claim(self, count=1, timeout=None):
        """Waits for a slot, and claims up to ``count`` that are contiguous.

        The view tells how many. ``numpy.frombuffer(view, producer.dtype)`` is the array;
        delete it in the block.
        """
        return Claim.of(self, self.lease(count, timeout))

    def try_claim(self, count=1):
        """``claim`` without a wait: ``None`` if there is no room now."""
        return Claim.of(self, self.lease(count, None, True))

    @staticmethod
    def claimed(lease):
        return lease.units
