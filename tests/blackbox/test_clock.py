"""A node whose clock is wrong does no harm when it leads: what is scheduled
does not go early, and it says so."""

import datetime
import time
from pathlib import Path

import pytest
from cluster import Cluster
from node import SANITIZED, Node, wait_until

AHEAD_SECONDS = 600


def library():
    """libfaketime, which lies to a process about the time of day."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found[0] if found else None


def make_node(number, *flags):
    if number != 1:
        return Node(*flags)
    prefix = [
        "env",
        f"LD_PRELOAD={library()}",
        f"FAKETIME=+{AHEAD_SECONDS}s",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]
    return Node(*flags, prefix=prefix)


def new_cluster():
    """Founded by a node whose clock is right: the log's clock never runs back,
    and the first leader sets it."""
    while True:
        cluster = Cluster(make=make_node).start()
        if cluster.wait_leader() is not cluster.nodes[0]:
            return cluster
        cluster.close()


def lead(cluster, number):
    node = cluster.nodes[number - 1]
    if cluster.wait_leader() is not node:
        node.post("/api/cluster/transfer", {"to": number})
    return wait_until(lambda: cluster.leads(node) and node, "it leads")


@pytest.mark.skipif(SANITIZED, reason="two libraries that want to be the first")
@pytest.mark.skipif(library() is None, reason="libfaketime is missing")
def test_a_leader_with_a_wrong_clock_releases_nothing_early(receiver):
    cluster = new_cluster()
    try:
        check(cluster, receiver)
    finally:
        cluster.close()


def check(cluster, receiver):
    wrong = cluster.nodes[0]
    right = lead(cluster, 2)
    wait_until(lambda: "clock is far" in wrong.log(), "it says that it is wrong")
    assert "clock is far" not in right.log()
    right.topic()
    right.publisher(receiver.url)
    due = time.time() + 6
    when = datetime.datetime.fromtimestamp(due, datetime.timezone.utc).isoformat()
    body = {"topic": "orders", "attributes": {}, "payload": "later", "schedule_at": when}
    assert right.post("/api/schedule_messages", body).status == 201
    lead(cluster, 1)
    # What is not scheduled goes at once, whoever leads.
    wrong.publish("now")
    receiver.wait_requests(1)
    lead(cluster, 2)
    receiver.wait_requests(2)
    now, later = receiver.requests
    assert [now.body, later.body] == [b'"now"', b'"later"']
    assert time.time() - (time.monotonic() - later.time) >= due
