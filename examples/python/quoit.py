#!/usr/bin/env python3
"""Inspects a quoit ring, or consumes its frames, from src/layout.md alone.

    python3 examples/python/quoit.py observe NAME
    python3 examples/python/quoit.py consume NAME [--count N]

Standard library only, and only what Python can do: so this is for people and for
tests, not for speed, and it does not promise what quoit does.

- Python has no atomics. A position is read and stored as one aligned word by
  CPython as it is built today; no language rule says so. On x86-64 loads and stores
  are ordered as the layout wants them; elsewhere they are not, and `consume` refuses.
- It polls, and wakes nobody: a producer that sleeps because the ring is full looks
  again by itself after at most a tenth of a second, and counts a rescue.
- `observe` maps the ring read-only. Its figures are of slightly different moments.
"""

import argparse
import fcntl
import mmap
import os
import platform
import stat
import struct
import sys
import time

MAGIC, LAYOUT, FRAMES, FRAMES_SCHEMA = 0x1A0A0D74696F7571, 1, 2, 0xF253C7F18DD08CEE
TAIL, PRODUCER, HEAD, CONSUMER, DATA = 4096, 4224, 8192, 8320, 16384
CONSUMER_WORD, SUPERSEDED, PADDING = 12288, 128, 0xFFFFFFFF
FLOCK = "hhqqi4x"


class Refused(Exception):
    """Something is not as it should be; the text says what to do."""


def path_of(name):
    return name if "/" in name else "/dev/shm/" + name


class Ring:
    """A mapping of a ring, and the geometry that was read and checked once."""

    def __init__(self, name, writable):
        self.path = path_of(name)
        try:
            self.file = os.open(self.path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_NOFOLLOW)
        except OSError as error:
            raise Refused(f"there is no ring {name}, or it may not be opened: {error.strerror}") from error
        length = os.fstat(self.file).st_size
        if not stat.S_ISREG(os.fstat(self.file).st_mode) or length <= DATA:
            raise Refused(f"{name} is not a ring")
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self.map = mmap.mmap(self.file, length, access=access)
        # CPython copies an item of a view whole. struct.pack_into would store zeros
        # first, and the producer would see a head that goes backwards.
        view = memoryview(self.map)[: length & ~7]
        self.words, self.halves = view.cast("Q"), view.cast("I")
        if self.word(0) != MAGIC or self.half(8) != LAYOUT:
            raise Refused(f"{name} is not a ring of layout version {LAYOUT}")
        self.shape, self.capacity, self.slot_size = self.half(12), self.word(16), self.word(24)
        power_of_two = self.capacity > 0 and self.capacity & (self.capacity - 1) == 0
        if not power_of_two or self.capacity * self.slot_size > length - DATA:
            raise Refused(f"{name} is corrupt: its capacity is {self.capacity}")

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
        return self.word(TAIL) - head

    def is_locked(self, byte):
        lock = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        found = fcntl.fcntl(self.file, fcntl.F_OFD_GETLK, lock)
        return struct.unpack(FLOCK, found)[0] != fcntl.F_UNLCK

    def is_named(self):
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.file))
        except OSError:
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
            life = "never came"
        elif state & 1:
            life = "left"
        else:
            life = f"process {pid}" if ring.is_locked(byte) else f"died as process {pid}"
        parks, wakes, rescues = (ring.word(page + offset) for offset in (24, 32, 40))
        print(f"{role}: {life}, epoch {state >> 1}, parks {parks}, wakes {wakes}, rescues {rescues}")


class Consumer:
    """The consumer's role in a ring of frames, until the process ends."""

    def __init__(self, name):
        if platform.machine() != "x86_64":
            raise Refused("Python cannot order its loads and stores on this processor")
        self.ring = ring = Ring(name, writable=True)
        if ring.shape != FRAMES or ring.word(40) != FRAMES_SCHEMA:
            raise Refused(f"{name} does not hold frames of the default schema")
        # A description of its own: the mapped one would keep the lock.
        self.role = os.open(ring.path, os.O_RDWR | os.O_NOFOLLOW)
        lock = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, HEAD, 1, 0)
        try:
            fcntl.fcntl(self.role, fcntl.F_OFD_SETLK, lock)
        except OSError as error:
            raise Refused(f"{name} has a consumer already: process {ring.half(CONSUMER + 8)}") from error
        if ring.half(SUPERSEDED) or not ring.is_named():
            raise Refused(f"{name} was replaced just now: start again")
        self.head = ring.word(HEAD)
        if not 0 <= ring.word(TAIL) - self.head <= ring.capacity or self.head % 8:
            raise Refused(f"{name} is corrupt: its positions cannot be")
        ring.store_half(CONSUMER + 8, os.getpid())
        ring.store_half(CONSUMER + 12, 0)
        ring.store(CONSUMER + 16, time.time_ns())
        ring.store(CONSUMER, ((ring.word(CONSUMER) >> 1) + 1) << 1)
        ring.store_half(CONSUMER_WORD, 0)  # it never sleeps in the kernel, so no wake is needed

    def take(self):
        """The frames that are there now, as bytes; then they are released."""
        ring, tail = self.ring, self.ring.word(TAIL)
        if not 0 <= tail - self.head <= ring.capacity:
            raise Refused("the ring is corrupt: its tail cannot be")
        while self.head != tail:
            left, place = tail - self.head, self.head & (ring.capacity - 1)
            length, rest = ring.half(DATA + place), ring.capacity - place
            size = rest if length == PADDING else (8 + length + 7) & ~7
            if size > min(left, rest):
                raise Refused("the ring is corrupt: a frame cannot be so long")
            if length != PADDING:
                yield ring.map[DATA + place + 8 : DATA + place + 8 + length]
            self.head += size
        ring.store(HEAD, self.head)

    def producer_is_gone(self):
        state = self.ring.word(PRODUCER)
        return state & 1 or (state > 0 and not self.ring.is_locked(TAIL))


def consume(name, count):
    consumer, frames, checksum = Consumer(name), 0, 0xCBF29CE484222325
    gone, pause = False, 0.001
    while count is None or frames < count:
        before = consumer.head
        for frame in consumer.take():
            frames += 1
            for byte in frame:
                checksum = (checksum ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        if consumer.head != before:
            pause = 0.001
        else:
            if gone:
                break
            gone = consumer.producer_is_gone()  # then read once more
            time.sleep(pause)
            pause = min(2 * pause, 0.1)  # ten looks a second are enough for an idle ring
    print(f"{frames} frames, checksum {checksum:016x}")


def main():
    format = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=format)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("observe", "print the state of a ring, and change nothing"),
        ("consume", "take the consumer's role, and read frames until the producer is gone"),
    ):
        sub = commands.add_parser(command, help=text, description=text)
        sub.add_argument("name", help="a name in /dev/shm, or a path with a slash")
        if command == "consume":
            sub.add_argument("--count", type=int, help="stop after the look that finds so many frames")
    arguments = parser.parse_args()
    try:
        if arguments.command == "observe":
            observe(arguments.name)
        else:
            consume(arguments.name, arguments.count)
    except Refused as refused:
        sys.exit(f"error: {refused}")


if __name__ == "__main__":
    main()
