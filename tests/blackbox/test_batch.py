"""POST /api/messages/batch: a message a line, and an outcome for each."""

import json

import pytest

from node import wait_until
from test_rules import assert_problem

NDJSON = "application/x-ndjson"


def line_of(topic, payload, **more):
    return json.dumps({"topic": topic, "payload": payload, "attributes": {}, **more})


def send(node, lines, **headers):
    if not isinstance(lines, (str, bytes)):
        lines = "".join(line + "\n" for line in lines)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.post("/api/messages/batch", lines, {"content-type": NDJSON, **named})


def outcomes(answer):
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == NDJSON
    assert not answer.body or answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.splitlines()]


def ids(answer):
    found = outcomes(answer)
    assert all(set(line) == {"id", "public_id"} for line in found), found
    return [line["id"] for line in found]


def count(node, topic):
    return node.get(f"/api/topics/{topic}").json()["data"]["messages"]


def test_each_line_is_a_message(shared, name):
    shared.topic(name)
    shared.topic(f"{name}-b")
    answer = send(
        shared,
        [
            line_of(name, {"n": 1}, attributes={"a": "b"}),
            line_of(f"{name}-b", [2], key="k"),
            line_of(name, None, schedule_at="2100-01-01T00:00:00.000Z"),
        ],
    )
    first, second, third = ids(answer)
    assert first < second < third
    assert shared.message(first)["payload"] == {"n": 1}
    assert shared.message(first)["attributes"] == {"a": "b"}
    assert shared.message(second)["topic"] == f"{name}-b"
    assert shared.message(second)["key"] == "k"
    assert shared.message(third)["schedule_at"] == "2100-01-01T00:00:00.000Z"
    public = outcomes(answer)[0]["public_id"]
    assert shared.message(public)["id"] == first


def test_bad_lines_leave_the_others_alone(shared, name):
    shared.topic(name)
    found = outcomes(
        send(
            shared,
            [
                line_of(name, 1),
                "{",
                "",
                line_of(f"{name}-none", 2),
                line_of(name, 3, unknown=1),
                line_of(name, "x" * (1 << 20)),
                line_of(name, 4),
            ],
        )
    )
    assert len(found) == 6
    statuses = [line["error"]["status"] if "error" in line else 201 for line in found]
    assert statuses == [201, 400, 400, 400, 413, 201]
    malformed, topic, unknown = (line["error"] for line in found[1:4])
    assert malformed["code"] == "malformed_json"
    assert topic["data"]["errors"] == {"topic": ["is invalid"]}
    assert topic["errors"] == [{"pointer": "/topic", "detail": "is invalid"}]
    assert unknown["errors"][0]["pointer"] == "/unknown"
    assert all(line["error"]["request_id"] for line in found[1:5])
    assert count(shared, name) == 2


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_only_ndjson(shared, kind):
    assert_problem(send(shared, ["{}"], content_type=kind), 415)


def test_nothing_to_do(shared):
    assert outcomes(send(shared, "")) == []
    assert outcomes(send(shared, "\r\n\n \n")) == []


def test_no_parameters(shared):
    answer = shared.post("/api/messages/batch?limit=1", "", {"content-type": NDJSON})
    assert_problem(answer, 400)
    assert_problem(shared.get("/api/messages/batch"), 405)


def test_limits(new_node):
    node = new_node("--max-body-bytes=4096", "--max-message-bytes=64")
    node.topic("t")
    big, small = line_of("t", "x" * 100), line_of("t", "x")
    found = outcomes(send(node, [big, small]))
    assert found[0]["error"]["status"] == 413
    assert "id" in found[1]
    assert_problem(send(node, [small] * 100), 413)
    assert count(node, "t") == 1


def test_too_many_lines(shared, name):
    shared.topic(name)
    assert_problem(send(shared, ["{}"] * 10_001), 413)
    assert len(ids(send(shared, [line_of(name, 1)] * 10_000))) == 10_000
    assert count(shared, name) == 10_000


# ---- Sent again ----


def test_a_key_counts_by_line(shared, name):
    shared.topic(name)
    first = send(shared, [line_of(name, 1), line_of(name, 2)], Idempotency_Key=name)
    assert first.headers["idempotent-replayed"] is None
    again = send(
        shared, [line_of(name, 1), "", line_of(name, 2)], Idempotency_Key=name
    )
    assert again.headers["idempotent-replayed"] == "true"
    assert again.body == first.body
    # What is added is stored; what is changed is refused.
    more = outcomes(
        send(
            shared,
            [line_of(name, 1), line_of(name, "other"), line_of(name, 3)],
            Idempotency_Key=name,
        )
    )
    assert more[0]["id"] == ids(first)[0]
    assert more[1]["error"]["status"] == 422
    assert more[2]["id"] > ids(first)[1]
    assert count(shared, name) == 3


def test_a_key_survives_a_kill(node):
    node.topic("t")
    lines = [line_of("t", number) for number in range(500)]
    first = send(node, lines, Idempotency_Key="k" * 255)
    node.kill()
    node.start()
    assert send(node, lines, Idempotency_Key="k" * 255).body == first.body
    assert count(node, "t") == 500


# ---- In a cluster ----


def test_through_every_node(cluster, receiver):
    leader = cluster.wait_leader()
    leader.topic("t")
    publisher = leader.publisher(receiver.url, "t")["id"]
    made = []
    for node in cluster.nodes:
        made += ids(send(node, [line_of("t", number) for number in range(100)]))
        assert_problem(send(node, ["{}"], content_type="text/plain"), 415)
    assert len(set(made)) == 300
    leader.wait_backlog(publisher)
    wait_until(lambda: len(receiver.requests) >= 300, "all have arrived")
    assert len(receiver.requests) == 300


def test_what_is_lost_with_the_leader_is_sent_again(cluster):
    """The same batch under its key, until every line has an id: each message
    is there once, whatever the leader's death did to the first try."""
    leader = cluster.wait_leader()
    leader.topic("t")
    other = cluster.others(leader)[0]
    lines = [line_of("t", number) for number in range(1000)]
    ids(send(other, lines[:500], Idempotency_Key="b"))
    leader.kill()
    again = send(other, lines, Idempotency_Key="b")

    def whole():
        nonlocal again
        if again.status == 200 and all("id" in line for line in outcomes(again)):
            return True
        again = send(other, lines, Idempotency_Key="b")
        return False

    wait_until(whole, "every line has an id")
    assert len(set(ids(again))) == 1000
    assert count(other, "t") == 1000
