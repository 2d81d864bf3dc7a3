"""The end of an interpreter, in each of its ways, and another interpreter of the process."""

import signal

import pytest
import quoit
from conftest import until_asleep


def state(name):
    consumer = quoit.Observer(name).sample().consumer
    return consumer.epoch, consumer.is_closed, consumer.is_alive


@pytest.mark.parametrize(
    "call",
    [
        "consumer.pop()",
        "consumer.peek()",
        "consumer.wait_for_peer()",
        "consumer.recv_into(bytearray(9))",
        "quoit.Select(consumer).wait()",
        "asyncio.run(consumer.recv())",
    ],
)
def test_a_thread_that_waits_when_the_program_ends_has_closed_its_endpoint(name, peer, call):
    program = peer(
        f"""
        import asyncio, threading
        consumer = quoit.FrameConsumer.create(sys.argv[1], 4096)
        threading.Thread(target=lambda: {call}, daemon=True).start()

        def waits():
            try:
                return consumer.unread == 0 and consumer._future is not None
            except quoit.Busy:
                return True

        while not waits():
            pass
        """,
        name,
    )
    assert program.end() == ("", "")
    assert state(name) == (1, True, False)


def test_handlers_of_the_end_run_before_the_endpoints_are_closed_if_they_were_set_later(name, peer):
    with quoit.FrameConsumer.create(name, 4096) as consumer:
        program = peer(
            """
            import atexit
            atexit.register(lambda: producer.push(b"of a handler"))
            producer = quoit.FrameProducer.open(sys.argv[1])
            """,
            name,
        )
        program.end()
        assert list(consumer) == [b"of a handler"]


def test_a_handler_of_the_end_that_was_set_before_the_import_finds_closed_endpoints(name, peer):
    with quoit.FrameConsumer.create(name, 4096) as consumer:
        program = peer(
            """
            import subprocess
            code = '''if True:
                import atexit, sys
                def late():
                    try:
                        producer.push(b"late")
                    except quoit.Closed as closed:
                        print(closed)
                atexit.register(late)
                import quoit
                producer = quoit.FrameProducer.open(sys.argv[1])
                producer.push(b"in time")
            '''
            sys.exit(subprocess.run([sys.executable, "-c", code, sys.argv[1]]).returncode)
            """,
            name,
        )
        assert "closed; open the ring again" in program.end()[0]
        assert list(consumer) == [b"in time"]


