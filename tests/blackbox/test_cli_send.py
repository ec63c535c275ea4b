"""`postoffice send`: one message or many, and never one twice.

What breaks a connection stands between the command and the node: a proxy that
cuts when it is told to, before or after the node has had the request."""

import json
import socket
import subprocess
import threading
import time

import pytest

from node import BINARY, environment, free_port, run_program, wait_until
from terminal import Terminal, plain


def good(done):
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture
def run(shared):
    return lambda *arguments, **options: run_program(
        "send", *arguments, f"--url={shared.url}", **options
    )


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def published(node, name):
    """How many messages the topic has."""
    return node.get(f"/api/topics/{name}").json()["data"]["messages"]


# ---- One ----


def test_one_message_with_all_flags(run, shared, name):
    shared.topic(name)
    identity = good(
        run("-t", name, "-a", "kind=new", "--attribute=b=c=d", "--key=k", '{"a": 1}')
    ).strip()
    message = shared.message(identity)
    assert message["attributes"] == {"kind": "new", "b": "c=d"}
    assert (message["key"], message["payload"]) == ("k", {"a": 1})
    later = good(run("-t", name, "--schedule-at=2100-01-01T00:00:00Z", "1", "--json"))
    assert shared.message(json.loads(later)["id"])["schedule_at"].startswith("2100")


def test_the_same_key_stores_once(run, shared, name):
    shared.topic(name)
    first = good(run("-t", name, "--idempotency-key", name, "1"))
    assert good(run("-t", name, "--idempotency-key", name, "1")) == first
    other = run("-t", name, "--idempotency-key", name, "2")
    assert other.returncode == 1
    assert "422" in other.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["1"], "--topic"),
        ([], "--topic"),
        (["--key=x", "-"], "--topic"),
        (["--topic=x", "hello"], "not JSON"),
        (["--topic=x", "1,2"], "not JSON"),
        (["--topic=x", "--attribute=x", "1"], "NAME=VALUE"),
        (["--topic=x", "--idempotency-key=a b", "1"], "--idempotency-key"),
        (["--topic=x", "--idempotency-key=", "1"], "--idempotency-key"),
        (["--topic=x", "--resume=file", "1"], "--resume"),
        (["--topic=x", "1", "2"], "'2'"),
    ],
)
def test_wrong_usage_is_named(run, arguments, words):
    done = run(*arguments)
    assert done.returncode == 2, done
    assert words in done.stderr


# ---- Many ----


def test_ids_come_in_the_order_of_the_lines(run, shared, name):
    shared.topic(name)
    ids = good(run("-t", name, "-a", "kind=x", stdin=lines(range(2500)))).split()
    assert len(ids) == 2500
    assert ids == sorted(ids, key=int)
    last = shared.message(ids[-1])
    assert (last["payload"], last["attributes"]) == (2499, {"kind": "x"})


def test_whole_messages(run, shared, name):
    shared.topic(name)
    message = {"topic": name, "payload": [1], "attributes": {"a": "b"}, "key": "k"}
    [identity] = good(run("-", stdin="\n" + lines([message]) + "  \r\n")).split()
    assert shared.message(identity)["key"] == "k"
    answers = good(run("-", "--json", stdin=lines([message, message]))).splitlines()
    assert all(json.loads(answer)["public_id"] for answer in answers)


def test_refused_lines_are_told_and_the_others_stored(run, shared, name):
    shared.topic(name)
    text = '1\n{oops\n3\n4,"topic":"other"\n"' + "x" * (2 << 20) + '"\n6'
    done = run("-t", name, stdin=text)
    assert done.returncode == 1, done
    assert len(done.stdout.split()) == 3
    for line in (2, 4, 5):
        assert f"line {line}:" in done.stderr
    assert "3 stored, 3 refused" in done.stderr
    whole = run("-", stdin=lines([{"topic": "no-such", "payload": 1, "attributes": {}}]))
    assert whole.returncode == 1
    assert "line 1: " in whole.stderr
    assert "topic" in whole.stderr


def test_a_line_without_end_is_bounded(run, shared, name):
    shared.topic(name)
    done = run("-t", name, stdin='"' + "x" * (33 << 20) + "\n7\n")
    assert done.returncode == 1
    assert "line 1: is too long" in done.stderr
    assert len(done.stdout.split()) == 1


