"""Other processes: death, fork, pools, exit."""

import copy
import multiprocessing
import os
import pickle
import signal

import numpy as np
import pytest
import quoit


def test_a_consumer_that_was_killed_has_left_its_role_and_its_messages(name, peer):
    with quoit.FrameProducer.create(name, 4096) as producer:
        for number in range(5):
            producer.push(b"%d" % number)
        victim = peer(
            """
            consumer = quoit.FrameConsumer.open(sys.argv[1])
            assert consumer.pop() == b"0"
            with consumer.peek() as view:
                say("peeks", bytes(view))
                sys.stdin.readline()
            """,
            name,
        )
        assert victim.hear() == "peeks b'1'"
        with pytest.raises(quoit.InUse, match=f"process {victim.pid}"):
            quoit.FrameConsumer.open(name)
        victim.kill()
        victim.end(-signal.SIGKILL)
        assert producer.is_abandoned()
        with quoit.FrameConsumer.open(name) as consumer:
            assert [consumer.pop() for _ in range(4)] == [b"1", b"2", b"3", b"4"]
        assert not quoit.Observer(name).sample().consumer.is_alive


def test_a_producer_that_was_killed_is_seen_by_a_consumer_that_sleeps(name, peer):
    with quoit.FrameConsumer.create(name, 4096) as consumer:
        victim = peer(
            """
            producer = quoit.FrameProducer.open(sys.argv[1])
            producer.push(b"first")
            producer.claim(100)
            say("claimed")
            sys.stdin.readline()
            """,
            name,
        )
        assert victim.hear() == "claimed"
        assert consumer.pop() == b"first"
        victim.kill()
        with pytest.raises(quoit.Abandoned, match="producer has closed or crashed"):
            consumer.pop()
        victim.end(-signal.SIGKILL)
        with quoit.FrameProducer.open(name) as producer:
            producer.push(b"second")
            assert consumer.pop() == b"second"


@pytest.mark.parametrize("end", ["pass", "sys.exit(0)", "1/0"])
def test_a_program_that_ends_has_closed_its_endpoints(name, peer, end):
    with quoit.FrameProducer.create(name, 4096) as producer:
        producer.push(bytes(100))
        program = peer(
            f"""
            consumer = quoit.FrameConsumer.open(sys.argv[1])
            view = memoryview(consumer.lease(1))
            # As what a thread or a C module keeps: the interpreter's end does not free it.
            import ctypes
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(consumer))
            {end}
            """,
            name,
        )
        program.end(1 if "1/0" in end else 0)
        state = quoit.Observer(name).sample().consumer
        assert (state.epoch, state.is_closed, state.is_alive) == (1, True, False)


def test_a_child_keeps_no_role_and_changes_nothing(name):
    producer = quoit.FrameProducer.create(name, 4096)
    consumer = quoit.FrameConsumer.open(name)
    producer.push(b"for the parent")
    view = memoryview(consumer.lease(1))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # Of a copy of the ring, which is this process's own.
            assert bytes(view) == b"for the parent"
            del view
            for use in [
                consumer.pop, consumer.try_pop, consumer.peek, consumer.skip_to_latest, lambda: consumer.position,
                lambda: producer.push(b"x"), lambda: producer.try_push(b"x"), lambda: producer.claim(9),
                lambda: consumer.wait_for_peer(), lambda: consumer.arm(),
            ]:
                with pytest.raises(quoit.Forked, match="open the ring"):
                    use()
            assert consumer.closed and producer.closed
            # Both are closed here, and the parent's are not.
            consumer.close()
            producer.close()
            with pytest.raises(quoit.InUse):
                quoit.FrameConsumer.open(name)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert bytes(view) == b"for the parent"
    del view
    assert consumer.pop() == b"for the parent"
    producer.push(b"and more")
    assert consumer.pop() == b"and more"
    assert not producer.is_abandoned() and not consumer.is_abandoned()
    consumer.close()
    producer.close()


def test_a_child_takes_a_role_of_its_own(name):
    with quoit.FrameProducer.create(name, 4096) as producer:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with quoit.FrameConsumer.open(name) as consumer:
                    code = 0 if consumer.pop() == b"to the child" else 2
            finally:
                os._exit(code)
        producer.push(b"to the child")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert producer.is_abandoned()


