"""Three nodes: leaders die, and the messages flow on.

Every test publishes through all nodes while something happens to one or all
of them, and lets history.py judge what came of it.
"""

from pathlib import Path

import pytest

from cluster import Cluster, ClusterWriters, standing_still
from node import SANITIZED, wait_until
from receiver import hang, ok, slow

KILLS = 2 if SANITIZED else 4
IN_FLIGHT = 8


def shared_by_all(request, *flags):
    made = Cluster(*flags)
    request.addfinalizer(lambda: [node.remove() for node in made.nodes])
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def three(request):
    yield from shared_by_all(request)


@pytest.fixture(scope="module")
def three_patient(request):
    """Here no election comes from a machine that is busy with other things."""
    yield from shared_by_all(request, "--election-timeout-ms=3000", "--heartbeat-ms=100")


def whole_again(cluster):
    for node in cluster.nodes:
        if node.process is None:
            node.start()
    cluster.wait_leader()


@pytest.fixture
def cluster(three):
    """All tests of this file share it, each with a topic of its own."""
    yield three
    whole_again(three)


@pytest.fixture
def patient(three_patient):
    yield three_patient
    whole_again(three_patient)


def begin(cluster, name, new_receiver, behaviour=ok):
    """A topic with one receiver; returns the receiver."""
    leader = cluster.wait_leader()
    leader.topic(name)
    receiver = new_receiver(behaviour)
    leader.publisher(receiver.url, topic=name, max_in_flight=IN_FLIGHT)
    return receiver


def settle(cluster, receiver, writers, doubts):
    """Ends the writers and checks the whole story."""
    writers.wait_count(20)
    history = writers.stop()
    history.check(receiver, doubts, IN_FLIGHT)
    history.check_stored(cluster.up())
    cluster.wait_agreement()
    return history


def tell(record_property, history):
    gap_ms = round(history.longest_gap() * 1000)
    record_property("longest_publish_gap_ms", gap_ms)
    print(f"longest gap between two acknowledged publishes: {gap_ms} ms")


# ---- Killed ----


def test_leader_killed_again_and_again(cluster, name, new_receiver, seed, record_property):
    receiver = begin(cluster, name, new_receiver)
    writers = ClusterWriters(cluster, topic=name).start()
    for _ in range(KILLS):
        writers.wait_count(seed.randrange(10, 200))
        leader = cluster.wait_leader()
        leader.kill()
        cluster.wait_leader(other_than=leader)
        leader.start()
    tell(record_property, settle(cluster, receiver, writers, KILLS))


def test_all_killed_at_once(cluster, name, new_receiver, seed):
    receiver = begin(cluster, name, new_receiver)
    writers = ClusterWriters(cluster, topic=name).start()
    for _ in range(2):
        writers.wait_count(seed.randrange(10, 200))
        for node in cluster.nodes:
            node.process.kill()
        for node in cluster.nodes:
            node.wait_exit()
        for node in cluster.nodes:
            node.start(wait=False)
        cluster.wait_leader()
    settle(cluster, receiver, writers, 2)


def test_what_was_open_at_the_leader_goes_again_marked(cluster, name, new_receiver):
    """Exactly the requests that nobody has seen the end of are in doubt."""
    receiver = begin(cluster, name, new_receiver, hang)
    leader = cluster.wait_leader()
    ids = leader.publish_many(range(30), topic=name)
    open_ids = {request.message_id for request in receiver.wait_requests(IN_FLIGHT)}
    leader.kill()
    receiver.behaviour = ok
    receiver.release()
    cluster.wait_leader(other_than=leader)
    receiver.wait_requests(IN_FLIGHT + len(ids))
    again = receiver.arrived()[IN_FLIGHT:]
    assert sorted(request.message_id for request in again) == ids
    assert {request.message_id for request in again if request.marked} == open_ids
    leader.start()


def test_minority_never_acknowledges(cluster, name):
    leader = cluster.wait_leader()
    leader.topic(name)
    others = cluster.followers()
    for node in others:
        node.kill()
    for _ in range(2):
        answer = leader.post(
            "/api/messages", {"topic": name, "payload": 1, "attributes": {}}
        )
        assert answer.status in (503, 504), answer
    wait_until(
        lambda: leader.get("/readyz/write").status == 503, "it takes no messages"
    )
    others[0].start(wait=False)
    cluster.wait_leader()
    others[1].start()


# ---- Stopped ----


def test_stopped_leader_is_replaced(cluster, name, new_receiver):
    """A leader that stands still (SIGSTOP) wakes up deposed: it neither
    acknowledges nor delivers anything of its own any more."""
    receiver = begin(cluster, name, new_receiver, slow(0.002))
    writers = ClusterWriters(cluster, topic=name, timeout=2).start()
    for _ in range(1 if SANITIZED else 2):
        writers.wait_count(100)
        leader = cluster.wait_leader()
        with standing_still(leader):
            cluster.wait_leader(among=cluster.others(leader))
            writers.wait_count(8)
        wait_until(leader.ready, "it follows")
    settle(cluster, receiver, writers, 2)


