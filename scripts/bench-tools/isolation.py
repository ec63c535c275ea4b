"""What publishers whose targets hang or refuse cost those whose targets are fast."""

import resource
import socket
import threading
import time

from backlog import FastReceiver, add_publisher, add_topic, fill
from nodes import Node, free_port

EACH = 667  # Fast, hanging, refusing.
MESSAGES = 60
GAP_SECONDS = 0.5
WAITING = 20  # For each of the bad ones, before the clock runs.


class Hole:
    """Takes connections and never says a word."""

    def __init__(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self.taken = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            self.taken.append(self._listener.accept()[0])


def measure(node, topic, *beside):
    """Publishes a message now and then, to the other topics as well, and
    returns p50 and p99 in milliseconds, from before it is published until each
    of its receivers has it."""
    add_topic(node, topic)
    receiver = FastReceiver(node.place, "latency")
    try:
        for number in range(EACH):
            add_publisher(node, topic, receiver.url(number), active=True)
        cpu = node.cpu_seconds()
        for _ in range(MESSAGES):
            sent = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            node.post("/api/messages", {"topic": topic, "attributes": {}, "payload": sent})
            time.sleep(GAP_SECONDS / 2)
            for other in beside:
                fill(node, other, 1)
            time.sleep(GAP_SECONDS / 2)
        time.sleep(2)
        cpu = node.cpu_seconds() - cpu
        count, p50, p99 = (int(figure) for figure in receiver.end())
        print(
            f"| {topic} | {count:,} of {EACH * MESSAGES:,} | {p50 / 1000:.1f} "
            f"| {p99 / 1000:.1f} | {cpu / MESSAGES * 1000:.1f} | {node.resident_mib():.0f} |",
            flush=True,
        )
        return p99
    finally:
        receiver.close()


def bench(arguments):
    print(
        f"\n{EACH} publishers with fast targets on one topic, alone and beside {EACH} whose "
        f"targets hang\nand {EACH} whose targets refuse, on one node: a message each "
        f"{GAP_SECONDS} s\n"
    )
    print("| topic | received | p50 ms | p99 ms | CPU ms/message | RSS MiB |")
    print("|---|---|---|---|---|---|", flush=True)
    node = Node(arguments.binary, arguments.data_dir, arguments.flags).start().begin()
    try:
        alone = measure(node, "alone")
        hole = Hole()
        refusing = f"http://127.0.0.1:{free_port()}"
        add_topic(node, "bad")
        for number in range(EACH):
            add_publisher(node, "bad", f"{hole.url}/{number}", active=True)
            add_publisher(node, "bad", f"{refusing}/{number}", active=True)
        fill(node, "bad", WAITING)
        time.sleep(10)
        beside = measure(node, "beside", "bad")
        print(
            f"\np99 is {beside / alone:.2f} times what it is alone; "
            f"{len(hole.taken):,} connections were made to what hangs",
            flush=True,
        )
    finally:
        node.close()
