"""Lines between nodes are cut: halves, one way, flapping.

Clients and receivers reach every node all the time, so that a leader which is
cut off from the others could go on acknowledging and delivering, and each
request at a receiver tells by its address which node has sent it.
"""

import pytest

from cluster import Cluster, ClusterWriters, standing_still
from network import HERE, Network, Refused
from node import SANITIZED, wait_until
from receiver import ok, slow

IN_FLIGHT = 8
FLAPS = 3 if SANITIZED else 6
SECRET = "a secret of these tests alone"


@pytest.fixture(scope="module")
def network():
    try:
        made = Network()
    except Refused as refused:
        pytest.skip(f"no network namespaces here: {refused}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def wired(request, network, tmp_path_factory):
    """One cluster for all tests of this file: each leaves it whole."""
    secret = tmp_path_factory.mktemp("secret") / "secret"
    secret.write_text(SECRET)
    made = Cluster(make=network.node(secret))
    request.addfinalizer(lambda: [node.remove() for node in made.nodes])
    yield made.start()
    made.close()


class Story:
    """A topic with a receiver and publishers on all nodes."""

    def __init__(self, cluster, network, topic, receiver):
        self.cluster = cluster
        self.network = network
        self.topic = topic
        self.receiver = receiver
        leader = cluster.wait_leader()
        leader.topic(topic)
        leader.publisher(receiver.url, topic=topic, max_in_flight=IN_FLIGHT)
        self.writers = ClusterWriters(cluster, topic=topic, timeout=4).start()
        self.writers.wait_count(50)

    def go_on(self):
        """The others take messages, though each writer waits long whenever it
        comes to the one that is cut off."""
        self.writers.wait_count(8)

    def roles(self):
        """The numbers of the leader and the two others."""
        leader = self.cluster.wait_leader()
        return [
            self.cluster.id_of(leader),
            *(self.cluster.id_of(node) for node in self.cluster.others(leader)),
        ]

    def node(self, number):
        return self.cluster.nodes[number - 1]

    def wait_new_leader(self, *among):
        """Its number; those that are named can take the office."""
        nodes = [self.node(number) for number in among]
        return self.cluster.id_of(self.cluster.wait_leader(among=nodes))

    def check_fenced(self, old, new):
        """Once the new leader sends, all that can still come from the old one
        is what it had written before its lease ended."""
        wait_until(lambda: self.sent_by(new), "the new leader delivers")
        requests = self.receiver.arrived()
        first = requests.index(self.sent_by(new)[0])
        late = [r for r in requests[first:] if r.sender == self.network.address(old)]
        assert len(late) <= IN_FLIGHT, f"{len(late)} requests of a deposed leader"

    def sent_by(self, number):
        address = self.network.address(number)
        return [r for r in self.receiver.arrived() if r.sender == address]

    def settle(self, doubts):
        self.network.heal()
        self.writers.wait_count(30)
        history = self.writers.stop()
        history.check(self.receiver, doubts, IN_FLIGHT)
        self.cluster.wait_leader()
        history.check_stored(self.cluster.nodes, step=10)
        self.cluster.wait_agreement()
        return history


@pytest.fixture
def story(wired, network, name, new_receiver):
    made = Story(
        wired, network, name, new_receiver(slow(0.002), host=network.address(HERE))
    )
    yield made
    network.heal()


def publish(node, topic):
    return node.post(
        "/api/messages", {"topic": topic, "payload": "?", "attributes": {}}, quiet=True
    )


def test_leader_isolated(story, network):
    """It acknowledges nothing more, says so, and tells what it has when asked
    for just that; the others go on."""
    old, *others = story.roles()
    node = story.node(old)
    message = next(iter(story.writers.history.promised))
    network.part([old], others)
    new = story.wait_new_leader(*others)
    wait_until(
        lambda: node.get("/readyz/write", quiet=True).status == 503, "it has no lease"
    )
    assert publish(node, story.topic).status in (503, 504)
    assert node.get("/livez").status == 200
    assert node.get(f"/api/messages/{message}").status == 503
    assert node.get(f"/api/messages/{message}?consistency=local").status == 200
    wait_until(
        lambda: [
            member["state"]
            for member in story.cluster.told_by(node)["members"]
            if member["id"] != old
        ]
        == ["unreachable"] * 2,
        "it knows that it is alone",
    )
    assert story.cluster.told_by(node)["leader"] is None
    story.check_fenced(old, new)
    # What nobody can see the end of there is no promise: `?` may come or not.
    story.writers.history.unknown['"?"'] = "asked while isolated"
    story.settle(doubts=1)


def test_follower_isolated(story, network):
    """Nobody but its own clients notices, not even when it comes back."""
    leader, away, other = story.roles()
    term = story.cluster.told_by(story.node(leader))["term"]
    network.part([away], [leader, other])
    story.go_on()
    wait_until(
        lambda: story.cluster.told_by(story.node(away))["leader"] is None,
        "it has lost the leader",
    )
    story.go_on()
    story.settle(doubts=0)
    assert story.cluster.told_by(story.node(away))["term"] == term
    assert story.roles()[0] == leader


def test_all_apart(story, network):
    """Three minorities: nobody acknowledges anything until they are joined."""
    network.part([1], [2, 3])
    network.part([2], [3])
    for node in story.cluster.nodes:
        wait_until(
            lambda: node.get("/readyz/write", quiet=True).status == 503,
            "it takes no messages",
        )
    count = story.writers.history.count()
    for node in story.cluster.nodes:
        assert publish(node, story.topic).status in (503, 504)
    assert story.writers.history.count() == count
    story.writers.history.unknown['"?"'] = "asked while apart"
    network.heal()
    story.cluster.wait_leader()
    story.settle(doubts=1)


def test_leader_hears_nobody(story, network):
    """The others hear it and see no reason to elect another one: it must step
    down by itself, since it cannot know that it still leads."""
    old, *others = story.roles()
    network.deafen(old, *others)
    new = story.wait_new_leader(*others)
    story.check_fenced(old, new)
    story.settle(doubts=1)


def test_nobody_hears_the_leader(story, network):
    old, *others = story.roles()
    for other in others:
        network.deafen(other, old)
    new = story.wait_new_leader(*others)
    story.check_fenced(old, new)
    story.settle(doubts=1)


def test_follower_hears_nobody(story, network):
    """It asks for votes that nobody gives while the leader is well."""
    leader, deaf, other = story.roles()
    term = story.cluster.told_by(story.node(leader))["term"]
    network.deafen(deaf, leader, other)
    wait_until(
        lambda: story.cluster.told_by(story.node(deaf))["leader"] is None,
        "it has lost the leader",
    )
    story.go_on()
    story.settle(doubts=0)
    assert story.cluster.told_by(story.node(leader))["term"] == term


def test_one_line_cut(story, network):
    """Leader and one follower no longer see each other, and the third sees
    both: the leader keeps its majority and its office."""
    leader, cut, other = story.roles()
    term = story.cluster.told_by(story.node(leader))["term"]
    network.part([leader], [cut])
    wait_until(
        lambda: story.cluster.told_by(story.node(cut))["leader"] is None,
        "it has lost the leader",
    )
    story.go_on()
    story.settle(doubts=0)
    assert story.cluster.told_by(story.node(leader))["term"] == term
    assert story.roles()[0] == leader


def test_flapping(story, network, seed):
    """Whoever leads is cut off again and again, for moments and for longer."""
    for _ in range(FLAPS):
        old, *others = story.roles()
        network.part([old], others)
        if seed.random() < 0.5:
            story.wait_new_leader(*others)
        else:
            wait_until(
                lambda: story.node(old).get("/readyz/write", quiet=True).status == 503,
                "its lease is over",
            )
        network.heal()
        story.writers.wait_count(seed.randrange(1, 40))
    story.settle(doubts=FLAPS)


def test_stopped_leader_sends_nothing_when_it_wakes_up(story):
    """SIGSTOP, until another node delivers; what the old leader had granted
    itself lies ready to be sent when it goes on."""
    old, *others = story.roles()
    node = story.node(old)
    with standing_still(node):
        new = story.wait_new_leader(*others)
        wait_until(lambda: story.sent_by(new), "the new leader delivers")
    wait_until(node.ready, "it follows")
    story.check_fenced(old, new)
    story.settle(doubts=1)


def test_nothing_is_sent_after_the_lease(wired, network, name, new_receiver):
    """What was granted lies ready and waits for its connection, which the
    kernel makes while the process stands still. When it wakes up it could send
    at once, and must not: another one leads, and has delivered."""
    receiver = new_receiver(ok, host=network.address(HERE))
    leader = wired.wait_leader()
    leader.topic(name)
    others = wired.others(leader)
    address = network.address(wired.id_of(leader))
    network.deafen(wired.id_of(leader), HERE)
    try:
        publisher = others[0].publisher(
            receiver.url, topic=name, max_in_flight=IN_FLIGHT
        )["id"]
        ids = others[0].publish_many(range(3 * IN_FLIGHT), topic=name)
        wait_until(
            lambda: others[0].publisher_state(publisher)["in_flight"] == IN_FLIGHT,
            "a whole window is granted",
        )
        with standing_still(leader):
            wired.wait_leader(among=others)
            receiver.wait_messages(ids)
            network.heal()
            wait_until(lambda: receiver.is_connected_from(address), "it is connected")
    finally:
        network.heal()
    wait_until(leader.ready, "it follows")
    requests = receiver.arrived()
    assert not [request for request in requests if request.sender == address]
    assert len(requests) == len(ids)
    assert {r.message_id for r in requests if r.marked} == set(ids[:IN_FLIGHT])
    wired.wait_agreement()
