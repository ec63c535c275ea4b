"""GET /api/events: what happens, told to whoever follows it; and GET /api/stats.
The streams one by one: tests/unit/http/test_events.c."""

import contextlib
import json

import pytest

from node import wait_until
from receiver import fail
from test_rules import assert_problem


class Follower:
    """A client that reads events until it has what a test waits for."""

    def __init__(self, node, query="", **headers):
        self.connection = node.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", f"/api/events{query}", headers=named)
        self.answer = self.connection.getresponse()
        self.last_id = None

    def __iter__(self):
        """Each event as (type, data), until the stream ends."""
        kind = None
        for line in self.answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)

    def wait(self, kind, **wanted):
        """The first event of this type with these members."""
        for found, data in self:
            if found == kind and wanted.items() <= data.items():
                return data
        raise AssertionError(f"the stream ended without {kind} {wanted}")


@contextlib.contextmanager
def following(node, query="", **headers):
    follower = Follower(node, query, **headers)
    try:
        yield follower
    finally:
        follower.connection.close()


def test_a_publishers_life(node):
    with following(node) as events:
        events.wait("open", node=1)
        topic = node.topic("t")["id"]
        events.wait("topic", topic_id=topic, topic="t", action="created")
        identity = node.publisher("http://127.0.0.1:1/", "t", max_attempts=1)["id"]
        events.wait("publisher", publisher=identity, topic="t", action="created")
        node.publish(1, "t")
        events.wait("dead", publisher=identity, topic="t", dead=1, ambiguous=0)
        node.post(f"/api/publishers/{identity}/pause")
        events.wait("publisher", action="paused")
        node.post(f"/api/publishers/{identity}/resume")
        events.wait("publisher", action="resumed")
        node.request("PATCH", "/api/topics/t", {"retention_seconds": 60})
        events.wait("topic", action="changed")
        node.delete("/api/topics/t?force=true")
        events.wait("topic", topic_id=topic, topic="t", action="deleted")


def test_circuit(node, new_receiver):
    receiver = new_receiver(fail(500))
    node.topic("t")
    with following(node, "?types=circuit") as events:
        events.wait("open")
        identity = node.publisher(receiver.url, "t")["id"]
        node.publish_many(range(10), "t")
        events.wait("circuit", publisher=identity, action="open")


def test_stats_tick(node, receiver):
    node.topic("t")
    node.publisher(receiver.url, "t")
    with following(node, "?types=stats") as events:
        events.wait("open")
        node.publish_many(range(100), "t")
        seen = {"published": 0, "delivered": 0}
        for kind, data in events:
            assert kind == "stats"
            for name in seen:
                seen[name] += data[name]
            if seen == {"published": 100, "delivered": 100}:
                break
    stats = node.get("/api/stats").json()["data"]
    assert stats["node"] == 1 and stats["step_seconds"] == 1 and stats["since"]
    assert sum(point["published"] for point in stats["points"]) == 100
    assert sum(point["delivered"] for point in stats["points"]) == 100


def test_resume_where_it_broke(node):
    with following(node) as events:
        events.wait("open")
    for number in range(5):
        node.topic(f"t{number}")
    with following(node, "?types=topic", Last_Event_ID=events.last_id) as again:
        for number in range(5):
            assert again.wait("topic")["topic"] == f"t{number}"


def test_after_a_restart_the_client_begins_anew(node):
    with following(node) as events:
        events.wait("open")
    node.stop()
    node.start()
    with following(node, Last_Event_ID=events.last_id) as again:
        again.wait("reset")


def test_the_stream_ends_with_the_node(node):
    with following(node) as events:
        events.wait("open")
        node.terminate()
        for _ in events:
            pass
        assert node.wait_exit() == 0
    node.start()


def test_many_vanish(node):
    for _ in range(3):
        followers = [Follower(node) for _ in range(100)]
        for follower in followers:
            assert follower.answer.status == 200
            follower.connection.close()
        node.topic(f"t{_}")
        wait_until(
            lambda: Follower(node).answer.status == 200, "there is room for another"
        )


@pytest.mark.parametrize("query", ["?types=all", "?topic=", "?limit=1"])
def test_bad_parameters(shared, query):
    problem = assert_problem(shared.get(f"/api/events{query}"), 400)
    name = query[1:].split("=")[0]
    assert problem["errors"][0]["parameter"] == name


def test_stats_parameters(shared):
    assert shared.get("/api/stats?step=60").json()["data"]["step_seconds"] == 60
    assert_problem(shared.get("/api/stats?step=7"), 400)
    assert_problem(shared.post("/api/stats"), 405)


def test_every_node_tells(cluster):
    leader = cluster.wait_leader()
    with contextlib.ExitStack() as stack:
        followers = [
            stack.enter_context(following(node)) for node in cluster.nodes
        ]
        for follower in followers:
            follower.wait("open")
        topic = leader.topic("t")["id"]
        for follower in followers:
            follower.wait("topic", topic_id=topic, action="created")
        leader.kill()
        new = cluster.wait_leader(other_than=leader)
        for node, follower in zip(cluster.nodes, followers):
            if node is not leader:
                follower.wait("leader", leader=cluster.id_of(new))
    for node in cluster.up():
        stats = node.get("/api/stats").json()["data"]
        assert stats["node"] == cluster.id_of(new)
        local = node.get("/api/stats?consistency=local").json()["data"]
        assert local["node"] == cluster.id_of(node)
