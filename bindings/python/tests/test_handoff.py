"""Rings without a name, from process to process."""

import multiprocessing
import os
import pickle
import signal
import socket
import threading

import numpy as np
import pytest
import quoit
from conftest import HANG

TICK = np.dtype([("time", "<u8"), ("price", "<f8")])


def double(jobs, answers):
    """A worker: until there are no more jobs."""
    with jobs.consumer() as inbox, answers.producer() as outbox:
        for frame in inbox:
            outbox.push(frame + frame)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_passes_rings_on_and_nothing_has_a_name(method):
    jobs, answers = quoit.create_anonymous(4096), quoit.create_anonymous(4096, wait_strategy="park")
    assert [os.fstat(ring.fileno()).st_nlink for ring in (jobs, answers)] == [0, 0]
    worker = multiprocessing.get_context(method).Process(target=double, args=(jobs, answers))
    worker.start()
    with jobs.producer() as outbox, answers.consumer() as inbox:
        for number in range(100):
            outbox.push(b"%d" % number)
            assert inbox.pop(HANG) == b"%d%d" % (number, number)
        outbox.close()
        with pytest.raises(quoit.Abandoned):
            inbox.pop(HANG)
    worker.join(HANG)
    assert worker.exitcode == 0


def test_a_pipe_of_multiprocessing_passes_a_ring_with_its_dtype():
    mine, theirs = multiprocessing.Pipe()
    ring = quoit.create_anonymous(8, TICK, tag="tick/1")
    mine.send(ring)
    received = theirs.recv()
    assert (received.dtype, received.incarnation, received.capacity) == (TICK, ring.incarnation, 8)
    with ring.producer() as producer, received.consumer() as consumer:
        producer.push((7, 0.5))
        assert consumer.pop().tolist() == (7, 0.5)


def test_a_ring_goes_over_a_socket_to_another_program(peer):
    mine, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            mine.close()
            with quoit.receive(theirs, TICK, tag="tick/1").consumer() as consumer:
                code = 0 if [tick["time"] for tick in consumer] == list(range(20)) else 2
        finally:
            os._exit(code)
    theirs.close()
    ring = quoit.create_anonymous(8, TICK, tag="tick/1")
    ring.send(mine)
    with ring.producer() as producer:
        for number in range(20):
            producer.push((number, 1.0), HANG)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_worker_that_was_killed_leaves_its_role_to_the_next():
    ring = quoit.create_anonymous(4096)
    with ring.producer() as producer:
        child = os.fork()
        if child == 0:
            try:
                consumer = ring.consumer()
                consumer.pop(HANG)
                consumer.peek()
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        producer.push(b"first")
        producer.push(b"second")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        with ring.consumer() as consumer:
            assert consumer.pop(HANG) == b"second"
        assert producer.peer_epoch == 2


def test_a_descriptor_opens_the_ring_and_stays_the_callers():
    ring = quoit.create_anonymous(64, "u8")
    again = quoit.open_descriptor(ring.fileno(), "u8")
    assert again.incarnation == ring.incarnation
    with ring.producer() as producer, again.consumer() as consumer:
        producer.push(5)
        assert consumer.pop() == 5
    assert os.fstat(ring.fileno()).st_size > 0
    with pytest.raises(quoit.InUse), ring.producer():
        again.producer()


def test_a_socket_waits_as_long_as_it_says():
    mine, theirs = socket.socketpair()
    for timeout in [0, 0.05]:
        theirs.settimeout(timeout)
        with pytest.raises(quoit.TimedOut):
            quoit.receive(theirs)
    quoit.create_anonymous(64).send(mine)
    theirs.settimeout(1e9)
    assert quoit.receive(theirs).capacity == 64
    mine.close()
    theirs.settimeout(None)
    with pytest.raises(EOFError, match="closed"):
        quoit.receive(theirs)


def test_a_socket_with_a_timeout_waits_for_a_ring_that_comes_later():
    mine, theirs = socket.socketpair()
    theirs.settimeout(HANG)
    # Long enough that the wait has begun; a ring that is there before changes no result.
    sender = threading.Timer(0.2, quoit.create_anonymous(64).send, [mine])
    sender.start()
    assert quoit.receive(theirs).capacity == 64
    sender.join()
    mine.close(), theirs.close()


def test_ctrl_c_ends_a_wait_for_a_ring(peer):
    waiter = peer(
        """
        import socket
        mine, theirs = socket.socketpair()
        say("waits")
        try:
            quoit.receive(mine)
        except KeyboardInterrupt:
            say("interrupted")
        """
    )
    assert waiter.hear() == "waits"
    while open(f"/proc/{waiter.pid}/stat").read().rsplit(")", 1)[1].split()[0] != "S":
        pass
    waiter.kill(signal.SIGINT)
    assert waiter.hear() == "interrupted"
    waiter.end()


def test_what_cannot_be_handed_on_is_refused(name):
    mine, theirs = socket.socketpair()
    named = quoit.create(name, 64)
    with pytest.raises(quoit.Invalid, match="has a name"):
        named.send(mine)
    with pytest.raises(ValueError, match="has a name"):
        named.fileno()
    with pytest.raises(TypeError, match="pass its name"):
        pickle.dumps(named)
    mine.sendall(b"sixteen bytes!!!")
    with pytest.raises(quoit.NotARing):
        quoit.receive(theirs)
    quoit.create_anonymous(8, "u8").send(mine)
    with pytest.raises(quoit.Mismatch):
        quoit.receive(theirs, "u4")
    with pytest.raises(ValueError, match="not negative"):
        quoit.open_descriptor(-1)
    with open(os.devnull) as file:
        with pytest.raises(quoit.QuoitError):
            quoit.open_descriptor(file.fileno())


def test_an_anonymous_ring_is_removed_with_its_last_process(peer):
    victim = peer(
        """
        ring = quoit.create_anonymous(1 << 16)
        producer, consumer = ring.producer(), ring.consumer()
        producer.push(b"x")
        # No name keeps the memory.
        say(os.readlink(f"/proc/self/fd/{ring.fileno()}"), os.fstat(ring.fileno()).st_nlink)
        sys.stdin.readline()
        """
    )
    assert victim.hear().endswith("(deleted) 0")
    victim.kill()
    victim.end(-signal.SIGKILL)