def test_a_child_outlives_its_parent_and_holds_no_role(name, peer):
    parent = peer(
        """
        consumer = quoit.FrameConsumer.create(sys.argv[1], 4096)
        hears, runs = os.pipe()
        child = os.fork()
        if child == 0:
            # Until it has run for the first time it does have the lock: src/segment/fork.rs.
            os.write(runs, b"x")
            sys.stdin.readline()
            os._exit(0)
        os.read(hears, 1)
        say(child)
        os.kill(os.getpid(), 9)
        """,
        name,
    )
    parent.hear()
    parent.process.wait()
    # The child lives, and waits for its line.
    quoit.FrameConsumer.open(name).close()
    parent.tell()
    parent.process.communicate()


def square(job):
    """In a worker of a pool."""
    name, number = job
    try:
        inherited.try_pop()
    except quoit.Forked:
        with quoit.Producer.open(f"{name}-{number}", "u8") as producer:
            producer.push(number * number)
        return os.getpid()
    except NameError:  # spawned
        with quoit.Producer.open(f"{name}-{number}", "u8") as producer:
            producer.push(number * number)
        return os.getpid()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_workers(name, method):
    global inherited
    inherited = quoit.FrameConsumer.create(name, 4096)
    rings = [quoit.Consumer.create(f"{name}-{number}", 8, "u8") for number in range(6)]
    try:
        with multiprocessing.get_context(method).Pool(2) as pool:
            jobs = [(name, number) for number in range(6)]
            assert os.getpid() not in pool.map(square, jobs)
            pool.close()
            pool.join()
        assert [ring.pop() for ring in rings] == [number * number for number in range(6)]
        assert not any(quoit.Observer(ring.name).sample().producer.is_alive for ring in rings)
        assert inherited.try_pop() is None
    finally:
        inherited.close()
        del inherited
        for number, ring in enumerate(rings):
            ring.close()
            quoit.unlink(f"{name}-{number}")


def test_endpoints_and_rings_are_not_pickled(name):
    ring = quoit.create(name, 64)
    with ring.producer() as producer, ring.consumer() as consumer:
        producer.push(b"x")
        for thing in [ring, producer, consumer, consumer.peek(), producer.claim(1)]:
            with pytest.raises(TypeError, match="pass (its|the ring's) name"):
                pickle.dumps(thing)
        for thing in [ring, producer, consumer]:
            with pytest.raises(TypeError, match="pass (its|the ring's) name"):
                copy.copy(thing)
        for thing in [consumer.lease(1), quoit.Observer(name), quoit.Select(consumer)]:
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(thing)


def test_unlink_on_close(name):
    with quoit.FrameConsumer.create(name, 64, unlink_on_close=True):
        pass
    with pytest.raises(quoit.NotFound):
        quoit.open(name)


def test_a_stale_ring_is_replaced(name, peer):
    victim = peer("p = quoit.FrameProducer.create(sys.argv[1], 64); p.push(b'old'); os.kill(os.getpid(), 9)", name)
    victim.end(-signal.SIGKILL)
    with pytest.raises(quoit.AlreadyExists, match='stale="replace"') as caught:
        quoit.create(name, 64)
    assert isinstance(caught.value, FileExistsError) and "::" not in str(caught.value)
    with quoit.FrameConsumer.create(name, 64, stale="replace") as consumer:
        assert consumer.unread == 0
    assert quoit.unlink_if_stale(name)


def test_an_open_that_finds_a_ring_which_is_replaced_meanwhile_takes_the_new_one(name, monkeypatch):
    from quoit import _ring

    old, open = quoit.create(name, 64), _ring.open
    quoit.unlink(name)
    quoit.create(name, 128)
    found = iter([lambda *_, **__: old])
    monkeypatch.setattr(_ring, "open", lambda *given, **options: next(found, open)(*given, **options))
    with quoit.FrameConsumer.open(name) as consumer:
        assert consumer.capacity == 128
    with pytest.raises(quoit.Superseded, match="open it again"):
        old.consumer()


def test_a_million_records_between_two_processes(name, peer):
    quoit.create(name, 1 << 10, "u8")
    sender = peer(
        """
        with quoit.Producer.open(sys.argv[1], "u8") as producer:
            for first in range(0, 1 << 20, 1 << 9):
                producer.push_all(np.arange(first, first + (1 << 9), dtype="u8"))
        """,
        name,
    )
    out, seen = np.zeros(700, "u8"), 0
    with quoit.Consumer.open(name, "u8") as consumer:
        while seen < 1 << 20:
            count = consumer.pop_many(out, 60)
            assert (out[:count] == np.arange(seen, seen + count, dtype="u8")).all()
            seen += count
        with pytest.raises(quoit.Abandoned):
            consumer.pop_many(out)
    sender.end()
