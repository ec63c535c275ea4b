"""Idempotency-Key: a request that is sent again is carried out once."""

import http.client
import json
import threading

import pytest

from test_rules import assert_problem

MESSAGES = "/api/messages"
BULK = "/api/bulk_messages"


def body_of(topic, payload):
    return json.dumps({"topic": topic, "payload": payload, "attributes": {}})


def send(node, key, body, path=MESSAGES, **options):
    return node.post(path, body, {"Idempotency-Key": key}, **options)


def assert_replays(first, again):
    """The same answer, and only the second one says that it is no news."""
    assert first.status == again.status == 201, again
    assert again.body == first.body
    assert first.headers["idempotent-replayed"] is None
    assert again.headers["idempotent-replayed"] == "true"


def messages_of(node, topic):
    """How many messages the topic has: what an acknowledgement alone hides."""
    cursor = ""
    while True:
        page = node.get(f"/api/topics?limit=1000{cursor}").json()
        for found in page["data"]:
            if found["name"] == topic:
                return found["messages"]
        assert page["next_cursor"], f"there is no topic {topic}"
        cursor = f"&cursor={page['next_cursor']}"


# ---- The same request ----


def test_the_same_answer_again(shared, name):
    shared.topic(name)
    body = body_of(name, {"total": 3})
    first = send(shared, name, body)
    other = shared.publish("between", topic=name)
    for _ in range(3):
        assert_replays(first, send(shared, name, body))
    assert messages_of(shared, name) == 2
    assert other["id"] != first.json()["id"]


def test_bulk_too(shared, name):
    shared.topic(name)
    body = body_of(name, list(range(5)))
    first = send(shared, name, body, BULK)
    again = send(shared, name, body, BULK)
    assert_replays(first, again)
    assert len(again.json()["result"]) == 5
    assert messages_of(shared, name) == 5


def test_an_empty_list_is_remembered(shared, name):
    shared.topic(name)
    first = send(shared, name, body_of(name, []), BULK)
    assert_replays(first, send(shared, name, body_of(name, []), BULK))
    assert first.json() == {"result": []}
    assert_problem(send(shared, name, body_of(name, [1]), BULK), 422)


