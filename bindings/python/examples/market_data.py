"""Market data from Rust to numpy: `market_data.py NAME`, then bindings/c/examples/market_data.rs."""

import sys

import numpy as np
import quoit

TICK = np.dtype([("sequence", "<u8"), ("price", "<f8"), ("size", "<u4"), ("instrument", "<u4")])


def main(name):
    ticks, count, turnover = np.empty(4096, TICK), 0, 0.0
    with quoit.Consumer.open_or_create(name, 4096, TICK, tag="tick/1") as consumer:
        try:
            while True:
                new = ticks[: consumer.pop_many(ticks)]  # sleeps until there are some
                assert (new["sequence"] == np.arange(count, count + len(new))).all()
                count += len(new)
                turnover += float((new["price"] * new["size"]).sum())
        except quoit.Abandoned:  # the producer has ended, and all is read
            pass
    print(f"{count} ticks, turnover {turnover:.6g}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: market_data.py NAME")
    main(sys.argv[1])
