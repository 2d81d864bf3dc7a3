"""Reads what `quoit-nats out` has published, and publishes for `quoit-nats in`.

foreign.py URL INCARNATION SCHEMA POSITION,POSITION,...
"""

import asyncio
import struct
import sys

import nats


async def main(url, incarnation, schema, positions):
    client = await nats.connect(url)
    stream = client.jetstream()

    consumer = await stream.pull_subscribe("S.a", durable="python", stream="S")
    for number, position in enumerate(positions):
        (message,) = await consumer.fetch(1, timeout=30)
        found, = struct.unpack_from("<Q", message.data)
        assert found == number, (found, number)
        expected = {
            "Nats-Msg-Id": f"{incarnation}:{position}",
            "Quoit-Position": position,
            "Quoit-Schema": schema,
            "Quoit-Kind": str(number),
        }
        for name, value in expected.items():
            assert message.headers[name] == value, (name, message.headers)
        await message.ack()

    for number in range(50):
        headers = {"Quoit-Kind": str(number + 100)} if number % 2 else None
        await stream.publish("T.a", f"from Python {number}".encode(), headers=headers)
    await client.close()


url, incarnation, schema, positions = sys.argv[1:]
asyncio.run(main(url, incarnation, schema, positions.split(",")))
