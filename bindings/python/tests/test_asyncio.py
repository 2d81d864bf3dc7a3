"""asyncio: waits that leave the loop free."""

import asyncio
import errno
import gc
import os
import select
import threading
import time

import numpy as np
import pytest
import quoit
from conftest import HANG, until_asleep
from quoit._end import _Port, _Wait


@pytest.fixture
def ends(name):
    with quoit.FrameProducer.create(name, 1024) as producer, quoit.FrameConsumer.open(name) as consumer:
        yield producer, consumer


async def begun(wait, *ends):
    """A task that waits for its endpoints."""
    task = asyncio.create_task(wait)
    while any(end._future is None for end in ends):
        await asyncio.sleep(0)
    return task


def run(main):
    async def bounded():
        return await asyncio.wait_for(main, HANG)

    return asyncio.run(bounded())


def test_recv_waits_and_the_loop_goes_on(ends):
    producer, consumer = ends

    async def main():
        task = asyncio.create_task(consumer.recv())
        turns = 0
        while consumer._future is None:
            await asyncio.sleep(0)
            turns += 1
        producer.push(b"one", 3)
        assert await task == b"one"
        assert consumer.kind == 3 and turns > 0

    run(main())


def test_many_waits_in_two_tasks_and_two_loops(ends):
    producer, consumer = ends

    async def main():
        async def send():
            for number in range(2000):
                await producer.send(b"%d" % number, number)
                if number % 3 == 0:
                    await asyncio.sleep(0)

        sender = asyncio.create_task(send())
        got = [await consumer.recv() for _ in range(2000)]
        await sender
        assert got == [b"%d" % number for number in range(2000)]

    run(main())
    run(main())


def test_async_for_ends_with_the_producer(ends):
    producer, consumer = ends

    async def main():
        async def read():
            return [frame async for frame in consumer]

        task = asyncio.create_task(read())
        for number in range(3):
            await producer.send(b"%d" % number)
            await asyncio.sleep(0)
        producer.close()
        assert await task == [b"0", b"1", b"2"]
        with pytest.raises(quoit.Abandoned):
            await consumer.recv()

    run(main())


def test_a_producer_that_was_killed_ends_async_for(name, peer):
    with quoit.FrameConsumer.create(name, 1024) as consumer:
        victim = peer("p = quoit.FrameProducer.open(sys.argv[1]); p.push(b'x'); say(1); sys.stdin.readline()", name)
        victim.hear()

        async def main():
            got = []
            async for frame in consumer:
                got.append(frame)
                victim.kill()
            return got

        assert run(main()) == [b"x"]


def test_a_cancelled_call_takes_nothing(ends):
    producer, consumer = ends

    async def main():
        for lap in range(20):
            task = await begun(consumer.recv(), consumer)
            if lap % 2:
                producer.push(b"%d" % lap)
            task.cancel("why")
            with pytest.raises(asyncio.CancelledError, match="why"):
                await task
            assert consumer._future is None
            assert consumer.try_pop() == (b"%d" % lap if lap % 2 else None)

    run(main())


def test_a_wait_that_times_out_takes_nothing_and_the_next_one_has_the_message(ends):
    producer, consumer = ends

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consumer.recv(), 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await consumer.recv()
        assert consumer._future is None
        producer.push(b"x")
        assert await asyncio.wait_for(consumer.recv(), HANG) == b"x"

    run(main())


def test_messages_that_arrive_with_the_timeout_are_not_lost(ends):
    producer, consumer = ends

    async def main():
        loop, got, sent = asyncio.get_running_loop(), [], 0

        def push():
            nonlocal sent
            producer.push(b"%d" % sent)
            sent += 1

        for lap in range(200):
            # Before the timeout, at the same time, or after it.
            loop.call_later(0.0005 + 0.0001 * (lap % 11 - 5), push)
            try:
                got.append(await asyncio.wait_for(consumer.recv(), 0.0005))
            except TimeoutError:
                pass
        while sent < 200 or len(got) < 200:
            got.append(await consumer.recv())
        assert got == [b"%d" % number for number in range(200)]

    run(main())


def test_a_full_ring_lets_send_wait(ends):
    producer, consumer = ends

    async def main():
        while producer.try_push(bytes(100)):
            pass
        task = await begun(producer.send(np.zeros(50, "M8[s]")), producer)
        count = 0
        while not task.done():
            if consumer.try_pop() is not None:
                count += 1
            await asyncio.sleep(0)
        await task
        assert count >= 4

    run(main())


