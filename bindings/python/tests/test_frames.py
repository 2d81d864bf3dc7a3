"""Frames: bytes of any length, with a kind."""

import ctypes
import random

import numpy as np
import pytest
import quoit


def test_lengths_kinds_and_order_are_kept_over_many_laps(ends):
    producer, consumer = ends
    chance = random.Random(7)
    sent, got = [], []
    for number in range(5000):
        frame = chance.randbytes(chance.choice([0, 1, 7, 8, 9, 40, 41, 500, 2040]))
        while not producer.try_push(frame, number):
            got.append((consumer.try_pop(), consumer.kind))
        sent.append((frame, number))
    got += [(frame, consumer.kind) for frame in iter(consumer.try_pop, None)]
    assert got == sent
    assert producer.position == consumer.position > 100 * 4096


def test_anything_with_a_buffer_is_a_payload(ends):
    producer, consumer = ends
    for payload in [b"", bytearray(b"abc"), memoryview(b"xyz")[1:], np.arange(5.0), "é".encode()]:
        producer.push(payload)
        assert consumer.pop() == bytes(payload)
    with pytest.raises(TypeError):
        producer.push("text")
    with pytest.raises(BufferError):
        producer.push(memoryview(b"abcdef")[::2])


class Named(ctypes.Structure):
    _fields_ = [("Object", ctypes.c_uint64)]


def test_references_to_objects_are_no_bytes(ends):
    producer, consumer = ends
    objects = np.array([None, "text"], object)
    dates = np.zeros(1, [("when", "M8[s]"), ("what", "O")])
    for buffer in [objects, memoryview(objects), objects[:1].view(), dates, (ctypes.py_object * 2)(1, 2)]:
        for use in [producer.push, producer.try_push, consumer.recv_into, lambda it: producer.push_many([b"", it])]:
            with pytest.raises(TypeError, match="references to Python objects"):
                use(buffer)
    assert producer.position == 0
    producer.push(Named(7))
    assert consumer.recv_into(Named()) == 8


def test_the_longest_frame_fits_wherever_it_begins_and_a_longer_one_never(ends):
    producer, consumer = ends
    assert producer.max_frame_len == 2040
    for shift in range(0, 4096, 40):
        producer.push(bytes(2040))
        assert consumer.pop() == bytes(2040)
        producer.push(bytes(shift % 64))
        consumer.pop()
    with pytest.raises(quoit.TooLong, match="2040"):
        producer.push(bytes(2041))
    with pytest.raises(quoit.TooLong, match="2040"):
        producer.claim(2041)


def test_recv_into_leaves_a_frame_that_does_not_fit(ends):
    producer, consumer = ends
    producer.push(b"0123456789", 5)
    with pytest.raises(quoit.TooLong, match="10"):
        consumer.recv_into(bytearray(9))
    buffer = bytearray(b"." * 12)
    assert consumer.recv_into(buffer) == 10
    assert (bytes(buffer), consumer.kind) == (b"0123456789..", 5)
    producer.push(np.arange(4, dtype="u2"))
    array = np.zeros(4, "u2")
    assert consumer.recv_into(array) == 8
    assert array.tolist() == [0, 1, 2, 3]
    with pytest.raises(BufferError):
        consumer.recv_into(b"constant")


def test_only_the_newest(ends):
    producer, consumer = ends
    assert consumer.skip_to_latest() == 0
    for lap in range(200):
        for number in range(7):
            producer.push(b"%d" % number * (lap % 50 + 1))
        assert consumer.skip_to_latest() == 6
        assert consumer.skip_to_latest() == 0
        assert consumer.pop() == b"6" * (lap % 50 + 1)
    producer.push(b"a"), producer.push(b"b"), producer.push(b"c")
    assert consumer.skip(2) == 2
    assert consumer.pop() == b"c"


def test_iteration_ends_when_the_producer_has_closed_and_all_is_read(ends):
    producer, consumer = ends
    producer.push(b"a")
    producer.push(b"b")
    producer.close()
    assert list(consumer) == [b"a", b"b"]
    with pytest.raises(quoit.Abandoned):
        consumer.pop()


# Longer than the ring, and longer than what is published.
@pytest.mark.parametrize("length", [0x7FFFFFFF, 1000])
def test_corrupt_memory_is_an_error_and_not_a_crash(name, ends, length):
    producer, consumer = ends
    producer.push(b"abc", kind=7)
    with open(f"/dev/shm/{segment(name)}", "r+b") as file:
        file.seek(16384)
        file.write(length.to_bytes(4, "little"))
    with pytest.raises(quoit.Corrupt, match="close the endpoint"):
        consumer.pop()
    assert consumer.corruption == ("frame length", length)
    with pytest.raises(quoit.Corrupt):
        consumer.skip_to_latest()
    with pytest.raises(quoit.Corrupt):
        consumer.peek()


