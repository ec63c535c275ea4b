"""Three real nodes on one machine, and publishers that use them all."""

import contextlib
import http.client
import itertools
import signal
import threading
import time

from history import History
from node import Node, wait_until


class Cluster:
    def __init__(self, *flags, size=3, make=Node):
        """`make(number, *flags)` gives the node of that id, if not Node."""
        base = ["--election-timeout-ms=600", "--heartbeat-ms=60", *flags]
        self.nodes = []
        for number in range(1, size + 1):
            own = [f"--node-id={number}", *base]
            self.nodes.append(Node(*own) if make is Node else make(number, *own))
        members = ",".join(
            f"{number}={node.host}:{node.raft_port}"
            for number, node in enumerate(self.nodes, 1)
        )
        for node in self.nodes:
            node.flags.append(f"--initial-cluster={members}")

    def start(self):
        try:
            for node in self.nodes:
                node.start(wait=False)
            self.wait_leader()
            for node in self.nodes:
                wait_until(node.ready, "every node is ready")
        except BaseException:
            for node in self.up():  # Whoever made it has no cluster to close.
                node.kill()
            raise
        return self

    def up(self):
        return [node for node in self.nodes if node.process is not None]

    def others(self, *away):
        return [node for node in self.up() if node not in away]

    def id_of(self, node):
        return self.nodes.index(node) + 1

    # ---- Who leads ----

    @staticmethod
    def told_by(node):
        """GET /api/cluster, or None when the node does not answer."""
        try:
            return node.get("/api/cluster", quiet=True).json()["data"]
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def leads(self, node):
        """It says that it leads, and it takes messages."""
        told = self.told_by(node)
        if told is None or told["leader"] != told["node"]:
            return False
        try:
            return node.get("/readyz/write", quiet=True).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def leader(self, among=None):
        for node in self.up() if among is None else among:
            if self.leads(node):
                return node
        return None

    def wait_leader(self, other_than=None, among=None):
        return wait_until(
            lambda: (found := self.leader(among)) is not None
            and found is not other_than
            and found,
            "a leader takes messages",
        )

    def followers(self):
        leader = self.wait_leader()
        return self.others(leader)

    # ---- Whether they agree ----

    def wait_agreement(self):
        """Waits until all have applied the same, and checks by the hash of
        their states that it came to the same; returns what they tell."""

        def agreed():
            told = [self.told_by(node) for node in self.up()]
            if None in told:
                return None
            own = [
                next(m for m in each["members"] if m["id"] == each["node"])
                for each in told
            ]
            indexes = {member["applied_index"] for member in own}
            # The hash is that of the store's last commit, which follows.
            hashes = {member["state_hash"] for member in own}
            same = len(indexes) == 1 and len(hashes) == 1
            return told if same and indexes == {told[0]["commit_index"]} else None

        return wait_until(agreed, "all nodes hold the same state")

    def close(self):
        """Ends one after the other, and all of them, whatever one says."""
        failure = None
        for node in self.nodes:
            try:
                node.close()
            except AssertionError as error:
                failure = failure or error
        if failure is not None:
            raise failure


@contextlib.contextmanager
def standing_still(node):
    """The process is stopped, as on a machine that is frozen; its kernel goes
    on to take connections and to acknowledge what comes."""
    node.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.process.send_signal(signal.SIGCONT)


class ClusterWriters:
    """Threads that publish through several nodes in turn, and go on to the
    next one when a node is away. What came of it is in `history`."""

    def __init__(self, cluster, count=4, topic="orders", through=None, timeout=20):
        self.nodes = through or cluster.nodes
        self.topic = topic
        self.timeout = timeout
        self.history = History()
        self._stop = threading.Event()
        self._trouble = []
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(count)
        ]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def wait_count(self, count):
        """Until so many more are promised than now."""
        wanted = self.history.count() + count
        wait_until(
            lambda: self._trouble or self.history.count() >= wanted,
            f"{count} more messages are acknowledged",
        )

    def stop(self):
        """Ends them and returns the history."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs: its request has no end"
        assert not self._trouble, self._trouble
        return self.history

    def _run(self, number):
        try:
            self._write(number)
        except Exception as error:  # For the thread that waits.
            self._trouble.append(error)

    def _write(self, number):
        connections = {}
        for count in itertools.count():
            if self._stop.is_set():
                break
            node = self.nodes[(number + count) % len(self.nodes)]
            connection = connections.pop(node, None) or node.connect(self.timeout)
            if self._publish(node, connection, f'"w{number}-{count}"'):
                connections[node] = connection
            else:
                connection.close()
        for connection in connections.values():
            connection.close()

    def _publish(self, node, connection, payload):
        """Whether the connection can be used again."""
        body = '{"topic":"%s","attributes":{},"payload":%s}' % (self.topic, payload)
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            self.history.refuse(payload, error)
            time.sleep(0.01)
            return False
        try:
            answer = node.request(
                "POST", "/api/messages", body, connection=connection, quiet=True
            )
        except (OSError, http.client.HTTPException) as error:
            self.history.lose(payload, error)
            return False
        if answer.status == 201:
            self.history.promise(answer.json()["id"], payload)
        elif answer.status == 504:
            self.history.lose(payload, answer)
        else:
            assert answer.status in (429, 503), answer
            assert answer.headers["retry-after"], answer
            self.history.refuse(payload, answer)
        return answer.headers["connection"] != "close"
