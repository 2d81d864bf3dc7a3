"""Rings, before a role is taken."""

from . import _native
from ._dtype import record


class Ring(_native.Ring):
    """A ring of records, or of frames, of which this process may take roles."""

    def __new__(cls, how, name, dtype, tag, align, options):
        if dtype is None:
            content = (0, 8, "frames" if tag is None else tag)
        else:
            dtype, content = record(dtype, tag, align)
        ring = super().__new__(cls, how, name, content, options)
        ring.dtype = dtype
        ring.may_spin = options.get("wait_strategy") != "park" and options.get("spin") != 0
        return ring

    def producer(self):
        """Takes the producer's role."""
        from ._producer import FrameProducer, Producer

        return (FrameProducer if self.dtype is None else Producer)(self)

    def consumer(self):
        """Takes the consumer's role."""
        from ._consumer import Consumer, FrameConsumer

        return (FrameConsumer if self.dtype is None else Consumer)(self)

    def __reduce__(self):
        raise TypeError("a ring belongs to one process; pass its name, and open it there")

    def __repr__(self):
        holds = "frames" if self.dtype is None else self.dtype
        return f"<quoit.Ring {self.name!r} of {holds}, capacity {self.capacity}>"


def create(name, capacity, dtype=None, *, tag=None, align=None, **options):
    """Creates a ring of records of this dtype; of frames without one.

    ``capacity`` counts records, or bytes of frames, and is a power of two.
    ``tag`` is the schema tag that both programs agree on. Options: ``mode``, ``prefault``,
    ``lock_memory``, ``stale`` ("take_over", "replace", "fail"), ``unlink_on_close``,
    ``doorbell`` ("futex", "semaphore"), ``wait_strategy`` ("spin", "yield", "park",
    "adaptive"), ``spin`` and ``peer_check`` (seconds), ``fences``, ``first_position``.
    """
    return Ring("create", name, dtype, tag, align, {"capacity": capacity, **options})


def open(name, dtype=None, *, tag=None, align=None, **options):
    """Opens a ring that exists, of any capacity; checks its dtype and tag."""
    return Ring("open", name, dtype, tag, align, options)


def open_or_create(name, capacity, dtype=None, *, tag=None, align=None, **options):
    """Opens a ring, or creates it if there is none."""
    return Ring("open_or_create", name, dtype, tag, align, {"capacity": capacity, **options})
