"""Finding messages by topic, publisher, state and key; newest first."""

import pytest

from receiver import fail, ok
from test_rules import assert_problem


def walk(node, query, limit=3):
    """All pages of a search: the ids, and how many pages there were."""
    ids, cursor, pages = [], None, 0
    while True:
        path = f"/api/messages?limit={limit}&{query}"
        page = node.get(path + (f"&cursor={cursor}" if cursor else "")).json()
        assert len(page["data"]) <= limit
        ids += [message["id"] for message in page["data"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            return ids, pages


def test_newest_first_by_pages(node):
    node.topic()
    node.topic("other")
    ids = node.publish_many(range(7))
    extra = node.publish(1, "other")["id"]
    assert walk(node, "topic=orders")[0] == ids[::-1]
    assert walk(node, "")[0] == [extra, *ids[::-1]]
    assert walk(node, "topic=other") == ([extra], 1)


def test_shape(node, receiver):
    node.topic()
    node.publisher(receiver.url)
    text = "é" * 300
    message = node.publish({"t": text})["id"]
    node.wait_state(message, "delivered")
    [listed] = node.get("/api/messages").json()["data"]
    assert "payload" not in listed
    assert listed["preview"].startswith('{"t": "') and "\ufffd" not in listed["preview"]
    assert len(listed["preview"].encode()) <= 256
    [delivery] = listed["deliveries"]
    assert delivery["state"] == "delivered" and "history" not in delivery
    whole = node.message(message)
    assert whole["payload"] == {"t": text}
    [attempt] = whole["deliveries"][0]["history"]
    assert attempt["number"] == 1 and attempt["status"] == 200 and attempt["class"] is None


def test_by_state(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=1)["id"]
    good = [node.publish(n)["id"] for n in range(4)]
    node.wait_backlog(publisher)
    receiver.behaviour = fail(400)
    bad = [node.publish(n)["id"] for n in range(4)]
    node.wait_backlog(publisher)
    node.post(f"/api/publishers/{publisher}/pause")
    waiting = [node.publish(n)["id"] for n in range(4)]
    for query in (f"publisher={publisher}", "topic=orders"):
        assert walk(node, query + "&state=delivered")[0] == good[::-1]
        assert walk(node, query + "&state=dead")[0] == bad[::-1]
        assert walk(node, query + "&state=pending")[0] == waiting[::-1]
        assert walk(node, query + "&state=discarded") == ([], 1)
    node.post(f"/api/messages/{bad[1]}/discard")
    assert walk(node, f"publisher={publisher}&state=discarded")[0] == [bad[1]]


def test_by_key(node):
    node.topic()
    keyed = [node.publish_keyed(n, "k" if n % 2 else "other key") for n in range(6)]
    assert walk(node, "topic=orders&key=k")[0] == keyed[1::2][::-1]
    assert walk(node, "topic=orders&key=other%20key")[0] == keyed[::2][::-1]
    assert walk(node, "key=k")[0] == keyed[1::2][::-1]
    assert walk(node, "topic=orders&key=none") == ([], 1)


def test_found_after_201(node):
    """What got 201 is found by the next search."""
    node.topic()
    for n in range(20):
        message = node.publish(n)["id"]
        [newest] = node.get("/api/messages?topic=orders&limit=1").json()["data"]
        assert newest["id"] == message


@pytest.mark.parametrize(
    "query, named",
    [
        ("state=lost", "state"), ("topic=%20", "topic"), ("topic=nothing", "topic"),
        ("publisher=x", "publisher"), ("publisher=4294967295", "publisher"),
        ("key=", "key"), ("limit=1001", "limit"), ("cursor=x", "cursor"),
        ("cursor=t0000000000000001", "cursor"), ("colour=red", "colour"),
    ],
)
def test_wrong_searches_are_named(shared, query, named):
    problem = assert_problem(shared.get("/api/messages?" + query), 400)
    assert [error["parameter"] for error in problem["errors"]] == [named]
