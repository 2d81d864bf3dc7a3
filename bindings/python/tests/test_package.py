"""The package itself: names, type hints, errors, the observer, the examples."""

import ast
import asyncio
import inspect
import os
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import quoit
from conftest import HANG, until_asleep

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def hints():
    file = pathlib.Path(quoit.__file__).with_name("__init__.pyi")
    return {node.name: node for node in ast.parse(file.read_text()).body if hasattr(node, "name")}


def arguments(node):
    return [argument.arg for argument in node.args.posonlyargs + node.args.args + node.args.kwonlyargs]


def test_the_package_is_typed_and_the_hints_name_what_there_is():
    assert pathlib.Path(quoit.__file__).with_name("py.typed").exists()
    nodes = hints()
    assert {name for name in nodes if not name.startswith("_")} == set(quoit.__all__)
    checked = 0
    for name in quoit.__all__:
        node, thing = nodes[name], getattr(quoit, name)
        if isinstance(node, ast.FunctionDef):
            assert arguments(node) == [p for p in inspect.signature(thing).parameters if p != "options"]
            continue
        bases = [nodes[base.id] for base in node.bases if base.id in nodes]
        bases += [nodes[base.id] for each in bases for base in each.bases if base.id in nodes]
        members = [member for each in [node, *bases] for member in each.body]
        hinted = {getattr(m, "name", None) or m.target.id for m in members if not isinstance(m, ast.Expr)}
        for member in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("__"):
                real = getattr(thing, member.name)
                is_property = any(getattr(d, "id", "") == "property" for d in member.decorator_list)
                assert callable(real) != is_property, (name, member.name)
                if is_property or "create" in member.name or member.name == "open":
                    continue
                assert inspect.iscoroutinefunction(real) == isinstance(member, ast.AsyncFunctionDef)
                assert arguments(member) == list(inspect.signature(real).parameters), (name, member.name)
                checked += 1
        if not issubclass(thing, Exception) and not hasattr(thing, "__dataclass_fields__"):
            # And nothing public without a hint, but what a class is made of.
            public = {each for each in vars(thing) if not each.startswith("_")}
            assert public - {"claimed"} <= hinted, name
    assert checked > 40


def test_errors_are_of_the_builtin_kinds_and_say_what_to_do(name):
    cases = [
        (lambda: quoit.open(name), quoit.NotFound, FileNotFoundError, "create it first, or use open_or_create"),
        (lambda: quoit.create("", 64), quoit.Invalid, ValueError, "cannot name a ring"),
        (lambda: quoit.create(name, 100), quoit.Invalid, ValueError, "power of two"),
        (lambda: quoit.create(name, 1 << 60), quoit.QuoitError, Exception, "bytes"),
        (lambda: quoit.create(name, 64, stale="never"), ValueError, ValueError, '"take_over", "replace", "fail"'),
        (lambda: quoit.create(name, 64, colour=1), ValueError, ValueError, "no option"),
        (lambda: quoit.create(name, 64, spin=-1), ValueError, ValueError, "number of seconds"),
        (lambda: quoit.create(name, 64, peer_check=float("nan")), ValueError, ValueError, "number of seconds"),
        (lambda: quoit.create(name, 64, mode="600"), TypeError, TypeError, "mode='600': 'str' object"),
        (lambda: quoit.create(name, 64, tag=5), TypeError, TypeError, "tag=5: 'int' object"),
        (lambda: quoit.create(name, -1), OverflowError, OverflowError, "capacity=-1: "),
        (lambda: quoit.create(name, 64, align=64), TypeError, TypeError, "align is of records"),
        (lambda: quoit.FrameProducer.create(name, 64, "u8"), TypeError, TypeError, "no dtype"),
        (lambda: quoit.Producer.create(name, 64), TypeError, TypeError, "FrameProducer"),
        (lambda: quoit.FrameConsumer.open(), TypeError, TypeError, "End.open() missing 1"),
        (lambda: quoit.create(name, 64), quoit.AlreadyExists, FileExistsError, "exists"),
    ]
    for call, kind, builtin, text in cases:
        with pytest.raises(kind, match=re.escape(text)) as caught:
            call()
        assert isinstance(caught.value, builtin)
        assert "::" not in str(caught.value)


def test_a_class_for_other_content_takes_no_role(name):
    with quoit.FrameProducer.create(name, 64) as producer:
        with pytest.raises(TypeError, match="its endpoints are FrameProducer and FrameConsumer"):
            quoit.Consumer(quoit.open(name))
        assert producer.peer_epoch == 0


