"""Three nodes: each answers everything, and all say the same."""

import http.client
import json
import threading

import pytest

from cluster import Cluster
from node import wait_until

READS = ["/api/topics", "/api/publishers", "/api/publishers/{}", "/api/messages/{}"]


def message_body(payload, topic="orders"):
    return json.dumps({"topic": topic, "payload": payload, "attributes": {}})


@pytest.fixture(scope="module")
def calm(request):
    """A cluster to which nothing happens, for the tests that only ask: each
    takes a topic of its own."""
    made = Cluster()
    request.addfinalizer(lambda: [node.remove() for node in made.nodes])
    yield made.start()
    made.close()


def test_every_node_answers_everything(calm, name, receiver):
    first, second, third = calm.nodes
    first.topic(name)
    publisher = second.publisher(receiver.url, topic=name)["id"]
    made = [node.publish({"through": node.url}, topic=name) for node in calm.nodes]
    receiver.wait_messages({message["id"] for message in made})
    for node in calm.nodes:
        for message in made:
            found = node.message(message["id"])
            assert found["public_id"] == message["public_id"]
        node.wait_backlog(publisher)
    answer = third.post("/api/topics", {"name": name, "origin_host": "x"})
    assert answer.status == 409
    assert answer.errors["name"] == ["has already been taken"]
    assert third.delete(f"/api/publishers/{publisher}").status == 204
    assert first.get(f"/api/publishers/{publisher}").status == 404


# ---- GET /api/cluster ----


def test_every_node_tells_the_same_cluster(calm, name):
    leader = calm.wait_leader()
    leader.topic(name)
    for number in range(20):
        calm.nodes[number % 3].publish(number, topic=name)

    def truths():
        """What each node tells, without who it is itself."""
        told = calm.wait_agreement()
        for each in told:
            del each["node"]
        return told

    def same():
        told = truths()
        return told if told[0] == told[1] == told[2] else None

    [told, *_] = wait_until(same, "all nodes tell the same cluster")
    assert told["leader"] == calm.id_of(leader)
    assert told["commit_index"] > 20 and told["term"] > 0
    assert len({member["state_hash"] for member in told["members"]}) == 1
    for node, member in zip(calm.nodes, told["members"]):
        assert member["id"] == calm.id_of(node)
        assert member["role"] == "voter"
        assert member["raft"] == f"{node.host}:{node.raft_port}"
        assert member["url"] == node.url
        assert member["lag"] == 0
        assert member["state"] == ("leader" if node is leader else "follower")


def wait_replicated(node, message, members):
    """Each answer names a majority, in the end these."""

    def told():
        ids = node.message(message)["replicated_to"]
        assert len(ids) >= 2 and ids == sorted(set(ids)), ids
        return set(ids) == members

    wait_until(told, f"message {message} is at {members}")


def test_every_node_tells_who_is_away(cluster):
    [away, other] = cluster.followers()
    members = {cluster.id_of(node) for node in cluster.nodes}
    other.topic()
    message = other.publish(1)["id"]
    wait_replicated(other, message, members)
    away.kill()
    for node in cluster.up():
        wait_until(
            lambda: [
                member["state"]
                for member in cluster.told_by(node)["members"]
                if member["id"] == cluster.id_of(away)
            ]
            == ["unreachable"],
            "the one that was killed is unreachable",
        )
    message = other.publish(2)["id"]
    wait_replicated(other, message, members - {cluster.id_of(away)})
    away.start()
    cluster.wait_agreement()
    wait_replicated(away, message, members)
    assert cluster.told_by(other)["leader"] == cluster.told_by(away)["leader"]


# ---- consistency=local ----


def local(node, path):
    """The answer and the index that it says it is as new as."""
    answer = node.get(f"{path}?consistency=local")
    told = answer.headers["postoffice-applied-index"]
    return answer, None if told is None else int(told)


def test_local_reads_on_every_node(cluster, receiver):
    leader = cluster.wait_leader()
    leader.topic()
    publisher = leader.publisher(receiver.url)["id"]
    message = leader.publish({"n": 1})["id"]
    receiver.wait_messages([message])
    leader.wait_backlog(publisher)
    told = cluster.wait_agreement()
    paths = [
        "/api/topics",
        "/api/publishers",
        f"/api/publishers/{publisher}",
        f"/api/messages/{message}",
    ]
    for path in paths:
        answers = [local(node, path) for node in cluster.nodes]
        # The leader does not know better either: all say the same.
        assert {answer.status for answer, _ in answers} == {200}
        assert len({answer.body for answer, _ in answers}) == 1
        assert {index for _, index in answers} == {told[0]["commit_index"]}
        named = [node.get(f"{path}?consistency=linearizable") for node in cluster.nodes]
        assert {answer.status for answer in named} == {200}
        for answer in named:
            assert answer.headers["postoffice-applied-index"] is None
    for node in cluster.nodes:
        answer, _ = local(node, f"/api/publishers/{publisher}")
        state = answer.json()["data"]
        assert state["in_flight"] is None and state["rate_per_second"] is None
        assert node.publisher_state(publisher)["in_flight"] == 0
        answer, index = local(node, "/api/messages/999999")
        assert answer.status == 404 and index == told[0]["commit_index"]


