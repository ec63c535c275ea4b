"""Searches: each filter alone and with each other, against a plain look at all
messages; pages while messages arrive; words for what is out of form."""

import itertools
import json
import random
import shutil
import threading
from urllib.parse import quote

import pytest

from cluster import Cluster
from node import wait_until
from receiver import Reply, fail, ok
from test_message_list import walk
from test_rules import assert_problem

MESSAGES = 60


def payload_of(n, chance):
    return {
        "customer": {"id": n % 7, "name": f"näme {n % 5}"},
        "lines": [{"sku": f"s{chance.randrange(4)}"}, n],
        "note": chance.choice(["all well", "needle in \"hay\"", "nothing", None]),
        "big": n == 13,
    }


def fail_some(request):
    return Reply(400 if json.loads(request.body)["lines"][1] % 9 == 0 else 200)


def fill(node, receiver, seed):
    """Two topics, two publishers, of which one has dead letters; returns every
    message in detail, newest first."""
    chance = random.Random(seed)
    node.topic("orders", indexed_fields=["/customer/id", "/lines/0/sku"])
    node.topic("other")
    receiver.behaviour = fail_some
    publisher = node.publisher(receiver.url, max_attempts=1)["id"]
    ids = []
    for n in range(MESSAGES):
        body = {
            "topic": "other" if n % 5 == 4 else "orders",
            "payload": payload_of(n, chance),
            "attributes": {"kind": "ab"[n % 2], "n": str(n), "color": "rot & blau"},
        }
        if n % 3 == 0:
            body["key"] = f"key {n % 2}"
        if n % 11 == 10:
            body["schedule_at"] = "2999-01-01T00:00:00Z"
        answer = node.post("/api/messages", body)
        assert answer.status == 201, answer
        ids.append(answer.json()["id"])
    node.wait_backlog(publisher)
    return publisher, [node.message(identity) for identity in reversed(ids)]


def pointed(message, *names):
    found = message["payload"]
    for name in names:
        found = found[name]
    return found


def processed(message):
    return [d["processed_at"] for d in message["deliveries"] if d["processed_at"]]


def some_state(state):
    return lambda m: any(d["state"] == state for d in m["deliveries"])


