#!/usr/bin/env python3
"""Inspects a quoit ring, or consumes its frames, from src/layout.md alone.

    python3 examples/python/quoit.py observe NAME
    python3 examples/python/quoit.py consume NAME [--count N]

This file shows that the layout document suffices to write a client. It needs the standard
library only. For programs, take bindings/python: there the Rust library does the work.

- Python has no atomics. CPython reads and stores a position as one aligned word today, but no
  language rule says so. x86-64 orders loads and stores as the layout demands. Other processors
  do not, and `consume` refuses to run there.
- It polls and wakes no process. A producer that sleeps because the ring is full polls again
  after 0.1 s at most, and counts a rescue.
- `observe` maps the ring read-only. It reads its figures one after the other.
- A child of `fork` (`os.fork`, multiprocessing's "fork") holds no role: its calls fail.
"""

import argparse
import fcntl
import mmap
import os
import platform
import signal
import stat
import struct
import sys
import time

MAGIC, LAYOUT, FRAMES, FRAMES_SCHEMA = 0x1A0A0D74696F7571, 1, 2, 0xF253C7F18DD08CEE
TAIL, PRODUCER, HEAD, CONSUMER, DATA = 4096, 4224, 8192, 8320, 16384
CONSUMER_WORD, SUPERSEDED, PADDING = 12288, 128, 0xFFFFFFFF
FUTEX, SEMAPHORE = 0, 1
DROWSY = 0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FLOCK = "hhqqi4x"
OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
WRAP = (1 << 64) - 1  # positions count modulo 2^64


class Refused(Exception):
    """The request cannot be met; the text says why."""


class Interrupted(BaseException):
    """A signal has asked the program to end."""


def interrupt(number, _frame):
    raise Interrupted(number)


def path_of(name):
    return name if "/" in name else "/dev/shm/" + name


def lock(file, command, byte, kind=fcntl.F_WRLCK):
    """An OFD lock on one byte; the kind that the kernel answers."""
    answer = fcntl.fcntl(file, command, struct.pack(FLOCK, kind, os.SEEK_SET, byte, 1, 0))
    return struct.unpack(FLOCK, answer)[0]