def test_without_a_key_each_counts(shared, name):
    shared.topic(name)
    body = body_of(name, 1)
    ids = {shared.post(MESSAGES, body).json()["id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("path", [MESSAGES, BULK])
def test_another_body_is_422(shared, name, path):
    shared.topic(name)
    first = send(shared, name, body_of(name, [1]), path)
    # White space counts: bodies are compared as they are.
    for body in (body_of(name, [2]), body_of(name, [1]) + " "):
        problem = assert_problem(send(shared, name, body, path), 422)
        assert problem["code"] == "idempotency_key_reused"
    assert_replays(first, send(shared, name, body_of(name, [1]), path))
    assert messages_of(shared, name) == 1


def test_each_route_has_keys_of_its_own(shared, name):
    shared.topic(name)
    body = body_of(name, [1, 2])
    assert send(shared, name, body, MESSAGES).status == 201
    answer = send(shared, name, body, BULK)
    assert answer.status == 201
    assert answer.headers["idempotent-replayed"] is None
    assert_replays(answer, send(shared, name, body, f"{BULK}/"))


@pytest.mark.parametrize("path, status", [(MESSAGES, 400), (BULK, 406)])
def test_a_failure_is_not_remembered(shared, name, path, status):
    body = body_of(name, [1])
    assert_problem(send(shared, name, body, path), status)
    assert_problem(send(shared, name, "{}", path), 400)
    shared.topic(name)
    first = send(shared, name, body, path)
    assert_replays(first, send(shared, name, body, path))


# ---- Keys ----


@pytest.mark.parametrize(
    "key", ["", " ", "a b", "a\tb", "é", "k" * 256, "a, b"]
)
def test_bad_keys_are_400(shared, name, key):
    shared.topic(name)
    for path in (MESSAGES, BULK):
        problem = assert_problem(send(shared, key, body_of(name, [1]), path), 400)
        assert problem["errors"][0]["header"] == "Idempotency-Key"
        assert "Idempotency-Key" in problem["detail"]
    assert messages_of(shared, name) == 0


def test_two_keys_are_400(shared, name):
    shared.topic(name)
    connection = shared.connect()
    body = body_of(name, 1).encode()
    connection.putrequest("POST", MESSAGES)
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(len(body)))
    connection.putheader("idempotency-key", "a")
    connection.putheader("idempotency-key", "b")
    connection.endheaders(body)
    assert connection.getresponse().status == 400
    connection.close()


@pytest.mark.parametrize("key", ["k", '"quoted"', "~" * 255, "{}\\'/,;:="])
def test_any_visible_characters_are_a_key(shared, name, key):
    shared.topic(name)
    body = body_of(name, name)
    first = send(shared, key, body)
    assert_replays(first, send(shared, key, body))


def test_keys_are_taken_as_they_are(shared, name):
    shared.topic(name)
    body = body_of(name, 1)
    prefix = name[-12:]
    ids = {
        send(shared, key, body).json()["id"]
        for key in (prefix, prefix.upper(), prefix + "0", '"' + prefix + '"')
    }
    assert len(ids) == 4


# ---- Races and crashes ----


def race(node, count, key, body):
    """The same request from so many clients at once."""
    barrier = threading.Barrier(count)
    answers = []

    def client():
        connection = node.connect()
        connection.connect()
        barrier.wait(30)
        answers.append(send(node, key, body, connection=connection))
        connection.close()

    threads = [threading.Thread(target=client, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == count, "a client got no answer"
    return answers


def test_racing_requests_make_one_message(shared, name):
    shared.topic(name)
    for turn in range(10):
        answers = race(shared, 20, f"{name}-{turn}", body_of(name, turn))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body for answer in answers}) == 1
        news = [a for a in answers if a.headers["idempotent-replayed"] is None]
        assert len(news) == 1
        assert messages_of(shared, name) == turn + 1


def test_racing_bodies_make_one_message(shared, name):
    """Two bodies under one key: one wins, and all of the other are refused."""
    shared.topic(name)
    answers = []
    threads = [
        threading.Thread(
            target=lambda which=which: answers.append(
                send(shared, name, body_of(name, which % 2))
            )
        )
        for which in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status for answer in answers) == [201] * 10 + [422] * 10
    assert messages_of(shared, name) == 1


def test_keys_survive_kills_and_restarts(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    alone = send(node, "alone", body_of("orders", "alone"))
    bulk = send(node, "bulk", body_of("orders", [1, 2, 3]), BULK)
    for end in (node.kill, node.stop, node.kill):
        end()
        node.start()
        assert_replays(alone, send(node, "alone", body_of("orders", "alone")))
        assert_replays(bulk, send(node, "bulk", body_of("orders", [1, 2, 3]), BULK))
        assert_problem(send(node, "alone", body_of("orders", "else")), 422)
    assert messages_of(node, "orders") == 4
    node.wait_backlog(publisher["id"])
    assert len(receiver.arrived()) >= 4
    assert len(receiver.counts()) == 4


def test_what_got_no_answer_is_sent_again(node, seed):
    """Killed in the middle of publishing: what was sent again under its key is
    there once, whatever became of the first try."""
    node.topic()
    for turn in range(5):
        keys = [f"{turn}-{number}" for number in range(40)]
        threads = [threading.Thread(target=try_to_send, args=(node, k)) for k in keys]
        for thread in threads:
            thread.start()
        threads[seed.randrange(len(threads))].join(60)
        node.kill()
        for thread in threads:
            thread.join(60)
        node.start()
        ids = [send(node, k, body_of("orders", k)).json()["id"] for k in keys]
        assert len(set(ids)) == len(keys)
        for key, identity in zip(keys, ids):
            assert node.message(identity)["payload"] == key
        assert messages_of(node, "orders") == len(keys) * (turn + 1)


def try_to_send(node, key):
    try:
        send(node, key, body_of("orders", key), quiet=True)
    except (OSError, http.client.HTTPException):
        pass
