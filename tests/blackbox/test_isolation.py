"""Two thousand publishers, of which a third hang, a third refuse and a third
are fast: the fast ones notice nothing, and the node stays small."""

import json
import socket
import threading
from pathlib import Path

import pytest

from node import SANITIZED, free_port, wait_until
from receiver import ok
from test_metrics import scrape

EACH = 60 if SANITIZED else 667  # Of a kind.
MESSAGES = 5
PLACES = 400


class Hole:
    """Takes connections and never says a word; one socket, few threads."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._taken = []
        self.most = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self._taken.append(self._listener.accept()[0])
            except OSError:
                return
            self.most = max(self.most, len(self._taken))

    def close(self):
        self._listener.close()
        for connection in self._taken:
            connection.close()


@pytest.fixture
def hole():
    made = Hole()
    yield made
    made.close()


def create(node, connection, topic, targets):
    """Many publishers over one connection."""
    for target in targets:
        body = {"topic": topic, "target": target, "type": "http", "active": True,
                "seconds_timeout": 30, "seconds_retry": 30}
        answer = node.request(
            "POST", "/api/publishers", json.dumps(body), connection=connection, quiet=True
        )
        assert answer.status == 201, answer


def test_the_fast_ones_notice_nothing(new_node, new_receiver, hole):
    """Fewer places for requests than publishers that hang: `prlimit` gives the
    node few descriptors."""
    node = new_node(prefix=["prlimit", f"--nofile={2 * PLACES + 128}", "--"])
    fast = new_receiver(ok)
    refusing = f"http://127.0.0.1:{free_port()}"
    connection = node.connect()
    for topic in ("fast", "bad"):
        node.topic(topic)
    create(node, connection, "fast", [f"{fast.url}/{n}" for n in range(EACH)])
    node.publish("first", "fast")
    fast.wait_requests(EACH)
    wait_until(lambda: fast.in_flight == 0, "all have been answered")

    create(node, connection, "bad", [f"{hole.url}/{n}" for n in range(EACH)])
    create(node, connection, "bad", [f"{refusing}/{n}" for n in range(EACH)])
    connection.close()
    before_kib = node.resident_kib()
    node.publish_many(range(20), "bad")
    # Circuits of what refuses open; what hangs has taken what it can get.
    taken = min(EACH, PLACES // 2)
    wait_until(lambda: hole.most >= taken, "requests hang")

    for number in range(MESSAGES):
        node.publish(number, "fast")
    requests = fast.wait_requests(EACH * (1 + MESSAGES))
    assert all(request.attempt == 1 for request in requests)
    assert len(requests) == EACH * (1 + MESSAGES)
    assert fast.connections + hole.most <= 2 * PLACES + 128

    sockets = len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))
    assert sockets <= 2 * PLACES + 128
    if not SANITIZED:
        assert node.resident_kib() - before_kib < 200 * 1024
    # A line for each that fails, and one or two when it fails otherwise.
    lines = [line for line in node.log().splitlines() if "deliveries fail" in line]
    assert len(lines) <= 3 * 2 * EACH
    assert scrape(node)["postoffice_deliveries_in_flight"] <= PLACES
