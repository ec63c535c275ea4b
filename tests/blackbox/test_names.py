"""Targets with names: looked up once for all who wait, kept for a while, and
nobody is held up by the names of others."""

from pathlib import Path

import pytest

from name_server import NameServer, why_not
from node import free_port, wait_until
from receiver import ok

HANGING = 200


@pytest.fixture(scope="module", autouse=True)
def allowed():
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no mount namespace here: {reason}")


@pytest.fixture
def server():
    made = NameServer()
    yield made
    made.close()


@pytest.fixture
def node(server, request):
    made = server.make()
    request.addfinalizer(made.remove)
    try:
        yield made.start()
    finally:
        made.close()


def threads_of(node):
    return len(list(Path(f"/proc/{node.process.pid}/task").iterdir()))


def test_names_that_hang_hold_up_nobody(node, server, new_receiver):
    """Hundreds of names are asked for in vain, without a thread for each; one
    that is known, one that is not, and a literal are served meanwhile."""
    server.addresses = {"known.test": ["127.0.0.1"], "new.test": ["127.0.0.1"]}
    receivers = {host: new_receiver(ok) for host in ("known.test", "new.test", "127.0.0.1")}
    node.topic("bad")
    for number in range(HANGING):
        node.publisher(f"http://hang{number}.test/", "bad", seconds_timeout=60)
    before = threads_of(node)
    publishers = {}
    for host, receiver in receivers.items():
        node.topic(host)
        publishers[host] = node.publisher(f"http://{host}:{receiver.port}/", host)["id"]
    node.publish(1, "known.test")
    node.wait_backlog(publishers["known.test"])

    node.publish(1, "bad")
    wait_until(
        lambda: len({n for n in server.asked if n.startswith("hang")}) == HANGING,
        "all are asked for",
    )
    assert threads_of(node) <= before + 4
    for host, receiver in receivers.items():
        message = node.publish(2, host)["id"]
        receiver.wait_messages([message])
        node.wait_backlog(publishers[host])
        assert node.publisher_state(publishers[host])["last_error"] is None


def test_one_look_up_for_all_who_wait(node, server, new_receiver):
    server.addresses["one.test"] = ["127.0.0.1"]
    server.ttl = 60
    receiver = new_receiver(ok)
    node.topic()
    publisher = node.publisher(f"http://one.test:{receiver.port}/", max_in_flight=16)["id"]
    node.publish_many(range(100))
    node.wait_backlog(publisher)
    assert server.asked.count("one.test") == 2  # An A and an AAAA.


def test_an_outage_of_the_name_server_is_none_of_ours(node, server, new_receiver):
    """What was known once serves on while no server answers."""
    server.addresses["one.test"] = ["127.0.0.1"]
    receiver = new_receiver(ok)
    node.topic()
    publisher = node.publisher(f"http://one.test:{receiver.port}/")["id"]
    node.publish(1)
    node.wait_backlog(publisher)
    server.silent = True
    asked = len(server.asked)
    number = 0

    def asked_in_vain():
        nonlocal number
        number += 1
        node.publish(number)
        node.wait_backlog(publisher)
        return len(server.asked) > asked

    wait_until(asked_in_vain, "its time is over and the server was asked")
    node.publish("still")
    node.wait_backlog(publisher)
    assert node.publisher_state(publisher)["last_error"] is None


def test_a_target_that_moves_is_found(node, server, new_receiver):
    old = new_receiver(ok, host="127.0.0.1")
    new = new_receiver(ok, host="127.0.0.2")
    new.down()
    new.port = old.port
    new.up()
    server.addresses["one.test"] = ["127.0.0.1"]
    node.topic()
    publisher = node.publisher(f"http://one.test:{old.port}/")["id"]
    node.publish(1)
    node.wait_backlog(publisher)
    server.addresses["one.test"] = ["127.0.0.2"]
    old.down()

    def arrives():
        node.publish(2)
        return new.arrived()

    wait_until(arrives, "its new address is used")


def test_second_address_is_tried(node, server, receiver):
    server.addresses["two.test"] = ["127.0.0.3", "127.0.0.1"]
    node.topic()
    publisher = node.publisher(f"http://two.test:{receiver.port}/")["id"]
    node.publish(1)
    node.wait_backlog(publisher)
    assert node.publisher_state(publisher)["last_error"] is None


@pytest.mark.parametrize(
    ("host", "cause", "words"),
    [
        ("none.test", "dns", "none.test"),
        ("empty.test", "dns", "empty.test"),
        ("hang.test", "dns", "no name server answered"),
        ("metadata.test", "policy", "cloud metadata"),
        ("own.test", "policy", "a port of the cluster itself"),
    ],
)
def test_what_becomes_of(node, server, host, cause, words):
    server.addresses.update(
        {"empty.test": [], "metadata.test": ["169.254.169.254"], "own.test": ["127.0.0.1"]}
    )
    node.topic()
    port = node.port if host == "own.test" else 80
    publisher = node.publisher(f"http://{host}:{port}/", seconds_timeout=1)["id"]
    message = node.publish(1)["id"]
    error = wait_until(
        lambda: node.publisher_state(publisher)["last_error"], "it fails"
    )
    assert error["class"] == cause and error["status"] is None
    assert words in error["text"]
    [delivery] = node.message(message)["deliveries"]
    assert delivery["history"][0]["class"] == cause


def test_members_by_other_names_are_no_targets(server, request):
    """A name that leads to where a member listens, which is known to the
    cluster by yet another name."""
    ports = {"member.test": free_port(), "api.test": free_port()}
    server.addresses |= {name: ["127.0.0.9"] for name in (*ports, "sneaky.test")}
    node = server.make(
        f"--raft-advertise=member.test:{ports['member.test']}",
        f"--advertise-url=http://api.test:{ports['api.test']}",
    )
    request.addfinalizer(node.remove)
    request.addfinalizer(node.close)
    node.start()
    node.topic()

    def tried(port):
        target = f"http://sneaky.test:{port}/"
        if target not in publishers:
            publishers[target] = node.publisher(target, active=False)["id"]
        return node.post(f"/api/publishers/{publishers[target]}/test").json()["data"]["test"]

    publishers = {}
    for port in ports.values():
        told = wait_until(
            lambda: (t := tried(port))["class"] == "policy" and t, "it is refused"
        )
        assert "a port of the cluster itself" in told["response"]
    assert tried(free_port())["class"] == "connect"
    server.addresses["member.test"] = ["127.0.0.10"]
    wait_until(
        lambda: tried(ports["member.test"])["class"] == "connect", "the member has moved"
    )
