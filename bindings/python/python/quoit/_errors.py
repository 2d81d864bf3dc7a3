"""What can go wrong. Each text says what to do."""


class QuoitError(Exception):
    """Everything that quoit raises, except ``BufferError``, the ``TypeError``, ``ValueError`` or
    ``OverflowError`` of an argument, the ``ImportError`` of numpy and, of a socket, ``EOFError``."""


class NotFound(QuoitError, FileNotFoundError):
    """There is no ring of this name."""


class AlreadyExists(QuoitError, FileExistsError):
    """A ring of this name exists."""


class Forbidden(QuoitError, PermissionError):
    """The system does not let this process use the ring."""


class InUse(QuoitError):
    """Another process, or this one, holds the role."""


class Invalid(QuoitError, ValueError):
    """This cannot be a name, or a capacity."""


class NotARing(QuoitError):
    """The file of this name is not a ring."""


class Mismatch(QuoitError):
    """The ring is of another kind, dtype, tag, capacity or version."""


class SystemRefused(QuoitError, OSError):
    """The system refused what the ring needs: memory, a file, a thread."""


class Abandoned(QuoitError):
    """The peer has closed or crashed, and there is nothing to read, or no room."""


class Superseded(QuoitError):
    """The ring was unlinked or replaced."""


class Corrupt(QuoitError):
    """The ring's memory holds an impossible value."""


class TooLong(QuoitError, ValueError):
    """The message does not fit: into the ring, or into the buffer."""


class TimedOut(QuoitError, TimeoutError):
    """The timeout has expired."""


class Closed(QuoitError):
    """The endpoint was closed by this process."""


class Forked(QuoitError):
    """The role belongs to the process that forked this one."""


class Busy(QuoitError):
    """Another thread, or another task, waits in a call on this endpoint."""