@pytest.mark.parametrize("value", ["eventual", "", "LOCAL", "local%20"])
def test_other_consistencies_are_named(shared, value):
    for path in READS:
        answer = shared.get(f"{path.format(1)}?consistency={value}")
        assert answer.status == 400, answer
        assert answer.errors["consistency"] == ["is invalid"]
    answer = shared.post("/api/messages?consistency=local", message_body(1))
    assert answer.status == 400, "a write is never local"


def test_local_reads_without_a_majority(cluster):
    """The last one standing tells what it has, at once, and never more."""
    leader = cluster.wait_leader()
    leader.topic()
    message = leader.publish({"n": 1})["id"]
    cluster.wait_agreement()
    [last, other] = cluster.followers()
    leader.kill()
    other.kill()
    # What it has applied is seen with its next commit, a moment later.
    answer, index = wait_until(
        lambda: (found := local(last, f"/api/messages/{message}"))[0].status == 200 and found,
        "it has committed what it applied",
    )
    assert answer.json()["data"]["payload"] == {"n": 1}
    wait_until(
        lambda: cluster.told_by(last)["leader"] is None, "it knows that nobody leads"
    )
    assert local(last, "/api/topics")[0].json()["data"][0]["name"] == "orders"
    assert local(last, f"/api/messages/{message}")[1] == index
    answer = last.get(f"/api/messages/{message}")
    assert answer.status == 503 and answer.headers["retry-after"]
    # After a restart, too, before anybody else is there.
    last.kill()
    last.start(wait=False)
    wait_until(lambda: cluster.told_by(last), "it listens")
    wait_until(
        lambda: local(last, f"/api/messages/{message}")[0].status == 200,
        "it has applied what its log holds",
    )
    leader.start(wait=False)
    other.start(wait=False)
    cluster.wait_leader()
    cluster.wait_agreement()


# ---- Idempotency-Key ----


def messages_of(node, topic="orders"):
    topics = node.get("/api/topics?limit=1000").json()["data"]
    [found] = [each for each in topics if each["name"] == topic]
    return found["messages"]


def test_idempotency_key_through_every_node_and_over_a_failover(cluster):
    leader = cluster.wait_leader()
    leader.topic()
    body = message_body({"pay": 1})
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
        "/api/messages", message_body({"pay": 2}), headers=headers
    )
    assert other.status == 422, other
    leader.start()


def race(cluster, key, body, count, disturb):
    """`count` clients send the same on all nodes and again until they are told
    201; returns the answers."""
    together = threading.Barrier(count + 1)
    answers = []
    trouble = []

    def send(number):
        together.wait()
        for attempt in range(1000):
            node = cluster.nodes[(number + attempt) % len(cluster.nodes)]
            try:
                answer = node.post(
                    "/api/messages", body, {"idempotency-key": key}, quiet=True
                )
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 201:
                answers.append(answer)
                return
            if answer.status not in (429, 503, 504):
                break
        trouble.append(answer)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    together.wait()
    disturb()
    for thread in threads:
        thread.join()
    assert not trouble, trouble
    return answers


def test_twenty_racing_requests_make_one_message(calm, name):
    calm.wait_leader().topic(name)
    for round_number in range(5):
        body = message_body(round_number, topic=name)
        answers = race(calm, f"{name}-{round_number}", body, 20, lambda: None)
        assert len({answer.body for answer in answers}) == 1
        replays = [answer.headers["idempotent-replayed"] for answer in answers]
        assert replays.count(None) == 1
        assert messages_of(calm.nodes[round_number % 3], name) == round_number + 1


def test_a_race_over_a_failover_makes_one_message(cluster):
    """Nobody may be told that it was the first: that one's answer may be lost
    with the leader."""
    cluster.wait_leader().topic()
    for round_number in range(2):
        leader = cluster.wait_leader()
        answers = race(
            cluster, f"race-{round_number}", message_body(round_number), 20, leader.kill
        )
        assert len({answer.body for answer in answers}) == 1
        replays = [answer.headers["idempotent-replayed"] for answer in answers]
        assert replays.count(None) <= 1
        assert messages_of(cluster.up()[0]) == round_number + 1
        leader.start()