def test_smaller_requests_for_a_node_that_takes_less(new_node):
    node = new_node("--max-body-bytes=20000", "--max-message-bytes=10000")
    node.topic()
    done = run_program(
        "send", "-t", "orders", f"--url={node.url}", stdin=lines(["x" * 900] * 200)
    )
    assert len(good(done).split()) == 200
    assert published(node, "orders") == 200


def test_nothing_to_send(run, shared, name):
    shared.topic(name)
    assert good(run("-t", name, stdin="")) == ""


def test_nobody_there_is_told_at_once():
    done = run_program(
        "send", "-t", "x", f"--url=http://127.0.0.1:{free_port()}", stdin="1\n"
    )
    assert done.returncode == 3
    assert "postoffice serve" in done.stderr


def test_a_silent_pipe_holds_nothing_back(shared, name):
    shared.topic(name)
    process = subprocess.Popen(
        [BINARY, "send", "-t", name, f"--url={shared.url}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), bufsize=0,
    )
    for number in range(3):
        process.stdin.write(b"%d\n" % number)
        assert shared.message(int(process.stdout.readline()))["payload"] == number
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


# ---- Broken connections ----


class Proxy:
    """Forwards whole connections, and cuts some of them: `cut` is asked with
    the number of each request and says None, "before" the node has it, or
    "after" the node has answered."""

    def __init__(self, node, cut):
        self.node = node
        self.cut = cut
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    self._forward(client)
                except OSError:
                    pass

    def _forward(self, client):
        """One client at a time: there is only one."""
        stream = client.makefile("rb")
        while True:
            line = stream.readline()
            if not line:
                return
            headers = {}
            while (header := stream.readline().strip()):
                name, value = header.decode().split(":", 1)
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            method, path, _ = line.decode().split()
            self.requests += 1
            verdict = self.cut(self.requests)
            if verdict == "before":
                return
            answer = self.node.request(method, path, body, headers, quiet=True)
            if verdict == "after":
                return
            client.sendall(
                f"HTTP/1.1 {answer.status} X\r\ncontent-type: x\r\n"
                f"content-length: {len(answer.body)}\r\n\r\n".encode()
                + answer.body
            )


@pytest.fixture
def new_proxy():
    made = []

    def make(*arguments):
        made.append(Proxy(*arguments))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def test_what_breaks_is_sent_again_and_stored_once(node, new_proxy):
    node.topic()
    verdicts = {2: "before", 4: "after", 5: "after", 8: "before"}
    proxy = new_proxy(node, verdicts.get)
    done = run_program(
        "send", "-t", "orders", f"--url={proxy.url}", stdin=lines(range(4500))
    )
    ids = good(done).split()
    assert len(ids) == len(set(ids)) == published(node, "orders") == 4500
    assert proxy.requests == 5 + len(verdicts)
    assert "trying on" in done.stderr


def test_one_message_is_sent_again_too(node, new_proxy):
    node.topic()
    proxy = new_proxy(node, {1: "after"}.get)
    assert good(run_program("send", "-t", "orders", f"--url={proxy.url}", "7")) == "1\n"
    assert published(node, "orders") == 1


@pytest.mark.parametrize("verdict", ["before", "after"])
def test_resumes_where_it_was_cut(node, new_proxy, tmp_path, verdict):
    node.topic()
    proxy = new_proxy(node, lambda number: verdict if 3 <= number < 6 else None)
    mark = tmp_path / "mark"
    arguments = ["send", "-t", "orders", f"--url={proxy.url}", f"--resume={mark}"]
    first = run_program(*arguments, "--retry-seconds=0", stdin=lines(range(4500)))
    assert first.returncode == 3, first
    assert "stopped before the end" in first.stderr
    assert len(first.stdout.split()) == 2000
    second = run_program(*arguments, stdin=lines(range(4500)))
    ids = first.stdout.split() + good(second).split()
    assert len(ids) == len(set(ids)) == published(node, "orders") == 4500
    # All is done: nothing more is sent; what has been added is.
    assert good(run_program(*arguments, stdin=lines(range(4500)))) == ""
    assert len(good(run_program(*arguments, stdin=lines(range(4503)))).split()) == 3


def test_refusals_are_remembered(node, tmp_path):
    node.topic()
    arguments = ["send", "-t", "orders", f"--url={node.url}", f"--resume={tmp_path}/mark"]
    for _ in range(2):
        done = run_program(*arguments, stdin="1\nx\n3\n")
        assert done.returncode == 1
        assert "2 stored, 1 refused" in done.stderr


def test_another_input_is_not_taken_for_the_same(node, tmp_path):
    node.topic()
    mark = f"--resume={tmp_path}/mark"
    good(run_program("send", "-t", "orders", f"--url={node.url}", mark, stdin=lines(range(5))))
    for topic, text in (("orders", lines(range(1, 9))), ("other", lines(range(5))),
                        ("orders", lines(range(3)))):
        done = run_program("send", "-t", topic, f"--url={node.url}", mark, stdin=text)
        assert done.returncode == 1, done
        assert "another input" in done.stderr
    assert published(node, "orders") == 5


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1}', "\0\xff"])
def test_a_file_of_something_else_is_left_alone(shared, tmp_path, text):
    mark = tmp_path / "mark"
    mark.write_text(text)
    done = run_program("send", "-t", "x", f"--url={shared.url}", f"--resume={mark}", stdin="1")
    assert done.returncode == 1
    assert "mark" in done.stderr
    assert mark.read_text() == text


