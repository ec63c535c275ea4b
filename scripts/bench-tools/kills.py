"""How long nobody's message is taken when the leader is killed.

Clients publish through every node all the time, one request after the other.
For each kill: from kill -9 of the leader to the first 201 for a request that
began after it, through a node that lives. What was under way before does not
count, since its answer may have been on its way already.
"""

import http.client
import random
import statistics
import threading
import time

from nodes import MEMBERS, TOPIC, Cluster


class Client(threading.Thread):
    """Publishes through one node; when it began and ended what was taken."""

    def __init__(self, node, topic):
        super().__init__(daemon=True)
        self.node = node
        self.body = '{"topic":"%s","attributes":{},"payload":"x"}' % topic
        self.taken = []
        self.ending = False

    def run(self):
        connection = None
        while not self.ending:
            began = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(
                        "127.0.0.1", self.node.port, timeout=30
                    )
                connection.request(
                    "POST", "/api/messages", self.body, {"content-type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
                if answer.status == 201:
                    self.taken.append((began, time.monotonic()))
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                time.sleep(0.01)


def first_taken(clients, killed_at, timeout=60):
    """When the first request that began after the kill was acknowledged."""
    while time.monotonic() < killed_at + timeout:
        ends = [
            end
            for client in clients
            for began, end in client.taken[-200:]
            if began >= killed_at
        ]
        if ends:
            return min(ends)
        time.sleep(0.001)
    raise SystemExit(f"bench: nothing was taken for {timeout} s after a kill")


def percentile(values, percent):
    """The nearest rank, of sorted values."""
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def measure(cluster, kills, chance):
    """Seconds, one for each kill."""
    clients = {node: Client(node, TOPIC) for node in cluster.nodes}
    for client in clients.values():
        client.start()
    gaps = []
    for _ in range(kills):
        time.sleep(chance.uniform(0.5, 1.5))
        leader = cluster.find_leader()
        alive = [client for node, client in clients.items() if node is not leader]
        killed_at = time.monotonic()
        leader.kill()
        gaps.append(first_taken(alive, killed_at) - killed_at)
        leader.start_again()
        leader.wait_probe("/readyz")
    for client in clients.values():
        client.ending = True
    return gaps


def report(gaps):
    ordered = sorted(gaps)
    print(
        f"| {len(ordered)} | {ordered[0]:.2f} | {statistics.median(ordered):.2f} "
        f"| {percentile(ordered, 90):.2f} | {ordered[-1]:.2f} |",
        flush=True,
    )


def bench(arguments):
    print(
        "\nleader killed (kill -9) at default timers while clients publish through all "
        f"{MEMBERS} nodes: seconds until the next message is acknowledged\n"
    )
    print("| kills | min | median | p90 | max |")
    print("|---|---|---|---|---|", flush=True)
    cluster = Cluster(arguments.binary, arguments.data_dir, arguments.flags)
    try:
        chance = random.Random(arguments.kills)
        report(measure(cluster, arguments.kills, chance))
    finally:
        cluster.close()
