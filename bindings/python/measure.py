"""The figures of README.md: `python3 bindings/python/measure.py`."""

import asyncio
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import quoit

NAME = f"quoit-measure-{os.getpid()}"
RECORD = np.dtype([("words", "<u8", (8,))])
RECORDS = 40_000_000
# Round trips of a turn, and turns: a virtual processor may move between two.
TURN, TURNS = 500, 20
# The last endpoint removes the name, whichever it is.
BRIEF = {"unlink_on_close": True}


def child(*arguments):
    return subprocess.Popen([sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def produce(name):
    batch = np.zeros(4096, RECORD)
    with quoit.Producer.open(name, RECORD, **BRIEF) as producer:
        for _ in range(0, RECORDS, len(batch)):
            producer.push_all(batch)


def records():
    """64-byte records from one Python process to another; then with no producer."""
    with quoit.Consumer.create(NAME, 1 << 14, RECORD, **BRIEF) as consumer:
        process = child("produce", NAME)
        out = np.zeros(4096, RECORD)
        consumer.pop_many(out)
        begin, count = time.perf_counter(), 0
        try:
            while True:
                count += consumer.pop_many(out)
        except quoit.Abandoned:
            seconds = time.perf_counter() - begin
        process.communicate()
    print(f"pop_many, 64-byte records, two processes: {count / seconds / 1e6:.1f} million a second")
    with quoit.Producer.create(NAME, 1 << 14, RECORD, **BRIEF) as producer:
        with quoit.Consumer.open(NAME, RECORD, **BRIEF) as consumer:
            batch, spent, count = np.zeros(1 << 14, RECORD), 0, 0
            for _ in range(1000):
                producer.push_all(batch)
                begin = time.perf_counter()
                while more := consumer.try_pop_many(out):
                    count += more
                spent += time.perf_counter() - begin
    print(f"pop_many of a full ring, alone: {count / spent / 1e6:.1f} million a second")


def calls():
    """One message, in one process: what the interpreter and the binding cost."""
    with quoit.FrameProducer.create(NAME, 1 << 16, **BRIEF) as producer:
        with quoit.FrameConsumer.open(NAME, **BRIEF) as consumer:
            begin = time.perf_counter()
            for _ in range(200_000):
                producer.try_push(b"16 bytes of text")
                consumer.try_pop()
            each = (time.perf_counter() - begin) / 200_000
    print(f"try_push and try_pop of a 16-byte frame: {each * 1e9:.0f} ns together")


async def ring_worker(name, strategy):
    inbox = quoit.FrameConsumer.open(f"{name}-a", wait_strategy=strategy, **BRIEF)
    outbox = quoit.FrameProducer.open(f"{name}-b", wait_strategy=strategy, **BRIEF)
    with inbox, outbox:
        async for frame in inbox:
            await outbox.send(frame)


async def streams():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def pipe_worker():
    reader, writer = await streams()
    try:
        while True:
            writer.write(await reader.readexactly(16))
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass


async def round_trips(ask, times):
    for _ in range(TURN):
        begin = time.perf_counter_ns()
        await ask()
        times.append(time.perf_counter_ns() - begin)


async def loops(strategy):
    """await recv() compared with an asyncio pipe, in alternating slices."""
    there = quoit.create(f"{NAME}-a", 1 << 12, wait_strategy=strategy, **BRIEF)
    back = quoit.create(f"{NAME}-b", 1 << 12, wait_strategy=strategy, **BRIEF)
    message = b"sixteen bytes!!!"
    with there.producer() as outbox, back.consumer() as inbox:
        ring = child("ring", NAME, strategy)
        pipe = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "pipe", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

        async def by_ring():
            await outbox.send(message)
            assert await inbox.recv() == message

        async def by_pipe():
            pipe.stdin.write(message)
            await pipe.stdin.drain()
            assert await pipe.stdout.readexactly(16) == message

        by = {by_ring: [], by_pipe: []}
        for _ in range(TURNS):
            for ask, times in by.items():
                await round_trips(ask, times)
        pipe.stdin.close()
        await pipe.wait()
    ring.communicate()
    ring_us, pipe_us = (statistics.median(times) / 1e3 for times in by.values())
    verdict = "below" if ring_us < pipe_us else "NOT below"
    print(f"asyncio round trip, p50: ring, {strategy}, {ring_us:.1f} us, {verdict} a pipe, {pipe_us:.1f} us")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["produce", name]:
            produce(name)
        case ["ring", name, strategy]:
            asyncio.run(ring_worker(name, strategy))
        case ["pipe"]:
            asyncio.run(pipe_worker())
        case _:
            records()
            calls()
            asyncio.run(loops("adaptive"))
            asyncio.run(loops("park"))
