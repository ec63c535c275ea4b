"""Every way in which a delivery fails: the log, the metrics, `explain`, the
message's history and the publisher's state all name the same cause."""

import gzip
import re
import socket
import time

import pytest

from certificates import Authority
from node import free_port, run_program, wait_until
from raw_receiver import RawReceiver, answers, read_request
from receiver import Reply
from test_metrics import scrape

HEAD = b"HTTP/1.1 200 OK\r\n"


def status(code, *headers, body=b""):
    """Answers with this status and closes."""
    lines = [b"HTTP/1.1 %d Said So" % code, b"content-length: %d" % len(body), *headers]
    return answers(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def silent(connection, _number):
    """Takes the request, and never answers."""
    while connection.recv(65536):
        pass


def dripping(connection, _number):
    """Answers at once, with a body that has no end in time."""
    connection.recv(65536)
    connection.sendall(HEAD + b"content-length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def endless_headers(connection, _number):
    connection.recv(65536)
    connection.sendall(HEAD)
    while True:
        connection.sendall(b"x-%s: y\r\n" % (b"z" * 1000))


def endless_body(code):
    def serve(connection, _number):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %d Said So\r\n\r\n" % code)
        while True:
            connection.sendall(b"x" * 65536)

    return serve


def gzip_bomb(connection, _number):
    """A gigabyte in a megabyte. Nobody is to unpack it."""
    bomb = gzip.compress(bytes(1 << 24)) * 64
    connection.recv(65536)
    connection.sendall(
        b"HTTP/1.1 500 Said So\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
        % len(bomb)
        + bomb
    )


def cut_in_the_middle(connection, _number):
    """Closes while the request is still being sent."""
    connection.recv(10)


def reset_behind_the_request(connection, _number):
    with connection.makefile("rb") as stream:
        read_request(stream)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def no_tls(connection, _number):
    """Plain text where a handshake is due."""
    connection.recv(10)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def mute(connection, _number):
    """Never takes part in the handshake."""
    silent(connection, _number)


class Case:
    def __init__(self, name, serve, *, cause, code=None, words="", **more):
        self.name = name
        self.serve = serve
        self.cause = cause
        self.code = code
        self.words = words
        self.server_name = more.pop("server_name", None)
        self.expired = more.pop("expired", False)
        self.stranger = more.pop("stranger", False)
        self.scheme = more.pop("scheme", None)
        self.options = more


CASES = [
    Case("refuses", None, cause="connect", words="onnect"),
    Case("silent", silent, cause="timeout", words="timed out", seconds_timeout=1),
    Case("slow body", dripping, cause="timeout", words="timed out", seconds_timeout=1),
    Case("300", status(300), cause="http_3xx", code=300),
    Case("redirect", status(302, b"location: http://localhost/"), cause="http_3xx", code=302),
    Case("400", status(400, body=b"no such order"), cause="http_4xx", code=400,
         words="no such order"),
    Case("404", status(404), cause="http_4xx", code=404),
    Case("429", status(429), cause="http_4xx", code=429),
    Case("500", status(500), cause="http_5xx", code=500),
    Case("503", status(503), cause="http_5xx", code=503),
    Case("gzip bomb", gzip_bomb, cause="http_5xx", code=500),
    Case("endless body", endless_body(500), cause="http_5xx", code=500, words="xxx"),
    Case("endless headers", endless_headers, cause="protocol", words="64 KiB"),
    Case("long head", answers(HEAD + b"x-a: " + b"y" * 200_000), cause="protocol"),
    Case("too short", answers(HEAD + b"content-length: 100\r\n\r\nshort"), cause="protocol"),
    Case("negative length", answers(HEAD + b"content-length: -5\r\n\r\n"), cause="protocol"),
    Case("no number", answers(HEAD + b"content-length: many\r\n\r\n"), cause="protocol"),
    Case("bad chunk", answers(HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\n"),
         cause="protocol"),
    Case("garbage", answers(b"\0\1\2\3 no HTTP at all\r\n\r\n"), cause="protocol"),
    Case("ssh", answers(b"SSH-2.0-OpenSSH_9.2\r\n"), cause="protocol"),
    Case("h2c alone", answers(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"), cause="protocol"),
    Case("no answer", answers(b""), cause="protocol"),
    Case("cut", cut_in_the_middle, cause="protocol"),
    Case("reset", reset_behind_the_request, cause="protocol"),
    Case("unknown authority", status(200), cause="tls", words="certificate",
         server_name="localhost", stranger=True),
    Case("expired", status(200), cause="tls", words="expired",
         server_name="localhost", expired=True),
    Case("other name", status(200), cause="tls", words="name",
         server_name="elsewhere.test"),
    Case("no TLS", no_tls, cause="tls", scheme="https"),
    Case("mute TLS", mute, cause="connect", scheme="https", seconds_timeout=1),
]  # fmt: skip


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


def log_lines(node, publisher):
    return [line for line in node.log().splitlines()
            if "deliveries fail" in line and re.search(rf"publisher={publisher}\b", line)]


def wait_open(node, publisher):
    return wait_until(
        lambda: (s := node.publisher_state(publisher))["state"] == "circuit_open" and s,
        "the circuit is open",
    )


def classes(node, publisher, topic):
    """{class: attempts} of the metrics, without those that are 0."""
    pattern = re.compile(
        rf'postoffice_publisher_attempts_total{{publisher="{publisher}",'
        rf'topic="{topic}",class="(\w+)"}}'
    )
    return {
        match[1]: value
        for series, value in scrape(node).items()
        if (match := pattern.fullmatch(series)) and value > 0
    }


def assert_same_cause(node, publisher, topic, messages, case):
    """After five failures the circuit is open, and everybody says why."""
    state = wait_open(node, publisher)
    error = state["last_error"]
    assert (error["class"], error["status"]) == (case.cause, case.code), error
    assert case.words in (error["text"] or ""), error
    assert state["state_reason"].startswith(case.cause), state["state_reason"]
    assert str(case.code or "") in state["state_reason"]
    assert state["delivered"] == 0

    explained = node.get(f"/api/messages/{messages[0]}/explain?publisher={publisher}")
    explained = explained.json()["data"]
    assert explained["reason"] == "circuit_open"
    assert case.cause in explained["text"] and case.words in explained["text"]
    assert explained["details"]["error"]["class"] == case.cause
    assert explained["details"]["error"]["status"] == case.code

    tried = [
        attempt
        for message in messages
        for delivery in node.message(message)["deliveries"]
        for attempt in delivery["history"]
    ]
    assert tried and {(a["class"], a["status"]) for a in tried} == {(case.cause, case.code)}

    counted = classes(node, publisher, topic)
    assert set(counted) == {case.cause} and counted[case.cause] >= 5

    [line] = log_lines(node, publisher)
    assert f"class={case.cause}" in line
    assert f"status={case.code}" in line if case.code else "error=" in line


def target_of(case, authority, stranger, closing):
    """Starts the receiver and returns its URL."""
    if case.serve is None:
        return f"http://localhost:{free_port()}/"
    tls = None
    if case.server_name is not None:
        issuer = stranger if case.stranger else authority
        tls = issuer.server(case.server_name, expired=case.expired)
    receiver = RawReceiver(case.serve, tls=tls)
    closing(receiver.close)
    if case.scheme is not None:
        return receiver.url.replace("http:", f"{case.scheme}:")
    return receiver.url


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_all_name_the_same_cause(trusting, name, authority, stranger, case, request):
    node = trusting
    target = target_of(case, authority, stranger, request.addfinalizer)
    node.topic(name)
    options = {"seconds_retry": 600, "retry_max_seconds": 600} | case.options
    publisher = node.publisher(target, name, **options)["id"]
    messages = node.publish_many(range(5), name)
    assert_same_cause(node, publisher, name, messages, case)


def test_a_name_that_is_none(trusting, name):
    case = Case("dns", None, cause="dns", words="esolve")
    trusting.topic(name)
    publisher = trusting.publisher("http://no-such-host.invalid/", name,
                                   seconds_retry=600, retry_max_seconds=600)["id"]
    messages = trusting.publish_many(range(5), name)
    assert_same_cause(trusting, publisher, name, messages, case)


def test_a_name_that_leads_where_nothing_may_go(new_node, name):
    """Its address is known once it is resolved: no literal, no 400."""
    own = socket.gethostname()
    try:
        address = socket.gethostbyname(own)
    except OSError:
        pytest.skip("this machine's own name does not resolve")
    case = Case("policy", None, cause="policy", words="--target-deny")
    node = new_node(f"--target-deny={address}")
    node.topic(name)
    publisher = node.publisher(f"http://{own}:{free_port()}/", name,
                               seconds_retry=600, retry_max_seconds=600)["id"]
    messages = node.publish_many(range(5), name)
    assert_same_cause(node, publisher, name, messages, case)


# ---- Causes that say more than "it failed" ----


def test_gone_pauses_and_says_so(trusting, name, request):
    node = trusting
    receiver = RawReceiver(status(410, body=b"moved out"))
    request.addfinalizer(receiver.close)
    node.topic(name)
    publisher = node.publisher(receiver.url, name, seconds_retry=600,
                               retry_max_seconds=600)["id"]
    message = node.publish(1, name)["id"]
    state = wait_until(
        lambda: (s := node.publisher_state(publisher))["state"] == "paused" and s, "paused"
    )
    assert "410" in state["state_reason"] and state["paused_by"] is None
    assert state["last_error"]["status"] == 410
    assert state["last_error"]["class"] == "http_4xx"
    explained = node.get(f"/api/messages/{message}/explain?publisher={publisher}")
    explained = explained.json()["data"]
    assert explained["reason"] == "paused" and "410" in explained["text"]
    assert classes(node, publisher, name) == {"http_4xx": 1}
    [line] = log_lines(node, publisher)
    assert "class=http_4xx" in line and "status=410" in line


@pytest.mark.parametrize(("code", "cause"), [(429, "http_4xx"), (503, "http_5xx")])
def test_retry_after_holds_and_says_so(trusting, name, request, code, cause):
    node = trusting
    receiver = RawReceiver(status(code, b"retry-after: 3000"))
    request.addfinalizer(receiver.close)
    node.topic(name)
    publisher = node.publisher(receiver.url, name)["id"]
    message = node.publish(1, name)["id"]
    state = wait_until(
        lambda: (s := node.publisher_state(publisher))["state"] == "throttled" and s,
        "held",
    )
    assert "Retry-After" in state["state_reason"] and str(code) in state["state_reason"]
    assert (state["last_error"]["class"], state["last_error"]["status"]) == (cause, code)
    explained = node.get(f"/api/messages/{message}/explain?publisher={publisher}")
    explained = explained.json()["data"]
    assert explained["reason"] == "retry_after"
    assert explained["details"]["last_error"]["status"] == code
    assert explained["next_attempt_at"] == state["next_attempt_at"]
    assert classes(node, publisher, name) == {cause: 1}
    [line] = log_lines(node, publisher)
    assert f"class={cause}" in line and f"status={code}" in line
    [delivery] = node.message(message)["deliveries"]
    assert delivery["attempts"] == 0


def test_the_end_of_a_trouble_is_logged(trusting, name, new_receiver):
    receiver = new_receiver(lambda request: Reply(500 if request.attempt == 1 else 200))
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name)["id"]
    trusting.publish(1, name)
    trusting.wait_backlog(publisher)
    [line] = log_lines(trusting, publisher)
    assert "status=500" in line
    assert re.search(rf"deliveries succeed again.*publisher={publisher}\b", trusting.log())


def test_what_a_receiver_says_is_not_logged(trusting, name, request):
    receiver = RawReceiver(status(500, body=b"the-customers-secret"))
    request.addfinalizer(receiver.close)
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name)["id"]
    trusting.publish(1, name)
    wait_until(lambda: log_lines(trusting, publisher), "the failure is logged")
    assert "the-customers-secret" not in trusting.log()


# ---- Answers that are odd and good ----


def test_a_trusted_certificate(trusting, name, authority, request):
    receiver = RawReceiver(status(204), tls=authority.server("localhost"))
    request.addfinalizer(receiver.close)
    trusting.topic(name)
    publisher = trusting.publisher(receiver.url, name)["id"]
    trusting.publish(1, name)
    trusting.wait_backlog(publisher)
    assert trusting.publisher_state(publisher)["last_error"] is None


def test_ca_file_that_is_not_there(tmp_path):
    done = run_program("serve", "--target-ca=/no/such/file", f"--data-dir={tmp_path}")
    assert done.returncode == 2
    assert "--target-ca" in done.stderr and "/no/such/file" in done.stderr
