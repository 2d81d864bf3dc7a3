"""What all endpoints have: names, context managers, asyncio, and the close at exit."""

import atexit
import weakref
from functools import cache
from os import getpid, sched_yield
from select import EPOLLET, EPOLLIN, epoll
from time import monotonic, sleep

from . import _ring
from ._errors import Abandoned, Busy, Closed, Forked, Superseded

_live = weakref.WeakSet()
# Seconds. A task whose last wait was brief looks again and again, in turn with the loop's
# other tasks, before it waits at the descriptor: that is several system calls. So it looks
# for a tenth of the time at most, and longer than a peer takes that has slept.
_BRIEF = 1.5e-3
_SPIN = 150e-6
_RETRIES = 0.1
# A wait looks for signals, and for the end of the program, more often than this.
_LAST_WAIT = 0.5


def opener(how, arguments):
    """The class methods that open an endpoint by name."""

    def make(cls, name, *given, **options):
        if not cls._HAS_RECORDS and (len(given) > arguments or "dtype" in options):
            raise TypeError(f"{cls.__name__} is an endpoint of frames, which have no dtype")
        until = monotonic() + _RETRIES
        while True:
            ring = getattr(_ring, how)(name, *given, **options)
            try:
                return cls(ring)
            except Superseded:
                # Replaced since it was opened: the name refers to another ring now.
                if how == "create" or monotonic() > until:
                    raise

    make.__name__, make.__qualname__ = how, f"End.{how}"
    make.__doc__ = f"quoit.{how} with the same arguments, and this role of the ring."
    return classmethod(make)


class End:
    """Mixed into a class of the library."""

    _HAS_RECORDS = False

    create = opener("create", 1)
    open = opener("open", 0)
    open_or_create = opener("open_or_create", 1)

    def __new__(cls, ring):
        # Before the role is taken: the peer would see an endpoint that attached and closed.
        if isinstance(ring, _ring.Ring) and (ring.dtype is not None) != cls._HAS_RECORDS:
            kind = "Producer and Consumer" if ring.dtype is not None else "FrameProducer and FrameConsumer"
            raise TypeError(f"{ring!r}: its endpoints are {kind}; call ring.producer() or ring.consumer()")
        return super().__new__(cls, ring)

    def __init__(self, ring):
        self._dtype = ring.dtype
        self._future = None
        self._port = None
        self._pid = getpid()
        self._may_spin = ring.may_spin
        self._is_brief = False
        _live.add(self)

    def __reduce__(self):
        raise TypeError("an endpoint belongs to one process; pass the ring's name, and open it there")

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        try:
            self.close()
        except (BufferError, Busy) as refused:
            if error is None:
                raise
            # The exception counts. Its traceback may have the arrays.
            if isinstance(refused, BufferError):
                self.leave()

    def close(self):
        """Closes this endpoint, frees its role and notifies the peer.

        Raises ``BufferError`` while a view of the ring's memory is alive. Closing twice does
        nothing more. In a forked child it does nothing to the ring.
        """
        super().close()
        # Not before: a task of another thread would wait again, for an endpoint that is closed then.
        waiting, self._future = self._future, None
        if waiting is not None:
            port, descriptor, wait = waiting
            port.forget(descriptor, wait)
            # The loop of a forked child is its parent's.
            if self._pid == getpid():
                wait.end_soon()

    async def _ready(self, *wanted):
        """Waits until there is something to do, and takes nothing."""
        if self._future is not None:
            raise Busy("another task waits for this endpoint; let one task have it")
        port = _Port.of(self)
        descriptor, wait = self.arm(*wanted), _Wait(port.loop)
        self._future = port, descriptor, wait
        try:
            if self.closed:
                # By another thread, which did not find this wait.
                wait.end_soon()
            else:
                port.watch(self, descriptor, wait)
            await wait
        finally:
            # Not if close() was faster: the descriptor may be another file's now.
            if self._future is not None:
                self._future = None
                port.forget(descriptor, wait)
                self.disarm()

    async def _until(self, attempt, length=None):
        """What ``attempt`` returns, as soon as that is not ``None``."""
        done = attempt()
        while done is None:
            begin = monotonic() if self._may_spin else 0
            while self._is_brief and monotonic() - begin < _SPIN:
                await _asyncio().sleep(0)
                sched_yield()  # to the peer, if there is one processor too few
                done = attempt()
                if done is not None:
                    return done
            # The payload may have grown since.
            await self._ready(*(() if length is None else (length(),)))
            self._is_brief = self._may_spin and monotonic() - begin < _BRIEF
            done = attempt()
            # A peer that was killed has not closed: no attempt tells.
            if done is None and self.is_abandoned():
                done = attempt()
                if done is None:
                    raise Abandoned(self._ABANDONED)
        return done

    def __repr__(self):
        kind = type(self).__name__
        try:
            return f"<quoit.{kind} {self.name!r}: {self.unread} of {self.capacity} unread>"
        except Busy:
            return f"<quoit.{kind}, in a call of another thread>"
        except (Closed, Forked):
            return f"<quoit.{kind}, closed>"


