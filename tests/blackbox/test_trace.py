"""A traceparent goes from the request that published to each delivery."""

import pytest

from node import wait_until
from receiver import fail_first

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def traces(receiver, count):
    wait_until(lambda: len(receiver.requests) >= count, f"{count} requests came")
    return [request.headers.get("traceparent") for request in receiver.requests]


def test_each_attempt_carries_it(node, receiver):
    receiver.behaviour = fail_first(2)
    node.topic()
    node.publisher(receiver.url, seconds_retry=1)
    node.publish(1, headers={"traceparent": PARENT})
    assert traces(receiver, 3) == [PARENT] * 3


def test_all_of_a_bulk_carry_it(node, receiver):
    node.topic()
    node.publisher(receiver.url)
    body = {"topic": "orders", "payload": [1, 2, 3], "attributes": {}}
    assert node.post("/api/bulk_messages", body, {"traceparent": PARENT}).status == 201
    assert traces(receiver, 3) == [PARENT] * 3


def test_it_survives_a_kill(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, active=False)["id"]
    node.publish(1, headers={"traceparent": PARENT})
    node.kill()
    node.start()
    assert node.post(f"/api/publishers/{publisher}/resume").status == 200
    assert traces(receiver, 1) == [PARENT]


def test_through_a_follower(cluster, receiver):
    node = cluster.followers()[0]
    node.topic()
    node.publisher(receiver.url)
    node.publish(1, headers={"traceparent": PARENT})
    assert traces(receiver, 1) == [PARENT]


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "junk",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"{PARENT}, {PARENT}",
        "x" * 5000,
    ],
)
def test_junk_is_as_if_it_had_not_come(shared, name, receiver, junk):
    shared.topic(name)
    publisher = shared.publisher(receiver.url, topic=name)["id"]
    shared.publish(1, topic=name, headers={"traceparent": junk})
    assert traces(receiver, 1) == [None]
    assert shared.delete(f"/api/publishers/{publisher}").status == 204
