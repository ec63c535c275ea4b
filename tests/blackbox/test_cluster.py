"""Three nodes: leaders die, and the messages flow on."""

import signal
import time

import pytest

from cluster import Cluster, ClusterWriters
from node import SANITIZED, wait_until
from receiver import ok

KILLS = 2 if SANITIZED else 4
IN_FLIGHT = 8


@pytest.fixture
def cluster(request):
    made = Cluster()
    request.addfinalizer(lambda: [node.remove() for node in made.nodes])
    try:
        yield made.start()
    finally:
        made.close()


def assert_once(receiver, promised, doubts):
    """Everything promised has arrived; twice only what is marked."""
    receiver.wait_messages(promised)
    seen = set()
    marked = 0
    for request in receiver.arrived():
        marked += request.marked
        assert request.marked or request.message_id not in seen, (
            f"message {request.message_id} came again without a mark"
        )
        seen.add(request.message_id)
        expected = promised.get(request.message_id)
        assert expected is None or request.body == expected.encode()
    assert marked <= doubts * IN_FLIGHT


def test_every_node_answers_everything(cluster, receiver):
    first, second, third = cluster.nodes
    first.topic()
    publisher = second.publisher(receiver.url)["id"]
    made = [node.publish({"through": node.url}) for node in cluster.nodes]
    receiver.wait_messages({message["id"] for message in made})
    for node in cluster.nodes:
        for message in made:
            found = node.message(message["id"])
            assert found["public_id"] == message["public_id"]
        node.wait_backlog(publisher)
    answer = third.post("/api/topics", {"name": "orders", "origin_host": "x"})
    assert answer.status == 409
    assert answer.errors["name"] == ["has already been taken"]
    assert third.delete(f"/api/publishers/{publisher}").status == 204
    assert first.get(f"/api/publishers/{publisher}").status == 404


def test_every_node_tells_the_same_cluster(cluster):
    def told():
        answers = [node.get("/api/cluster").json()["data"] for node in cluster.nodes]
        return answers

    def agreed():
        answers = told()
        return (
            len({answer["leader"] for answer in answers}) == 1
            and len({answer["cluster_id"] for answer in answers}) == 1
            and all(
                sorted(member["id"] for member in answer["members"]) == [1, 2, 3]
                for answer in answers
            )
            and all(
                sorted(member["state"] for member in answer["members"])
                == ["follower", "follower", "leader"]
                for answer in answers
            )
        )

    wait_until(agreed, "all nodes tell the same cluster")


def test_leader_killed_again_and_again(cluster, new_receiver, seed):
    cluster.wait_leader().topic()
    receiver = new_receiver(ok)
    cluster.wait_leader().publisher(receiver.url, max_in_flight=IN_FLIGHT)
    writers = ClusterWriters(cluster).start()
    for _ in range(KILLS):
        time.sleep(seed.uniform(0.2, 1.2))
        leader = cluster.wait_leader()
        leader.kill()
        cluster.wait_leader(other_than=leader)
        leader.start()
    time.sleep(0.3)
    writers.stop()
    assert len(writers.promised) > 50, "the writers hardly wrote"
    assert_once(receiver, writers.promised, KILLS)


def test_all_killed_at_once(cluster, new_receiver, seed):
    cluster.wait_leader().topic()
    receiver = new_receiver(ok)
    cluster.wait_leader().publisher(receiver.url, max_in_flight=IN_FLIGHT)
    writers = ClusterWriters(cluster).start()
    for _ in range(2):
        time.sleep(seed.uniform(0.3, 1.0))
        for node in cluster.nodes:
            node.process.kill()
        for node in cluster.nodes:
            node.wait_exit()
        for node in cluster.nodes:
            node.start(wait=False)
        cluster.wait_leader()
    time.sleep(0.5)
    writers.stop()
    assert len(writers.promised) > 20, "the writers hardly wrote"
    assert_once(receiver, writers.promised, 2)


