"""Python beside Rust, C and C++: the peers of bindings/c, which test.sh has built."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
import quoit
from conftest import HANG

BUILT = pathlib.Path(os.environ["QUOIT_PEERS"])
PEERS = {
    "Rust": [BUILT / "examples/peer"],
    "C": [BUILT / "peer-c"],
    "C++": [BUILT / "peer-cpp"],
    "Python": [sys.executable, pathlib.Path(__file__).with_name("peer.py")],
}
PAIRS = [(one, "Python") for one in PEERS] + [("Python", one) for one in PEERS if one != "Python"]
COUNT = 1000
RECORD = np.dtype([("number", "<u8"), ("words", "<u8", (4,))])


class Ring:
    """A ring of the matrix, and its peers."""

    def __init__(self, name, shape, doorbell="futex"):
        self.name, self.shape, self.peers = name, shape, []
        capacity, dtype = (64, RECORD) if shape == "records" else (4096, None)
        quoit.create(name, capacity, dtype, tag="matrix/1", doorbell=doorbell)
        self.observer = quoit.Observer(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            if peer.poll() is None:
                peer.kill()
            peer.communicate(timeout=HANG)

    def start(self, language, role, way, wait, kind, count):
        arguments = [role, self.shape, way, wait, kind, self.name, str(count)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.peers.append(subprocess.Popen([*PEERS[language], *arguments], text=True, **pipes))
        return self.peers[-1]

    def until(self, condition, *peers):
        end = time.monotonic() + HANG
        while not condition(self.observer.sample()):
            for peer in peers:
                assert peer.poll() in (None, 0), peer.communicate()
            assert time.monotonic() < end, self.observer.sample()
            time.sleep(1e-3)


def succeeds(peer):
    out, err = peer.communicate(timeout=HANG)
    assert peer.returncode == 0, (out, err)


@pytest.mark.parametrize("producer, consumer", PAIRS)
@pytest.mark.parametrize("doorbell", ["futex", "semaphore"])
@pytest.mark.parametrize("wait", ["awake", "asleep"])
@pytest.mark.parametrize("way", ["copied", "in-place"])
@pytest.mark.parametrize("shape", ["records", "frames"])
def test_each_message_arrives(name, shape, way, wait, doorbell, producer, consumer):
    with Ring(name, shape, doorbell) as ring:
        writer = ring.start(producer, "produce", way, wait, "once", COUNT)
        if wait == "awake":
            ring.until(lambda sample: sample.producer.is_alive, writer)
            reader = ring.start(consumer, "consume", way, wait, "once", COUNT)
        else:
            # Before a full ring; then before an empty one, in the middle.
            ring.until(lambda sample: sample.producer.is_asleep, writer)
            reader = ring.start(consumer, "consume", way, wait, "once", COUNT)
            ring.until(lambda sample: sample.consumer.is_asleep and not sample.producer.is_asleep, writer, reader)
        writer.stdin.close()
        writer.stdin = None
        succeeds(writer)
        succeeds(reader)
        sample = ring.observer.sample()
        assert sample.unread == 0 < sample.tail
        for end in [sample.producer, sample.consumer]:
            assert end.is_closed and not end.is_alive
            assert end.parks > 0 or wait == "awake"
            assert end.rescues * 10 <= end.parks


@pytest.mark.parametrize("other", ["Rust", "C", "C++", "Python"])
@pytest.mark.parametrize("shape", ["records", "frames"])
def test_one_goes_on_where_the_other_was_killed(name, shape, other):
    unit = 1 if shape == "records" else 32
    with Ring(name, shape) as ring:
        order = [other, "Python", other, "Python"]
        endless = 1 << 40
        writer = ring.start(order[0], "produce", "copied", "awake", "takeover", endless)
        reader = ring.start(order[0], "consume", "in-place", "asleep", "takeover", endless)
        for turn, language in enumerate(order[1:]):
            way = ["copied", "in-place"][turn % 2]
            for role in ["produce", "consume"]:
                head = ring.observer.sample().head
                ring.until(lambda sample: sample.head - head > 100 * unit, writer, reader)
                victim = writer if role == "produce" else reader
                victim.kill()
                victim.wait()
                peer = ring.start(language, role, way, "asleep", "takeover", endless)
                writer, reader = (peer, reader) if role == "produce" else (writer, peer)
        # Both have begun: a process that is killed on its way in is not counted.
        head = ring.observer.sample().head
        ring.until(lambda sample: sample.head - head > 100 * unit, writer, reader)
        for victim in [writer, reader]:
            victim.kill()
            victim.wait()
        count = ring.observer.sample().tail // unit + 500
        writer = ring.start("Python", "produce", "copied", "asleep", "takeover", count)
        reader = ring.start(other, "consume", "copied", "asleep", "takeover", count)
        succeeds(reader)
        succeeds(writer)
        sample = ring.observer.sample()
        assert sample.head == count * unit
        assert (sample.producer.epoch, sample.consumer.epoch) == (5, 5)


@pytest.mark.parametrize(
    "role, shape, offset, value, field",
    [
        ("consume", "records", 4096, 0xFFFF_FFFF_FFFF, "tail"),
        ("produce", "records", 8192, 0xFFFF_FFFF_FFFF, "head"),
        ("consume", "frames", 4096, 0xFFFF_FFFF_FFFF, "tail"),
        ("produce", "frames", 8192, 0xFFFF_FFFF_FFFF, "head"),
        ("consume", "frames", 16384, 1000, "frame length"),
    ],
)
@pytest.mark.parametrize("way", ["copied", "in-place"])
def test_corrupt_memory_is_an_error(name, role, shape, offset, value, field, way):
    with Ring(name, shape) as ring:
        peer = ring.start("Python", role, way, "asleep", "once", COUNT)
        side = "producer" if role == "produce" else "consumer"
        ring.until(lambda sample: getattr(sample, side).is_asleep, peer)
        (file,) = [file for file in os.listdir("/dev/shm") if file.endswith(name)]
        with open(f"/dev/shm/{file}", "r+b") as file:
            if offset == 16384:
                file.seek(16384)
                file.write(value.to_bytes(8, "little"))
                file.seek(4096)
                file.write((16).to_bytes(8, "little"))
            else:
                file.seek(offset)
                file.write(value.to_bytes(8, "little"))
        out, err = peer.communicate(timeout=HANG)
        assert (peer.returncode, out.strip()) == (3, f"corrupt {field}"), err
