"""Rings, before a role is taken."""

import os
import select

from . import _native
from ._dtype import record
from ._errors import TimedOut


class Ring(_native.Ring):
    """A ring of records, or of frames, of which this process may take roles."""

    def __new__(cls, how, whence, dtype, tag, align, options):
        given = (dtype, tag, align, options)
        if dtype is None and align is not None:
            raise TypeError("align is of records; frames begin at multiples of 8 bytes")
        if dtype is None:
            content = (0, 8, "frames" if tag is None else tag)
        else:
            dtype, content = record(dtype, tag, align)
        ring = super().__new__(cls, how, whence, content, options)
        ring.dtype = dtype
        ring.may_spin = options.get("wait_strategy") != "park" and options.get("spin") != 0
        ring._given, ring._pid = given, os.getpid()
        return ring

    def producer(self):
        """Takes the producer's role."""
        from ._producer import FrameProducer, Producer

        return (FrameProducer if self.dtype is None else Producer)(self._here())

    def consumer(self):
        """Takes the consumer's role."""
        from ._consumer import Consumer, FrameConsumer

        return (FrameConsumer if self.dtype is None else Consumer)(self._here())

    def _here(self):
        """This ring; in a child of ``fork`` opened again, unless it has a name."""
        if self._pid == os.getpid():
            return self
        try:
            descriptor = self.fileno()
        except ValueError:
            return self
        dtype, tag, align, options = self._given
        return open_descriptor(descriptor, dtype, tag=tag, align=align, **options)

    def send(self, socket):
        """Sends a ring without a name over a Unix stream socket to another process.

        Waits as long as the socket does. The ring stays this process's as well.
        """
        _until_ready(socket, select.POLLOUT)
        super().send(socket.fileno())

    def __reduce__(self):
        try:
            descriptor = self.fileno()
        except ValueError:
            raise TypeError("a ring belongs to one process; pass its name, and open it there") from None
        # Only while both processes live, as multiprocessing does it with sockets.
        from multiprocessing.reduction import DupFd

        return _opened, (DupFd(descriptor), *self._given)

    def __repr__(self):
        holds = "frames" if self.dtype is None else self.dtype
        return f"<quoit.Ring {self.name!r} of {holds}, capacity {self.capacity}>"


def create(name, capacity, dtype=None, *, tag=None, align=None, **options):
    """Creates a ring of records of this dtype; of frames without one.

    ``capacity`` counts records, or bytes of frames, and is a power of two.
    ``tag`` is the schema tag that both programs agree on. Options: ``mode``, ``prefault``,
    ``lock_memory``, ``stale`` ("take_over", "replace", "fail"), ``unlink_on_close``,
    ``doorbell`` ("futex", "semaphore"), ``wait_strategy`` ("spin", "yield", "park",
    "adaptive"), ``spin`` and ``peer_check`` (seconds), ``fences``, ``first_position``. Set
    ``unlink_on_close`` in both programs: the endpoint that closes last removes the name.
    """
    return Ring("create", name, dtype, tag, align, {"capacity": capacity, **options})


def open(name, dtype=None, *, tag=None, align=None, **options):
    """Opens a ring that exists, of any capacity; checks its dtype and tag."""
    return Ring("open", name, dtype, tag, align, options)


def open_or_create(name, capacity, dtype=None, *, tag=None, align=None, **options):
    """Opens a ring, or creates it if there is none."""
    return Ring("open_or_create", name, dtype, tag, align, {"capacity": capacity, **options})


def create_anonymous(capacity, dtype=None, *, tag=None, align=None, **options):
    """Creates a ring without a name, which leaves nothing behind.

    Hand it to another process: as an argument of ``multiprocessing.Process``, through a
    ``multiprocessing`` queue or pipe, by ``ring.send(socket)``, or as the descriptor
    ``ring.fileno()``.
    """
    return Ring("create_anonymous", None, dtype, tag, align, {"capacity": capacity, **options})


def open_descriptor(descriptor, dtype=None, *, tag=None, align=None, **options):
    """Opens the ring of a descriptor from another process. The descriptor stays yours."""
    return Ring("open_descriptor", descriptor, dtype, tag, align, options)


def receive(socket, dtype=None, *, tag=None, align=None, **options):
    """Receives a ring that ``ring.send`` has sent, over a Unix stream socket.

    Waits as long as the socket does. Raises ``EOFError`` if the other side is closed.
    """
    _until_ready(socket, select.POLLIN)
    return Ring("receive", socket.fileno(), dtype, tag, align, options)


def _until_ready(socket, event):
    # A socket with a timeout does not wait by itself.
    timeout = socket.gettimeout()
    poll = select.poll()
    poll.register(socket, event)
    # The system counts milliseconds up to 24 days.
    if not poll.poll(None if timeout is None or timeout > 2e6 else timeout * 1000):
        raise TimedOut("the socket's timeout has expired; try again, or set a longer one")


def _opened(duplicate, dtype, tag, align, options):
    """A ring that multiprocessing has passed on."""
    descriptor = duplicate.detach()
    try:
        return open_descriptor(descriptor, dtype, tag=tag, align=align, **options)
    finally:
        os.close(descriptor)