def test_request_to_a_leader_that_stands_still_is_answered(cluster, name):
    """Its connections stay open; whoever waits for it is told all the same."""
    leader = cluster.wait_leader()
    leader.topic(name)
    [asked, _] = cluster.followers()
    connection = asked.connect()
    with standing_still(leader):
        connection.request(
            "POST",
            "/api/messages",
            '{"topic":"%s","payload":1,"attributes":{}}' % name,
            {"content-type": "application/json"},
        )
        # Not 504 after a minute, as if nobody had noticed.
        connection.sock.settimeout(30)
        assert connection.getresponse().status in (201, 503, 504)
        assert asked.get("/api/topics", quiet=True).status == 200
    connection.close()
    wait_until(leader.ready, "it follows")


def test_stopped_follower_disturbs_nobody(patient, name, new_receiver):
    """One that stands still for longer than an election timeout, and one that
    restarts: neither takes the office from a leader that is well."""
    cluster = patient
    receiver = begin(cluster, name, new_receiver)
    leader = cluster.wait_leader()
    term = cluster.told_by(leader)["term"]
    [first, second] = cluster.followers()
    writers = ClusterWriters(cluster, topic=name, through=[leader, second]).start()
    with standing_still(first):
        writers.wait_count(50)
        # Longer than it waits for a leader, by the clock of the others.
        wait_until(
            lambda: state_of(cluster, leader, first) == "unreachable",
            "the leader has missed it",
        )
    writers.wait_count(50)
    writers.stop()
    second.kill()
    second.start()
    wait_until(lambda: state_of(cluster, leader, first) == "follower", "it is back")
    writers.history.check(receiver)
    cluster.wait_agreement()
    assert cluster.told_by(leader)["term"] == term
    assert cluster.wait_leader() is leader


def state_of(cluster, teller, node):
    """What one node tells of another."""
    members = cluster.told_by(teller)["members"]
    return next(m["state"] for m in members if m["id"] == cluster.id_of(node))


# ---- Away ----


def anonymous_kib(node):
    """Memory that is the process's own; the store's map is the kernel's."""
    for line in Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon in /proc")


def test_follower_away_and_back(patient, name, receiver):
    """It lacks more than the leader has in memory: that stays flat, and the
    follower catches up from the log. Then it is needed for a majority."""
    cluster = patient
    leader = cluster.wait_leader()
    bulky = f"{name}-bulky"
    leader.topic(name)
    leader.topic(bulky)
    leader.publisher(receiver.url, topic=name)
    term = cluster.told_by(leader)["term"]
    [away, other] = cluster.followers()
    payloads = ["x" * 100_000] * 100
    for _ in range(4):  # What memory is for is there.
        leader.publish_many(payloads, topic=bulky)
    before = anonymous_kib(leader)
    away.kill()
    made = [leader.publish({"n": number}, topic=name)["id"] for number in range(100)]
    for _ in range(6):
        leader.publish_many(payloads, topic=bulky)
    grown = anonymous_kib(leader) - before
    assert SANITIZED or grown < 48 * 1024, f"the leader has grown by {grown} KiB"
    away.start()
    cluster.wait_agreement()
    told = cluster.told_by(leader)
    assert told["term"] == term and told["leader"] == cluster.id_of(leader)
    other.kill()
    made.append(away.publish("after", topic=name)["id"])
    receiver.wait_messages(set(made))
    assert cluster.told_by(leader)["term"] == term
    other.start()


# ---- Given away ----


def test_rolling_restart_sends_nothing_twice(cluster, name, new_receiver, record_property):
    receiver = begin(cluster, name, new_receiver)
    writers = ClusterWriters(cluster, topic=name).start()
    for node in cluster.nodes:
        writers.wait_count(50)
        assert node.stop() == 0
        cluster.wait_leader(other_than=node)
        node.start()
    tell(record_property, settle(cluster, receiver, writers, 0))


def test_leader_ends_while_others_take_messages(
    cluster, name, new_receiver, record_property
):
    """SIGTERM on each leader in turn: whoever publishes elsewhere notices
    nothing but a short wait, and nothing is sent twice."""
    receiver = begin(cluster, name, new_receiver, slow(0.002))
    for _ in range(2):
        leader = cluster.wait_leader()
        writers = ClusterWriters(cluster, topic=name, through=cluster.others(leader)).start()
        writers.wait_count(100)
        assert leader.stop() == 0
        writers.wait_count(100)
        history = writers.stop()
        assert not history.failures()
        tell(record_property, history)
        receiver.wait_messages(history.promised)
        leader.start()
    cluster.wait_agreement()
    assert not any(request.marked for request in receiver.arrived())
    assert set(receiver.counts().values()) == {1}


def test_leadership_is_given_away_on_request(cluster, name, new_receiver, record_property):
    """By any node, to the one that is named: no publish fails on any node,
    and nothing is sent twice."""
    receiver = begin(cluster, name, new_receiver)
    writers = ClusterWriters(cluster, topic=name).start()
    for _ in range(3):
        writers.wait_count(50)
        leader = cluster.wait_leader()
        [heir, other] = cluster.followers()
        answer = other.post("/api/cluster/transfer", {"to": cluster.id_of(heir)})
        assert answer.status == 200, answer
        assert cluster.wait_leader(other_than=leader) is heir
    answer = heir.post("/api/cluster/transfer", {"to": 9})
    assert answer.status == 400 and answer.errors["to"] == ["is invalid"]
    history = settle(cluster, receiver, writers, 0)
    assert not history.failures()
    tell(record_property, history)