def test_minority_never_acknowledges(cluster):
    leader = cluster.wait_leader()
    leader.topic()
    others = cluster.followers()
    for node in others:
        node.kill()
    for _ in range(5):
        answer = leader.post(
            "/api/messages", {"topic": "orders", "payload": 1, "attributes": {}}
        )
        assert answer.status in (503, 504), answer
    wait_until(
        lambda: leader.get("/readyz/write").status == 503, "it takes no messages"
    )
    others[0].start(wait=False)
    cluster.wait_leader()
    others[1].start()


def test_follower_away_and_back(cluster, receiver):
    leader = cluster.wait_leader()
    leader.topic()
    leader.publisher(receiver.url)
    [away, other] = cluster.followers()
    away.kill()
    made = [leader.publish({"n": number})["id"] for number in range(300)]
    away.start()
    other.kill()  # Now the one that was away is needed for a majority.
    made.append(away.publish("after")["id"])
    receiver.wait_messages(set(made))
    other.start()


def test_stopped_leader_is_replaced(cluster, new_receiver):
    """A leader that stands still (SIGSTOP) wakes up deposed: it neither
    acknowledges nor delivers anything of its own any more."""
    leader = cluster.wait_leader()
    leader.topic()
    receiver = new_receiver(ok)
    leader.publisher(receiver.url, max_in_flight=IN_FLIGHT)
    writers = ClusterWriters(cluster).start()
    time.sleep(0.5)
    leader.process.send_signal(signal.SIGSTOP)
    others = [node for node in cluster.nodes if node is not leader]

    def replaced():
        for node in others:
            data = node.get("/api/cluster", quiet=True).json()["data"]
            if data["leader"] == data["node"]:
                return True
        return False

    wait_until(replaced, "another node leads")
    time.sleep(0.5)
    leader.process.send_signal(signal.SIGCONT)
    cluster.wait_leader()
    time.sleep(0.5)
    writers.stop()
    assert_once(receiver, writers.promised, 1)


def test_rolling_restart_sends_nothing_twice(cluster, new_receiver):
    cluster.wait_leader().topic()
    receiver = new_receiver(ok)
    cluster.wait_leader().publisher(receiver.url, max_in_flight=IN_FLIGHT)
    writers = ClusterWriters(cluster).start()
    for node in cluster.nodes:
        time.sleep(0.3)
        assert node.stop() == 0
        cluster.wait_leader(other_than=node)
        node.start()
    time.sleep(0.3)
    writers.stop()
    assert_once(receiver, writers.promised, 0)


def test_leadership_is_given_away_on_request(cluster, new_receiver):
    """By any node, to the one that is named; nothing is sent twice."""
    leader = cluster.wait_leader()
    leader.topic()
    receiver = new_receiver(ok)
    leader.publisher(receiver.url, max_in_flight=IN_FLIGHT)
    writers = ClusterWriters(cluster).start()
    for _ in range(3):
        time.sleep(0.3)
        leader = cluster.wait_leader()
        [heir, other] = cluster.followers()
        identity = cluster.nodes.index(heir) + 1
        answer = other.post("/api/cluster/transfer", {"to": identity})
        assert answer.status == 200, answer
        assert cluster.wait_leader(other_than=leader) is heir
    answer = heir.post("/api/cluster/transfer", {"to": 9})
    assert answer.status == 400 and answer.errors["to"] == ["is invalid"]
    time.sleep(0.3)
    writers.stop()
    assert_once(receiver, writers.promised, 0)


def test_idempotency_key_through_every_node_and_over_a_failover(cluster):
    leader = cluster.wait_leader()
    leader.topic()
    body = {"topic": "orders", "payload": {"pay": 1}, "attributes": {}}
    headers = {"idempotency-key": "order-7"}

    def answers():
        return [
            node.post("/api/messages", body, headers=headers) for node in cluster.up()
        ]

    first = answers()
    assert {answer.status for answer in first} == {201}
    assert len({answer.body for answer in first}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in first]
    assert sorted(map(str, replayed)) == ["None", "true", "true"]
    leader.kill()
    cluster.wait_leader(other_than=leader)
    assert {answer.body for answer in answers()} == {first[0].body}
    other = cluster.up()[0].post(
        "/api/messages", {**body, "payload": {"pay": 2}}, headers=headers
    )
    assert other.status == 422, other
    leader.start()
