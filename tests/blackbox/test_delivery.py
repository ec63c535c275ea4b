"""Delivery over HTTP: what arrives, when, how often, and beside what."""

import itertools
import time

import pytest

from node import run_program, wait_until
from receiver import Reply, fail, fail_first, hang, ok, slow


@pytest.fixture
def ordered(node, receiver):
    """A node with topic `orders` delivering to `receiver`."""
    node.topic()
    node.publisher_id = node.publisher(receiver.url)["id"]
    return node


@pytest.mark.parametrize(
    "payload",
    [
        '{"b":1,"a":2}',
        '{ "wide" :\t[ 1 ,\n2 ] }',
        "1e400",
        "12345678901234567890123.450",
        '"\\u00e9\\ud83d\\ude00\\/"',
        '"é😀"',
        "null",
        '{"a":1,"a":1}',
    ],
)
def test_payload_arrives_byte_for_byte(ordered, receiver, payload):
    body = '{"topic":"orders","attributes":{},"payload": %s }' % payload
    assert ordered.post("/api/messages", body).status == 201
    [request] = receiver.wait_requests(1)
    assert request.body == payload.encode()


def test_large_payload_arrives_whole(ordered, receiver):
    payload = '"' + "0123456789" * 100_000 + '"'
    body = '{"topic":"orders","attributes":{},"payload":%s}' % payload
    assert ordered.post("/api/messages", body).status == 201
    [request] = receiver.wait_requests(1)
    assert request.body == payload.encode()


def test_headers(ordered, receiver):
    before = int(time.time())
    made = ordered.publish({"a": 1})
    [request] = receiver.wait_requests(1)
    version = run_program("version").stdout.split()[-1]
    assert request.method == "POST"
    assert request.path == "/hook"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"Postoffice/{version}"
    assert request.message_id == made["id"]
    assert request.headers["webhook-id"] == made["public_id"]
    assert before <= int(request.headers["webhook-timestamp"]) <= time.time() + 1
    assert request.headers["postoffice-topic"] == "orders"
    assert request.attempt == 1
    assert request.headers["postoffice-maybe-duplicate"] is None
    assert request.headers["expect"] is None


def test_delivered_message_shows_its_history(ordered):
    made = ordered.publish({"a": 1})
    message = ordered.wait_state(made["id"], "delivered")
    [delivery] = message["deliveries"]
    assert delivery["publisher"] == ordered.publisher_id
    assert delivery["attempts"] == 1
    assert delivery["maybe_duplicate"] is False
    assert delivery["processed_at"] is not None
    state = ordered.publisher_state(ordered.publisher_id)
    assert state["backlog"] == 0
    assert state["last_delivered_at"] is not None


def test_connections_are_kept(ordered, receiver):
    for number in range(30):
        ordered.wait_state(ordered.publish(number)["id"], "delivered")
    assert receiver.connections <= 16


def test_every_publisher_of_a_topic_gets_every_message(node, new_receiver):
    node.topic()
    receivers = [new_receiver(ok) for _ in range(5)]
    for one in receivers:
        node.publisher(one.url)
    ids = node.publish_many(range(200))
    for one in receivers:
        one.wait_messages(ids)
        assert set(one.counts().values()) == {1}


# ---- Failure and retry ----


def test_backoff_doubles(node, receiver):
    """seconds_retry 1: the next attempts come no sooner than 1 s, 2 s later
    (jitter takes at most a tenth)."""
    receiver.behaviour = fail_first(3)
    node.topic()
    node.publisher(receiver.url, retry_max_seconds=60)
    made = node.publish("stubborn")
    requests = receiver.wait_requests(4)
    assert [request.attempt for request in requests] == [1, 2, 3, 4]
    gaps = [later.time - earlier.time for earlier, later in itertools.pairwise(requests)]
    for gap, least in zip(gaps, (0.9, 1.8, 3.6), strict=True):
        assert gap >= least
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    message = node.wait_state(made["id"], "delivered")
    [delivery] = message["deliveries"]
    assert delivery["attempts"] == 4
    assert [attempt["status"] for attempt in delivery["history"]] == [500, 500, 500, 200]
    assert [attempt["class"] for attempt in delivery["history"]][:3] == ["http_5xx"] * 3


def test_retrying_message_tells_why(node, receiver):
    receiver.behaviour = fail(418, body=b"short and stout")
    node.topic()
    publisher = node.publisher(receiver.url, seconds_retry=600, retry_max_seconds=600)
    made = node.publish(1)
    message = node.wait_state(made["id"], "retrying")
    [delivery] = message["deliveries"]
    assert delivery["next_attempt_at"] > message["received_at"]
    [attempt] = delivery["history"]
    assert attempt["status"] == 418
    assert attempt["class"] == "http_4xx"
    assert attempt["response"] == "short and stout"
    state = node.publisher_state(publisher["id"])
    assert state["retrying"] == 1
    assert state["backlog"] == 1
    assert state["last_error"]["status"] == 418
    assert state["last_error"]["class"] == "http_4xx"
    assert state["oldest_undelivered_at"] == message["received_at"]


def test_one_failing_message_does_not_hold_the_others(node, receiver):
    receiver.behaviour = lambda request: Reply(500 if request.body == b'"bad"' else 200)
    node.topic()
    node.publisher(receiver.url, seconds_retry=600, retry_max_seconds=600)
    bad = node.publish("bad")["id"]
    good = node.publish_many(range(20))
    receiver.wait_messages(good)
    node.wait_state(bad, "retrying")