def test_a_wake_runs_its_task_in_the_same_turn_of_the_loop(ends):
    producer, consumer = ends

    async def main():
        loop = asyncio.get_running_loop()
        turn, woken = 0, None
        select = loop._selector.select

        def count(timeout):
            nonlocal turn, woken
            turn += 1
            events = select(timeout)
            woken = turn if events else woken
            return events

        async def read():
            return await consumer.recv(), turn

        task = await begun(read(), consumer)
        loop._selector.select = count
        producer.push(b"x")
        assert await task == (b"x", woken)

    run(main())


def test_tasks_that_were_woken_together_may_cancel_close_and_wait_again():
    async def main():
        rings = [quoit.create_anonymous(1024) for _ in range(4)]
        producers, consumers = [ring.producer() for ring in rings], [ring.consumer() for ring in rings]
        tasks, ran = [], []

        async def read(number):
            await consumers[number].ready()
            ran.append(number)
            if len(ran) == 1:
                # The others are woken as well, or will be.
                others = [other for other in range(4) if other != number]
                tasks[others[0]].cancel()
                consumers[others[1]].close()
            while consumers[number].try_pop() is not None:
                pass
            if len(ran) == 1:
                await consumers[number].recv()
            return number

        for number in range(4):
            tasks.append(asyncio.create_task(read(number)))
        while any(consumer._future is None for consumer in consumers):
            await asyncio.sleep(0)
        for producer in producers:
            producer.push(b"x")
        while not ran:
            await asyncio.sleep(0)
        producers[ran[0]].push(b"again")
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended[ran[0]] == ran[0]
        assert all(isinstance(end, (int, asyncio.CancelledError, quoit.Closed)) for end in ended), ended
        for end in producers + consumers:
            end.close()

    run(main())


def test_a_task_that_ends_the_program_ends_the_waits_that_were_woken_with_it():
    rings = [quoit.create_anonymous(1024) for _ in range(2)]
    producers, consumers = [ring.producer() for ring in rings], [ring.consumer() for ring in rings]

    async def read(consumer):
        await consumer.ready()
        if not ran:
            ran.append(True)
            raise SystemExit

    ran, loop = [], asyncio.new_event_loop()
    tasks = [loop.create_task(read(consumer)) for consumer in consumers]
    while any(consumer._future is None for consumer in consumers):
        loop.run_until_complete(asyncio.sleep(0))
    for producer in producers:
        producer.push(b"x")
    assert all(select.select([consumer._future[1]], [], [], HANG)[0] for consumer in consumers)
    with pytest.raises(SystemExit):
        loop.run_until_complete(asyncio.sleep(HANG))
    done = loop.run_until_complete(asyncio.wait(tasks, timeout=HANG))[0]
    assert done == set(tasks) and any(isinstance(task.exception(), SystemExit) for task in tasks)
    loop.close()
    for end in producers + consumers:
        end.close()


def test_a_wait_that_the_kernel_refuses_leaves_the_next_one_whole(ends):
    producer, consumer = ends

    class Full:
        def register(self, *_):
            port._poll = poll
            raise OSError(errno.ENOSPC, "no watch is left")

    async def main():
        nonlocal port, poll
        port = _Port.of(producer)
        poll, port._poll = port._poll, Full()
        with pytest.raises(OSError, match="no watch"):
            await consumer.recv()
        task = await begun(consumer.recv(), consumer)
        producer.push(b"x")
        assert await task == b"x"

    port = poll = None
    run(main())


@pytest.mark.parametrize("end", ["a message", "a cancel"])
def test_after_a_wait_no_task_waits(ends, end):
    producer, consumer = ends

    async def main():
        task = await begun(consumer.ready(), consumer)
        select = quoit.Select(consumer)
        with pytest.raises(quoit.Busy, match="a task waits"):
            select.wait(0)
        producer.push(b"x")
        if end == "a cancel":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert select.wait(0).event == "ready"

    run(main())


def test_two_tasks_for_one_endpoint_are_told_so(ends):
    producer, consumer = ends

    async def main():
        task = await begun(consumer.recv(), consumer)
        with pytest.raises(quoit.Busy, match="one task"):
            await consumer.recv()
        producer.push(b"x")
        assert await task == b"x"

    run(main())


