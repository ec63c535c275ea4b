"""The disk of one node hangs or fails: the others go on, and what was
acknowledged is there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster import ClusterWriters
from node import SANITIZED, Node, wait_until
from receiver import ok

IN_FLIGHT = 8
SHIM = Path(__file__).with_name("faulty_disk.c")
GIB = 1 << 30


@pytest.fixture(scope="session")
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
    """Its log's disk, or all of its disk, can hang and fail."""

    def __init__(self, place, shim, target, *flags):
        self.place = place
        place.mkdir()
        prefix = [
            "env",
            f"LD_PRELOAD={shim}",
            f"FAULTY_DISK={place}/",
            f"FAULTY_DISK_TARGET={target}",
        ]
        if SANITIZED:  # Its runtime wants to be the first library otherwise.
            prefix.append("ASAN_OPTIONS=exitcode=99:verify_asan_link_order=0")
        super().__init__(*flags, prefix=prefix)

    def stall(self):
        (self.place / "stall").touch()

    def fail(self):
        (self.place / "fail").touch()

    def repair(self):
        for fault in ("stall", "fail"):
            (self.place / fault).unlink(missing_ok=True)


@pytest.fixture
def faulty(shim, new_cluster, tmp_path):
    """A cluster in which each node's disk can hang or fail."""
    made = []

    def make(target):
        made.append(
            new_cluster(
                make=lambda number, *flags: FaultyNode(
                    tmp_path / f"faults-{number}", shim, target, *flags
                )
            )
        )
        return made[0]

    yield make
    for node in made[0].nodes if made else []:
        node.repair()


def begin(cluster, receiver):
    leader = cluster.wait_leader()
    leader.topic()
    leader.publisher(receiver.url, max_in_flight=IN_FLIGHT)
    writers = ClusterWriters(cluster, timeout=4).start()
    writers.wait_count(50)
    return leader, writers


def settle(cluster, receiver, writers, doubts):
    writers.wait_count(20)
    history = writers.stop()
    history.check(receiver, doubts, IN_FLIGHT)
    history.check_stored(cluster.up(), step=10)
    cluster.wait_agreement()


@pytest.mark.parametrize("target", ["/data/log/", "/data/"], ids=["log", "all"])
def test_leader_whose_disk_hangs_gives_way(faulty, new_receiver, target):
    """It says so, another one leads, and it follows when the disk is back."""
    cluster = faulty(target)
    receiver = new_receiver(ok)
    leader, writers = begin(cluster, receiver)
    leader.stall()
    cluster.wait_leader(among=cluster.others(leader))
    writers.wait_count(8)
    assert leader.process.poll() is None
    assert "a write to the log does not end: another is to lead" in leader.log()
    leader.repair()
    settle(cluster, receiver, writers, 1)


def test_leader_whose_store_hangs_gives_way(faulty, new_receiver):
    """What it can no longer apply it can no longer acknowledge."""
    cluster = faulty("/data/store/")
    receiver = new_receiver(ok)
    leader, writers = begin(cluster, receiver)
    leader.stall()
    cluster.wait_leader(among=cluster.others(leader))
    writers.wait_count(8)
    assert "nothing can be applied: another is to lead" in leader.log()
    leader.repair()
    settle(cluster, receiver, writers, 1)


def test_follower_whose_disk_hangs_is_not_missed(faulty, new_receiver):
    cluster = faulty("/data/")
    receiver = new_receiver(ok)
    leader, writers = begin(cluster, receiver)
    term = cluster.told_by(leader)["term"]
    [hanging, _] = cluster.followers()
    hanging.stall()
    writers.wait_count(100)
    hanging.repair()
    settle(cluster, receiver, writers, 0)
    assert cluster.told_by(leader)["term"] == term


@pytest.mark.parametrize(
    "role,target",
    [("leader", "/data/log/"), ("leader", "/data/store/"), ("follower", "/data/log/")],
    ids=["leader-log", "leader-store", "follower-log"],
)
def test_node_whose_disk_fails_ends(faulty, new_receiver, role, target):
    """After a failed sync nothing is known about the disk: the process ends
    with words. With a disk that works it comes back by itself."""
    cluster = faulty(target)
    receiver = new_receiver(ok)
    leader, writers = begin(cluster, receiver)
    victim = leader if role == "leader" else cluster.followers()[0]
    victim.fail()
    assert victim.wait_exit() == 1
    assert re.search("this node cannot go on and stops.*nput/output error", victim.log())
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
    [away, other] = cluster.followers()
    away.kill()
    body = b'{"topic":"orders","attributes":{},"payload":"%s"}' % (b"x" * size)
    for _ in range(int(1.2 * GIB / size)):
        answer = leader.post("/api/messages", body)
        assert answer.status == 201, answer
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
