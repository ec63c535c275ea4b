"""Three real nodes on one machine."""

import http.client
import itertools
import threading
import time

from node import Node, wait_until


class Cluster:
    def __init__(self, size=3, *flags):
        self.nodes = []
        base = ["--election-timeout-ms=600", "--heartbeat-ms=60", *flags]
        for identity in range(1, size + 1):
            self.nodes.append(Node(f"--node-id={identity}", *base))
        members = ",".join(
            f"{number}=127.0.0.1:{node.raft_port}"
            for number, node in enumerate(self.nodes, 1)
        )
        for node in self.nodes:
            node.flags.append(f"--initial-cluster={members}")

    def start(self):
        for node in self.nodes:
            node.start(wait=False)
        self.wait_leader()
        for node in self.nodes:
            wait_until(node.ready, "every node is ready")
        return self

    def up(self):
        return [node for node in self.nodes if node.process is not None]

    def leader(self):
        """The node that leads and takes messages, or None."""
        for node in self.up():
            try:
                data = node.get("/api/cluster", quiet=True).json()["data"]
                writable = node.get("/readyz/write", quiet=True).status == 200
            except (OSError, http.client.HTTPException, ValueError):
                continue
            if data["leader"] == data["node"] and writable:
                return node
        return None

    def wait_leader(self, other_than=None):
        return wait_until(
            lambda: (found := self.leader()) is not None
            and found is not other_than
            and found,
            "a leader takes messages",
        )

    def followers(self):
        leader = self.wait_leader()
        return [node for node in self.up() if node is not leader]

    def close(self):
        """Ends the followers first: the last leader has nobody to give its
        office to."""
        failure = None
        for node in self.nodes:
            try:
                node.close()
            except AssertionError as error:
                failure = failure or error
        if failure is not None:
            raise failure


class ClusterWriters:
    """Threads that publish through every node in turn, and go on to the next
    one when a node is away. `promised`: payload by id of what was
    acknowledged; `maybe`: payloads whose outcome nobody knows."""

    def __init__(self, cluster, count=4, topic="orders"):
        self.cluster = cluster
        self.topic = topic
        self.promised = {}
        self.maybe = set()
        self.refused = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._write, args=(number,), daemon=True)
            for number in range(count)
        ]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self, number):
        for count in itertools.count():
            if self._stop.is_set():
                return
            node = self.cluster.nodes[(number + count) % len(self.cluster.nodes)]
            payload = f'"w{number}-{count}"'
            body = '{"topic":"%s","attributes":{},"payload":%s}' % (self.topic, payload)
            connection = node.connect(timeout=20)
            try:
                answer = node.request(
                    "POST", "/api/messages", body, connection=connection, quiet=True
                )
            except ConnectionRefusedError:
                time.sleep(0.01)
                continue
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.maybe.add(payload)
                continue
            finally:
                connection.close()
            with self._lock:
                if answer.status == 201:
                    self.promised[answer.json()["id"]] = payload
                elif answer.status == 504:
                    self.maybe.add(payload)
                else:
                    assert answer.status in (429, 503), answer
                    self.refused += 1
