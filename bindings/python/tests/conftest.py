"""Names, peers in processes of their own, and nothing left behind."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import quoit

PREFIX = f"quoit-py-{os.getpid()}-"
# Only against hangs: no test is decided by it.
HANG = 30
_numbers = itertools.count()


def left_behind():
    return [name for name in os.listdir("/dev/shm") if PREFIX in name]


@pytest.fixture
def name():
    name = f"{PREFIX}{next(_numbers)}"
    yield name
    for _ in range(2):
        try:
            quoit.unlink(name)
        except quoit.NotFound:
            break
    assert not [left for left in left_behind() if left.endswith(name)]


def until_asleep(name, side):
    observer = quoit.Observer(name)
    until = time.monotonic() + HANG
    while not getattr(observer.sample(), side).is_asleep:
        assert time.monotonic() < until


@pytest.fixture
def ends(name):
    with quoit.FrameProducer.create(name, 4096) as producer, quoit.FrameConsumer.open(name) as consumer:
        yield producer, consumer


class Peer:
    """A Python program in a process of its own. It prints lines, which are events."""

    def __init__(self, code, *arguments):
        head = "import os, signal, sys, quoit, numpy as np\nsay = lambda *a: print(*a, flush=True)\n"
        # A shell has programs in the background ignore it.
        head += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # A peer that hangs is killed, and what waits for its line fails.
        self.timer = threading.Timer(HANG, self.process.kill)
        self.timer.start()

    @property
    def pid(self):
        return self.process.pid

    def hear(self):
        line = self.process.stdout.readline()
        if line == "":
            raise AssertionError(self.process.communicate(timeout=HANG)[1])
        return line.strip()

    def tell(self, line=""):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)

    def end(self, code=0):
        out, err = self.process.communicate(timeout=HANG)
        assert self.process.returncode == code, err
        return out, err


@pytest.fixture
def peer():
    peers = []

    def start(code, *arguments):
        peers.append(Peer(code, *arguments))
        return peers[-1]

    yield start
    for each in peers:
        if each.process.poll() is None:
            each.kill()
        each.process.communicate(timeout=HANG)
        each.timer.cancel()


def pytest_sessionfinish(session, exitstatus):
    left = left_behind()
    if left:
        session.exitstatus = 1
        print(f"\nleft in /dev/shm: {left}")
