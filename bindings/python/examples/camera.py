"""Reads the pictures of a camera, always the newest, without a copy.

Run `camera.py NAME`, then bindings/c/examples/camera.rs: it waits until a viewer is attached.
"""

import sys
import time

import numpy as np
import quoit


def look(peek, view, latencies):
    now = time.time_ns()
    number, taken = np.frombuffer(view, np.uint64, 2)
    picture = np.frombuffer(view, np.uint8, offset=16).reshape(1080, 1920)
    assert picture.__array_interface__["data"][0] == peek.address + 16  # the ring's memory
    assert picture[0, 0] == picture[-1, -1] == number % 256
    latencies.append(now - int(taken))


def main(name):
    latencies, skipped = [], 0
    with quoit.FrameConsumer.open_or_create(name, 16 << 20, prefault=True, unlink_on_close=True) as camera:
        try:
            while True:
                camera.peek(timeout=60)  # sleeps until there is a picture
                skipped += camera.skip_to_latest()
                peek = camera.peek()
                with peek as view:
                    look(peek, view, latencies)  # its arrays end with the call
        except quoit.Abandoned:
            pass
    p50, p99 = np.percentile(latencies, [50, 99]) / 1e6
    print(f"{len(latencies)} pictures, {skipped} skipped, p50 {p50:.3f} ms, p99 {p99:.3f} ms after their commit")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: camera.py NAME")
    main(sys.argv[1])