def occupy_standard_streams():
    """Without this, a ring could get the number of a closed stream, and then the output."""
    while (file := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(file)


def distance(ahead, behind):
    return (ahead - behind) & WRAP


class Ring:
    """A mapping of a ring, and the geometry that was read and checked once."""

    def __init__(self, name, writable):
        self.path = path_of(name)
        occupy_standard_streams()
        try:
            self.file = os.open(self.path, (os.O_RDWR if writable else os.O_RDONLY) | OPEN)
        except OSError as error:
            raise Refused(f"there is no ring {name}, or it may not be opened: {error.strerror}") from error
        self.identity = os.fstat(self.file)
        size = self.identity.st_size
        if not stat.S_ISREG(self.identity.st_mode) or size <= DATA:
            raise Refused(f"{name} is not a ring")
        # Reading an unallocated block of a file through a mapping would allocate memory.
        if os.pread(self.file, 12, 0) != struct.pack("<QI", MAGIC, LAYOUT):
            raise Refused(f"{name} is not a ring of layout version {LAYOUT}")
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self.map = mmap.mmap(self.file, size, access=access)
        # CPython copies an item of a view whole. struct.pack_into would store zeros
        # first, and the producer would see a head that goes backwards.
        view = memoryview(self.map)[: size & ~7]
        self.words, self.halves = view.cast("Q"), view.cast("I")
        self.shape, self.capacity, self.slot_size = self.half(12), self.word(16), self.word(24)
        align, self.doorbell, length = self.half(32), self.half(36), self.word(64)
        corrupt = f"{name} is corrupt: its"
        least = 64 if self.shape == FRAMES else 1
        if self.capacity < least or self.capacity & (self.capacity - 1):
            raise Refused(f"{corrupt} capacity is {self.capacity}")
        if self.slot_size == 0 or (self.shape == FRAMES and self.slot_size != 1):
            raise Refused(f"{corrupt} slots have {self.slot_size} bytes")
        aligned = 0 < align <= 4096 and align & (align - 1) == 0
        if self.shape == FRAMES and align != 8 or self.shape != FRAMES and not (
            aligned and self.slot_size % align == 0
        ):
            raise Refused(f"{corrupt} slots are aligned to {align}")
        if not DATA + self.capacity * self.slot_size <= length <= size:
            raise Refused(f"{corrupt} length is {length}")

    def word(self, offset):
        return self.words[offset // 8]

    def half(self, offset):
        return self.halves[offset // 4]

    def store(self, offset, value):
        self.words[offset // 8] = value

    def store_half(self, offset, value):
        self.halves[offset // 4] = value

    def unread(self):
        head = self.word(HEAD)  # first: the tail only grows
        return distance(self.word(TAIL), head)

    def is_locked(self, byte):
        return lock(self.file, fcntl.F_OFD_GETLK, byte) != fcntl.F_UNLCK

    def is_named(self):
        """Whether the name leads here. Any error but ENOENT is no answer."""
        try:
            return os.path.samestat(os.lstat(self.path), self.identity)
        except FileNotFoundError:
            return False


def observe(name):
    ring = Ring(name, writable=False)
    shape = {1: "slots", FRAMES: "frames"}.get(ring.shape, f"unknown shape {ring.shape}")
    unit = "bytes" if ring.shape == FRAMES else "slots"
    print(f"{shape}, capacity {ring.capacity} {unit}, slots of {ring.slot_size} bytes")
    tail, head, unread = ring.word(TAIL), ring.word(HEAD), ring.unread()
    print(f"tail {tail}, head {head}, unread {unread} ({100 * unread // ring.capacity} %)")
    for role, page, byte in (("producer", PRODUCER, TAIL), ("consumer", CONSUMER, HEAD)):
        state, pid = ring.word(page), ring.half(page + 8)
        if state == 0:
            life = "never attached"
        elif state & 1:
            life = "closed"
        else:
            life = f"process {pid}" if ring.is_locked(byte) else f"crashed as process {pid}"
        parks, wakes, rescues = (ring.word(page + offset) for offset in (24, 32, 40))
        print(f"{role}: {life}, epoch {state >> 1}, parks {parks}, wakes {wakes}, rescues {rescues}")


class Consumer:
    """The consumer's role in a ring of frames, until `leave`."""

    def __init__(self, name):
        if platform.machine() != "x86_64":
            raise Refused("Python cannot order its loads and stores on this processor")
        self.ring = ring = Ring(name, writable=True)
        if ring.shape != FRAMES or ring.word(40) != FRAMES_SCHEMA:
            raise Refused(f"{name} does not hold frames of the default schema")
        if ring.doorbell != FUTEX:
            kind = "semaphores" if ring.doorbell & 0xFF == SEMAPHORE else "something unknown"
            raise Refused(f"the endpoints of {name} sleep on {kind} ({ring.doorbell:#x}): Python cannot")
        if ring.half(SUPERSEDED):
            raise Refused(f"{name} was replaced or removed: start again")
        # A description of its own: the mapped one would keep the lock.
        self.role = None
        os.register_at_fork(after_in_child=self.forget)
        try:
            self.role = os.open(ring.path, os.O_RDWR | OPEN)
        except FileNotFoundError as error:
            raise Refused(f"{name} was removed just now: start again") from error
        try:
            self.take(name)
        except BaseException:
            self.forget()
            raise

    def take(self, name):
        """Takes the role, in the order of "Taking a role"."""
        ring = self.ring
        if not os.path.samestat(os.fstat(self.role), ring.identity):
            raise Refused(f"{name} was replaced just now: start again")
        for _ in range(100):
            replacing = ring.is_locked(0)  # then its holder has the roles' bytes for a moment
            try:
                lock(self.role, fcntl.F_OFD_SETLK, HEAD)
                break
            except BlockingIOError as error:
                if not replacing:
                    pid = ring.half(CONSUMER + 8)
                    raise Refused(f"{name} already has a consumer: process {pid}") from error
                time.sleep(0.001)
        else:
            raise Refused(f"{name} is being replaced")
        if ring.half(SUPERSEDED) or not ring.is_named():
            raise Refused(f"{name} was replaced just now: start again")
        self.head, self.seen = ring.word(HEAD), ring.word(TAIL)
        if distance(self.seen, self.head) > ring.capacity or self.head % 8:
            raise Refused(f"{name} is corrupt: its positions cannot be")
        ring.store_half(CONSUMER + 8, os.getpid())
        ring.store_half(CONSUMER + 12, 0)
        ring.store(CONSUMER + 16, time.time_ns())
        ring.store(CONSUMER, (((ring.word(CONSUMER) >> 1) + 1) << 1) & WRAP)
        ring.store_half(CONSUMER_WORD, DROWSY)  # it never sleeps in the kernel

    def forget(self):
        """Closes the lock's description: a child has the parent's, and no role."""
        role, self.role = self.role, None
        if role is not None:
            os.close(role)

    def frames(self):
        """The frames that are there now, as bytes; then they are released."""
        if self.role is None:
            raise Refused("this process does not hold the role: it is a child, or has closed")
        ring, tail = self.ring, self.ring.word(TAIL)
        unread = distance(tail, self.head)
        if not distance(self.seen, self.head) <= unread <= ring.capacity:
            raise Refused("the ring is corrupt: its tail cannot be")
        self.seen, padded = tail, False
        while self.head != tail:
            left, place = distance(tail, self.head), self.head & (ring.capacity - 1)
            if left < 8:
                raise Refused("the ring is corrupt: its tail cannot be")
            length, rest = ring.half(DATA + place), ring.capacity - place
            if length == PADDING:
                if padded or rest >= left:
                    raise Refused("the ring is corrupt: padding is followed by a frame")
                padded, size = True, rest
            else:
                size = (8 + length + 7) & ~7
                if size > min(left, rest):
                    raise Refused("the ring is corrupt: a frame cannot be so long")
                padded = False
                yield ring.map[DATA + place + 8 : DATA + place + 8 + length]
            self.head = (self.head + size) & WRAP
        if self.role is not None:  # no fork while it yielded
            ring.store(HEAD, self.head)

    def leave(self):
        """Closes the endpoint and frees the role. A producer that sleeps polls within 0.1 s."""
        if self.role is not None:
            self.ring.store(CONSUMER, self.ring.word(CONSUMER) | 1)
            lock(self.role, fcntl.F_OFD_SETLK, HEAD, fcntl.F_UNLCK)
            self.forget()

    def producer_is_gone(self):
        state = self.ring.word(PRODUCER)
        if state == 0:
            try:
                return not self.ring.is_named()  # then no producer can attach
            except OSError:
                return False
        return state & 1 or not self.ring.is_locked(TAIL)


def consume(name, count):
    if sys.stdout is None:
        raise Refused("standard output is closed: the answer would be lost")
    consumer, frames, checksum = Consumer(name), 0, 0xCBF29CE484222325
    gone, pause = False, 0.001
    try:
        while count is None or frames < count:
            before = consumer.head
            for frame in consumer.frames():
                frames += 1
                for byte in frame:
                    checksum = (checksum ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
            if consumer.head != before:
                pause = 0.001
            else:
                if gone:
                    break
                gone = consumer.producer_is_gone()  # then read again
                time.sleep(pause)
                pause = min(2 * pause, 0.1)  # ten looks a second are enough for an idle ring
    finally:
        consumer.leave()  # after a signal, too
    print(f"{frames} frames, checksum {checksum:016x}")


def main():
    format = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=format)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("observe", "print the state of a ring, and change nothing"),
        ("consume", "take the consumer's role, and read frames until the producer has closed or crashed"),
    ):
        sub = commands.add_parser(command, help=text, description=text)
        sub.add_argument("name", help="a name in /dev/shm, or a path with a slash")
        if command == "consume":
            sub.add_argument("--count", type=int, help="stop after the poll that finds this many frames")
    arguments = parser.parse_args()
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, interrupt)
    try:
        if arguments.command == "observe":
            observe(arguments.name)
        else:
            consume(arguments.name, arguments.count)
        if sys.stdout:
            sys.stdout.flush()
    except Refused as refused:
        sys.exit(f"error: {refused}")
    except BrokenPipeError:
        # The reader has closed; the flush at the end would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Interrupted as interrupted:
        signal.signal(interrupted.args[0], signal.SIG_DFL)
        os.kill(os.getpid(), interrupted.args[0])


if __name__ == "__main__":
    main()
