"""The command line's look at messages: search, message, explain, tail, replay,
cluster, and what is not built yet."""

import json

import pytest

from node import free_port, run_program
from receiver import fail, ok
from terminal import Terminal, assert_harmless, columns_of, plain, run_on_terminal


def run_at(node):
    return lambda *arguments, **options: run_program(
        *arguments, f"--url={node.url}", **options
    )


def good(done):
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture
def dead(node, new_receiver):
    """A node with three dead messages of one publisher."""
    receiver = new_receiver(fail(400))
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=1)
    for number in range(3):
        node.publish({"n": number}, attributes={"kind": f"k{number}"})
    for number in range(1, 4):
        node.wait_state(number, "dead")
    return node, publisher["id"], receiver


def ids(text):
    """The first column of a table."""
    return [int(line.split()[0]) for line in text.splitlines()[1:]]


# ---- search ----


def test_search_by_flags(dead):
    node, publisher, _ = dead
    run = run_at(node)
    node.topic("other")
    node.publish("elsewhere", topic="other")
    assert ids(good(run("search"))) == [4, 3, 2, 1]
    assert ids(good(run("search", "-t", "orders", "--limit=2"))) == [3, 2]
    assert ids(good(run("search", "-p", publisher, "--state=dead"))) == [3, 2, 1]
    assert ids(good(run("search", "--topic=other", "--consistency=local"))) == [4]
    nothing = run("search", "--publisher", publisher, "--state=delivered")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "no message" in nothing.stderr


def test_search_follows_pages(node):
    node.topic()
    for _ in range(3):
        node.publish_many(range(700))
    run = run_at(node)
    assert ids(good(run("search", "--topic=orders", "--all"))) == list(range(2100, 0, -1))
    pages = good(run("search", "--topic=orders", "--all", "--json")).splitlines()
    found = [message["id"] for page in pages for message in json.loads(page)["data"]]
    assert found == list(range(2100, 0, -1))
    assert len(ids(good(run("search", "--limit=1500")))) == 1500


def test_search_hands_on_every_filter(shared, name):
    """What the node refuses it names: each flag has reached it."""
    shared.topic(name)
    for flag in (
        "--received-from", "--received-to", "--processed-from", "--processed-to",
    ):
        done = run_at(shared)("search", f"--topic={name}", flag, "never & ever")
        assert done.returncode == 1, done
        assert flag[2:].replace("-", "_") in done.stderr or "501" in done.stderr, done


# ---- message, explain ----


def test_message_shows_all_that_is_known(dead):
    node, publisher, _ = dead
    run = run_at(node)
    shown = good(run("message", "show", 1))
    for word in ("orders", "kind", "k0", '{"n": 0}', "dead", "http_4xx", "400"):
        assert word in shown, shown
    assert node.message(1)["deliveries"][0]["explanation"]["text"] in shown
    assert json.loads(good(run("message", "show", 1, "--json"))) == {"data": node.message(1)}
    public_id = node.message(1)["public_id"]
    assert good(run("message", "show", public_id)) == shown
    missing = run("message", "show", 99)
    assert missing.returncode == 1
    assert "postoffice search" in missing.stderr


def test_a_payload_is_shown_as_it_was_published(node):
    """Also one that JSON libraries refuse."""
    node.topic()
    node.post("/api/messages", '{"topic":"orders","attributes":{},"payload":{"a":  1e400}}')
    assert '{"a":  1e400}' in good(run_at(node)("message", "show", 1))


def test_retry_and_discard(dead):
    node, publisher, receiver = dead
    run = run_at(node)
    receiver.behaviour = ok
    good(run("message", "retry", 1, "--publisher", publisher))
    node.wait_state(1, "delivered")
    assert "discarded" in good(run("message", "discard", 2))
    assert node.message(2)["state"] == "discarded"
    again = run("message", "retry", 1)
    assert again.returncode == 1
    assert "409" in again.stderr


def test_explain(dead):
    node, publisher, _ = dead
    run = run_at(node)
    told = good(run("explain", 1, "--publisher", publisher))
    answer = json.loads(good(run("explain", 1, "-p", publisher, "--json")))["data"]
    assert told.splitlines()[0] == answer["text"]
    assert run("explain", 1, "-p", 99).returncode == 1


# ---- tail ----