def filters(publisher, messages):
    """Each filter in words of the API, and as a plain predicate."""
    middle = messages[len(messages) // 2]["received_at"]
    times = sorted(t for m in messages for t in processed(m))
    done = times[len(times) // 2]
    return {
        "topic=orders": lambda m: m["topic"] == "orders",
        f"publisher={publisher}": lambda m: bool(m["deliveries"]),
        "state=dead": some_state("dead"),
        "state=delivered": some_state("delivered"),
        "state=scheduled": lambda m: m["state"] == "scheduled" or (
            m["topic"] == "other" and m["schedule_at"] is not None
        ),
        "key=key%201": lambda m: m["key"] == "key 1",
        "attr.kind=a": lambda m: m["attributes"]["kind"] == "a",
        "attr.n=17": lambda m: m["attributes"]["n"] == "17",
        "attr.color=rot+%26%20blau": lambda m: True,
        "field./customer/id=3": lambda m: pointed(m, "customer", "id") == 3,
        f"field./customer/name={quote('näme 2')}": lambda m: (
            pointed(m, "customer", "name") == "näme 2"
        ),
        "field./lines/0/sku=s1": lambda m: pointed(m, "lines", 0, "sku") == "s1",
        "field./note=null": lambda m: pointed(m, "note") is None,
        "field./big=true": lambda m: pointed(m, "big") is True,
        "q=needle": lambda m: "needle" in (pointed(m, "note") or ""),
        f"received_from={middle}": lambda m: m["received_at"] >= middle,
        f"received_to={middle}": lambda m: m["received_at"] <= middle,
        f"processed_from={done}": lambda m: any(t >= done for t in processed(m)),
        f"processed_to={done}": lambda m: any(t <= done for t in processed(m)),
    }


def excludes(a, b):
    """Two values for one parameter are refused; these three pairs are about
    one delivery, which the predicates do not tell apart."""
    name = lambda query: query.split("=")[0]
    return name(a) == name(b) or {name(a), name(b)} == {"processed_from", "processed_to"}


def expect_found(node, messages, queries, predicates):
    query = "&".join(queries)
    found, _ = walk(node, query, limit=7)
    wanted = [m["id"] for m in messages if all(p(m) for p in predicates)]
    if "processed_" not in query:
        assert found == wanted, query
        return
    assert sorted(found) == sorted(wanted), query
    when = {m["id"]: (max(processed(m)), m["id"]) for m in messages if processed(m)}
    assert found == sorted(found, key=when.get, reverse=True), query


def test_each_filter_alone_and_with_each_other(node, receiver):
    publisher, messages = fill(node, receiver, 1)
    known = filters(publisher, messages)
    for query, predicate in known.items():
        expect_found(node, messages, [query], [predicate])
    for (a, is_a), (b, is_b) in itertools.combinations(known.items(), 2):
        if not excludes(a, b):
            expect_found(node, messages, [a, b], [is_a, is_b])


def test_a_field_is_compared_by_its_text(node):
    node.topic()
    texts = ['{"a":3}', '{"a":"3"}', '{"a":3.0}', '{"a":"\\u0033"}', '{"a":[3]}', '{"b":3}']
    ids = []
    for text in texts:
        body = '{"topic":"orders","attributes":{},"payload":%s}' % text
        ids.append(node.post("/api/messages", body).json()["id"])
    assert walk(node, "field./a=3")[0] == [ids[3], ids[1], ids[0]]
    assert walk(node, "field./a=3.0")[0] == [ids[2]]
    assert walk(node, "field./a=%5B3%5D")[0] == [ids[4]]
    assert walk(node, "field./a/0=3")[0] == [ids[4]]
    assert walk(node, "field./a=%5Cu0033")[0] == [ids[3]]
    assert walk(node, "field./a=")[0] == []


def test_pages_while_messages_arrive(node):
    """What was there when the first page was asked for comes once, and what
    comes later does not disturb."""
    node.topic()
    ids = [node.publish(n, attributes={"kind": "ab"[n % 2]})["id"] for n in range(40)]
    stop = threading.Event()

    def publish():
        while not stop.is_set():
            node.publish_many(range(5))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        for query, wanted in (("attr.kind=a", ids[::2]), ("attr.kind=b&q=1", None)):
            found = walk(node, query, limit=2)[0]
            assert found == sorted(set(found), reverse=True)
            if wanted is not None:
                assert found == wanted[::-1]
    finally:
        stop.set()
        thread.join()


def test_a_cursor_is_of_its_search(node):
    node.topic()
    node.publish_many(range(5))
    page = node.get("/api/messages?limit=2&topic=orders").json()
    assert page["complete"] is True and page["searched_to"] is not None
    cursor = page["next_cursor"]
    last = node.get(f"/api/messages?cursor={cursor}&topic=orders&limit=5").json()
    assert len(last["data"]) == 3
    assert last["next_cursor"] is None and last["searched_to"] is None
    problem = assert_problem(node.get(f"/api/messages?limit=2&cursor={cursor}"), 400)
    assert [error["parameter"] for error in problem["errors"]] == ["cursor"]
    assert "another search" in problem["errors"][0]["detail"]


def test_what_changed_is_found_as_it_is(node, receiver):
    """Redriven, discarded and delivered since: by the latest time alone."""
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=1)["id"]
    receiver.behaviour = fail(400)
    first, second = (node.publish(n)["id"] for n in range(2))
    node.wait_backlog(publisher)
    third = node.publish(3)["id"]
    node.wait_state(third, "dead")
    receiver.behaviour = ok
    node.post(f"/api/messages/{first}/retry")
    node.wait_state(first, "delivered")
    always = "processed_from=2000-01-01T00:00:00Z"
    assert walk(node, always, limit=1)[0] == [first, third, second]
    assert walk(node, always + "&state=dead")[0] == [third, second]
    died = node.message(second)["deliveries"][0]["processed_at"]
    assert first not in walk(node, f"processed_to={died}")[0]


@pytest.mark.parametrize("harm", ["killed", "gone", "garbage"])
def test_the_index_comes_again(node, harm):
    node.topic(indexed_fields=["/n"])
    ids = node.publish_many({"n": n % 3} for n in range(90))
    index = node.directory / "index"
    wait_until(lambda: (index / "data.mdb").stat().st_size > 0, "there is an index")
    node.kill()
    if harm == "gone":
        shutil.rmtree(index)
    if harm == "garbage":
        (index / "data.mdb").write_bytes(b"\xa5" * 16384)
    node.start()
    more = node.publish_many({"n": n % 3} for n in range(9))
    assert walk(node, "field./n=1", limit=50)[0] == (ids + more)[1::3][::-1]


def test_any_node_finds_what_was_acknowledged(request, receiver):
    cluster = Cluster()
    request.addfinalizer(lambda: [node.remove() for node in cluster.nodes])
    cluster.start()
    try:
        node = cluster.nodes[0]
        publisher, messages = fill(node, receiver, 2)
        known = filters(publisher, messages)
        for node, (query, predicate) in zip(itertools.cycle(cluster.nodes), known.items()):
            expect_found(node, messages, [query], [predicate])
        leader = cluster.leader()
        leader.kill()
        cluster.wait_leader(other_than=leader)
        leader.start()
        for node in cluster.nodes:
            expect_found(node, messages, ["attr.kind=a"], [known["attr.kind=a"]])
            newest = node.publish("x", attributes={"kind": "new"})["id"]
            for other in cluster.nodes:
                assert walk(other, "attr.kind=new")[0][0] == newest
    finally:
        cluster.close()


@pytest.mark.parametrize(
    "query, named",
    [
        ("received_from=yesterday", "received_from"), ("received_to=", "received_to"),
        ("processed_from=2026-13-01T00:00:00Z", "processed_from"),
        ("processed_to=1", "processed_to"), ("q=", "q"), ("q=" + "x" * 1025, "q"),
        ("field.a=1", "field.a"), ("field./~2=1", "field./~2"),
        ("field.=1", "field."), ("attr.=1", "attr."),
        ("attr." + "n" * 257 + "=1", "attr." + "n" * 257),
        ("attr.a=1&attr.a=2", "attr.a"), ("key=", "key"),
        ("field.%2F" + "%2F".join("abcdefghijklmnopq") + "=1",
         "field./" + "/".join("abcdefghijklmnopq")),
        ("&".join(f"attr.{n}=1" for n in range(17)), "attr.16"),
        ("cursor=m" + "0" * 48, "cursor"),
    ],
)
def test_what_is_out_of_form_is_named(shared, query, named):
    problem = assert_problem(shared.get("/api/messages?" + query), 400)
    assert [error["parameter"] for error in problem["errors"]] == [named]
