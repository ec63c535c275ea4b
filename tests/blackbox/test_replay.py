"""What has gone through is sent once more, on request."""

import datetime
import time

import pytest

from node import wait_until
from receiver import fail, ok
from test_rules import assert_problem


def replay(node, publisher, status=202, **body):
    answer = node.post(f"/api/publishers/{publisher}/replay", body)
    assert answer.status == status, answer
    return answer.json()["data"]


def wait_done(node, job):
    return wait_until(
        lambda: (now := node.get(f"/api/replays/{job['id']}").json()["data"])["state"]
        != "running" and now["done"] == now["matched"] and now,
        f"replay {job['id']} is done",
    )


@pytest.fixture
def delivered(node, receiver):
    """Ten delivered messages of two kinds: publisher, ids."""
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    ids = [
        node.publish(n, attributes={"kind": "even" if n % 2 == 0 else "odd"})["id"]
        for n in range(10)
    ]
    node.wait_backlog(publisher)
    return publisher, ids


def test_all_once_more(node, receiver, delivered):
    publisher, ids = delivered
    job = replay(node, publisher)
    assert job["publisher"] == publisher and job["state"] in ("running", "done")
    done = wait_done(node, job)
    assert (done["state"], done["matched"]) == ("done", 10)
    assert receiver.counts() == {identity: 2 for identity in ids}
    again = receiver.arrived()[10:]
    assert {r.headers["postoffice-replay"] for r in again} == {str(job["id"])}
    webhook = {r.message_id: r.headers["webhook-id"] for r in receiver.arrived()[:10]}
    assert all(webhook[r.message_id] == r.headers["webhook-id"] for r in again)
    node.wait_backlog(publisher)
    assert node.publisher_state(publisher)["delivered"] == 10


def test_filter_and_edges(node, receiver, delivered):
    publisher, ids = delivered
    job = replay(
        node, publisher, **{"from": ids[2], "to": ids[7]},
        filter={"attributes": {"kind": "odd"}},
    )
    assert wait_done(node, job)["matched"] == 3
    twice = {identity for identity, count in receiver.counts().items() if count == 2}
    assert twice == {ids[3], ids[5], ids[7]}


def test_dry_run_sends_nothing(node, receiver, delivered):
    publisher, ids = delivered
    told = replay(node, publisher, 200, dry_run=True)
    assert told["matched"] == 10 and told["complete"] is True
    assert [message["id"] for message in told["sample"]] == ids
    assert told["sample"][0]["preview"] == "0"
    told = replay(node, publisher, 200, dry_run=True, **{"from": ids[8]})
    assert told["matched"] == 2
    assert replay(node, publisher, 200, dry_run=True, state="dead")["matched"] == 0
    assert len(receiver.arrived()) == 10


def test_dry_run_begins_where_the_publisher_does(node, receiver):
    node.topic()
    for n in range(3):
        node.publish(n)
    publisher = node.publisher(receiver.url, from_now=True)["id"]
    for n in range(2):
        node.publish(n)
    node.wait_backlog(publisher)
    assert replay(node, publisher, 200, dry_run=True)["matched"] == 2
    assert wait_done(node, replay(node, publisher))["matched"] == 2


def test_times(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)["id"]
    times = []
    for n in range(5):
        identity = node.publish(n)["id"]
        times.append(node.message(identity)["received_at"])
        time.sleep(0.01)
    node.wait_backlog(publisher)

    def matched(**body):
        return replay(node, publisher, 200, dry_run=True, **body)["matched"]

    assert matched(**{"from": times[3]}) == 2
    assert matched(to=times[3]) == 4
    assert matched(**{"from": times[1], "to": times[2]}) == 2
    assert matched(**{"from": "2099-01-01T00:00:00Z"}) == 0
    assert matched(to="2001-01-01T00:00:00Z") == 0


def test_dead_ones_alone(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=1)["id"]
    fine = node.publish(1)["id"]
    node.wait_state(fine, "delivered")
    receiver.behaviour = fail(500)
    lost = node.publish(2)["id"]
    node.wait_state(lost, "dead")
    receiver.behaviour = ok
    assert wait_done(node, replay(node, publisher, state="dead"))["matched"] == 1
    node.wait_state(lost, "delivered")
    assert receiver.counts() == {fine: 1, lost: 2}


def test_cancel(node, receiver, delivered):
    publisher, _ = delivered
    node.post(f"/api/publishers/{publisher}/pause")
    job = replay(node, publisher)
    answer = node.delete(f"/api/replays/{job['id']}")
    assert answer.status == 200
    assert answer.json()["data"]["state"] in ("cancelled", "done")


def test_a_job_tells_what_holds_it_up(node, receiver, delivered):
    """Nothing ends it but its last delivery, a cancel, or its publisher's end."""
    publisher, _ = delivered
    receiver.down()
    path = f"/api/replays/{replay(node, publisher)['id']}"
    told = wait_until(
        lambda: (now := node.get(path).json()["data"])["publisher_state"]["state"]
        == "circuit_open" and now,
        "the replay tells that the circuit is open",
    )
    assert "connect" in told["publisher_state"]["state_reason"]
    assert told["publisher_state"]["next_attempt_at"] is not None
    assert (told["state"], told["matched"], told["done"]) == ("running", 10, 0)
    assert node.delete(f"/api/publishers/{publisher}").status == 204
    told = node.get(path).json()["data"]
    assert (told["state"], told["publisher_state"]) == ("cancelled", None)
    assert told["ended_at"] is not None


def test_a_job_outlives_a_kill(node, receiver, delivered):
    publisher, ids = delivered
    receiver.down()
    job = replay(node, publisher)
    node.kill()
    receiver.up()
    node.start()
    assert wait_done(node, job)["matched"] == 10
    # In doubt is sent again; nothing is left out.
    assert all(count >= 2 for count in receiver.counts().values())


@pytest.mark.parametrize(
    "body, field",
    [
        ({"state": "pending"}, "state"),
        ({"from": "soon"}, "from"),
        ({"to": -1}, "to"),
        ({"from": 999999}, "from"),
        ({"filter": {"colour": 1}}, "filter"),
        ({"dry_run": 7}, "dry_run"),
        ({"dryrun": True}, "dryrun"),
    ],
)
def test_wrong_requests(shared, name, body, field):
    shared.topic(name)
    publisher = shared.publisher("http://127.0.0.1:9/", name, active=False)["id"]
    answer = shared.post(f"/api/publishers/{publisher}/replay", body)
    assert_problem(answer, 400)
    assert list(answer.errors) == [field]


def test_nothing_there(shared):
    assert_problem(shared.post("/api/publishers/4294967295/replay", {}), 404)
    assert_problem(shared.get("/api/replays/4294967295"), 404)
    assert_problem(shared.delete("/api/replays/4294967295"), 404)
    assert_problem(shared.get("/api/replays/x"), 400)
