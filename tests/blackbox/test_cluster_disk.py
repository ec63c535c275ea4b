"""The disk of one node hangs or fails: the others go on, and what was
acknowledged is there."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cluster import Cluster, ClusterWriters
from node import SANITIZED, Node, wait_until

IN_FLIGHT = 8
SHIM = Path(__file__).with_name("faulty_disk.c")
GIB = 1 << 30


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library of faulty_disk.c, built for this run."""
    library = tmp_path_factory.mktemp("shim") / "faulty_disk.so"
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build tests/blackbox/faulty_disk.c with")
    subprocess.run(
        [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O2"]
        + ["-o", library, SHIM],
        check=True,
    )
    return library


class FaultyNode(Node):
    """The disk of its log, of its store or of both can hang and fail."""

    def __init__(self, place, shim, *flags):
        self.place = place
        place.mkdir()
        prefix = ["env", f"LD_PRELOAD={shim}", f"FAULTY_DISK={place}"]
        if SANITIZED:  # Its runtime wants to be the first library otherwise.
            prefix.append("ASAN_OPTIONS=exitcode=99:verify_asan_link_order=0")
        super().__init__(*flags, prefix=prefix)

    def strike(self, fault, target):
        """`stall` or `fail`, for files with this in their path."""
        self.struck_at = len(self.log())
        made = self.place / "made"
        made.write_text(target)
        made.rename(self.place / fault)

    def has_said(self, pattern):
        """Since the last strike."""
        return re.search(pattern, self.log()[self.struck_at :])

    def repair(self):
        for fault in ("stall", "fail"):
            (self.place / fault).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def faulty(request, shim, tmp_path_factory):
    """One cluster for the tests of this file: each leaves it whole."""
    place = tmp_path_factory.mktemp("faults")
    made = Cluster(
        make=lambda number, *flags: FaultyNode(place / str(number), shim, *flags)
    )
    request.addfinalizer(lambda: [node.remove() for node in made.nodes])
    yield made.start()
    made.close()


@pytest.fixture
def cluster(faulty):
    yield faulty
    for node in faulty.nodes:
        node.repair()
        if node.process is None:
            node.start()


@pytest.fixture
def writers(cluster, name, receiver):
    """Publishers at work on all nodes, and a receiver."""
    leader = cluster.wait_leader()
    leader.topic(name)
    leader.publisher(receiver.url, topic=name, max_in_flight=IN_FLIGHT)
    made = ClusterWriters(cluster, topic=name, timeout=4).start()
    made.wait_count(50)
    yield made
    made.stop()


def settle(cluster, receiver, writers, doubts):
    writers.wait_count(20)
    history = writers.stop()
    history.check(receiver, doubts, IN_FLIGHT)
    history.check_stored(cluster.up(), step=10)
    cluster.wait_agreement()


@pytest.mark.parametrize("target", ["/data/log/", "/data/"], ids=["log", "all"])
def test_leader_whose_disk_hangs_gives_way(cluster, receiver, writers, target):
    """It says so, another one leads, and it follows when the disk is back."""
    leader = cluster.wait_leader()
    leader.strike("stall", target)
    cluster.wait_leader(among=cluster.others(leader))
    writers.wait_count(8)
    assert leader.process.poll() is None
    assert leader.has_said("a write to the log does not end: another is to lead")
    leader.repair()
    settle(cluster, receiver, writers, 1)


def test_leader_whose_store_hangs_gives_way(cluster, receiver, writers):
    """What it can no longer apply it can no longer acknowledge."""
    leader = cluster.wait_leader()
    leader.strike("stall", "/data/store/")
    cluster.wait_leader(among=cluster.others(leader))
    writers.wait_count(8)
    assert leader.has_said("nothing can be applied: another is to lead")
    leader.repair()
    settle(cluster, receiver, writers, 1)


def publish(node, topic):
    return node.post(
        "/api/messages", {"topic": topic, "payload": 1, "attributes": {}}, quiet=True
    )


def test_new_leader_first_applies_what_was_acknowledged(cluster, name):
    """The others have a topic in their logs and cannot apply it: the one that
    takes over neither refuses a message for it nor hides it."""
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    for node in others:
        node.strike("stall", "/data/store/")
    leader.topic(f"{name}-before")
    time.sleep(0.3)  # Now their stores hang in a commit.
    leader.topic(name)
    leader.kill()
    new = wait_until(
        lambda: next(
            (n for n in others if cluster.told_by(n)["leader"] == cluster.id_of(n)), None
        ),
        "another one is elected",
    )
    answer = publish(new, name)
    assert answer.status in (503, 504), answer
    for node in others:
        node.repair()
    wait_until(lambda: publish(new, name).status == 201, "it takes messages")
    topics = new.get("/api/topics?limit=1000").json()["data"]
    assert name in [topic["name"] for topic in topics]


def test_follower_whose_disk_hangs_is_not_missed(cluster, receiver, writers):
    leader = cluster.wait_leader()
    term = cluster.told_by(leader)["term"]
    [hanging, _] = cluster.followers()
    hanging.strike("stall", "/data/")
    writers.wait_count(100)
    hanging.repair()
    settle(cluster, receiver, writers, 0)
    assert cluster.told_by(leader)["term"] == term


@pytest.mark.parametrize(
    "role,target",
    [("leader", "/data/log/"), ("leader", "/data/store/"), ("follower", "/data/log/")],
    ids=["leader-log", "leader-store", "follower-log"],
)
def test_node_whose_disk_fails_ends(cluster, receiver, writers, role, target):
    """After a failed sync nothing is known about the disk: the process ends
    with words. With a disk that works it comes back by itself."""
    leader = cluster.wait_leader()
    victim = leader if role == "leader" else cluster.followers()[0]
    victim.strike("fail", target)
    assert victim.wait_exit() == 1
    assert victim.has_said("this node cannot go on and stops.*Input/output error")
    cluster.wait_leader(among=cluster.up())
    writers.wait_count(20)
    victim.repair()
    victim.start()
    settle(cluster, receiver, writers, 1 if role == "leader" else 0)


# ---- Away for too long ----


@pytest.mark.skipif(SANITIZED, reason="writes more than a gigabyte")
def test_member_that_was_away_too_long_must_be_rebuilt(tmp_path, new_cluster):
    """Beyond what the log is kept for: all say so, and the others go on."""
    if shutil.disk_usage(tmp_path).free < 12 * GIB:
        pytest.skip("less than 12 GiB of free disk")
    size = 12 << 20
    cluster = new_cluster(f"--max-message-bytes={16 << 20}", "--max-body-bytes=33554432")
    leader = cluster.wait_leader()
    leader.topic()
    leader.publish(0)
    cluster.wait_agreement()
    away = cluster.followers()[0]
    away.kill()
    body = b'{"topic":"orders","attributes":{},"payload":"%s"}' % (b"x" * size)
    written = 0
    while written < 1.2 * GIB:  # A disk this busy may cost a leader its place.
        leader = cluster.wait_leader()
        written += size if leader.post("/api/messages", body).status == 201 else 0
    [other] = cluster.others(leader, away)
    term = cluster.told_by(leader)["term"]
    away.start()

    def told(node):
        members = cluster.told_by(node)["members"]
        return next(m for m in members if m["id"] == cluster.id_of(away))

    for node in cluster.nodes:
        wait_until(lambda: told(node)["state"] == "quarantined", "all say so")
        assert "must be rebuilt" in told(node)["state_reason"]
    assert told(leader)["lag"] > 0 and told(other)["lag"] > 0
    assert re.search("must be rebuilt.*node=%d" % cluster.id_of(away), leader.log())
    message = leader.publish("after")["id"]
    assert other.message(message)["payload"] == "after"
    assert away.message(message)["payload"] == "after", "the leader answers for it"
    assert away.get(f"/api/messages/{message}?consistency=local").status == 404
    assert cluster.told_by(leader)["term"] == term