def test_other_calls_do_not_end_the_wait_of_a_task(ends):
    producer, consumer = ends

    async def main():
        task = await begun(consumer.recv(), consumer)
        assert (consumer.unread, consumer.try_pop(), consumer.skip_to_latest()) == (0, None, 0)
        with pytest.raises(quoit.TimedOut):
            consumer.pop(0)
        producer.push(b"x")
        assert await task == b"x"
        task = await begun(consumer.recv(), consumer)
        producer.close()
        assert consumer.unread == 0 and consumer.is_abandoned()  # which the task has not seen
        with pytest.raises(quoit.Abandoned):
            await task

    run(main())


def test_close_ends_a_wait_of_another_task(ends):
    producer, consumer = ends

    async def main():
        task = await begun(consumer.recv(), consumer)
        consumer.close()
        with pytest.raises(quoit.Closed):
            await task

    run(main())


def test_close_in_another_thread_ends_the_wait_of_a_loop_that_sleeps(ends, monkeypatch):
    _, consumer = ends
    task, end_soon = None, _Wait.end_soon

    def end_and_let_it_run(wait):
        end_soon(wait)
        while not task.done() and consumer._future is None:
            time.sleep(1e-3)

    monkeypatch.setattr(_Wait, "end_soon", end_and_let_it_run)

    async def main():
        nonlocal task
        task = await begun(consumer.recv(), consumer)
        closer, late = threading.Timer(0.05, consumer.close), []
        loop = asyncio.get_running_loop()
        # Only against hangs: the loop has no other reason to wake.
        watchdog = threading.Timer(HANG, lambda: (late.append(True), loop.call_soon_threadsafe(task.cancel)))
        closer.start(), watchdog.start()
        with pytest.raises(quoit.Closed):
            await task
        watchdog.cancel()
        assert not late

    asyncio.run(main())


def close_in_a_thread(end):
    thread = threading.Thread(target=end.close)
    thread.start()
    thread.join()


@pytest.mark.parametrize("moment", ["the wait is known", "the task is called back"])
def test_close_in_another_thread_ends_a_wait_that_is_about_to_begin(ends, monkeypatch, moment):
    _, consumer = ends
    add_done_callback = _Wait.add_done_callback

    class Armed(quoit.FrameConsumer):
        def arm(self, *wanted):
            descriptor = super().arm(*wanted)
            if moment == "the wait is known":
                close_in_a_thread(self)
            return descriptor

    def add(wait, callback, *, context):
        if not consumer.closed:
            close_in_a_thread(consumer)
        add_done_callback(wait, callback, context=context)

    monkeypatch.setattr(_Wait, "add_done_callback", add)
    name = consumer.name
    consumer.close()
    consumer = Armed.open(name)

    async def main():
        with pytest.raises(quoit.Closed):
            await consumer.recv()

    run(main())


def test_a_cancelled_call_says_so_though_another_thread_waits(name, ends):
    producer, consumer = ends

    async def main():
        task = await begun(consumer.recv(), consumer)
        thread = threading.Thread(target=consumer.pop, args=[HANG])
        thread.start()
        until_asleep(name, "consumer")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        producer.push(b"for the thread")
        thread.join()
        # No task waits, so a select may have the endpoint.
        producer.push(b"one")
        assert quoit.Select(consumer).wait(HANG).event == "ready"

    run(main())


def test_a_payload_that_grows_waits_for_room_for_all_of_it(ends, monkeypatch):
    producer, consumer = ends
    payload, waits = bytearray(40), []
    watch = _Port.watch
    monkeypatch.setattr(_Port, "watch", lambda *given: (waits.append(len(payload)), watch(*given)))

    async def main():
        while producer.try_push(bytes(40)):
            pass
        task = await begun(producer.send(payload), producer)
        payload.extend(bytes(60))
        # Room for what it was.
        consumer.pop()
        while len(waits) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert waits == [40, 100]
        consumer.skip(4)
        await task

    run(main())


def test_an_endpoint_may_be_closed_after_the_loop_in_which_a_task_waited(ends):
    producer, consumer = ends
    loop = asyncio.new_event_loop()
    # It is destroyed while it waits: nothing is logged of that here.
    loop.set_exception_handler(lambda *_: None)
    task = loop.run_until_complete(begun(consumer.recv(), consumer))
    loop.close()
    consumer.close()
    assert consumer.closed and producer.is_abandoned()
    del task


