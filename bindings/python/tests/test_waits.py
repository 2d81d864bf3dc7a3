"""Waits: timeouts, the GIL, Ctrl-C, and threads."""

import signal
import sys
import threading
import time

import pytest
import quoit
from conftest import HANG, until_asleep


def test_a_timeout_ends_a_wait_and_never_before(name):
    with quoit.FrameProducer.create(name, 64) as producer, quoit.FrameConsumer.open(name) as consumer:
        for timeout in [0, 0.01, 0.12]:
            for wait in [
                lambda: consumer.pop(timeout),
                lambda: consumer.peek(timeout),
                lambda: consumer.recv_into(bytearray(9), timeout),
            ]:
                begin = time.monotonic()
                with pytest.raises(quoit.TimedOut) as caught:
                    wait()
                assert time.monotonic() - begin >= timeout
                assert isinstance(caught.value, TimeoutError)
        while producer.try_push(bytes(8)):
            pass
        for wait in [lambda: producer.push(bytes(8), timeout=0.12), lambda: producer.claim(8, timeout=0.12)]:
            begin = time.monotonic()
            with pytest.raises(quoit.TimedOut):
                wait()
            assert time.monotonic() - begin >= 0.12


def test_push_all_has_one_deadline_whatever_the_consumer_does(name):
    with quoit.Producer.create(name, 2, "u1") as producer, quoit.Consumer.open(name, "u1") as consumer:
        stop = threading.Event()

        def drip():
            # Room comes again and again, and sooner than any single wait would time out.
            while not stop.wait(0.02):
                consumer.skip(1)

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            begin = time.monotonic()
            with pytest.raises(quoit.TimedOut):
                producer.push_all(bytes_of(10_000), timeout=0.3)
            assert 0.3 <= time.monotonic() - begin < HANG
            assert 0 < producer.position < 10_000
        finally:
            stop.set()
            thread.join()


def bytes_of(count):
    import numpy as np

    return np.zeros(count, "u1")


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("-inf")])
def test_a_timeout_that_is_none_is_refused(name, timeout):
    with quoit.FrameProducer.create(name, 64) as producer, quoit.FrameConsumer.open(name) as consumer:
        for wait in [
            consumer.pop, consumer.peek, consumer.wait_for_peer, quoit.Select(consumer).wait,
            lambda timeout: consumer.pop_many(9, timeout),
            lambda timeout: producer.push(b"x", timeout=timeout),
            lambda timeout: producer.claim(9, timeout=timeout),
            lambda timeout: producer.push_many([b"x"], timeout=timeout),
            lambda timeout: producer.push_all([b"x"], timeout=timeout),
        ]:
            with pytest.raises(ValueError, match="number of seconds"):
                wait(timeout)
        assert producer.position == 0


@pytest.mark.parametrize("endless", [float("inf"), 1e300])
def test_an_endless_timeout_is_one_and_so_is_an_endless_option(name, endless):
    with quoit.FrameProducer.create(name, 64) as producer:
        with quoit.FrameConsumer.open(name, spin=endless, peer_check=endless) as consumer:
            producer.push(b"x")
            assert consumer.pop(endless) == b"x"
            with pytest.raises(quoit.TimedOut):
                consumer.pop(0.01)


def test_a_wait_lets_other_threads_run(name):
    producer = quoit.FrameProducer.create(name, 1 << 12)
    consumer = quoit.FrameConsumer.open(name)
    got = []
    thread = threading.Thread(target=lambda: got.append(consumer.pop(HANG)))
    thread.start()
    # It sleeps: so this thread has the GIL while that one waits.
    until_asleep(name, "consumer")
    with pytest.raises(quoit.Busy, match="one thread"):
        consumer.try_pop()
    with pytest.raises(quoit.Busy):
        consumer.close()
    assert repr(consumer) == "<quoit.FrameConsumer, in a call of another thread>"
    producer.push(b"woken")
    thread.join(HANG)
    assert got == [b"woken"]
    # Another thread than the first may have it now.
    assert consumer.try_pop() is None
    consumer.close()
    producer.close()


@pytest.mark.parametrize("call", [
    "quoit.create(name, 64)", "quoit.open(name)", "quoit.open_or_create(name, 64)", "quoit.create_anonymous(64)",
    "quoit.open_descriptor(anonymous.fileno())", "quoit.Observer(name)", "ring.producer()", "ring.unlink()",
    "quoit.unlink(name)",
])
def test_a_call_that_opens_or_removes_a_ring_lets_other_threads_run(name, call):
    ring, anonymous, code = quoit.create(name, 64), quoit.create_anonymous(64), compile(call, "call", "eval")
    known = {"quoit": quoit, "name": name, "ring": ring, "anonymous": anonymous}
    interval, begun, ran = sys.getswitchinterval(), threading.Lock(), []
    thread = threading.Thread(target=lambda: (begun.acquire(), ran.append(True)))
    begun.acquire()
    thread.start()
    sys.setswitchinterval(10 * HANG)  # the thread has the GIL only if this one gives it up
    try:
        begun.release()
        until = time.monotonic() + HANG / 10
        while not ran and time.monotonic() < until:
            try:
                eval(code, known)
            except quoit.QuoitError:
                pass
        assert ran
    finally:
        sys.setswitchinterval(interval)
        thread.join()


