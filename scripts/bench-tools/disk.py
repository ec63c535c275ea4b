"""What one synced write costs on the disk under measurement.

The floor under every latency: a message is answered after a write like this
one, and the nodes of a cluster on one machine ask the same disk at once.
"""

import mmap
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

BLOCK_BYTES = 4096
WRITES = 400


def _write(path):
    """Overwrites, as the log does its preallocated segments."""
    block = mmap.mmap(-1, BLOCK_BYTES)  # Aligned, as O_DIRECT wants it.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_DSYNC, 0o600)
    took = []
    try:
        for number in range(2 * WRITES):
            began = time.monotonic()
            os.pwrite(file, block, number % WRITES * BLOCK_BYTES)
            took.append(time.monotonic() - began)
    finally:
        os.close(file)
    return took[WRITES:]


def sync_us(parent, writers):
    """The median microseconds of a synced write of 4 KiB, `writers` at once,
    each a process of its own as the nodes are."""
    with tempfile.TemporaryDirectory(prefix="postoffice-bench-", dir=parent) as place:
        paths = [Path(place) / str(number) for number in range(writers)]
        with multiprocessing.Pool(writers) as pool:
            took = pool.map(_write, paths, chunksize=1)
    return statistics.median(sum(took, [])) * 1e6