def test_attempts_end(node, receiver):
    receiver.behaviour = fail(500)
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=2)
    made = node.publish("hopeless")
    message = node.wait_state(made["id"], "dead")
    assert message["deliveries"][0]["attempts"] == 2
    state = node.publisher_state(publisher["id"])
    assert state["dead"] == 1
    assert state["backlog"] == 0
    assert len(receiver.arrived()) == 2


def test_redirect_is_a_failure(node, receiver, new_receiver):
    elsewhere = new_receiver(ok)
    receiver.behaviour = fail(302, headers={"location": elsewhere.url})
    node.topic()
    node.publisher(receiver.url, seconds_retry=600, retry_max_seconds=600)
    message = node.wait_state(node.publish(1)["id"], "retrying")
    assert message["deliveries"][0]["history"][0]["status"] == 302
    assert elsewhere.arrived() == []


def test_timeout_is_an_attempt(node, receiver):
    receiver.behaviour = hang
    node.topic()
    node.publisher(receiver.url, seconds_timeout=1, seconds_retry=600, retry_max_seconds=600)
    made = node.publish(1)
    [request] = receiver.wait_requests(1)
    message = node.wait_state(made["id"], "retrying")
    assert time.monotonic() - request.time >= 0.9
    [attempt] = message["deliveries"][0]["history"]
    assert attempt["class"] == "timeout"
    assert attempt["status"] is None
    assert attempt["duration_ms"] >= 900


def test_receiver_down_and_up_again(ordered, receiver):
    first = ordered.publish_many(range(10))
    receiver.wait_messages(first)
    ordered.wait_backlog(ordered.publisher_id)  # The answers have arrived, too.
    receiver.down()
    while_down = ordered.publish_many(range(100))
    state = wait_until(
        lambda: (now := ordered.publisher_state(ordered.publisher_id))["last_error"]
        # Before that, one that was under way may see its connection break.
        and now["last_error"]["class"] == "connect"
        and now,
        "a refused connection is shown",
    )
    assert state["last_error"]["status"] is None
    assert state["backlog"] == 100
    receiver.up()
    receiver.wait_messages(while_down)
    ordered.wait_backlog(ordered.publisher_id)
    assert set(receiver.counts().values()) == {1}
    assert len(receiver.counts()) == 110


def test_answer_cut_short_is_a_failure(node, receiver):
    """A receiver that closes without an answer has not taken the message."""

    def cut(request):
        return Reply(hang=request.attempt == 1)

    receiver.behaviour = cut
    receiver.release()
    node.topic()
    node.publisher(receiver.url)
    made = node.publish(1)
    requests = receiver.wait_requests(2)
    assert [request.attempt for request in requests] == [1, 2]
    node.wait_state(made["id"], "delivered")


def test_endless_answer_is_bounded(node, receiver):
    receiver.behaviour = lambda request: Reply(
        500 if request.attempt == 1 else 200, body=b"x" * (4 << 20)
    )
    node.topic()
    node.publisher(receiver.url)
    made = node.publish(1)
    message = node.wait_state(made["id"], "delivered")
    history = message["deliveries"][0]["history"]
    assert len(history[0]["response"]) <= 4096


# ---- Side by side ----


def test_max_in_flight_is_never_exceeded(node, receiver):
    receiver.behaviour = slow(0.03)
    node.topic()
    publisher = node.publisher(receiver.url, max_in_flight=4)
    ids = node.publish_many(range(200))
    receiver.wait_messages(ids)
    node.wait_backlog(publisher["id"])
    assert receiver.most_in_flight == 4
    assert set(receiver.counts().values()) == {1}


def test_one_in_flight_keeps_the_order(node, receiver):
    node.topic()
    node.publisher(receiver.url, max_in_flight=1)
    ids = node.publish_many(range(100))
    requests = receiver.wait_requests(100)
    assert [request.message_id for request in requests] == ids
    assert receiver.most_in_flight == 1


def test_a_hanging_target_never_delays_another(node, new_receiver):
    node.topic()
    hanging = [new_receiver(hang) for _ in range(3)]
    for one in hanging:
        node.publisher(one.url, seconds_timeout=3600)
    good = new_receiver(ok)
    publisher = node.publisher(good.url)
    ids = node.publish_many(range(1000))
    good.wait_messages(ids)
    node.wait_backlog(publisher["id"])
    # All of that happened while every request of the others was pending.
    for one in hanging:
        assert one.in_flight == len(one.arrived()) == 16


def test_dead_targets_never_delay_another(node, receiver, new_receiver):
    node.topic()
    for _ in range(5):
        dead = new_receiver(ok)
        dead.down()
        node.publisher(dead.url)
    unresolved = node.publisher("http://does-not-exist.invalid/")
    publisher = node.publisher(receiver.url)
    ids = node.publish_many(range(500))
    receiver.wait_messages(ids)
    node.wait_backlog(publisher["id"])
    state = wait_until(
        lambda: (now := node.publisher_state(unresolved["id"]))["last_error"] and now,
        "the unknown name is an error",
    )
    assert state["last_error"]["class"] == "dns"


def test_thousands_of_messages_arrive_once(ordered, receiver):
    ids = []
    for batch in range(4):
        ids += ordered.publish_many([{"batch": batch, "n": n} for n in range(1000)])
    receiver.wait_messages(ids)
    ordered.wait_backlog(ordered.publisher_id)
    assert set(receiver.counts().values()) == {1}
    assert not any(request.marked for request in receiver.arrived())
