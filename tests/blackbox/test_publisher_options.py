"""What publishers can be told, seen from the client and from the receiver."""

import base64
import hashlib
import hmac
import json
import re
import threading

import pytest

from node import wait_until
from receiver import Reply, fail, ok
from test_rules import assert_problem

TARGET = "http://127.0.0.1:9/"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def create(node, topic, **more):
    body = {"topic": topic, "target": TARGET, "type": "http", "active": True}
    return node.post("/api/publishers", {**body, **more})


def verify(request, secret):
    """Whether one of the signatures is this secret's: Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b"%s.%s.%s" % (
        request.headers["webhook-id"].encode(),
        request.headers["webhook-timestamp"].encode(),
        request.body,
    )
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{digest}" in request.headers["webhook-signature"].split(" ")


OPTIONS = {
    "seconds_timeout": 7,
    "seconds_retry": 8,
    "retry_max_seconds": 9,
    "chunk_size": 10,
    "max_in_flight": 11,
    "max_attempts": 12,
    "guarantee": "at_most_once",
    "description": "what it is for",
    "expire_after_seconds": 13,
    "rate_limit_per_second": 14,
    "ordering": "key",
    "on_poison": "block",
    "body_format": "envelope",
    "filter": {"attributes": {"kind": ["a", "b"]}, "payload": {"/n": 3}},
    "headers": {"X-One": "1", "x-two": "two words"},
}


def test_every_option_is_kept(node):
    node.topic()
    made = create(node, "orders", **OPTIONS)
    assert made.status == 201
    identity = made.json()["data"]["id"]
    assert {key: made.json()["data"][key] for key in OPTIONS} == OPTIONS
    assert node.stop() == 0
    node.start()
    kept = node.publisher_state(identity)
    assert {key: kept[key] for key in OPTIONS} == OPTIONS


def test_secrets_show_once(shared, name):
    shared.topic(name)
    made = create(shared, name, secret=SECRET, basic_auth="user:pass word")
    assert made.status == 201
    publisher = made.json()["data"]
    assert publisher["secret"] == SECRET
    assert publisher["basic_auth"] == "***"
    shown = shared.get(f"/api/publishers/{publisher['id']}")
    assert shown.json()["data"]["secret"] == "***"
    assert b"whsec_" not in shown.body and b"pass" not in shown.body
    assert SECRET not in shared.log()
    rotated = shared.post(f"/api/publishers/{publisher['id']}/rotate-secret")
    assert rotated.status == 200
    fresh = rotated.json()["data"]["secret"]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", fresh) and fresh != SECRET
    again = shared.get("/api/publishers?limit=1000")
    assert fresh.encode() not in again.body


@pytest.mark.parametrize(
    "field, value, pointer",
    [
        ("seconds_timeout", 0, "/seconds_timeout"),
        ("seconds_timeout", "x", "/seconds_timeout"),
        ("max_in_flight", 1025, "/max_in_flight"),
        ("guarantee", "exactly_once", "/guarantee"),
        ("ordering", ["key"], "/ordering"),
        ("on_poison", "eat", "/on_poison"),
        ("body_format", "xml", "/body_format"),
        ("rate_limit_per_second", -1, "/rate_limit_per_second"),
        ("expire_after_seconds", 0, "/expire_after_seconds"),
        ("filter", [], "/filter"),
        ("filter", {"colour": {}}, "/filter/colour"),
        ("filter", {"attributes": {"kind": 1}}, "/filter/attributes/kind"),
        ("filter", {"payload": {"a": 1}}, "/filter/payload/a"),
        ("headers", ["a"], "/headers"),
        ("headers", {"host": "x"}, "/headers/host"),
        ("headers", {"Content-Length": "1"}, "/headers/Content-Length"),
        ("headers", {"Connection": "close"}, "/headers/Connection"),
        ("headers", {"webhook-id": "1"}, "/headers/webhook-id"),
        ("headers", {"x": "a\r\nb: c"}, "/headers/x"),
        ("headers", {"x y": "z"}, "/headers/x y"),
        ("headers", {"a/b~c": 7}, "/headers/a~1b~0c"),
        ("secret", "whsec_short", "/secret"),
        ("secret", base64.b64encode(b"x" * 32).decode(), "/secret"),
        ("basic_auth", "no colon", "/basic_auth"),
        ("basic_auth", "a:b\n", "/basic_auth"),
        ("bearer_token", "a b", "/bearer_token"),
        ("target", "http://169.254.169.254/latest", "/target"),
        ("target", "http://[fe80::1]/", "/target"),
        ("target", "http://[::ffff:169.254.169.254]/", "/target"),
        ("target", "http://2852039166/", "/target"),
    ],
)
def test_wrong_options_are_named(shared, name, field, value, pointer):
    shared.topic(name)
    problem = assert_problem(create(shared, name, **{field: value}), 400)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_own_ports_are_no_targets(shared, name):
    shared.topic(name)
    for port in (shared.port, shared.raft_port):
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001"):
            answer = create(shared, name, target=f"http://{host}:{port}/x")
            assert_problem(answer, 400)


def test_all_errors_at_once(shared, name):
    answer = create(shared, name, target="http://169.254.1.1/", type="tcp",
                    max_attempts=0, secret="x", headers={"host": "a"})
    assert_problem(answer, 400)
    assert set(answer.errors) == {"target", "type", "max_attempts", "secret", "headers"}


# ---- Changes ----


def patch(node, identity, body):
    return node.request("PATCH", f"/api/publishers/{identity}", body)


def test_only_what_is_given_changes(shared, name):
    shared.topic(name)
    before = create(shared, name, **OPTIONS).json()["data"]
    answer = patch(shared, before["id"], {"max_attempts": 3, "filter": None})
    assert answer.status == 200
    after = answer.json()["data"]
    assert after["max_attempts"] == 3 and after["filter"] is None
    same = set(OPTIONS) - {"max_attempts", "filter"}
    assert {key: after[key] for key in same} == {key: OPTIONS[key] for key in same}
    assert after["updated_at"] > before["updated_at"]
    assert shared.publisher_state(before["id"])["max_attempts"] == 3


@pytest.mark.parametrize(
    "body, field",
    [
        ({"topic": "other"}, "topic"),
        ({"type": "http"}, "type"),
        ({"colour": "red"}, "colour"),
        ({"target": None}, "target"),
        ({"target": "ftp://x"}, "target"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"headers": {"te": "x"}}, "headers"),
        ({"active": "perhaps"}, "active"),
    ],
)
def test_wrong_changes_are_named(shared, name, body, field):
    shared.topic(name)
    identity = create(shared, name).json()["data"]["id"]
    answer = patch(shared, identity, body)
    assert_problem(answer, 400)
    assert list(answer.errors) == [field]


def test_target_can_move_but_not_onto_another(shared, name):
    shared.topic(name)
    create(shared, name, target=TARGET + "a")
    identity = create(shared, name, target=TARGET + "b").json()["data"]["id"]
    answer = patch(shared, identity, {"target": TARGET + "a"})
    assert_problem(answer, 409)
    assert answer.errors == {"target": ["has already been taken"]}
    assert patch(shared, identity, {"target": TARGET + "b"}).status == 200
    assert patch(shared, identity, {"target": TARGET + "c"}).status == 200


def test_two_kinds_of_authorization_do_not_stand_together(shared, name):
    shared.topic(name)
    identity = create(shared, name, basic_auth="a:b").json()["data"]["id"]
    answer = patch(shared, identity, {"bearer_token": "t"})
    assert_problem(answer, 400)
    assert "bearer_token" in answer.errors
    answer = patch(shared, identity, {"bearer_token": "t", "basic_auth": None})
    assert answer.status == 200


def test_changes_at_once_do_not_undo_each_other(shared, name):
    """Twenty clients change one option each of the same publisher."""
    shared.topic(name)
    identity = create(shared, name).json()["data"]["id"]
    wanted = {"seconds_timeout": 2, "seconds_retry": 3, "retry_max_seconds": 4,
              "chunk_size": 5, "max_in_flight": 6, "max_attempts": 7,
              "expire_after_seconds": 8, "rate_limit_per_second": 9,
              "ordering": "key", "on_poison": "block", "description": "d",
              "guarantee": "at_most_once", "body_format": "envelope"}
    answers = []

    def change(field):
        answers.append(patch(shared, identity, {field: wanted[field]}).status)

    threads = [threading.Thread(target=change, args=(each,)) for each in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * len(wanted)
    state = shared.publisher_state(identity)
    assert {key: state[key] for key in wanted} == wanted


def test_active_pauses_and_resumes(shared, name):
    shared.topic(name)
    identity = create(shared, name).json()["data"]["id"]
    paused = patch(shared, identity, {"active": False, "max_attempts": 4}).json()["data"]
    assert (paused["state"], paused["active"], paused["max_attempts"]) == ("paused", False, 4)
    assert patch(shared, identity, {"active": "true"}).json()["data"]["state"] == "active"


def test_pause_tells_its_reason(shared, name):
    shared.topic(name)
    identity = create(shared, name).json()["data"]["id"]
    answer = shared.post(f"/api/publishers/{identity}/pause", {"reason": "holiday"})
    assert answer.status == 200
    assert answer.json()["data"]["state_reason"] == "holiday"
    assert shared.publisher_state(identity)["state_since"].endswith("Z")
    assert_problem(shared.post(f"/api/publishers/{identity}/pause", {"why": 1}), 400)
    resumed = shared.post(f"/api/publishers/{identity}/resume").json()["data"]
    assert (resumed["state"], resumed["state_reason"]) == ("active", None)


def test_empty_bodies_are_of_no_type(shared, name):
    """As `curl -d ''` sends them."""
    shared.topic(name)
    identity = create(shared, name).json()["data"]["id"]
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for what in ("pause", "resume", "rotate-secret"):
        path = f"/api/publishers/{identity}/{what}"
        assert shared.post(path, "", headers).status == 200
        assert_problem(shared.post(path, "a=b", headers), 415)


# ---- What receivers see ----


def test_receiver_sees_headers_and_signature(node, receiver):
    node.topic()
    publisher = node.publisher(
        receiver.url, secret=SECRET, headers={"X-One": "1"}, bearer_token="abc"
    )
    node.publish({"a": 1})
    [request] = receiver.wait_requests(1)
    assert request.headers["x-one"] == "1"
    assert request.headers["authorization"] == "Bearer abc"
    assert verify(request, SECRET)
    fresh = node.post(f"/api/publishers/{publisher['id']}/rotate-secret").json()["data"]["secret"]
    node.publish({"a": 2})
    request = receiver.wait_requests(2)[-1]
    assert verify(request, SECRET) and verify(request, fresh)
    third = "whsec_" + base64.b64encode(b"3" * 24).decode()
    changed = patch(node, publisher["id"], {"secret": third})
    assert changed.json()["data"]["secret"] == third
    node.publish({"a": 3})
    request = receiver.wait_requests(3)[-1]
    assert verify(request, third) and verify(request, fresh)
    assert patch(node, publisher["id"], {"secret": None}).json()["data"]["secret"] is None
    node.publish({"a": 4})
    assert "webhook-signature" not in receiver.wait_requests(4)[-1].headers


def test_changes_count_for_queued_messages(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    receiver.behaviour = fail(500)
    identity = node.publish({"n": 1}, attributes={"kind": "a"})["id"]
    receiver.wait_requests(1)
    receiver.behaviour = ok
    answer = patch(node, publisher["id"],
                   {"body_format": "envelope", "headers": {"x-new": "yes"}})
    assert answer.status == 200
    node.wait_state(identity, "delivered")
    request = receiver.arrived()[-1]
    assert request.headers["x-new"] == "yes"
    assert json.loads(request.body)["payload"] == {"n": 1}


def test_filter_passes_what_it_wants(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, filter={"attributes": {"kind": "a"}})
    wanted = node.publish(1, attributes={"kind": "a"})["id"]
    other = node.publish(2, attributes={"kind": "b"})["id"]
    node.wait_state(wanted, "delivered")
    node.wait_state(other, "filtered")
    node.wait_backlog(publisher["id"])
    assert receiver.counts() == {wanted: 1}
    assert node.publisher_state(publisher["id"])["filtered"] == 1


def test_retry_after_throttles(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    receiver.behaviour = lambda _: Reply(503, {"retry-after": "3600"})
    identity = node.publish(1)["id"]
    state = wait_until(
        lambda: (found := node.publisher_state(publisher["id"]))["state"] == "throttled"
        and found,
        "the publisher is throttled",
    )
    assert "Retry-After" in state["state_reason"]
    assert state["next_attempt_at"] > state["created_at"]
    told = node.get(f"/api/messages/{identity}/explain?publisher={publisher['id']}")
    assert told.json()["data"]["reason"] == "retry_after"


def test_strict_policy(new_node, name):
    node = new_node("--target-policy=strict", "--target-allow=10.1.0.0/16",
                    "--target-deny=8.8.8.0/24,1.1.1.7")
    node.topic(name)
    for target in ("http://127.0.0.1:9/", "http://10.2.3.4/", "http://192.168.1.1/",
                   "http://8.8.8.9/", "http://1.1.1.7/", "http://localhost/"):
        answer = create(node, name, target=target)
        assert_problem(answer, 400)
        assert list(answer.errors) == ["target"]
    for target in ("http://10.1.2.3/", "http://1.1.1.8/", "https://example.com/"):
        assert create(node, name, target=target, active=False).status == 201


# ---- Tests of a target ----


def try_target(node, identity):
    answer = node.post(f"/api/publishers/{identity}/test")
    assert answer.status == 200, answer
    data = answer.json()["data"]
    assert data["id"] == identity
    return data["test"]


def test_target_is_tried(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, active=False, secret=SECRET,
                               headers={"x-one": "1"})["id"]
    told = try_target(node, publisher)
    assert (told["status"], told["class"]) == (200, None)
    [request] = receiver.arrived()
    assert request.headers["postoffice-test"] == "true"
    assert request.headers["x-one"] == "1" and verify(request, SECRET)
    assert json.loads(request.body) == {"test": True}
    receiver.behaviour = lambda _: Reply(404, body=b"where?")
    told = try_target(node, publisher)
    assert (told["status"], told["class"], told["response"]) == (404, "http_4xx", "where?")
    receiver.down()
    told = try_target(node, publisher)
    assert (told["status"], told["class"]) == (None, "connect")
    # Nothing of it is kept.
    state = node.publisher_state(publisher)
    assert (state["delivered"], state["last_error"], state["state"]) == (0, None, "paused")
    assert_problem(node.post("/api/publishers/99/test"), 404)
