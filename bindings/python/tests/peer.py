"""An endpoint of the matrix in Python: the arguments and messages of bindings/c/tests/peers/peer.rs."""

import sys
import time

import quoit

PATIENCE = 20
FIXED = 24
RECORD = [("number", "<u8"), ("words", "<u8", (4,))]
U64 = (1 << 64) - 1


def mix(number):
    product = number * 0x9E3779B97F4A7C15 & U64
    return product ^ product >> 29


def record(number):
    import numpy as np  # frames need none

    return np.array((number, [mix(number + salt & U64) for salt in (1, 2, 3, 4)]), RECORD)


role, shape, way, wait, kind, name, count = sys.argv[1:]
count, in_place, asleep, takeover = int(count), way == "in-place", wait == "asleep", kind == "takeover"


def frame(number):
    length = FIXED if takeover else 8 + mix(number) % 120
    return number.to_bytes(8, "little") + bytes((number + index) % 256 for index in range(8, length))


def pause(number):
    if asleep and role == "produce" and not takeover and number == count // 2:
        sys.stdin.read()
    if asleep and number % (61 if role == "produce" else 257) == 0:
        time.sleep(1e-4)


def put(end, number):
    if shape == "records":
        if not in_place:
            return end.push(record(number), PATIENCE)
        with end.claim(1, PATIENCE) as view:
            view[:] = record(number).tobytes()
        return None
    payload, tag = frame(number), mix(number) & 0xFFFFFFFF
    if not in_place:
        return end.push(payload, tag, PATIENCE)
    with end.claim(len(payload), tag, PATIENCE) as view:
        view[:] = payload
    return None


def take(end):
    """The bytes and the kind of a message."""
    if not in_place:
        message = end.pop(PATIENCE)
        return (message.tobytes(), None) if shape == "records" else (message, end.kind)
    if shape == "records":
        with end.peek(1, PATIENCE) as view:
            return bytes(view), None
    peek = end.peek(PATIENCE)
    with peek as view:
        return bytes(view), peek.kind


def check(number, found):
    expected = (record(number).tobytes(), None) if shape == "records" else (frame(number), mix(number) & 0xFFFFFFFF)
    assert found == expected, (number, found, expected)


def main():
    strategy = {"wait_strategy": "park", "spin": 0} if asleep else {"wait_strategy": "spin"}
    ring = quoit.open(name, RECORD if shape == "records" else None, tag="matrix/1", **strategy)
    with ring.producer() if role == "produce" else ring.consumer() as end:
        number = 0
        if takeover:
            number = end.position // (1 if shape == "records" else FIXED + 8)
        try:
            while number < count or role == "consume" and not takeover:
                try:
                    put(end, number) if role == "produce" else check(number, take(end))
                except quoit.Abandoned:
                    if takeover:
                        end.wait_for_peer(PATIENCE)
                        continue
                    break
                number += 1
                pause(number)
        except quoit.Corrupt:
            print("corrupt", end.corruption[0])
            sys.exit(3)
    assert number == count, number


main()