def test_a_loop_knows_one_descriptor_for_all_endpoints_and_waits():
    async def main():
        loop = asyncio.get_running_loop()
        rings = [quoit.create_anonymous(1024) for _ in range(5)]
        producers, consumers = [ring.producer() for ring in rings], [ring.consumer() for ring in rings]
        known = len(loop._selector.get_map())
        for lap in range(3):
            tasks = [asyncio.create_task(consumer.recv()) for consumer in consumers]
            while any(consumer._future is None for consumer in consumers):
                await asyncio.sleep(0)
            assert len(loop._selector.get_map()) == known + 1
            for number, producer in enumerate(producers):
                producer.push(b"%d" % number)
            assert await asyncio.gather(*tasks) == [b"%d" % number for number in range(5)]
        for end in producers + consumers:
            end.close()
        # The next endpoint gets a number that was another one's.
        ring = quoit.create_anonymous(64)
        with ring.producer() as producer, ring.consumer() as consumer:
            task = await begun(consumer.recv(), consumer)
            producer.push(b"late")
            assert await task == b"late"

    run(main())


def test_an_endpoint_that_is_dropped_gives_its_role_up_though_a_loop_knew_it():
    async def main():
        ring = quoit.create_anonymous(1024)
        producer, consumer = ring.producer(), ring.consumer()
        producer.push(b"x")
        task = asyncio.create_task(consumer.ready())
        await task
        task = asyncio.create_task(consumer.recv())
        assert await task == b"x"
        task = await begun(consumer.recv(), consumer)
        producer.push(b"y")
        assert await task == b"y"
        del task, consumer
        gc.collect()
        ring.consumer().close()
        producer.close()

    run(main())


def test_a_child_of_a_process_that_has_waited_is_told_how_to_start_it(ends):
    producer, consumer = ends

    async def wait(producer, consumer):
        task = asyncio.create_task(consumer.recv())
        await asyncio.sleep(0)
        producer.push(b"x")
        return await task

    assert run(wait(producer, consumer)) == b"x"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ring = quoit.create_anonymous(64)
            with pytest.raises(quoit.SystemRefused, match="by another method than fork"):
                run(wait(ring.producer(), ring.consumer()))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_batches_of_frames(ends):
    producer, consumer = ends

    async def main():
        async def send():
            frames = [b"%d" % number for number in range(3000)]
            while frames:
                del frames[: await producer.send_many(frames)]

        task, got = asyncio.create_task(send()), []
        while len(got) < 3000:
            got += await consumer.recv_many()
        await task
        assert got == [b"%d" % number for number in range(3000)]

    run(main())


def test_nothing_spins_while_no_task_waits(ends):
    """A message for which no task waits must not keep the loop's selector busy."""
    producer, consumer = ends

    async def main():
        task = await begun(consumer.recv(), consumer)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        producer.push(b"x")
        loop = asyncio.get_running_loop()
        selected = 0
        select = loop._selector.select

        def count(timeout):
            nonlocal selected
            selected += 1
            return select(timeout)

        loop._selector.select = count
        await asyncio.sleep(0.2)
        return selected

    assert run(main()) < 10


def test_records_for_asyncio(name):
    async def main():
        with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:

            async def send():
                sent = 0
                data = np.arange(1000, dtype="u8")
                while sent < 500:
                    sent += await producer.send_many(data[sent:500])
                for number in range(500, 1000):
                    await producer.send(number)

            task = asyncio.create_task(send())
            out, seen = np.zeros(5, "u8"), []
            while len(seen) < 900:
                seen += out[: await consumer.recv_many(out)].tolist()
            while len(seen) < 1000:
                seen.append(int(await consumer.recv()))
            await task
            assert seen == list(range(1000))

    run(main())


def test_between_two_processes(name, peer):
    quoit.create(name, 1024), quoit.create(f"{name}-back", 1024)
    echo = peer(
        """
        import asyncio
        async def main():
            name = sys.argv[1]
            with quoit.FrameConsumer.open(name) as inbox, quoit.FrameProducer.open(f"{name}-back") as outbox:
                async for frame in inbox:
                    await outbox.send(frame)
        asyncio.run(main())
        """,
        name,
    )

    async def main():
        with quoit.FrameProducer.open(name) as outbox, quoit.FrameConsumer.open(f"{name}-back") as inbox:
            for number in range(500):
                await outbox.send(b"%d" % number)
                assert await inbox.recv() == b"%d" % number

    run(main())
    echo.end()
    quoit.unlink(f"{name}-back")
