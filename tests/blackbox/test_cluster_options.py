"""The delivery engine's routes through each of three nodes, and over the end
of a leader."""

import datetime

import pytest

from node import wait_until
from receiver import fail, ok
from test_rules import assert_problem


def explain(node, message, publisher):
    answer = node.get(f"/api/messages/{message}/explain?publisher={publisher}")
    assert answer.status == 200, answer
    return answer.json()["data"]


def test_each_node_changes_and_tells(cluster, receiver):
    """Every kind of request through a follower, its effect seen on another."""
    first, second = cluster.followers()
    first.topic(retention_seconds=3600)
    answer = second.request("PATCH", "/api/topics/orders", {"origin_host": "new.org"})
    assert answer.status == 200
    assert first.get("/api/topics/orders").json()["data"]["origin_host"] == "new.org"
    publisher = first.publisher(receiver.url, max_attempts=1, active=False)["id"]
    rotated = second.post(f"/api/publishers/{publisher}/rotate-secret").json()["data"]
    assert rotated["secret"].startswith("whsec_")
    assert first.publisher_state(publisher)["secret"] == "***"
    answer = second.request("PATCH", f"/api/publishers/{publisher}", {"headers": {"x-a": "b"}})
    assert answer.status == 200
    message = first.publish(1)["id"]
    told = explain(second, message, publisher)
    assert told["reason"] == "paused"
    assert explain(first, message, publisher) == told
    tried = first.post(f"/api/publishers/{publisher}/test").json()["data"]["test"]
    assert tried["status"] == 200
    receiver.behaviour = fail(500)
    assert second.post(f"/api/publishers/{publisher}/resume").status == 200
    first.wait_state(message, "dead")
    [listed] = second.get(f"/api/messages?publisher={publisher}&state=dead").json()["data"]
    assert listed["id"] == message
    receiver.behaviour = ok
    assert first.post(f"/api/messages/{message}/retry").status == 200
    second.wait_state(message, "delivered")
    tried = first.post(f"/api/publishers/{publisher}/replay", {"dry_run": True})
    assert tried.json()["data"]["matched"] == 1
    job = second.post(f"/api/publishers/{publisher}/replay").json()["data"]["id"]
    wait_until(
        lambda: first.get(f"/api/replays/{job}").json()["data"]["done"] == 1,
        "the replay is done",
    )
    assert_problem(first.request("PATCH", f"/api/publishers/{publisher}", {"colour": 1}), 400)
    assert first.delete("/api/topics/orders?force=true").status == 204
    assert_problem(second.get(f"/api/publishers/{publisher}"), 404)
    cluster.wait_agreement()


def test_schedule_and_replay_outlive_the_leader(cluster, receiver):
    leader = cluster.wait_leader()
    follower = cluster.followers()[0]
    leader.topic()
    publisher = leader.publisher(receiver.url)["id"]
    ids = leader.publish_many(range(20))
    leader.wait_backlog(publisher)
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    body = {"topic": "orders", "payload": "later", "attributes": {}, "schedule_at": due.isoformat()}
    later = follower.post("/api/schedule_messages", body).json()["id"]
    receiver.down()
    job = follower.post(f"/api/publishers/{publisher}/replay").json()["data"]["id"]
    leader.kill()
    receiver.up()
    cluster.wait_leader(other_than=leader)
    follower.wait_state(later, "delivered")
    assert datetime.datetime.now(datetime.timezone.utc) >= due
    done = wait_until(
        lambda: (now := follower.get(f"/api/replays/{job}").json()["data"])["done"] == 20 and now,
        "the replay is done",
    )
    assert (done["state"], done["matched"]) == ("done", 20)
    counts = receiver.counts()
    assert counts[later] == 1 or any(
        r.marked for r in receiver.arrived() if r.message_id == later
    )
    assert all(counts[identity] >= 2 for identity in ids)
    leader.start()
    cluster.wait_agreement()


def test_circuit_goes_on_with_the_next_leader(cluster, receiver):
    """A new leader does not begin anew with a target that is down."""
    receiver.down()
    leader = cluster.wait_leader()
    leader.topic()
    publisher = leader.publisher(receiver.url, seconds_retry=300, retry_max_seconds=300)["id"]
    message = leader.publish_many(range(10))[-1]
    before = wait_until(
        lambda: (now := leader.publisher_state(publisher))["state"] == "circuit_open" and now,
        "the circuit is open",
    )
    leader.kill()
    following = cluster.wait_leader(other_than=leader)
    after = following.publisher_state(publisher)
    assert after["state"] == "circuit_open"
    assert after["state_since"] == before["state_since"]
    assert explain(following, message, publisher)["reason"] == "circuit_open"
    leader.start()
