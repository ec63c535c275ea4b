"""What the original's clients send and expect (a Django library among them),
byte for byte: trailing slashes, strings for booleans, fields that only the
original knew, and errors under data.errors in its words."""

import json

import pytest

BLANK = ["can't be blank"]
INVALID = ["is invalid"]
TAKEN = ["has already been taken"]


class Client:
    """As such a client is written: it looks at the status, and at nothing of an
    answer but what the original documented."""

    def __init__(self, node):
        self.node = node

    def _post(self, path, body):
        return self.node.post(path, json.dumps(body))

    def create_topic(self, name, **more):
        body = {"name": name, "origin_host": "example.com", "recovery_enabled": True}
        return self._post("/api/topics/", {**body, **more})

    def create_publisher(self, topic, target, **more):
        body = {
            "active": "true",
            "topic": topic,
            "target": target,
            "type": "http",
            "from_now": "false",
            "seconds_timeout": 5,
            "seconds_retry": 1,
            "only_the_original_knew_it": 1,
        }
        return self._post("/api/publishers/", {**body, **more})

    def send(self, topic, payload, **attributes):
        body = {"topic": topic, "payload": payload, "attributes": attributes}
        return self._post("/api/messages/", body)

    def bulk(self, topic, payloads, **attributes):
        body = {"topic": topic, "payload": payloads, "attributes": attributes}
        return self._post("/api/bulk_messages/", body)

    def schedule(self, topic, payload, at, **attributes):
        body = {
            "topic": topic,
            "payload": payload,
            "attributes": attributes,
            "schedule_at": at,
        }
        return self._post("/api/schedule_messages/", body)


@pytest.fixture
def client(shared, name):
    """With a topic of its own."""
    made = Client(shared)
    assert made.create_topic(name).status == 201
    return made


def created(answer):
    """Its body, as a client reads it."""
    assert answer.status == 201, answer
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json()


def refused(answer, status, errors):
    assert answer.status == status, answer
    assert answer.json()["data"]["errors"] == errors


# ---- What works ----


def test_a_day_of_a_client_on_each_node(cluster, receiver):
    for number, node in enumerate(cluster.nodes):
        client, topic = Client(node), f"orders-{number}"
        made = created(client.create_topic(topic))
        assert isinstance(made["data"]["id"], int)
        made = created(client.create_publisher(topic, f"{receiver.url}/{number}"))
        publisher = made["data"]["id"]
        made = created(client.send(topic, {"a": 1}, hive_id="vlc1"))
        ids = [made["id"]]
        ids += created(client.bulk(topic, [{"a": 2}, {"a": 3}]))["result"]
        ids.append(created(client.schedule(topic, {"a": 4}, "2020-01-31 09:00:00"))["id"])
        assert all(isinstance(each, int) for each in ids)
        receiver.wait_messages(ids)
        assert node.get(f"/api/messages/{ids[0]}/").status == 200
        assert node.get("/api/health/").json() == {"status": "ok"}
        gone = node.delete(f"/api/publishers/{publisher}/")
        assert (gone.status, gone.body) == (204, b"")
    arrived = receiver.arrived()
    paths = sorted(request.path for request in arrived)
    assert paths == [f"/hook/{number}" for number in range(3) for _ in range(4)]
    for request in arrived:
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert list(json.loads(request.body)) == ["a"]


@pytest.mark.parametrize("value", [True, False, "true", "false"])
def test_booleans_of_both_kinds(client, name, receiver, value):
    wanted = value in (True, "true")
    made = created(client.create_publisher(name, receiver.url, active=value))
    assert made["data"]["active"] is wanted
    assert made["data"]["state"] == ("active" if wanted else "paused")
    made = created(client.create_topic(f"{name}-b", recovery_enabled=value))
    assert made["data"]["recovery_enabled"] is wanted


def test_payloads_keep_members_of_any_name(client, name):
    """Ours too."""
    payload = {"topic": "x", "payload": None, "attributes": {"a": "b"}}
    identity = created(client.send(name, payload))["id"]
    assert client.node.message(identity)["payload"] == payload


@pytest.mark.parametrize(
    "at",
    ["2100-01-31 09:00:00", "2100-01-31 09:00:00.123456", "2100-01-31T09:00:00Z"],
)
def test_times_of_both_forms(client, name, at):
    identity = created(client.schedule(name, 1, at))["id"]
    message = client.node.message(identity)
    assert message["schedule_at"].startswith("2100-01-31T09:00:00")


# ---- What does not, in the original's words ----


def test_a_topic_twice(client, name):
    refused(client.create_topic(name), 409, {"name": TAKEN})


def test_a_publisher_twice(client, name, receiver):
    created(client.create_publisher(name, receiver.url))
    refused(client.create_publisher(name, receiver.url), 409, {"target": TAKEN})


def test_a_publisher_of_no_topic(client, receiver):
    refused(client.create_publisher("nowhere", receiver.url), 400, {"topic": INVALID})


def test_a_message_of_no_topic(client):
    refused(client.send("nowhere", 1), 400, {"topic": INVALID})
    refused(client.schedule("nowhere", 1, "2100-01-01 00:00:00"), 400, {"topic": INVALID})


def test_a_message_without_anything(client):
    answer = client.node.post("/api/messages/", "{}")
    refused(answer, 400, {field: BLANK for field in ("topic", "payload", "attributes")})


def test_a_scheduled_message_without_a_time(client, name):
    refused(client.schedule(name, 1, None), 400, {"schedule_at": BLANK})
    refused(client.schedule(name, 1, "tomorrow"), 400, {"schedule_at": INVALID})


def test_bulk_is_406(client, name):
    """For a topic that is unknown, and for more than it takes; none of it is
    stored then."""
    assert client.bulk("nowhere", [1]).status == 406
    assert client.bulk(name, [0] * 3001).status == 406
    listed = client.node.get(f"/api/messages?topic={name}").json()
    assert listed["data"] == []
    assert len(created(client.bulk(name, [0] * 3000))["result"]) == 3000
