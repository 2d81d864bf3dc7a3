"""An asyncio program: a worker process answers requests while the loop does other things.

Run `asyncio_worker.py`: it starts its worker, and prints what a round trip takes.
"""

import asyncio
import os
import sys
import time

import quoit

NAME = f"quoit-requests-{os.getpid()}"
# The last endpoint removes the name, whichever it is.
BRIEF = {"unlink_on_close": True}


async def work(name):
    inbox = quoit.FrameConsumer.open(f"{name}-there", **BRIEF)
    outbox = quoit.FrameProducer.open(f"{name}-back", **BRIEF)
    with inbox, outbox:
        async for request in inbox:  # until the peer closes
            await outbox.send(request.upper())


async def ask(rounds):
    there = quoit.create(f"{NAME}-there", 1 << 16, **BRIEF)
    back = quoit.create(f"{NAME}-back", 1 << 16, **BRIEF)
    with there.producer() as outbox, back.consumer() as inbox:
        worker = await asyncio.create_subprocess_exec(sys.executable, __file__, NAME)
        ticks = asyncio.create_task(tick())
        times = []
        for number in range(rounds):
            begin = time.perf_counter_ns()
            await outbox.send(b"request %d" % number)
            assert await inbox.recv() == b"REQUEST %d" % number
            times.append(time.perf_counter_ns() - begin)
        ticks.cancel()
    assert await worker.wait() == 0
    print(f"{rounds} round trips, p50 {sorted(times)[rounds // 2] / 1e3:.1f} us")


async def tick():
    while True:
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]) if len(sys.argv) > 1 else ask(2000))
