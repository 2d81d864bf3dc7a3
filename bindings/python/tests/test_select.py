"""Waiting for the first of many endpoints."""

import signal
import threading

import numpy as np
import pytest
import quoit
from conftest import HANG, until_asleep


@pytest.fixture
def three(name):
    """Three rings, of frames, records and frames: their producers and consumers."""
    rings = [quoit.create_anonymous(1024), quoit.create_anonymous(8, "u8"), quoit.create_anonymous(64)]
    producers, consumers = [ring.producer() for ring in rings], [ring.consumer() for ring in rings]
    yield producers, consumers
    for end in producers + consumers:
        end.close()


def test_the_first_that_is_ready_is_found_and_each_has_its_turn(three):
    (frames, records, others), consumers = three
    select = quoit.Select(*consumers)
    for _ in range(3):
        others.push(b"x")
        records.push(7)
    found = [select.wait(HANG) for _ in range(4)]
    assert [event for _, event in found] == ["ready"] * 4
    assert [consumers.index(end) for end, _ in found] == [1, 2, 1, 2]
    assert consumers[1].pop() == 7 and consumers[2].pop() == b"x"
    frames.push(b"y", 3)
    assert {consumers.index(select.wait(HANG).endpoint) for _ in range(3)} == {0, 1, 2}


def test_nothing_in_time_is_a_timeout(three):
    select = quoit.Select(*three[1])
    with pytest.raises(quoit.TimedOut):
        select.wait(0.12)
    with pytest.raises(quoit.TimedOut):
        select.wait(0)


def test_a_wait_sleeps_until_a_message_comes_and_lets_other_threads_run(name):
    ring = quoit.create(name, 1024)
    other = quoit.create_anonymous(64)
    with ring.producer() as producer, ring.consumer() as consumer, other.consumer() as silent:
        found = []
        select = quoit.Select(silent, consumer)
        thread = threading.Thread(target=lambda: found.append(select.wait(HANG)))
        thread.start()
        until_asleep(name, "consumer")
        with pytest.raises(quoit.Busy):
            consumer.try_pop()
        with pytest.raises(quoit.Busy):
            select.wait(0)
        producer.push(b"x")
        thread.join(HANG)
        assert found == [(consumer, "ready")]
        assert consumer.pop() == b"x"


def test_room_is_waited_for_as_well(three):
    (frames, records, others), consumers = three
    while others.try_push(b""):
        pass
    while records.try_push(1):
        pass
    select = quoit.Select((others, 24), records)
    with pytest.raises(quoit.TimedOut):
        select.wait(0.05)
    consumers[2].pop()  # room, but for less
    with pytest.raises(quoit.TimedOut):
        select.wait(0.05)
    consumers[1].pop()
    assert select.wait(HANG) == (records, "ready")
    consumers[2].skip(None)
    consumers[2].pop()
    assert select.wait(HANG) == (others, "ready")


def test_a_departure_and_a_successor_are_told_once(name, peer):
    quoit.create(name, 1024)
    code = "p = quoit.FrameProducer.open(sys.argv[1]); p.push(b'last words'); say(1); sys.stdin.readline()"
    with quoit.FrameConsumer.open(name) as consumer, quoit.create_anonymous(64).consumer() as silent:
        select = quoit.Select(silent, consumer)
        victim = peer(code, name)
        victim.hear()
        victim.kill()
        assert select.wait(HANG) == (consumer, "ready")
        assert consumer.pop() == b"last words"
        assert select.wait(HANG) == (consumer, "abandoned")
        with pytest.raises(quoit.TimedOut):
            select.wait(0.15)
        successor = peer(code, name)
        successor.hear()
        assert select.wait(HANG) == (consumer, "attached")
        assert select.wait(HANG) == (consumer, "ready")
        successor.tell()
        successor.end()


def test_ctrl_c_ends_the_wait(name, peer):
    quoit.create(name, 1024)
    waiter = peer(
        """
        consumer = quoit.FrameConsumer.open(sys.argv[1])
        select = quoit.Select(consumer)
        say("waits")
        try:
            select.wait()
        except KeyboardInterrupt:
            say("interrupted")
        """,
        name,
    )
    assert waiter.hear() == "waits"
    until_asleep(name, "consumer")
    waiter.kill(signal.SIGINT)
    assert waiter.hear() == "interrupted"
    waiter.end()


def test_what_cannot_be_waited_for_is_refused(three, name):
    (frames, records, _), (consumer, *_) = three
    for ends, error, text in [
        ((), ValueError, "at least one"),
        ((consumer, consumer), ValueError, "twice"),
        ((frames,), TypeError, "(producer, length)"),
        ((7,), TypeError, "endpoints"),
        ((quoit.create_anonymous(64),), TypeError, "endpoints"),
        (((frames, 4000),), quoit.TooLong, "504"),
    ]:
        with pytest.raises(error) as caught:
            quoit.Select(*ends).wait(0)
        assert text in str(caught.value)
    with quoit.FrameConsumer.create(name, 64, doorbell="semaphore") as deaf:
        with pytest.raises(quoit.SystemRefused, match='doorbell="futex"'):
            quoit.Select(consumer, deaf).wait(0)
    select = quoit.Select(consumer)
    consumer.close()
    with pytest.raises(quoit.Closed):
        select.wait(0)


def test_a_task_and_a_select_do_not_share_an_endpoint(three):
    import asyncio

    (frames, *_), (consumer, *_) = three

    async def main():
        task = asyncio.create_task(consumer.recv())
        while consumer._future is None:
            await asyncio.sleep(0)
        with pytest.raises(quoit.Busy, match="a task waits"):
            quoit.Select(consumer).wait(0)
        frames.push(b"for the task")
        assert await task == b"for the task"

    asyncio.run(main())
    frames.push(b"x")
    assert quoit.Select(consumer).wait(0) == (consumer, "ready")
