"""The Python code of the pages runs as it stands there, but for the name of the ring."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import quoit
from conftest import HANG

ROOT = pathlib.Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "bindings/python/README.md", *sorted((ROOT / "src/docs").glob("*.md"))]


def blocks():
    for page in PAGES:
        yield from re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def camera(name):
    with quoit.FrameProducer.create(name, 4096) as producer:
        producer.push(b"a picture", 1)
        producer.push(b"another picture", 2)
    return "9 1\n15 2\n"


def ticks(name):
    dtype = np.dtype([("time", "<u8"), ("price", "<f8")])
    with quoit.Producer.create(name, 8, dtype, tag="tick/3") as producer:
        producer.push_all([(1, 2.5), (2, 3.5)])
    return "3.0\n"


# By the ring that a block opens: fills it, and returns what the block prints.
RINGS = {"camera": camera, "ticks": ticks}


def test_each_block_opens_a_ring_that_is_known():
    opened = [re.search(r'open\("(\w+)"', block).group(1) for block in blocks()]
    assert sorted(opened) == sorted(RINGS)


@pytest.mark.parametrize("ring", RINGS)
def test_the_code_of_the_pages_runs(name, ring):
    (block,) = [block for block in blocks() if f'open("{ring}"' in block]
    expected = RINGS[ring](name)
    code = block.replace(f'"{ring}"', f'"{name}"')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)