def test_a_number_that_is_none_of_its_kind_is_refused_with_its_range(name, ends):
    producer, consumer = ends
    for kind in [-1, 1 << 32]:
        claim = producer.claim(1)
        claim.kind = kind
        for use in [
            lambda: producer.push(b"", kind), lambda: producer.try_push(b"", kind),
            lambda: producer.push_many([b""], kind), claim.commit,
        ]:
            with pytest.raises(OverflowError, match="a kind is a number from 0 to 4294967295"):
                use()
    with pytest.raises(TypeError):
        producer.push(b"", "1")
    producer.push(b"", (1 << 32) - 1)
    assert consumer.unread == 8
    for mode in [660, 0o400, 0o1600]:
        with pytest.raises(ValueError, match="mode bits are octal, from 0o600 to 0o777"):
            quoit.create(f"{name}-mode", 64, mode=mode)
    with pytest.raises(quoit.NotFound):
        quoit.open(f"{name}-mode")


def test_public_classes_say_that_they_are_public():
    for name in quoit.__all__:
        assert getattr(quoit, name).__module__ == "quoit" or not name[0].isupper(), name


def test_an_observer_changes_nothing_and_sees_all(name):
    with quoit.FrameProducer.create(name, 1024) as producer:
        producer.push(b"one", 1)
        producer.push(b"two", 2)
        producer.count_dropped(5)
        observer = quoit.Observer(name)
        assert (observer.info.shape, observer.info.capacity, observer.info.layout) == ("frames", 1024, 1)
        assert [(m.kind, m.payload) for m in observer.messages()] == [(1, b"one"), (2, b"two")]
        assert [m.payload for m in observer.messages(1)] == [b"one"]
        sample = observer.sample()
        assert (sample.tail, sample.head, sample.unread) == (32, 0, 32)
        assert (sample.producer.pid, sample.producer.dropped) == (os.getpid(), 5)
        assert sample.producer.is_alive and not sample.consumer.is_alive
        assert not observer.is_superseded()
    quoit.unlink(name)
    assert observer.is_superseded()


def test_a_context_manager_gives_the_role_back_after_an_error(name):
    with pytest.raises(KeyError):
        with quoit.FrameConsumer.create(name, 64) as consumer:
            raise KeyError
    assert consumer.closed and "closed" in repr(consumer)
    consumer.close()
    with pytest.raises(quoit.Closed):
        consumer.try_pop()
    with pytest.raises(quoit.Closed):
        asyncio.run(consumer.recv())
    quoit.FrameConsumer.open(name).close()


def test_an_exception_is_the_one_of_the_block_though_an_array_or_a_thread_keeps_the_endpoint(name):
    producer = quoit.FrameProducer.create(name, 64)
    producer.push(b"again")

    def look():
        with quoit.FrameConsumer.open(name) as consumer, consumer.peek() as view:
            array = np.frombuffer(view, "u1")
            raise KeyError(len(array))

    with pytest.raises(KeyError) as caught:
        look()
    assert producer.is_abandoned()
    # With the traceback ends the array.
    del caught
    with quoit.FrameConsumer.open(name) as consumer, pytest.raises(quoit.InUse, match="close that endpoint"):
        quoit.unlink(name)
    with pytest.raises(KeyError):
        with quoit.FrameConsumer.open(name) as consumer:
            assert consumer.pop() == b"again"
            thread = threading.Thread(target=consumer.pop, args=[HANG])
            thread.start()
            until_asleep(name, "consumer")
            raise KeyError
    producer.push(b"for the thread")
    thread.join()
    consumer.close()
    producer.close()


def test_the_asyncio_program_leaves_nothing():
    before = set(os.listdir("/dev/shm"))
    done = subprocess.run([sys.executable, EXAMPLES / "asyncio_worker.py"], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert "2000 round trips" in done.stdout
    assert not [each for each in set(os.listdir("/dev/shm")) - before if "quoit-requests" in each]


def test_no_advice_names_a_call_of_rust():
    root = pathlib.Path(__file__).parents[3]
    text = r'"((?:[^"\\]|\\.)*)"'
    table = (root / "bindings/python/src/fault.rs").read_text().split("const WORDS")[1].split("];")[0]
    words = [[ast.literal_eval(f'"{word}"') for word in pair] for pair in re.findall(rf"\(\s*{text},\s*{text},?\s*\)", table)]
    errors = (root / "tests/api/errors.txt").read_text().splitlines()
    texts = [line for line in errors if line.startswith("    ")]
    texts += (root / "tests/api/advice.txt").read_text().splitlines()
    assert len(words) > 5 and any("RingOptions::mode(" in text for text in texts)
    for text in texts:
        for rust, python in words:
            text = text.replace(rust, python)
        assert "::" not in text
