"""Why a message has not been delivered: each reason, in words and fields, and
the publisher's state beside it."""

import pytest

from node import wait_until
from receiver import fail, fail_first, hang, ok
from test_rules import assert_problem


def explain(node, message, publisher):
    answer = node.get(f"/api/messages/{message}/explain?publisher={publisher}")
    assert answer.status == 200, answer
    told = answer.json()["data"]
    assert told["message"] == message and told["publisher"] == publisher
    assert told["text"].endswith(".") and isinstance(told["details"], dict)
    return told


def explained_within(node, message, publisher):
    """The same, as the message itself tells it."""
    [told] = [
        delivery["explanation"]
        for delivery in node.message(message)["deliveries"]
        if delivery["publisher"] == publisher
    ]
    return told


def wait_reason(node, message, publisher, reason):
    def wait(ask):
        return wait_until(
            lambda: (told := ask(node, message, publisher))["reason"] == reason and told,
            f"message {message} is explained as {reason}",
        )

    told, within = wait(explain), wait(explained_within)
    assert within.keys() == told.keys()
    assert within["details"].keys() == told["details"].keys()
    return told


def test_delivered(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    made = node.publish(1)
    told = wait_reason(node, made["id"], publisher, "delivered")
    assert told["state"] == "delivered" and told["since"] is not None
    by_public = node.get(
        f"/api/messages/{made['public_id']}/explain?publisher={publisher}"
    ).json()["data"]
    assert by_public == told == explained_within(node, made["id"], publisher)


def test_only_the_first_deliveries_are_explained_within(shared, name):
    shared.topic(name)
    for path in range(21):
        shared.publisher(f"http://127.0.0.1:9/{path}", name, active=False)
    deliveries = shared.message(shared.publish(1, name)["id"])["deliveries"]
    told = [delivery["explanation"] for delivery in deliveries]
    assert [each["reason"] for each in told[:20]] == ["paused"] * 20
    assert [each["publisher"] for each in told[:20]] == [
        delivery["publisher"] for delivery in deliveries[:20]
    ]
    assert told[20] is None


def test_filtered_names_the_clause(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, filter={"attributes": {"kind": "a"}})["id"]
    told = wait_reason(node, node.publish(1)["id"], publisher, "filtered")
    assert told["details"]["clause"] == "/attributes/kind"
    assert "kind" in told["text"]


def test_paused(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    node.post(f"/api/publishers/{publisher}/pause", {"reason": "holiday"})
    told = wait_reason(node, node.publish(1)["id"], publisher, "paused")
    assert told["reason"] == "paused" and told["state"] == "pending"
    assert "holiday" in told["text"] and told["details"]["pause_reason"] == "holiday"
    assert told["details"]["paused_by"] == "anonymous" and "by anonymous" in told["text"]
    state = node.publisher_state(publisher)
    assert (told["since"], "anonymous") == (state["state_since"], state["paused_by"])
    node.post(f"/api/publishers/{publisher}/resume")
    assert node.publisher_state(publisher)["paused_by"] is None


def test_before_from_now(node, receiver):
    node.topic()
    message = node.publish(1)["id"]
    publisher = node.publisher(receiver.url, from_now=True)["id"]
    assert explain(node, message, publisher)["reason"] == "before_from_now"


def test_backing_off(node, new_receiver):
    receiver = new_receiver(fail(500, body=b"broken"))
    node.topic()
    publisher = node.publisher(receiver.url, seconds_retry=600, retry_max_seconds=600)["id"]
    told = wait_reason(node, node.publish(1)["id"], publisher, "backing_off")
    assert told["state"] == "retrying"
    assert "500" in told["text"] and "broken" in told["text"]
    assert told["next_attempt_at"] > told["since"]
    assert told["details"]["last_error"]["class"] == "http_5xx"


def test_circuit_open(node, receiver):
    receiver.down()
    node.topic()
    publisher = node.publisher(receiver.url, seconds_retry=600, retry_max_seconds=600)["id"]
    first = node.publish_many(range(8))
    last = node.publish(1)["id"]
    told = wait_reason(node, last, publisher, "circuit_open")
    assert "connect" in told["text"]
    state = node.publisher_state(publisher)
    assert state["state"] == "circuit_open"
    assert state["next_attempt_at"] == told["next_attempt_at"]
    assert told["details"]["error"]["class"] == "connect"
    assert explain(node, first[0], publisher)["reason"] == "circuit_open"


def test_dead(node, new_receiver):
    receiver = new_receiver(fail(400))
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=1)["id"]
    told = wait_reason(node, node.publish(1)["id"], publisher, "dead")
    assert told["details"]["attempts"] == 1 and "400" in told["text"]


def test_in_flight_and_order(node, new_receiver):
    receiver = new_receiver(hang)
    node.topic()
    publisher = node.publisher(receiver.url, ordering="strict")["id"]
    first, second = node.publish(1)["id"], node.publish(2)["id"]
    receiver.wait_requests(1)
    wait_reason(node, first, publisher, "in_flight")
    told = wait_reason(node, second, publisher, "waiting_for_order")
    assert told["details"]["blocking_message"] == first
    assert str(first) in told["text"]
    receiver.behaviour = ok
    receiver.release()


def test_waiting_for_key(node, new_receiver):
    receiver = new_receiver(fail_first(1))
    node.topic()
    publisher = node.publisher(
        receiver.url, ordering="key", seconds_retry=600, retry_max_seconds=600
    )["id"]
    first = node.publish_keyed(1, "k")
    wait_reason(node, first, publisher, "backing_off")
    second = node.publish_keyed(2, "k")
    told = wait_reason(node, second, publisher, "waiting_for_key")
    assert told["details"] | {"blocking_message": first, "key": "k"} == told["details"]


def test_rate_limited(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, rate_limit_per_second=1, max_in_flight=1)["id"]
    last = node.publish_many(range(60))[-1]
    told = wait_reason(node, last, publisher, "rate_limited")
    assert told["next_attempt_at"] is not None
    assert node.publisher_state(publisher)["state"] in ("throttled", "active")


def test_scheduled(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    body = {"topic": "orders", "payload": 1, "attributes": {},
            "schedule_at": "2099-01-01T00:00:00Z"}
    message = node.post("/api/schedule_messages", body).json()["id"]
    told = explain(node, message, publisher)
    assert told["reason"] == told["state"] == "scheduled"
    assert told["next_attempt_at"] == "2099-01-01T00:00:00.000Z"


def test_wrong_questions(shared, name):
    shared.topic(name)
    shared.topic(name + "b")
    message = shared.publish(1, name)["id"]
    other = shared.publisher("http://127.0.0.1:9/", name + "b", active=False)["id"]
    path = f"/api/messages/{message}/explain"
    for query, status in [
        ("", 400), ("?publisher=", 400), ("?publisher=x", 400),
        ("?publisher=4294967295", 404), (f"?publisher={other}", 404),
        (f"?publisher={other}&colour=red", 400),
    ]:
        assert_problem(shared.get(path + query), status)
    assert_problem(shared.get(f"/api/messages/999999999/explain?publisher={other}"), 404)


def test_local_answer(shared, name):
    shared.topic(name)
    message = shared.publish(1, name)["id"]
    publisher = shared.publisher("http://127.0.0.1:9/", name, active=False)["id"]
    path = f"/api/messages/{message}/explain?publisher={publisher}&consistency=local"
    answer = wait_until(lambda: (a := shared.get(path)).status == 200 and a, "it is there")
    assert answer.json()["data"]["reason"] == "paused"
    whole = shared.get(f"/api/messages/{message}?consistency=local").json()["data"]
    assert whole["replicated_to"] is None
    assert whole["deliveries"][0]["explanation"]["reason"] == "paused"
    assert int(answer.headers["postoffice-applied-index"]) > 0
