"""A lock-free ring buffer in shared memory, from one process to another.

A ring has a name, one producer and one consumer, and holds records (numpy arrays) or
frames (bytes of any length). The other process may be a Rust, C, C++ or Python program::

    with quoit.FrameConsumer.open("camera") as camera:
        for frame in camera:
            ...
"""

from ._consumer import Consumer, FrameConsumer, Peek
from ._errors import (
    Abandoned,
    AlreadyExists,
    Busy,
    Closed,
    Corrupt,
    Forbidden,
    Forked,
    InUse,
    Invalid,
    Mismatch,
    NotARing,
    NotFound,
    QuoitError,
    Superseded,
    SystemRefused,
    TimedOut,
    TooLong,
)
from ._native import __version__, unlink, unlink_if_stale
from ._observer import EndpointState, Info, Message, Observer, Sample
from ._producer import Claim, FrameProducer, Producer
from ._ring import Ring, create, create_anonymous, open, open_descriptor, open_or_create, receive
from ._select import Select, Selected

__all__ = [
    "Abandoned", "AlreadyExists", "Busy", "Claim", "Closed", "Consumer", "Corrupt",
    "EndpointState", "Forbidden", "Forked", "FrameConsumer", "FrameProducer", "InUse", "Info",
    "Invalid", "Message", "Mismatch", "NotARing", "NotFound", "Observer", "Peek", "Producer",
    "QuoitError", "Ring", "Sample", "Select", "Selected", "Superseded", "SystemRefused",
    "TimedOut", "TooLong", "create", "create_anonymous", "open", "open_descriptor",
    "open_or_create", "receive", "unlink", "unlink_if_stale",
]

for _name in __all__:
    if _name[0].isupper():
        # Where users find them, and tracebacks as well.
        globals()[_name].__module__ = "quoit"
del _name