class _Wait:
    """What a task awaits, as a future of its loop (``asyncio.isfuture``).

    A future has its task run at the loop's next turn, which is a system call later. Here the
    wake runs it at once, since it comes from the loop and from no task.
    """

    __slots__ = ("_asyncio_future_blocking", "_callbacks", "_cancelled", "_is_done", "_loop")

    def __init__(self, loop):
        self._loop, self._callbacks, self._cancelled = loop, {}, None
        self._asyncio_future_blocking = self._is_done = False

    def __await__(self):
        if not self._is_done:
            self._asyncio_future_blocking = True
            yield self
        if self._cancelled is not None:
            raise _asyncio().CancelledError(*self._cancelled)

    def get_loop(self):
        return self._loop

    def done(self):
        return self._is_done

    def result(self):
        """For the task that is called back: the exception is ``__await__``'s."""

    def add_done_callback(self, callback, *, context):
        """The task adds one, perhaps after another thread has ended the wait."""
        self._callbacks[None] = callback, context
        if self._is_done:
            self._run_soon()

    def cancel(self, msg=None):
        if self._is_done:
            return False
        # The caller knows its own cancellation by the message.
        self._cancelled = () if msg is None else (msg,)
        self.end_soon()
        return True

    def end_soon(self):
        """Ends the wait; another task or thread calls, so this task has its turn later."""
        if not self._is_done:
            self._is_done = True
            self._run_soon()

    def _run_soon(self):
        # A loop that was closed with a task in it has no more turns.
        task = None if self._loop.is_closed() else self._task()
        if task is not None:
            callback, context = task
            self._loop.call_soon_threadsafe(callback, self, context=context)

    def _task(self):
        """What runs the task, once: another thread may end the wait at the same time."""
        return self._callbacks.pop(None, None)

    def end_now(self):
        """Ends the wait, and runs the task; the loop calls."""
        if not self._is_done:
            self._is_done = True
            task = self._task()
            if task is not None:
                callback, context = task
                context.run(callback, self)


class _Port:
    """Where a loop waits for all its endpoints.

    The loop knows one descriptor, and the kernel each endpoint's for as long as that is open: to
    add a descriptor to a loop and to remove it, for each wait, takes longer than the wake.
    """

    def __init__(self, loop):
        self._loop = weakref.ref(loop)
        self._poll = epoll()
        self._waits = {}
        loop.add_reader(self._poll.fileno(), self._wake)

    @staticmethod
    def of(end):
        """The one of the running loop, which the endpoint has probably used last."""
        loop, port = _asyncio().get_running_loop(), end._port
        if port is None or port.loop is not loop:
            port = _ports.get(loop)
            if port is None:
                port = _ports[loop] = _Port(loop)
        return port

    @property
    def loop(self):
        return self._loop()

    def watch(self, end, descriptor, wait):
        self._waits[descriptor] = wait
        if end._port is not self:
            # Each time that the endpoint sets it is an edge.
            self._poll.register(descriptor, EPOLLIN | EPOLLET)
            if end._port is not None:
                end._port._poll.unregister(descriptor)
            end._port = self

    def forget(self, descriptor, wait):
        # The number may already be that of another endpoint's descriptor.
        if self._waits.get(descriptor) is wait:
            del self._waits[descriptor]

    def _wake(self):
        # First all of them: a task that runs may begin another wait.
        found = [self._waits.get(descriptor) for descriptor, _ in self._poll.poll(0)]
        waits = iter([wait for wait in found if wait is not None])
        try:
            for wait in waits:
                wait.end_now()
        finally:
            # A task that raises SystemExit ends this turn, and not the waits of the others.
            for wait in waits:
                wait.end_soon()


_ports = weakref.WeakKeyDictionary()


@cache
def _asyncio():
    # Not for programs that have no loop: it takes a while to import.
    import asyncio

    return asyncio


@atexit.register
def _close_all():
    # So that a program that ends in good order does not count as crashed.
    until = monotonic() + _LAST_WAIT
    for end in list(_live):
        end.end_wait()
    for end in list(_live):
        try:
            _close(end, until)
        except Exception:
            pass


def _close(end, until):
    while True:
        try:
            try:
                # A task of a daemon thread is not woken: it would print that its endpoint is closed.
                end._future = None
                return end.close()
            except BufferError:
                return end.leave()
        except Busy:
            # Another thread waits, which the program does not wait for.
            if monotonic() > until:
                raise
        sleep(1e-3)


class Lease:
    """A message in place, or room for one: a context manager over a memoryview."""

    __slots__ = ("_end", "_is_done", "_lease", "_view")

    def __init__(self, end, lease):
        self._end, self._lease, self._view = end, lease, None
        # The end of a block does nothing more with a message that the block itself has ended.
        self._is_done = False

    @classmethod
    def of(cls, end, lease, *kind):
        """What a call has found, if it has."""
        return None if lease is None else cls(end, lease, *kind)

    def __enter__(self):
        if self._view is None:
            self._view = memoryview(self._lease)
        return self._view

    def _let_go(self):
        """Drops the view of `with`; others that are alive make the library refuse."""
        if self._view is not None:
            try:
                self._view.release()
            except BufferError:
                return
            self._view = None

    @property
    def address(self):
        """Where the first byte is, in the mapped ring."""
        return self._lease.address

