"""Topics: created, refused with the original's texts, listed by pages."""

import pytest

from node import wait_until
from test_rules import assert_problem


def test_create(shared, name):
    answer = shared.post(
        "/api/topics",
        {"name": name, "origin_host": "example.com", "recovery_enabled": True},
    )
    assert answer.status == 201
    topic = answer.json()["data"]
    assert isinstance(topic["id"], int)
    assert topic["name"] == name
    assert topic["origin_host"] == "example.com"
    assert topic["recovery_enabled"] is True
    assert topic["messages"] == 0
    assert topic["publishers"] == 0
    assert topic["created_at"].endswith("Z")
    assert topic["retention_seconds"] is None


def test_name_is_unique(shared, name):
    shared.topic(name)
    answer = shared.post("/api/topics", {"name": name, "origin_host": "other.org"})
    assert_problem(answer, 409)
    assert answer.errors == {"name": ["has already been taken"]}


@pytest.mark.parametrize("blank", ["missing", None, ""])
@pytest.mark.parametrize("field", ["name", "origin_host"])
def test_blank_fields(shared, name, field, blank):
    body = {"name": name, "origin_host": "example.com"}
    if blank == "missing":
        del body[field]
    else:
        body[field] = blank
    answer = shared.post("/api/topics", body)
    problem = assert_problem(answer, 400)
    assert answer.errors == {field: ["can't be blank"]}
    assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]


def test_all_errors_are_told_at_once(shared):
    answer = shared.post("/api/topics", {})
    assert_problem(answer, 400)
    assert answer.errors == {
        "name": ["can't be blank"],
        "origin_host": ["can't be blank"],
    }


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", "with space"),
        ("name", "slash/y"),
        ("name", "ümlaut"),
        ("name", "x" * 256),
        ("name", 7),
        ("name", ["a"]),
        ("name", "nul\0"),
        ("origin_host", 7),
        ("recovery_enabled", "perhaps"),
    ],
)
def test_invalid_fields(shared, name, field, value):
    body = {"name": name, "origin_host": "example.com", field: value}
    answer = shared.post("/api/topics", body)
    assert_problem(answer, 400)
    assert answer.errors == {field: ["is invalid"]}


def test_longest_name_and_all_its_characters(shared, name):
    longest = (name + "._~-AZ09").ljust(255, "x")
    assert shared.topic(longest)["name"] == longest


def test_unknown_fields_are_ignored(shared, name):
    assert shared.topic(name, colour="red")["name"] == name


def test_duplicate_member_is_malformed(shared, name):
    body = '{"name":"%s","name":"b","origin_host":"example.com"}' % name
    assert_problem(shared.post("/api/topics", body), 400)


