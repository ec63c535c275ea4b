"""Targets that speak HTTP/2 over TLS: many requests on one connection, and
each of them sent once, whatever becomes of its stream."""

import collections

import pytest

from http2_receiver import Http2Receiver
from node import wait_until


@pytest.fixture
def http2(authority, request):
    context = authority.server("localhost", protocols=["h2"])

    def make(act, **options):
        made = Http2Receiver(act, context, **options)
        request.addfinalizer(made.close)
        return made

    return make


def attempts(receiver):
    """How often each (message, attempt) has arrived."""
    return collections.Counter(
        (request.headers["webhook-id"], request.headers["postoffice-attempt"])
        for request in receiver.requests
    )


def test_delivered_over_one_connection(trusting, name, http2):
    receiver = http2(lambda receiver, request: "answer")
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name, max_in_flight=1)["id"]
    trusting.publish_many([{"number": n} for n in range(30)], name)
    trusting.wait_backlog(publisher)
    assert len(receiver.requests) == 30 and set(attempts(receiver).values()) == {1}
    assert receiver.connections == 1
    request = receiver.requests[0]
    assert request.headers[":method"] == "POST"
    assert request.headers["postoffice-topic"] == name
    assert request.body == b'{"number": 0}' or request.body == b'{"number":0}'


def test_requests_share_a_connection(trusting, name, http2):
    """Once a connection stands, a whole window is on its way over it at the
    same time: the eight are answered when the last of them has come."""

    def act(receiver, request):
        return {1: "answer", 9: "answer-all"}.get(len(receiver.requests), "hold")

    receiver = http2(act)
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name, max_in_flight=8,
                                   seconds_timeout=60)["id"]
    trusting.publish(0, name)
    trusting.wait_backlog(publisher)
    trusting.publish_many(range(8), name)
    trusting.wait_backlog(publisher)
    assert receiver.connections == 1 and receiver.most_open == 8
    assert set(attempts(receiver).values()) == {1}


@pytest.mark.parametrize("action", ["refuse", "reset", "away", "break"])
def test_what_was_not_answered_is_one_attempt(trusting, name, http2, action):
    """libcurl would send a request again by itself where it takes it to be
    safe. Never under the same number: each sending is an attempt of ours."""

    def act(receiver, request):
        return action if request.headers["postoffice-attempt"] == "1" else "answer"

    receiver = http2(act)
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name, max_in_flight=1)["id"]
    message = trusting.publish(1, name)
    trusting.wait_backlog(publisher)
    assert attempts(receiver) == {
        (message["public_id"], "1"): 1,
        (message["public_id"], "2"): 1,
    }
    [delivery] = trusting.message(message["id"])["deliveries"]
    assert [a["class"] for a in delivery["history"]] == ["protocol", None]
    assert delivery["history"][0]["status"] is None


def test_at_most_once_is_kept(trusting, name, http2):
    receiver = http2(lambda receiver, request: "reset")
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name, guarantee="at_most_once")["id"]
    message = trusting.publish(1, name)["id"]
    wait_until(
        lambda: trusting.publisher_state(publisher)["ambiguous"] == 1, "it is ambiguous"
    )
    assert len(receiver.requests) == 1
    [delivery] = trusting.message(message)["deliveries"]
    assert delivery["state"] == "ambiguous"


def test_a_server_that_leaves_costs_no_attempt(trusting, name, http2):
    """GOAWAY behind the answer: the next request takes a new connection."""
    receiver = http2(lambda receiver, request: "leave")
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name, max_in_flight=1)["id"]
    for number in range(3):
        trusting.publish(number, name)
        trusting.wait_backlog(publisher)
    assert len(receiver.requests) == 3
    assert all(request.headers["postoffice-attempt"] == "1" for request in receiver.requests)
    assert receiver.connections == 3


def test_more_than_the_server_takes_at_once(trusting, name, http2):
    """Streams beyond its bound wait, or take another connection; none is lost
    and none is sent twice."""
    receiver = http2(lambda receiver, request: "answer", streams=2)
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name, max_in_flight=16)["id"]
    trusting.publish_many(range(200), name)
    trusting.wait_backlog(publisher)
    assert len(receiver.requests) == 200 and set(attempts(receiver).values()) == {1}
    assert receiver.most_open <= 2
