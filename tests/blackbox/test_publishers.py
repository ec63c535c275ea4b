"""Publishers: created, refused, listed, paused, resumed, deleted."""

import pytest

from receiver import fail, ok
from test_rules import assert_problem

TARGET = "http://127.0.0.1:9/"


def test_create_with_defaults(shared, name):
    shared.topic(name)
    answer = shared.post(
        "/api/publishers",
        {"topic": name, "target": TARGET, "type": "http", "active": True},
    )
    assert answer.status == 201
    publisher = answer.json()["data"]
    expected = {
        "topic": name,
        "target": TARGET,
        "type": "http",
        "active": True,
        "state": "active",
        "seconds_timeout": 30,
        "seconds_retry": 30,
        "retry_max_seconds": 3600,
        "max_in_flight": 16,
        "max_attempts": 100,
        "guarantee": "at_least_once",
        "ordering": "none",
        "body_format": "payload",
        "backlog": 0,
        "in_flight": 0,
        "dead": 0,
        "oldest_undelivered_at": None,
        "last_error": None,
    }
    assert {field: publisher[field] for field in expected} == expected
    assert shared.publisher_state(publisher["id"])["target"] == TARGET


@pytest.mark.parametrize("field", ["topic", "target", "type", "active"])
@pytest.mark.parametrize("blank", ["missing", None, ""])
def test_blank_fields(shared, name, field, blank):
    shared.topic(name)
    body = {"topic": name, "target": TARGET, "type": "http", "active": True}
    if blank == "missing":
        del body[field]
    else:
        body[field] = blank
    answer = shared.post("/api/publishers", body)
    assert_problem(answer, 400)
    assert answer.errors == {field: ["can't be blank"]}


@pytest.mark.parametrize(
    "field, value",
    [
        ("topic", "unknown-topic"),
        ("topic", 7),
        ("target", "no url"),
        ("target", "ftp://127.0.0.1/"),
        ("target", "http://"),
        ("target", "http://user:secret@127.0.0.1/"),
        ("target", "http://127.0.0.1/\r\nx: y"),
        ("target", "http://127.0.0.1/" + "x" * 2100),
        ("type", "smtp"),
        ("type", 7),
        ("active", "perhaps"),
        ("active", 7),
        ("from_now", "perhaps"),
        ("seconds_timeout", "soon"),
        ("seconds_timeout", 1.5),
        ("seconds_retry", "later"),
    ],
)
def test_invalid_fields(shared, name, field, value):
    shared.topic(name)
    body = {"topic": name, "target": TARGET, "type": "http", "active": True}
    body[field] = value
    answer = shared.post("/api/publishers", body)
    assert_problem(answer, 400)
    assert answer.errors == {field: ["is invalid"]}


def test_pubsub_is_not_ignored(shared, name):
    shared.topic(name)
    body = {"topic": name, "target": TARGET, "type": "pubsub", "active": True}
    problem = assert_problem(shared.post("/api/publishers", body), 501)
    assert "type" in str(problem)


def test_triple_is_unique(shared, name):
    shared.topic(name)
    shared.topic(name + "b")
    shared.publisher(TARGET, name)
    body = {"topic": name, "target": TARGET, "type": "http", "active": True}
    answer = shared.post("/api/publishers", body)
    assert_problem(answer, 409)
    assert answer.errors == {"target": ["has already been taken"]}
    shared.publisher(TARGET, name + "b")


def test_delete_frees_the_triple(shared, name):
    shared.topic(name)
    first = shared.publisher(TARGET, name)
    answer = shared.delete(f"/api/publishers/{first['id']}")
    assert answer.status == 204
    assert answer.body == b""
    assert_problem(shared.get(f"/api/publishers/{first['id']}"), 404)
    assert_problem(shared.delete(f"/api/publishers/{first['id']}"), 404)
    second = shared.publisher(TARGET, name)
    assert second["id"] != first["id"]