def test_a_mark_that_cannot_be_written_stops_before_anything_is_sent(node, tmp_path):
    node.topic()
    mark = tmp_path / "no" / "mark"
    done = run_program(
        "send", "-t", "orders", f"--url={node.url}", f"--resume={mark}", stdin="1\n"
    )
    assert done.returncode == 1
    assert str(mark) in done.stderr
    assert published(node, "orders") == 0


def test_killed_at_any_time_and_resumed(node, tmp_path, seed):
    """kill -9 of the command, again and again, from a file."""
    node.topic()
    data = tmp_path / "input"
    data.write_text(lines(range(30_000)))
    command = [
        BINARY, "send", "-t", "orders", f"--url={node.url}", f"--resume={tmp_path}/mark",
    ]
    for _ in range(6):
        wanted = published(node, "orders") + seed.randrange(1, 3000)
        with open(data, "rb") as source:
            process = subprocess.Popen(
                command, stdin=source, stdout=subprocess.DEVNULL, env=environment()
            )
        wait_until(
            lambda: process.poll() is not None or published(node, "orders") >= wanted,
            "some are sent",
        )
        process.kill()
        process.wait(60)
    good(run_program(*command[1:], stdin=data.read_text()))
    assert published(node, "orders") == 30_000


def test_killed_before_the_answer_and_resumed_from_a_slow_pipe(node, new_proxy, tmp_path):
    """The same lines have the same keys only in a request that is as long."""
    node.topic()
    proxy = new_proxy(node, lambda number: "after")
    command = [BINARY, "send", "-t", "orders", f"--resume={tmp_path}/mark"]

    def start(url):
        return subprocess.Popen(
            [*command, f"--url={url}"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            env=environment(), text=True,
        )

    with start(proxy.url) as process:
        process.stdin.write(lines(range(900)))
        process.stdin.flush()
        wait_until(lambda: published(node, "orders") == 900, "they are stored")
        process.kill()
    with start(node.url) as process:
        process.stdin.write(lines(range(300)))
        process.stdin.flush()
        time.sleep(0.3)
        process.communicate(lines(range(300, 2000)), timeout=60)
    assert process.returncode == 0
    assert published(node, "orders") == 2000


def test_a_node_that_is_killed_meanwhile(node, tmp_path):
    node.topic()
    data = tmp_path / "input"
    data.write_text(lines(range(40_000)))
    with open(data, "rb") as source:
        process = subprocess.Popen(
            [BINARY, "send", "-t", "orders", f"--url={node.url}"],
            stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(), text=True,
        )
    wait_until(lambda: published(node, "orders") > 0, "some are sent")
    node.kill()
    node.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(set(out.split())) == published(node, "orders") == 40_000


# ---- On a terminal ----


def test_progress_on_a_terminal(shared, name, tmp_path):
    shared.topic(name)
    data = tmp_path / "input"
    data.write_text(lines(range(50_000)) + "x\n")
    with open(data, "rb") as source:
        terminal = Terminal("send", "-t", name, f"--url={shared.url}", stdin=source)
    assert terminal.end() == 1
    text = terminal.text()
    assert "/s, " in text and " %" in text and "\r" in text
    last = plain(text.replace("\x1b[K", "").split("\r")[-1]).splitlines()
    assert last[-1].startswith("50000 stored, 1 refused, ")
    assert "\n1\n" not in text  # Ids would drown it.