def test_tail_follows_over_a_restart(node):
    node.topic()
    node.topic("other")
    node.publish_many(range(20))
    tail = Terminal(
        "tail", "--topic=orders", "--last=3", "--count=6", f"--url={node.url}", columns=60
    )
    tail.wait_for(lambda text: "\n20 " in text, "the last one")
    node.publish("elsewhere", topic="other")
    node.publish({"n": "\x1b[2J"})
    tail.wait_for(lambda text: "\n22 " in text, "what was published")
    node.kill()
    tail.wait_for(lambda text: "does not answer" in text, "a word about it")
    node.start()
    node.publish_many(range(2))
    assert tail.end() == 0
    text = plain(tail.text())
    rows = [line for line in text.splitlines() if line[:1].isdigit()]
    assert [int(row.split()[0]) for row in rows] == [18, 19, 20, 22, 23, 24]
    assert_harmless(text)
    assert all(columns_of(row) <= 60 for row in rows)


def test_tail_as_json(node):
    node.topic()
    node.publish_many(range(5))
    done = run_at(node)("tail", "--topic=orders", "--count=2", "--last=2", "--json")
    assert [json.loads(line)["id"] for line in good(done).splitlines()] == [4, 5]


def test_tail_of_nothing_there():
    done = run_program("tail", f"--url=http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "postoffice serve" in done.stderr


# ---- replay ----


def test_replay_from_dry_run_to_the_end(dead):
    node, publisher, receiver = dead
    run = run_at(node)
    receiver.behaviour = ok
    dry = good(run("replay", "start", publisher, "--dry-run", "--from=2", "--state=dead"))
    assert "2 messages would be sent again" in dry
    assert len(receiver.arrived()) == 3
    started = json.loads(good(run("replay", "start", publisher, "--from=2", "--json")))["data"]
    ended = good(run("replay", "watch", started["id"]))
    assert "done" in ended
    assert good(run("replay", "show", started["id"])) == ended
    assert sorted(r.message_id for r in receiver.arrived()) == [1, 2, 2, 3, 3]


def test_replay_is_cancelled(dead):
    node, publisher, receiver = dead
    run = run_at(node)
    started = json.loads(good(run("replay", "start", publisher, "--json")))["data"]
    assert json.loads(good(run("replay", "cancel", started["id"], "--json")))
    assert run("replay", "show", 99).returncode == 1
    bad = run("replay", "start", publisher, "--from=yesterday")
    assert bad.returncode == 1
    assert "from" in bad.stderr


# ---- cluster ----


def test_cluster_members_and_transfer(cluster):
    run = run_at(cluster.nodes[0])
    assert len(ids(good(run("cluster", "members")))) == 3
    leader = json.loads(good(run("cluster", "members", "--json")))["data"]["leader"]
    other = leader % 3 + 1
    good(run("cluster", "transfer", other))
    for verb in (["add", "http://127.0.0.1:1"], ["remove", "3"]):
        done = run("cluster", *verb)
        assert done.returncode == 1
        assert "501" in done.stderr


# ---- Not built yet ----


@pytest.mark.parametrize(
    "arguments",
    [
        ["backup", "file"],
        ["restore", "file", "--data-dir=x"],
        ["check", "--data-dir=x"],
        ["recover", "--force-new-cluster", "--data-dir=x"],
    ],
)
def test_what_is_not_built_says_so(arguments):
    done = run_program(*arguments)
    assert done.returncode == 1
    assert "not built yet" in done.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["search", "--state=odd"], "--state"),
        (["search", "--attribute=x"], "NAME=VALUE"),
        (["tail", "--count=x"], "--count"),
        (["explain", "1"], "--publisher"),
        (["explain"], "MESSAGE"),
        (["message", "show"], "ID"),
        (["replay", "start"], "PUBLISHER"),
        (["cluster", "transfer", "one"], "'one'"),
        (["restore", "file"], "--data-dir"),
        (["recover", "--data-dir=x"], "--force-new-cluster"),
        (["version", "1"], "unexpected argument"),
    ],
)
def test_wrong_usage_is_named(arguments, words):
    done = run_program(*arguments)
    assert done.returncode == 2, done
    assert words in done.stderr


@pytest.mark.parametrize("columns", [40, 80])
def test_messages_fit_the_terminal(dead, columns):
    node, publisher, _ = dead
    node.publish("\u4e16\u754c" * 100)
    for arguments in (
        ["search"], ["message", "show", "1"], ["explain", "1", "-p", str(publisher)],
        ["replay", "start", str(publisher), "--dry-run"],
    ):
        code, text = run_on_terminal(*arguments, f"--url={node.url}", columns=columns)
        assert code == 0, text
        assert_harmless(text)
        for line in text.splitlines():
            assert columns_of(line) <= columns or line[0] in "({", line