@pytest.mark.parametrize(
    "field, value",
    [
        ("seconds_timeout", 0),
        ("seconds_timeout", -1),
        ("seconds_retry", 0),
        ("seconds_retry", 99999999999),
        ("max_in_flight", 0),
        ("max_in_flight", 1025),
        ("max_attempts", 0),
    ],
)
def test_numbers_out_of_range(shared, name, field, value):
    shared.topic(name)
    body = {"topic": name, "target": TARGET, "type": "http", "active": True}
    body[field] = value
    answer = shared.post("/api/publishers", body)
    assert_problem(answer, 400)
    assert list(answer.errors) == [field]
    assert answer.errors[field][0].startswith("is invalid")


@pytest.mark.parametrize(
    "identity, status", [("999999", 404), ("0", 400), ("-1", 400), ("abc", 400)]
)
def test_unknown_id(shared, identity, status):
    path = f"/api/publishers/{identity}"
    assert_problem(shared.get(path), status)
    assert_problem(shared.delete(path), status)
    assert_problem(shared.post(path + "/pause"), status)
    assert_problem(shared.post(path + "/resume"), status)


def test_list(node):
    node.topic()
    made = [node.publisher(TARGET + str(number))["id"] for number in range(5)]
    first = node.get("/api/publishers?limit=2").json()
    assert len(first["data"]) == 2
    rest = node.get(f"/api/publishers?cursor={first['next_cursor']}").json()
    listed = [one["id"] for one in first["data"] + rest["data"]]
    assert listed == made
    assert rest["next_cursor"] is None


def test_pause_holds_and_resume_goes_on(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    identity = publisher["id"]
    paused = node.post(f"/api/publishers/{identity}/pause")
    assert paused.status == 200
    assert paused.json()["data"]["state"] == "paused"
    held = node.publish_many(range(10))
    node.wait_backlog(identity, 10)
    # The other publisher's deliveries show that the dispatcher has moved on.
    other = node.publisher(receiver.url + "/other")
    node.wait_backlog(other["id"])
    assert {request.path for request in receiver.arrived()} == {"/hook/other"}
    assert node.message(held[0])["state"] == "pending"
    resumed = node.post(f"/api/publishers/{identity}/resume")
    assert resumed.status == 200
    assert resumed.json()["data"]["state"] == "active"
    node.wait_backlog(identity)
    assert set(receiver.counts().values()) == {2}
    assert len(receiver.arrived()) == 20


def test_pause_twice_and_over_a_restart(node, receiver):
    node.topic()
    identity = node.publisher(receiver.url)["id"]
    for _ in range(2):
        assert node.post(f"/api/publishers/{identity}/pause").status == 200
    node.publish("held")
    node.kill()
    node.start()
    assert node.publisher_state(identity)["state"] == "paused"
    assert receiver.arrived() == []
    node.post(f"/api/publishers/{identity}/resume")
    receiver.wait_requests(1)


def test_created_inactive_holds(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, active=False)
    assert publisher["state"] == "paused"
    node.publish_many(range(3))
    node.wait_backlog(publisher["id"], 3)
    assert receiver.arrived() == []
    node.post(f"/api/publishers/{publisher['id']}/resume")
    receiver.wait_requests(3)


def test_from_now_skips_what_was_there(node, receiver, new_receiver):
    node.topic()
    older = node.publish_many(range(3))
    late = new_receiver(receiver.behaviour)
    everything = node.publisher(receiver.url)
    only_new = node.publisher(late.url, from_now=True)
    newer = node.publish_many(range(2))
    node.wait_backlog(everything["id"])
    node.wait_backlog(only_new["id"])
    assert set(receiver.counts()) == set(older + newer)
    assert set(late.counts()) == set(newer)
    publishers = [d["publisher"] for d in node.message(older[0])["deliveries"]]
    assert publishers == [everything["id"]]


def test_deleting_stops_delivery_and_frees_its_backlog(node, new_receiver):
    node.topic()
    failing = new_receiver(fail(500))
    publisher = node.publisher(failing.url)
    node.publish_many(range(20))
    failing.wait_requests(1)
    assert node.delete(f"/api/publishers/{publisher['id']}").status == 204
    failing.behaviour = ok
    again = node.publisher(failing.url, from_now=True)
    new = node.publish("new")["id"]
    node.wait_backlog(again["id"])
    assert failing.counts()[new] == 1
    assert node.message(new)["deliveries"][0]["publisher"] == again["id"]
