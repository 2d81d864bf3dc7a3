"""Frames: bytes of any length, with a kind."""

import random

import numpy as np
import pytest
import quoit


@pytest.fixture
def ends(name):
    with quoit.FrameProducer.create(name, 4096) as producer, quoit.FrameConsumer.open(name) as consumer:
        yield producer, consumer


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


def test_corrupt_memory_is_an_error_and_not_a_crash(name, ends):
    producer, consumer = ends
    producer.push(b"abc")
    with open(f"/dev/shm/{segment(name)}", "r+b") as file:
        file.seek(16384)
        file.write(b"\xff\xff\xff\x7f")
    with pytest.raises(quoit.Corrupt, match="close the endpoint"):
        consumer.pop()
    assert consumer.corruption == ("frame length", 0x7FFFFFFF)
    with pytest.raises(quoit.Corrupt):
        consumer.skip_to_latest()
    with pytest.raises(quoit.Corrupt):
        consumer.peek()


def segment(name):
    import os

    (file,) = [file for file in os.listdir("/dev/shm") if file.endswith(name)]
    return file
