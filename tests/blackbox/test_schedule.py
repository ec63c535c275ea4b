"""Messages for later: never early, late by at most a second."""

import datetime
import time

import pytest

from node import wait_until
from test_rules import assert_problem

LATENESS = 1.0


def iso(when):
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(seconds):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


def body(when, payload=1, topic="orders"):
    return {"topic": topic, "payload": payload, "attributes": {}, "schedule_at": when}


def test_not_early_and_hardly_late(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    due = later(1.5)
    answer = node.post("/api/schedule_messages/", body(iso(due)))
    assert answer.status == 201 and set(answer.json()) == {"id"}
    message = node.message(answer.json()["id"])
    assert message["state"] == "scheduled"
    assert message["schedule_at"] == iso(due)
    assert node.publisher_state(publisher)["scheduled"] == 1
    assert node.publisher_state(publisher)["backlog"] == 0
    assert node.get("/api/topics/orders").json()["data"]["scheduled"] == 1
    [listed] = node.get("/api/messages?topic=orders&state=scheduled").json()["data"]
    assert listed["id"] == message["id"]
    receiver.wait_requests(1)
    late = (datetime.datetime.now(datetime.timezone.utc) - due).total_seconds()
    assert late >= 0
    # A loaded machine may be slow; a second more says so plainly.
    assert late < LATENESS + 1
    found = node.wait_state(message["id"], "delivered")
    assert found["schedule_at"] == iso(due)


@pytest.mark.parametrize(
    "when",
    ["2020-01-01T00:00:00Z", "2020-01-01 00:00:00", "2020-01-01 00:00:00.123456",
     "2020-01-01T02:00:00+02:00"],
)
def test_the_past_is_due_at_once(node, receiver, when):
    node.topic()
    node.publisher(receiver.url)
    message = node.post("/api/schedule_messages", body(when)).json()["id"]
    node.wait_state(message, "delivered")


def test_schedule_at_in_messages_and_in_bulk(node, receiver):
    node.topic()
    node.publisher(receiver.url)
    when = iso(later(1))
    one = node.post("/api/messages", body(when)).json()
    many = node.post("/api/bulk_messages", body(when, [2, 3])).json()["result"]
    assert one["public_id"].startswith("msg_")
    receiver.wait_messages([one["id"], *many])
    assert [r.body for r in receiver.arrived()].count(b"1") == 1


def test_due_time_outlives_a_kill(node, receiver):
    node.topic()
    node.publisher(receiver.url)
    due = later(2.5)
    message = node.post("/api/schedule_messages", body(iso(due))).json()["id"]
    node.kill()
    node.start()
    assert node.message(message)["state"] == "scheduled"
    receiver.wait_requests(1)
    assert datetime.datetime.now(datetime.timezone.utc) >= due
    assert receiver.counts() == {message: 1}


def test_in_the_order_of_their_times(node, receiver):
    node.topic()
    node.publisher(receiver.url, ordering="strict")
    when = [iso(later(seconds)) for seconds in (1.3, 1.1, 1.2)]
    ids = [node.post("/api/schedule_messages", body(each)).json()["id"] for each in when]
    now = node.publish("first")["id"]
    receiver.wait_requests(4)
    assert [r.message_id for r in receiver.arrived()] == [now, ids[1], ids[2], ids[0]]


def test_idempotency_key(node):
    node.topic()
    headers = {"idempotency-key": "k"}
    when = body("2099-01-01T00:00:00Z")
    first = node.post("/api/schedule_messages", when, headers)
    again = node.post("/api/schedule_messages", when, headers)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    # Another route is another key.
    assert node.post("/api/messages", when, headers).json()["id"] != first.json()["id"]


@pytest.mark.parametrize("when", ["soon", 7, "2026-02-30T00:00:00Z", "2026-01-01", True])
def test_wrong_times(shared, name, when):
    shared.topic(name)
    for path in ("/api/schedule_messages", "/api/messages"):
        answer = shared.post(path, body(when, topic=name))
        assert_problem(answer, 400)
        assert answer.errors == {"schedule_at": ["is invalid"]}


@pytest.mark.parametrize("when", [None, ""])
def test_blank_times(shared, name, when):
    shared.topic(name)
    answer = shared.post("/api/schedule_messages", body(when, topic=name))
    assert_problem(answer, 400)
    assert answer.errors == {"schedule_at": ["can't be blank"]}
    assert shared.post("/api/messages", body(when, topic=name)).status == 201


def test_scheduled_messages_keep_a_topic(node, receiver):
    node.topic()
    message = node.post("/api/schedule_messages", body("2099-01-01T00:00:00Z")).json()["id"]
    assert_problem(node.delete("/api/topics/orders"), 409)
    assert node.delete("/api/topics/orders?force=true").status == 204
    wait_until(lambda: node.get(f"/api/messages/{message}").status == 404, "it is gone")