@pytest.mark.parametrize("wait", ["consumer.pop()", "consumer.peek()", "next(iter(consumer))", "producer.claim(40)",
                                  "producer.push(bytes(40))", "consumer.wait_for_peer()", "consumer.pop(1000)",
                                  "consumer.pop_many()", "consumer.recv_into(bytearray(99))", "quoit.Select(consumer).wait()",
                                  "producer.push_many([bytes(40)])", "producer.push_all([bytes(40)])",
                                  "quoit.Select((producer, 40)).wait()"])
def test_ctrl_c_ends_a_wait_and_the_endpoint_goes_on(name, peer, wait):
    quoit.create(name, 128)
    waiter = peer(
        """
        name, wait = sys.argv[1:]
        consumer = quoit.FrameConsumer.open(name)
        producer = None
        if "peer" not in wait:
            producer = quoit.FrameProducer.open(name)
        if "producer" in wait:
            while producer.try_push(bytes(40)):
                pass
        try:
            say("waits")
            # Not of text: that would end the process as if no code had caught the interrupt.
            eval(compile(wait, "wait", "eval"))
            say("returned")
        except KeyboardInterrupt:
            say("interrupted")
        if "producer" in wait:
            assert consumer.pop() == bytes(40)
        elif producer:
            producer.push(b"after")
            assert consumer.pop() == b"after"
        """,
        name,
        wait,
    )
    assert waiter.hear() == "waits"
    until_asleep(name, "producer" if "producer" in wait else "consumer")
    waiter.kill(signal.SIGINT)
    assert waiter.hear() == "interrupted"
    waiter.end()


def test_a_handler_may_close_the_endpoint_that_waits(name, peer):
    quoit.create(name, 64)
    waiter = peer(
        """
        import signal
        consumer = quoit.FrameConsumer.open(sys.argv[1])
        signal.signal(signal.SIGTERM, lambda *_: consumer.close())
        say("waits")
        try:
            consumer.pop()
        except quoit.Closed:
            say("closed")
        """,
        name,
    )
    assert waiter.hear() == "waits"
    until_asleep(name, "consumer")
    waiter.kill(signal.SIGTERM)
    assert waiter.hear() == "closed"
    waiter.end()


@pytest.mark.parametrize(("wait", "dtype"), [
    ("consumer.pop()", []), ("consumer.pop_many()", []), ("consumer.recv_into(out)", []),
    ("producer.push(b'other')", []), ("producer.push_many([b'other'])", []),
    ("consumer.pop_many(out)", ["u8"]), ("producer.push_many([1, 2])", ["u8"]),
])
def test_a_call_that_waits_leaves_what_a_handler_has_begun_to_look_at(name, peer, wait, dtype):
    quoit.create(name, 64, *dtype)
    waiter = peer(
        """
        import signal
        name, wait, *dtype = sys.argv[1:]
        ring = quoit.open(name, *dtype)
        producer, consumer, out = ring.producer(), ring.consumer(), bytearray(8)
        message = np.frombuffer(b"8 bytes.", "u8")[0]
        while "producer" in wait and producer.try_push(message):
            pass

        def look(*_):
            global view
            if "consumer" in wait:
                producer.push(message)
                view = memoryview(consumer.lease(1))
            else:
                consumer.skip(1)
                view = memoryview(producer.lease(1 if dtype else 8))
                view[:] = message.tobytes()

        signal.signal(signal.SIGTERM, look)
        say("waits")
        try:
            eval(wait)
        except BufferError:
            say(bytes(view) + out)
        del view
        assert consumer.pop() == (message if dtype else message.tobytes())
        """,
        name,
        wait,
        *dtype,
    )
    assert waiter.hear() == "waits"
    until_asleep(name, wait.split(".")[0])
    waiter.kill(signal.SIGTERM)
    assert waiter.hear() == str(b"8 bytes." + bytes(8))
    waiter.end()


def test_ctrl_c_ends_a_batch_and_what_was_pushed_stays(name, peer):
    with quoit.Consumer.create(name, 8, "u8") as consumer:
        waiter = peer(
            """
            producer = quoit.Producer.open(sys.argv[1], "u8")
            try:
                say("waits")
                producer.push_all(range(100))
            except KeyboardInterrupt:
                say(producer.position)
            """,
            name,
        )
        assert waiter.hear() == "waits"
        until_asleep(name, "producer")
        waiter.kill(signal.SIGINT)
        assert waiter.hear() == "8"
        waiter.end()
        assert [consumer.pop() for _ in range(8)] == list(range(8))


def test_wait_for_peer(name, peer):
    with quoit.FrameProducer.create(name, 64) as producer:
        with pytest.raises(quoit.TimedOut):
            producer.wait_for_peer(0.01)
        assert producer.peer_epoch == 0
        consumer = peer("c = quoit.FrameConsumer.open(sys.argv[1]); sys.stdin.readline()", name)
        producer.wait_for_peer(HANG)
        assert producer.peer_epoch == 1
        assert not producer.is_abandoned()
        consumer.tell()
        consumer.end()
        assert producer.is_abandoned()
