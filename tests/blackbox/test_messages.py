"""Publishing and reading back, alone and in bulk."""

import json
import re

import pytest

from test_rules import assert_problem


def test_publish_and_read(shared, name):
    shared.topic(name)
    answer = shared.post(
        "/api/messages",
        {"topic": name, "payload": {"total": 3}, "attributes": {"kind": "new"}},
    )
    assert answer.status == 201
    made = answer.json()
    assert re.fullmatch(r"msg_[a-z2-7]{26}", made["public_id"])
    for identity in (made["id"], made["public_id"]):
        message = shared.message(identity)
        assert message["id"] == made["id"]
        assert message["public_id"] == made["public_id"]
        assert message["topic"] == name
        assert message["payload"] == {"total": 3}
        assert message["attributes"] == {"kind": "new"}
        assert message["key"] is None
        assert message["schedule_at"] is None
        assert message["state"] == "stored"
        assert message["deliveries"] == []
        assert message["replicated_to"] == [1]
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message["received_at"]
        )


@pytest.mark.parametrize(
    "payload",
    ["null", "true", "0", '""', "[]", "{}", "1e400", "-0", '"\\u0000"',
     '"\\ud83d\\ude00 \\u00e9"', "123456789012345678901234567890", '{"a":1,"a":2}',
     '{ "wide" :\t[ 1 ,2 ] }'],
)
def test_payload_is_kept_as_sent(shared, name, payload):
    shared.topic(name)
    body = '{"topic": "%s", "attributes": {}, "payload": %s}' % (name, payload)
    answer = shared.post("/api/messages", body)
    assert answer.status == 201, answer
    read = shared.get(f"/api/messages/{answer.json()['id']}")
    assert f'"payload":{payload}'.encode() in read.body
    assert len(payload) == json.loads(read.body)["data"]["size"]


@pytest.mark.parametrize(
    "payload", ["nan", "01", "'a'", '"\\x41"', '"\t"', '"\\ud83d"'[:-1], "[1,]", "+1", "1.", ".5"]
)
def test_payload_that_is_not_json(shared, name, payload):
    shared.topic(name)
    body = '{"topic": "%s", "attributes": {}, "payload": %s}' % (name, payload)
    assert_problem(shared.post("/api/messages", body), 400)


def test_invalid_utf8_is_refused(shared, name):
    shared.topic(name)
    body = b'{"topic": "%s", "attributes": {}, "payload": "\xff\xfe"}' % name.encode()
    assert_problem(shared.post("/api/messages", body), 400)


def test_null_is_a_payload_but_nothing_is_not(shared, name):
    shared.topic(name)
    assert shared.publish(None, name)["id"]
    answer = shared.post("/api/messages", {"topic": name, "attributes": {}})
    assert_problem(answer, 400)
    assert answer.errors == {"payload": ["can't be blank"]}


def test_blank_fields_all_at_once(shared):
    answer = shared.post("/api/messages", {})
    assert_problem(answer, 400)
    assert answer.errors == {
        "topic": ["can't be blank"],
        "payload": ["can't be blank"],
        "attributes": ["can't be blank"],
    }


def test_unknown_topic(shared):
    body = {"topic": "no-such-topic", "payload": 1, "attributes": {}}
    answer = shared.post("/api/messages", body)
    assert_problem(answer, 400)
    assert answer.errors == {"topic": ["is invalid"]}


@pytest.mark.parametrize(
    "attributes", ["text", 7, ["a"], {"a": 1}, {"a": None}, {"a": {}}]
)
def test_invalid_attributes(shared, name, attributes):
    shared.topic(name)
    body = {"topic": name, "payload": 1, "attributes": attributes}
    answer = shared.post("/api/messages", body)
    assert_problem(answer, 400)
    assert answer.errors == {"attributes": ["is invalid"]}


@pytest.mark.parametrize(
    "attributes",
    [{"": "b"}, {"a" * 257: "b"}, {"a": "b" * 1025}, {f"n{n}": "x" for n in range(101)}],
)
def test_attributes_beyond_their_bounds(shared, name, attributes):
    shared.topic(name)
    body = {"topic": name, "payload": 1, "attributes": attributes}
    answer = shared.post("/api/messages", body)
    assert_problem(answer, 400)
    assert list(answer.errors) == ["attributes"]


def test_attributes_at_their_bounds(shared, name):
    shared.topic(name)
    attributes = {f"{number:03}".ljust(256, "n"): "v" * 1024 for number in range(100)}
    attributes["000".ljust(256, "n")] = "é\"\\\n\U0001f600"
    made = shared.publish(1, name, attributes)
    assert shared.message(made["id"])["attributes"] == attributes


@pytest.mark.parametrize("identity", ["999999999", "msg_" + "a" * 26])
def test_unknown_message(shared, identity):
    assert_problem(shared.get(f"/api/messages/{identity}"), 404)


@pytest.mark.parametrize("identity", ["0", "-1", "abc", "msg_x", str(1 << 53)])
def test_what_is_no_id(shared, identity):
    assert_problem(shared.get(f"/api/messages/{identity}"), 400)


def test_public_id_of_another_cluster_is_unknown(shared, new_node):
    other = new_node()
    other.topic()
    foreign = other.publish(1)["public_id"]
    assert_problem(shared.get(f"/api/messages/{foreign}"), 404)


def test_ids_grow_and_are_unique(shared, name):
    shared.topic(name)
    ids = [shared.publish(number, name)["id"] for number in range(20)]
    ids += shared.publish_many(range(20), name)
    assert ids == sorted(set(ids))


# ---- Bulk ----


def test_bulk(shared, name):
    shared.topic(name)
    ids = shared.publish_many([{"n": number} for number in range(50)], name)
    assert len(ids) == 50
    assert shared.message(ids[31])["payload"] == {"n": 31}


def test_bulk_keeps_each_payload_as_sent(shared, name):
    shared.topic(name)
    payloads = ["1e400", '{ "a":  "\\u0041" }', "null", "[ ]"]
    body = '{"topic":"%s","attributes":{},"payload":[ %s ]}' % (name, " , ".join(payloads))
    ids = shared.post("/api/bulk_messages", body).json()["result"]
    for identity, payload in zip(ids, payloads, strict=True):
        read = shared.get(f"/api/messages/{identity}")
        assert f'"payload":{payload}'.encode() in read.body


def test_bulk_has_a_bound(new_node):
    node = new_node("--max-bulk-messages=10")
    node.topic()
    assert len(node.publish_many(range(10))) == 10
    body = {"topic": "orders", "payload": list(range(11)), "attributes": {}}
    assert_problem(node.post("/api/bulk_messages", body), 406)
    [topic] = node.get("/api/topics").json()["data"]
    assert topic["messages"] == 10


def test_bulk_to_an_unknown_topic(shared):
    body = {"topic": "no-such-topic", "payload": [1], "attributes": {}}
    assert_problem(shared.post("/api/bulk_messages", body), 406)


@pytest.mark.parametrize("payload", [{"a": 1}, "text", 7, None])
def test_bulk_payload_must_be_a_list(shared, name, payload):
    shared.topic(name)
    body = {"topic": name, "payload": payload, "attributes": {}}
    assert_problem(shared.post("/api/bulk_messages", body), 400)


def test_largest_bulk(shared, name):
    shared.topic(name)
    ids = shared.publish_many(["x" * 1000] * 3000, name)
    assert len(ids) == 3000
    assert shared.message(ids[2999])["payload"] == "x" * 1000
