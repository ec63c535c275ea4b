"""kill -9 at any moment, and its opposite: an orderly end."""

import signal
import time

import pytest

from load import Writers
from node import SANITIZED, wait_until
from receiver import hang, ok, slow

KILLS = 4 if SANITIZED else 8
IN_FLIGHT = 8


def assert_kept(node, receivers, promised):
    """Each promise can be read, with its payload, and was delivered."""
    for receiver in receivers:
        receiver.wait_messages(promised)
    # Asking for each is slow; all are checked by payload at the receivers,
    # a spread of them by GET as well.
    step = max(1, len(promised) // 300)
    for identity in sorted(promised)[::step]:
        assert node.get(f"/api/messages/{identity}").status == 200
    for receiver in receivers:
        for request in receiver.arrived():
            expected = promised.get(request.message_id)
            assert expected is None or request.body == expected.encode()


def assert_only_marked_duplicates(receiver, kills):
    seen = set()
    marked = 0
    for request in receiver.arrived():
        marked += request.marked
        again = request.message_id in seen
        assert request.marked or not again, (
            f"message {request.message_id} came again without a mark "
            f"(attempt {request.attempt})"
        )
        seen.add(request.message_id)
    assert marked <= kills * IN_FLIGHT


def test_kill_at_random_moments_loses_nothing(node, new_receiver, seed):
    node.topic()
    receivers = [new_receiver(ok), new_receiver(slow(0.005))]
    publishers = [
        node.publisher(receiver.url, max_in_flight=IN_FLIGHT) for receiver in receivers
    ]
    writers = Writers(node, 4).start()
    for _ in range(KILLS):
        time.sleep(seed.uniform(0.05, 0.9))
        node.kill()
        node.start()
    time.sleep(0.3)
    writers.stop()
    assert len(writers.promised) > KILLS, "the writers hardly wrote"
    assert_kept(node, receivers, writers.promised)
    for publisher in publishers:
        node.wait_backlog(publisher["id"])
    for receiver in receivers:
        assert_only_marked_duplicates(receiver, KILLS)


def test_kill_right_after_the_answer(node, seed):
    """Nothing is between the promise and the crash."""
    node.topic()
    promised = {}
    for number in range(10 if SANITIZED else 20):
        for extra in range(seed.randrange(4)):
            payload = {"number": number, "extra": extra}
            promised[node.publish(payload)["id"]] = payload
        payload = {"number": number}
        promised[node.publish(payload)["id"]] = payload
        node.kill()
        node.start()
    for identity, payload in promised.items():
        assert node.message(identity)["payload"] == payload


def test_what_was_open_goes_again_marked(node, receiver):
    """Requests without an answer at the crash are in doubt: sent again with
    the same webhook-id, marked; what was not sent is not marked."""
    receiver.behaviour = hang
    node.topic()
    publisher = node.publisher(receiver.url, max_in_flight=4)
    ids = node.publish_many(range(10))
    in_doubt = {request.message_id for request in receiver.wait_requests(4)}
    node.kill()
    receiver.behaviour = ok
    receiver.release()
    node.start()
    node.wait_backlog(publisher["id"])
    again = receiver.arrived()[4:]
    assert sorted(request.message_id for request in again) == ids
    assert {request.message_id for request in again if request.marked} == in_doubt
    for request in again:
        assert request.attempt == (2 if request.marked else 1)
    delivery = node.message(min(in_doubt))["deliveries"][0]
    assert delivery["maybe_duplicate"] is True


def test_restart_while_the_backlog_waits(node, receiver):
    receiver.down()
    node.topic()
    publisher = node.publisher(receiver.url)
    ids = node.publish_many(range(300))
    node.kill()
    node.start()
    assert node.publisher_state(publisher["id"])["backlog"] == 300
    receiver.up()
    receiver.wait_messages(ids)
    node.wait_backlog(publisher["id"])


def test_ready_soon_after_a_crash(node):
    """Within 5 s, contract 6.8; the bound here only catches the absurd."""
    node.topic()
    for _ in range(5):
        node.publish_many(["x" * 1000] * 3000)
    node.kill()
    began = time.monotonic()
    node.start()
    assert SANITIZED or time.monotonic() - began < 5


# ---- An orderly end ----


def test_sigterm_drains_without_duplicates(node, receiver):
    receiver.behaviour = slow(0.1)
    node.topic()
    publisher = node.publisher(receiver.url, max_in_flight=IN_FLIGHT)
    ids = node.publish_many(range(100))
    for _ in range(3):
        so_far = len(receiver.arrived())
        receiver.wait_requests(so_far + 5)
        assert node.stop() == 0
        node.start()
    receiver.behaviour = ok
    receiver.wait_messages(ids)
    node.wait_backlog(publisher["id"])
    assert set(receiver.counts().values()) == {1}
    assert not any(request.marked for request in receiver.arrived())


def test_sigterm_under_load_keeps_every_promise(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    writers = Writers(node, 4).start()
    for _ in range(3):
        time.sleep(0.4)
        assert node.stop() == 0
        node.start()
    time.sleep(0.2)
    writers.stop()
    receiver.wait_messages(writers.promised)
    node.wait_backlog(publisher["id"])
    assert set(receiver.counts().values()) == {1}
    assert not any(request.marked for request in receiver.arrived())


def test_what_outlives_the_drain_is_marked(node, receiver):
    receiver.behaviour = hang
    node.topic()
    publisher = node.publisher(receiver.url, seconds_timeout=3600, max_in_flight=2)
    node.publish_many(range(5))
    first = receiver.wait_requests(2)
    assert node.stop() == 0
    receiver.behaviour = ok
    receiver.release()
    node.start()
    node.wait_backlog(publisher["id"])
    again = receiver.arrived()[2:]
    assert {request.message_id for request in again if request.marked} == {
        request.message_id for request in first
    }
    assert len(again) == 5


def test_second_signal_ends_at_once(new_node, receiver):
    receiver.behaviour = hang
    node = new_node("--drain-seconds=600")
    node.topic()
    node.publisher(receiver.url, seconds_timeout=3600)
    node.publish(1)
    receiver.wait_requests(1)
    node.terminate()
    wait_until(lambda: "stopping" in node.log(), "the end is announced")
    node.terminate()
    assert node.wait_exit(timeout=10) >= 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_node_ends_with_zero(node, number):
    node.process.send_signal(number)
    assert node.wait_exit() == 0
