"""Waiting for the first of many endpoints."""

from typing import NamedTuple

from . import _native
from ._end import End


class Selected(NamedTuple):
    """What a ``Select`` has found."""

    #: Which endpoint.
    endpoint: End
    #: "ready": it has a message, or room. "abandoned": its peer closed or crashed, and all was read.
    #: "attached": it has another peer.
    event: str


class Select(_native.Select):
    """Waits for the first of up to 127 endpoints, with one sleep in the kernel.

    ``Select(ticks, orders, (answers, 100))``: consumers wait for a message, producers of
    records for room for one, and a producer of frames comes with the length of the frame that
    it has to push. Fair: of several that are ready, the one after the last answer comes first.
    You get "abandoned" once for each peer that closed or crashed, and "attached" for each new peer.
    """

    def __new__(cls, *endpoints):
        return super().__new__(cls)

    def __init__(self, *endpoints):
        self._ends = []
        for end in endpoints:
            end, length = end if isinstance(end, tuple) else (end, None)
            if not isinstance(end, End):
                raise TypeError(f"a select waits for endpoints, not for {end!r}")
            if length is None and isinstance(end, _native.Writer) and not end._HAS_RECORDS:
                raise TypeError("a producer of frames waits for room: pass (producer, length)")
            if any(end is other for other, _ in self._ends):
                raise ValueError("an endpoint is there twice")
            self._ends.append((end, length or 0))

    def wait(self, timeout=None):
        """The first endpoint that is ready, or whose peer closed, crashed or attached again.

        Waits up to ``timeout`` seconds. Takes nothing: the next ``try_pop`` or ``try_push`` of
        that endpoint does.
        """
        index, event = self.first(self._ends, timeout)
        return Selected(self._ends[index][0], event)
