"""Observing a ring without a role."""

from dataclasses import dataclass

from . import _native


@dataclass(frozen=True)
class Info:
    """What a ring is."""

    shape: str
    capacity: int
    slot_size: int
    slot_align: int
    layout: int
    schema: int
    incarnation: int
    length: int


@dataclass(frozen=True)
class EndpointState:
    """The state that an endpoint has stored, and whether a process holds its role."""

    epoch: int
    pid: int
    since: float
    is_alive: bool
    is_closed: bool
    is_asleep: bool
    parks: int
    wakes: int
    rescues: int
    dropped: int


@dataclass(frozen=True)
class Sample:
    """Where both endpoints are, and what they count."""

    tail: int
    head: int
    unread: int
    producer: EndpointState
    consumer: EndpointState


@dataclass(frozen=True)
class Message:
    """A copy of an unread message."""

    position: int
    kind: int
    payload: bytes


class Observer(_native.Observer):
    """Observes a ring of any kind, and changes nothing."""

    @property
    def info(self):
        """What does not change."""
        return Info(**self.read_info())

    def sample(self):
        """Where both endpoints are now, what they count, and whether they live."""
        tail, head, unread, producer, consumer = self.read_sample()
        return Sample(tail, head, unread, EndpointState(**producer), EndpointState(**consumer))

    def messages(self, most=10):
        """Copies of unread messages, the oldest first."""
        return [Message(at, kind, bytes(payload)) for at, kind, payload in self.unread(most)]