@pytest.mark.parametrize(
    ("death", "code"),
    [
        ("os._exit(3)", 3),
        ("os.abort()", -signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("import faulthandler; faulthandler.dump_traceback_later(0.05, exit=True); consumer.pop()", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("signal.signal(signal.SIGTERM, signal.SIG_DFL); signal.alarm(1); consumer.pop()", -signal.SIGALRM),
    ],
)
def test_an_interpreter_that_dies_leaves_no_role_and_in_the_end_no_name(name, peer, death, code):
    producer = quoit.FrameProducer.create(name, 4096, unlink_on_close=True)
    victim = peer(
        f"""
        import resource, signal
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        consumer = quoit.FrameConsumer.open(sys.argv[1], unlink_on_close=True)
        {death}
        """,
        name,
    )
    victim.end(code)
    assert state(name) == (1, False, False)
    assert producer.is_abandoned()
    quoit.FrameConsumer.open(name).close()
    producer.close()
    with pytest.raises(quoit.NotFound):
        quoit.open(name)


def test_a_traceback_of_a_thread_that_waits_does_not_end_the_wait(name, peer):
    with quoit.FrameProducer.create(name, 4096) as producer:
        program = peer(
            """
            import faulthandler, signal
            faulthandler.register(signal.SIGUSR1, file=sys.stdout)
            consumer = quoit.FrameConsumer.open(sys.argv[1])
            say("waits")
            say(consumer.pop())
            """,
            name,
        )
        assert program.hear() == "waits"
        until_asleep(name, "consumer")
        program.kill(signal.SIGUSR1)
        while "in pop" not in program.hear():
            pass
        producer.push(b"after it")
        assert "b'after it'" in program.end()[0]


@pytest.mark.parametrize("start", ["os.posix_spawn(program, arguments, os.environ)", "subprocess.Popen(arguments).pid"])
def test_a_program_that_was_started_has_no_descriptor_of_a_ring_and_no_role(name, peer, start):
    parent = peer(
        f"""
        import subprocess
        consumer = quoit.FrameConsumer.create(sys.argv[1], 4096)
        consumer.arm()
        ring = quoit.create_anonymous(4096)
        code = "import os, sys; names = [os.readlink(f'/proc/self/fd/{{n}}') for n in range(40) " \\
            "if os.path.lexists(f'/proc/self/fd/{{n}}')]; print(names, flush=True); sys.stdin.read()"
        program, arguments = sys.executable, [sys.executable, "-c", code]
        {start}
        sys.stdin.readline()
        os.kill(os.getpid(), 9)
        """,
        name,
    )
    names = parent.hear()
    assert "pipe:" in names and "quoit" not in names and "eventfd" not in names and "epoll" not in names
    parent.tell()
    parent.process.wait()
    # The other program lives, and reads the same standard input.
    quoit.FrameConsumer.open(name).close()
    parent.process.communicate()


INTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
other = interpreters.create()
"""


def test_another_interpreter_of_the_process_is_refused_and_changes_nothing(name, peer):
    with quoit.FrameProducer.create(name, 4096) as producer:
        program = peer(
            INTERPRETERS
            + """
consumer = quoit.FrameConsumer.open(sys.argv[1])
failed = None
try:
    failed = interpreters.run_string(other, "import quoit")
except Exception as error:
    failed = error
# The second is of Python, for an isolated interpreter, which 3.12 creates unless it is asked not to.
reasons = "start another process", "does not support loading in subinterpreters"
say("ImportError" in repr(failed) and any(reason in repr(failed) for reason in reasons) or failed)
interpreters.destroy(other)
say(consumer.pop())
""",
            name,
        )
        assert program.hear() == "True"
        producer.push(b"the first continues")
        assert program.hear() == "b'the first continues'"
        program.end()
        assert state(name) == (1, True, False)


def test_an_exception_in_a_block_that_has_an_array_leaves_the_message_for_when_the_array_is_gone(ends):
    np = pytest.importorskip("numpy")
    producer, consumer = ends
    producer.push(b"again")

    def look():
        with consumer.peek() as view:
            array = np.frombuffer(view, "u1")
            raise KeyError(len(array))

    with pytest.raises(KeyError) as caught:
        look()
    # The traceback has the frame of `look`, and that has the array.
    with pytest.raises(BufferError, match="1 views"):
        consumer.pop()
    del caught
    assert consumer.pop() == b"again"


def test_a_generator_that_is_not_finished_releases_nothing(ends):
    producer, consumer = ends
    producer.push(b"again")

    def views():
        with consumer.peek() as view:
            yield bytes(view)

    each = views()
    assert next(each) == b"again"
    each.close()
    assert consumer.pop() == b"again"
    producer.push(b"once")
    with pytest.raises(StopIteration):
        each = views()
        next(each)
        next(each)
    assert consumer.try_pop() is None


def test_a_claim_in_a_block_that_is_interrupted_publishes_nothing(name, peer):
    with quoit.FrameConsumer.create(name, 4096) as consumer:
        program = peer(
            """
            import signal
            producer = quoit.FrameProducer.open(sys.argv[1])
            try:
                with producer.claim(4) as view:
                    view[:] = b"half"
                    os.kill(os.getpid(), signal.SIGINT)
                    while True:
                        pass
            except KeyboardInterrupt:
                producer.push(b"whole")
            """,
            name,
        )
        program.end()
        assert list(consumer) == [b"whole"]
