"""What the benchmarks of delivery share: a receiver and a backlog."""

import subprocess
import sys
import time
from pathlib import Path

from nodes import free_port

TOOLS = Path(__file__).resolve().parent
PAYLOAD_BYTES = 1024
IN_FLIGHT = 64


class FastReceiver:
    """scripts/bench-tools/receiver.c, built for the run."""

    def __init__(self, place, *arguments):
        program = place / "receiver"
        subprocess.run(
            ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", program, TOOLS / "receiver.c"],
            check=True,
        )
        self.port = free_port()
        self.process = subprocess.Popen(
            [program, str(self.port), *arguments], stdout=subprocess.PIPE, text=True
        )

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}/{path}"

    def end(self):
        """Ends it and returns the line of figures that it prints."""
        self.process.terminate()
        return self.process.communicate(timeout=10)[0].split()

    def close(self):
        self.process.kill()
        self.process.wait()


def add_topic(node, topic):
    node.post("/api/topics", {"name": topic, "origin_host": "bench.invalid"})


def add_publisher(node, topic, target, **options):
    """Paused unless said otherwise; returns its id."""
    body = {"topic": topic, "target": target, "type": "http", "active": False, **options}
    return node.post("/api/publishers", body)["data"]["id"]


def fill(node, topic, messages, payload_bytes=PAYLOAD_BYTES, kind="common", at_once=1000):
    payload = '"' + "x" * (payload_bytes - 2) + '"'
    for first in range(0, messages, at_once):
        count = min(at_once, messages - first)
        body = '{"topic":"%s","attributes":{"kind":"%s"},"payload":[%s]}' % (
            topic,
            kind,
            ",".join([payload] * count),
        )
        node.post("/api/bulk_messages", body)


def drain(node, publishers):
    """Resumes them; returns seconds and CPU seconds until nothing waits."""
    cpu, began = node.cpu_seconds(), time.monotonic()
    for publisher in publishers:
        node.post(f"/api/publishers/{publisher}/resume")
    while node.metric("postoffice_backlog_messages") > 0:
        if time.monotonic() - began > 600:
            sys.exit("bench: the backlog does not drain")
        time.sleep(0.1)
    return time.monotonic() - began, node.cpu_seconds() - cpu
