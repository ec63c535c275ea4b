"""The data directory: locked, full, damaged."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from load import Writers
from node import Node, wait_until
from receiver import ok

MIB = 1 << 20


def test_second_process_is_refused(node, new_node):
    second = new_node(start=False, directory=node.directory)
    second.start(wait=False)
    code = second.wait_exit()
    assert code == 1, f"exit {code}"
    assert str(node.directory) in second.log()
    assert re.search("another process|in use|locked", second.log())
    assert node.get("/readyz").status == 200


def test_port_in_use_is_named(node, new_node):
    second = new_node(start=False)
    second.port = node.port
    second.start(wait=False)
    assert second.wait_exit() == 1
    assert str(node.port) in second.log()


def test_unusable_directory_is_named(new_node, tmp_path):
    blocking = tmp_path / "file"
    blocking.write_text("no directory")
    node = new_node(start=False, directory=blocking / "data")
    node.start(wait=False)
    assert node.wait_exit() == 1
    assert str(blocking) in node.log()


# ---- Full ----


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 MiB. Name it before the node that lives on it, so
    that the node has ended when it is unmounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "postoffice-test", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(node, payload_bytes=100_000):
    """Publishes until refused; returns the ids taken and the refusal."""
    taken = []
    payload = "x" * payload_bytes
    for _ in range(20_000):
        body = {"topic": "orders", "payload": payload, "attributes": {}}
        answer = node.post("/api/messages", body)
        if answer.status != 201:
            return taken, answer
        taken.append(answer.json()["id"])
    raise AssertionError("the disk was never full")


def test_full_disk_refuses_and_goes_on(small_disk, new_node, receiver):
    """Publishing gets 507, deliveries go on, and with room it goes on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (80 * MIB))
    # More than the log takes in while the store's next commit is on its way.
    node = new_node(f"--min-free-bytes={80 * MIB}", directory=small_disk / "data")
    node.topic()
    receiver.down()
    publisher = node.publisher(receiver.url)
    taken, refusal = fill(node)
    assert refusal.status == 507, refusal
    assert refusal.headers["content-type"].startswith("application/problem+json")
    assert len(taken) > 10
    assert node.get("/readyz/write").status == 503
    assert node.get("/livez").status == 200
    # Full is no reason to stop delivering.
    receiver.up()
    receiver.wait_messages(taken)
    node.wait_backlog(publisher["id"])
    ballast.unlink()
    wait_until(
        lambda: node.post(
            "/api/messages", {"topic": "orders", "payload": 1, "attributes": {}}
        ).status
        == 201,
        "publishing works again",
    )
    assert node.stop() == 0
    node.start()
    for identity in taken[:: max(1, len(taken) // 50)]:
        assert node.message(identity)["state"] == "delivered"


def test_disk_without_reserve_never_breaks_a_promise(small_disk, new_node, receiver):
    """With no watermark at all the disk itself says no: a clear refusal or a
    clear end, and after room is made every promise is there."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (150 * MIB))
    node = new_node("--min-free-bytes=0", directory=small_disk / "data")
    node.topic()
    node.publisher(receiver.url)
    writers = Writers(node, 4)
    body = '"' + "x" * 50_000 + '"'
    writers._publish_plain = writers._publish
    writers._publish = lambda connection, payload: writers._publish_plain(
        connection, '{"promise":%s,"padding":%s}' % (payload, body)
    )
    writers.start()
    wait_until(
        lambda: any(status == 507 for status, _ in writers.refused)
        or node.process.poll() is not None,
        "the disk is full",
    )
    writers.stop()
    assert {status for status, _ in writers.refused} <= {429, 503, 504, 507}
    if node.process.poll() is not None:
        code = node.wait_exit()
        assert code > 0, f"a crash by signal {-code} is no answer to a full disk"
        assert re.search("space", node.log())
    else:
        node.kill()
    ballast.unlink()
    node.start()
    receiver.wait_messages(writers.promised)
    for identity in sorted(writers.promised)[::20]:
        assert node.get(f"/api/messages/{identity}").status == 200


# ---- Damaged ----

MARKER = "MARKER-0123456789abcdef"


def damage(directory, kind):
    """Flips a bit inside each copy of MARKER in the files of the log or the
    store (pages that LMDB has given up may hold older copies); returns a file
    that was damaged."""
    damaged = None
    for path in sorted(Path(directory).rglob("*")):
        if not path.is_file() or ("mdb" in path.name) != (kind == "store"):
            continue
        content = path.read_bytes()
        with open(path, "r+b") as file:
            for match in re.finditer(MARKER.encode(), content):
                at = match.start() + 5
                file.seek(at)
                file.write(bytes([content[at] ^ 0x01]))
                damaged = path
            file.flush()
            os.fsync(file.fileno())
    assert damaged, f"no file of the {kind} holds the marker"
    return damaged


def with_messages(node):
    node.topic()
    first = node.publish(MARKER)["id"]
    for number in range(20):
        node.publish_many([f"later {number}"] * 100)
    return first


def start_damaged(node):
    """Starts it; returns (exit code or None when it got ready)."""
    node.start(wait=False)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if node.process.poll() is not None:
            return node.wait_exit()
        try:
            if node.request("GET", "/readyz").status == 200:
                return None
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("neither ready nor ended")


def test_flipped_bit_in_the_log_is_named(node):
    with_messages(node)
    node.kill()
    path = damage(node.directory, "log")
    code = start_damaged(node)
    assert code is not None, "it started on a damaged log"
    assert code > 0, f"a crash by signal {-code}"
    assert path.name in node.log()
    assert re.search("corrupt|checksum|damaged", node.log())


def test_flipped_bit_in_the_store_never_becomes_an_answer(node):
    first = with_messages(node)
    assert node.stop() == 0
    damage(node.directory, "store")
    code = start_damaged(node)
    if code is None:
        answer = node.get(f"/api/messages/{first}")
        assert answer.status in (500, 503), answer
        wait_until(
            lambda: re.search("corrupt|checksum|damaged", node.log()),
            "the damage is in the log",
        )
        node.kill()
    else:
        assert code > 0, f"a crash by signal {-code}"
        assert re.search("corrupt|checksum|damaged", node.log())


def test_missing_log_is_named(node):
    """A store without the log that it came from may have lost what was
    acknowledged: never started short."""
    with_messages(node)
    assert node.stop() == 0
    victims = [
        path
        for path in Path(node.directory).rglob("*")
        if path.is_file() and path.stat().st_size >= MIB and "mdb" not in path.name
    ]
    assert victims, "no log segments found"
    for path in victims:
        path.unlink()
    code = start_damaged(node)
    assert code is not None, "it started without its log"
    assert code > 0, f"a crash by signal {-code}"


def test_torn_tail_is_cut(node, seed):
    """Rubbish behind the last record, as a write cut by power loss leaves it,
    costs nothing that was promised."""
    node.topic()
    ids = node.publish_many(range(50))
    node.kill()
    segments = [
        path
        for path in Path(node.directory).rglob("*")
        if path.is_file() and path.stat().st_size >= MIB and "mdb" not in path.name
    ]
    for path in segments:
        content = path.read_bytes()
        used = len(content.rstrip(b"\0"))
        # Only the segment in use: others hold a header at most.
        if used > 8192:
            start = (used + 4095) // 4096 * 4096
            with open(path, "r+b") as file:
                file.seek(start)
                file.write(seed.randbytes(4096))
    node.start()
    for identity in ids:
        assert node.message(identity)["topic"] == "orders"