def test_a_batch_is_not_published_after_an_impossible_head(name, ends):
    producer, _ = ends
    producer.push(bytes(2000))
    with open(f"/dev/shm/{segment(name)}", "r+b") as file:
        file.seek(8192)
        file.write((1 << 40).to_bytes(8, "little"))
    for _ in range(3):
        with pytest.raises(quoit.Corrupt):
            producer.push_many([bytes(1000)] * 3)
    assert producer.position == 2008
    assert producer.corruption == ("head", 1 << 40)


def segment(name):
    import os

    (file,) = [file for file in os.listdir("/dev/shm") if file.endswith(name)]
    return file


def test_batches_keep_order_and_kinds_over_many_laps(ends):
    producer, consumer = ends
    chance = random.Random(11)
    frames = [chance.randbytes(chance.choice([0, 1, 8, 40, 500, 1500])) for _ in range(4000)]
    got, sent = [], 0
    while sent < len(frames):
        pushed = producer.try_push_many(frames[sent : sent + chance.randrange(1, 30)], sent)
        sent += pushed
        if pushed == 0 or chance.random() < 0.3:
            got += consumer.try_pop_many(chance.randrange(1, 50))
    while batch := consumer.try_pop_many():
        got += batch
    assert got == frames
    assert producer.position == consumer.position > 100 * 4096


def test_a_batch_is_as_large_as_there_is_room_or_are_frames(ends):
    producer, consumer = ends
    assert producer.push_many([b"%d" % n for n in range(1000)], 7) == 256  # of 16 bytes each
    assert producer.try_push_many([b"x"]) == 0
    with pytest.raises(quoit.TimedOut):
        producer.push_many([b"x"], timeout=0.01)
    assert consumer.pop_many(10) == [b"%d" % n for n in range(10)]
    assert consumer.kinds == [7] * 10
    assert producer.push_many(iter([b"more", b"and more"]), 8) == 2
    assert consumer.pop_many() == [b"%d" % n for n in range(10, 256)] + [b"more", b"and more"]
    assert consumer.kinds == [7] * 246 + [8] * 2
    assert consumer.try_pop_many() == [] == consumer.kinds
    with pytest.raises(quoit.TimedOut):
        consumer.pop_many(timeout=0.01)


def test_a_batch_is_published_with_one_store(ends):
    producer, consumer = ends
    before = producer.position
    producer.push_many([b"a", b"b", b"c"])
    assert producer.position == before + 48
    assert consumer.unread == 48


def test_a_frame_that_is_too_long_ends_a_batch(ends):
    producer, consumer = ends
    assert producer.push_many([b"a", bytes(3000), b"b"]) == 1
    with pytest.raises(quoit.TooLong, match="2040"):
        producer.push_many([bytes(3000), b"b"])
    for bad in [[], [7], ["text"]]:
        with pytest.raises((ValueError, TypeError)):
            producer.push_many(bad)
    with pytest.raises(ValueError, match="at least one"):
        consumer.pop_many(0)
    assert consumer.try_pop_many() == [b"a"]


def test_push_all_waits_for_room(name, peer):
    quoit.create(name, 1024)
    reader = peer(
        """
        with quoit.FrameConsumer.open(sys.argv[1]) as consumer:
            got = []
            try:
                while True:
                    got += consumer.pop_many(timeout=30)
            except quoit.Abandoned:
                pass
        assert got == [b"%d" % n for n in range(5000)], len(got)
        """,
        name,
    )
    given = []

    class Producer(quoit.FrameProducer):
        def push_frames(self, payloads, *others):
            given.append(len(payloads))
            return super().push_frames(payloads, *others)

    with Producer.open(name) as producer:
        producer.push_all((b"%d" % n for n in range(5000)), timeout=30)
    reader.end()
    # Each call looks at all that it gets.
    assert max(given) <= 1024


def test_a_broken_header_in_a_batch_is_found_after_the_frames_before_it(name):
    with quoit.FrameProducer.create(name, 4096) as producer, quoit.FrameConsumer.open(name) as consumer:
        producer.push_many([b"whole", b"broken"])
        with open(f"/dev/shm/{name}", "r+b") as file:
            file.seek(16384 + 16)
            file.write((5000).to_bytes(8, "little"))
        assert consumer.pop_many() == [b"whole"]
        with pytest.raises(quoit.Corrupt):
            consumer.pop_many()
        assert consumer.corruption[0] == "frame length"
