"""What a person decides about messages: try again, or never."""

import pytest

from node import wait_until
from receiver import Reply, fail, hang, ok
from test_rules import assert_problem


def delivery(message, publisher):
    [found] = [d for d in message["deliveries"] if d["publisher"] == publisher]
    return found


def dead_letter(node, receiver, **options):
    """A publisher and its dead message; the receiver takes all from then on."""
    publisher = node.publisher(receiver.url, max_attempts=1, **options)["id"]
    receiver.behaviour = fail(500)
    message = node.publish({"n": 1})["id"]
    node.wait_state(message, "dead")
    receiver.behaviour = ok
    return publisher, message


def test_dead_letter_is_redriven(node, receiver):
    node.topic()
    publisher, message = dead_letter(node, receiver)
    assert node.publisher_state(publisher)["dead"] == 1
    answer = node.post(f"/api/messages/{message}/retry", {"publisher": publisher})
    assert answer.status == 200
    assert answer.json()["data"]["id"] == message
    node.wait_state(message, "delivered")
    assert [r.attempt for r in receiver.arrived()] == [1, 2]
    state = node.publisher_state(publisher)
    assert (state["dead"], state["backlog"]) == (0, 0)
    found = delivery(node.message(message), publisher)
    assert [a["class"] for a in found["history"]] == ["http_5xx", None]


def test_redrive_survives_kill(node, receiver):
    node.topic()
    publisher, message = dead_letter(node, receiver)
    node.post(f"/api/publishers/{publisher}/pause")
    assert node.post(f"/api/messages/{message}/retry").status == 200
    node.kill()
    node.start()
    assert node.message(message)["state"] == "retrying"
    node.post(f"/api/publishers/{publisher}/resume")
    node.wait_state(message, "delivered")


def test_dead_letter_is_discarded(node, receiver):
    node.topic()
    publisher, message = dead_letter(node, receiver)
    answer = node.post(f"/api/messages/{message}/discard", {"publisher": publisher})
    assert answer.status == 200
    assert answer.json()["data"]["state"] == "discarded"
    state = node.publisher_state(publisher)
    assert (state["dead"], state["discarded"]) == (0, 1)
    # Once more is no error, and it can be taken back.
    assert node.post(f"/api/messages/{message}/discard").status == 200
    assert node.post(f"/api/messages/{message}/retry").status == 200
    node.wait_state(message, "delivered")


def test_discarded_before_its_turn(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, active=False)["id"]
    first, second = node.publish(1), node.publish(2)
    answer = node.post(f"/api/messages/{first['public_id']}/discard")
    assert answer.status == 200
    assert node.publisher_state(publisher)["backlog"] == 1
    node.post(f"/api/publishers/{publisher}/resume")
    node.wait_state(second["id"], "delivered")
    assert receiver.counts() == {second["id"]: 1}
    assert node.message(first["id"])["state"] == "discarded"


def test_decision_for_one_publisher_of_two(node, receiver, new_receiver):
    node.topic()
    other = new_receiver(fail(500))
    first, message = dead_letter(node, receiver)
    second = node.publisher(other.url, max_attempts=1)["id"]
    node.wait_state(message, "dead")
    wait_until(
        lambda: delivery(node.message(message), second)["state"] == "dead",
        "both publishers gave it up",
    )
    assert node.post(f"/api/messages/{message}/discard", {"publisher": second}).status == 200
    found = node.message(message)
    assert delivery(found, first)["state"] == "dead"
    assert delivery(found, second)["state"] == "discarded"


def test_ambiguous_is_decided(node, new_receiver):
    """at_most_once: what was under way when the node died is not sent again
    before a person says so."""
    receiver = new_receiver(hang)
    node.topic()
    publisher = node.publisher(receiver.url, guarantee="at_most_once")["id"]
    kept, dropped = node.publish(1)["id"], node.publish(2)["id"]
    receiver.wait_requests(2)
    node.kill()
    receiver.behaviour = ok
    receiver.release()
    node.start()
    node.wait_state(kept, "ambiguous")
    node.wait_state(dropped, "ambiguous")
    assert node.publisher_state(publisher)["ambiguous"] == 2
    listed = node.get(f"/api/messages?publisher={publisher}&state=ambiguous").json()["data"]
    assert [message["id"] for message in listed] == [dropped, kept]
    told = node.get(f"/api/messages/{kept}/explain?publisher={publisher}").json()["data"]
    assert told["reason"] == "ambiguous"
    assert node.post(f"/api/messages/{kept}/retry").status == 200
    assert node.post(f"/api/messages/{dropped}/discard").status == 200
    node.wait_state(kept, "delivered")
    assert receiver.counts() == {kept: 2, dropped: 1}
    assert receiver.arrived()[-1].marked


def test_what_cannot_be_decided(node, new_receiver):
    receiver = new_receiver(ok)
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    message = node.publish(1)["id"]
    node.wait_state(message, "delivered")
    for what in ("retry", "discard"):
        answer = node.post(f"/api/messages/{message}/{what}", {"publisher": publisher})
        assert_problem(answer, 409)
        assert_problem(node.post(f"/api/messages/999999/{what}"), 404)
        assert_problem(node.post(f"/api/messages/x/{what}"), 400)
        assert_problem(node.post(f"/api/messages/{message}/{what}", {"publisher": 99}), 400)
        assert_problem(node.post(f"/api/messages/{message}/{what}", {"publisher": "a"}), 400)
        assert_problem(node.post(f"/api/messages/{message}/{what}", {"all": True}), 400)
    receiver.behaviour = hang
    flying = node.publish(2)["id"]
    receiver.wait_requests(2)
    problem = assert_problem(node.post(f"/api/messages/{flying}/discard"), 409)
    assert "being sent" in problem["detail"]
    receiver.release()