def test_list_by_pages(node):
    names = [f"topic-{number}" for number in range(7)]
    for one in names:
        node.topic(one)
    seen, cursor = [], None
    for _ in range(10):
        path = "/api/topics?limit=3" + (f"&cursor={cursor}" if cursor else "")
        page = node.get(path).json()
        assert len(page["data"]) <= 3
        seen += [topic["name"] for topic in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == names
    assert node.get("/api/topics").json()["next_cursor"] is None


def test_topic_survives_a_restart_and_counts(node):
    node.topic()
    node.publish_many(range(5))
    assert node.stop() == 0
    node.start()
    [topic] = node.get("/api/topics").json()["data"]
    assert topic["name"] == "orders"
    assert topic["messages"] == 5


def test_get_and_change(shared, name):
    made = shared.topic(name, indexed_fields=["/customer/id"], max_backlog_bytes=5000)
    assert made["indexed_fields"] == ["/customer/id"]
    path = f"/api/topics/{name}"
    answer = shared.request("PATCH", path + "/", {"retention_seconds": 3600})
    assert answer.status == 200
    changed = answer.json()["data"]
    assert changed == {**made, "retention_seconds": 3600}
    assert shared.get(path).json()["data"] == changed
    answer = shared.request(
        "PATCH", path, {"max_backlog_bytes": None, "origin_host": "new.org", "indexed_fields": []}
    )
    changed = answer.json()["data"]
    assert (changed["max_backlog_bytes"], changed["origin_host"]) == (None, "new.org")
    assert changed["indexed_fields"] == [] and changed["retention_seconds"] == 3600


@pytest.mark.parametrize(
    "body, field",
    [
        ({"name": "other"}, "name"),
        ({"colour": "red"}, "colour"),
        ({"origin_host": ""}, "origin_host"),
        ({"retention_seconds": 0}, "retention_seconds"),
        ({"retention_seconds": "a"}, "retention_seconds"),
        ({"max_backlog_bytes": -1}, "max_backlog_bytes"),
        ({"indexed_fields": ["a"]}, "indexed_fields"),
        ({"indexed_fields": "/a"}, "indexed_fields"),
        ({"recovery_enabled": 7}, "recovery_enabled"),
    ],
)
def test_wrong_changes_are_named(shared, name, body, field):
    shared.topic(name)
    answer = shared.request("PATCH", f"/api/topics/{name}", body)
    assert_problem(answer, 400)
    assert list(answer.errors) == [field]


def test_unknown_topic(shared):
    for method in ("GET", "DELETE", "PATCH"):
        body = {} if method == "PATCH" else None
        assert_problem(shared.request(method, "/api/topics/nothing", body), 404)


def test_delete(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, active=False)["id"]
    message = node.publish(1)["id"]
    assert_problem(node.delete("/api/topics/orders"), 409)
    assert_problem(node.delete("/api/topics/orders?force=yes"), 400)
    assert node.delete("/api/topics/orders?force=true").status == 204
    for path in ("/api/topics/orders", f"/api/publishers/{publisher}"):
        assert_problem(node.get(path), 404)
    wait_until(lambda: node.get(f"/api/messages/{message}").status == 404, "it is gone")
    answer = node.post("/api/messages", {"topic": "orders", "payload": 1, "attributes": {}})
    assert_problem(answer, 400)
    # The name is free again, and nothing of the old topic is in the new one.
    again = node.topic()
    assert (again["messages"], again["publishers"]) == (0, 0)
    assert node.delete("/api/topics/orders").status == 204


def test_retention(new_node, receiver):
    """What is settled goes after its time; what is not stays."""
    node = new_node("--retention=1")
    node.topic()
    node.topic("kept", retention_seconds=3600)
    publisher = node.publisher(receiver.url)["id"]
    first = node.publish(1)["id"]
    unwanted = node.publish(1, "kept")["id"]
    node.wait_state(first, "delivered")
    node.post(f"/api/publishers/{publisher}/pause")
    waiting = node.publish(2)["id"]
    wait_until(lambda: node.get(f"/api/messages/{first}").status == 404, "it is gone")
    assert node.message(waiting)["state"] == "pending"
    assert node.message(unwanted)["state"] == "stored"
    assert node.get("/api/topics/orders").json()["data"]["messages"] == 1
    node.post(f"/api/publishers/{publisher}/resume")
    node.wait_state(waiting, "delivered")


def test_topic_of_limited_size(node):
    """507 for this topic alone, until there is room again."""
    node.topic("tight", max_backlog_bytes=5000)
    node.topic("free")
    body = {"topic": "tight", "payload": "x" * 1500, "attributes": {}}
    assert [node.post("/api/messages", body).status for _ in range(4)] == [201] * 3 + [507]
    problem = assert_problem(node.post("/api/messages", body), 507)
    assert "max_backlog_bytes" in problem["detail"]
    assert node.post("/api/messages", {**body, "topic": "free"}).status == 201
    before = node.get("/api/topics/tight").json()["data"]
    assert (before["messages"], before["bytes"] <= 5000) == (3, True)
    assert node.stop() == 0
    node.start()
    assert_problem(node.post("/api/messages", body), 507)
    node.request("PATCH", "/api/topics/tight", {"max_backlog_bytes": None})
    assert node.post("/api/messages", body).status == 201
