"""Clients that are broken, slow or mean: a clear 4xx or a cut, and nobody
else notices. All of it in the clear and behind TLS."""

import contextlib
import socket
import ssl
import time

import pytest

from certificates import Authority, client_context
from node import SANITIZED, Node, wait_until

GOOD = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """As `shared`, behind TLS."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    certificate, key = authority.issue("127.0.0.1")
    made = Node(
        f"--tls-cert={certificate}",
        f"--tls-key={key}",
        tls=client_context(authority),
    )
    try:
        yield made.start()
        made.close()
    finally:
        made.remove()


@pytest.fixture(params=["shared", "sealed"])
def victim(request):
    node = request.getfixturevalue(request.param)
    yield node
    assert node.get("/livez").status == 200
    assert node.process.poll() is None


class Half:
    """A connection of which the sending side can be closed, behind TLS too."""

    def __init__(self, connection, context):
        self._plain = connection
        self._stream = connection
        if context is not None:
            self._plain = connection.dup()
            self._stream = context.wrap_socket(connection, server_hostname="127.0.0.1")

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def end_sending(self):
        self._plain.shutdown(socket.SHUT_WR)

    def close(self):
        self._stream.close()
        self._plain.close()


@contextlib.contextmanager
def raw(node):
    connection = socket.create_connection(("127.0.0.1", node.port), timeout=60)
    with contextlib.closing(Half(connection, node.tls)) as half:
        yield half


def exchange(node, data, timeout=60):
    """Sends bytes and reads until the server closes or is silent."""
    with raw(node) as connection:
        connection.settimeout(timeout)
        try:
            connection.sendall(data)
            connection.end_sending()
        except OSError:
            pass  # Cut while we were sending: also an answer.
        return read_all(connection)


def read_all(connection):
    got = b""
    try:
        while chunk := connection.recv(65536):
            got += chunk
    except (ConnectionError, ssl.SSLError):
        pass
    return got


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


def assert_refused(answer):
    """Cut without a word, or a 4xx; never a success, never a 5xx."""
    status = status_of(answer)
    assert status is None or 400 <= status < 500, answer[:500]


@pytest.fixture(autouse=True)
def others_are_served(shared):
    """After each of these tests, and during them, the node answers."""
    assert shared.get("/livez").status == 200
    yield
    assert shared.get("/livez").status == 200
    assert shared.process.poll() is None


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 100,
        b"\xff\xfe\xfd" * 1000,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nbroken header\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: \0\r\n\r\n",
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1e3\r\n\r\n",
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\n"
        b"content-length: 99999999999999999999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,  # TLS
    ],
)
def test_garbage(victim, data):
    assert_refused(exchange(victim, data))


def test_http2_preface_is_refused(victim):
    """h2o's HTTP/2 of Debian 12 has unfixed attacks."""
    answer = exchange(victim, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
    assert b"\0\0\x00\x04" not in answer[:9], "it speaks HTTP/2"
    assert_refused(answer)


def test_upgrade_to_http2_is_not_taken(victim):
    answer = exchange(
        victim,
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, http2-settings\r\n"
        b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    )
    assert status_of(answer) == 200
    assert b"101 " not in answer[:20]


def test_two_lengths_are_refused(victim, name):
    """Transfer-Encoding beside Content-Length smuggles requests."""
    victim.topic(name)
    hidden = b"POST /api/topics HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = exchange(
        victim,
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
    )
    assert status_of(answer) == 400, answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1, "the connection went on"


def test_large_header_is_refused(victim):
    answer = exchange(
        victim, b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * (1 << 20) + b"\r\n\r\n"
    )
    assert_refused(answer)


def test_many_headers_are_refused(victim):
    many = b"".join(b"x-%d: y\r\n" % number for number in range(5000))
    assert_refused(exchange(victim, b"GET /livez HTTP/1.1\r\n" + many + b"\r\n"))


def test_long_path(victim):
    assert_refused(exchange(victim, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n"))


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/messages/%00", "/%"]
)
def test_odd_paths(victim, path):
    answer = exchange(victim, f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    assert_refused(answer)
    assert b"root:" not in answer


def test_pipelined_requests_are_answered_in_order(victim):
    data = b"".join(
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx-request-id: n%d\r\n\r\n" % number
        for number in range(50)
    )
    answer = exchange(victim, data)
    positions = [answer.find(b"x-request-id: n%d\r\n" % number) for number in range(50)]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_pipelined_publishes(victim, name):
    victim.topic(name)
    body = b'{"topic":"%s","attributes":{},"payload":1}' % name.encode()
    one = (
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    ) + body
    with raw(victim) as connection:
        connection.sendall(one * 20)
        got = b""
        while got.count(b'"public_id"') < 20:
            chunk = connection.recv(65536)
            assert chunk, got[-300:]
            got += chunk
    assert got.count(b"HTTP/1.1 201") == 20


def test_chunked_body(victim, name):
    body = b'{"name":"%s","origin_host":"example.com"}' % name.encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    answer = exchange(
        victim,
        b"POST /api/topics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n",
    )
    assert status_of(answer) == 201, answer[:300]


def in_chunks(body, encoding=b"transfer-encoding: chunked\r\n", version=b"1.1"):
    """A request whose body is sent as it stands, and a second one behind it."""
    return (
        b"POST /api/topics HTTP/%s\r\nhost: localhost\r\nconnection: keep-alive\r\n"
        b"content-type: application/json\r\n%s\r\n%s" % (version, encoding, body)
    ) + GOOD


def assert_not_smuggled(answer):
    assert status_of(answer) == 400, answer[:500]
    assert answer.count(b"HTTP/1.1 ") == 1, "the connection went on"


def test_chunks_with_extensions_and_trailers(victim, name):
    body = b'{"name":"%s","origin_host":"example.com"}' % name.encode()
    chunks = b'%x;a="b; c"\r\n%s\r\n0;last\r\nx: y\r\n\r\n' % (len(body), body)
    answer = exchange(victim, in_chunks(chunks))
    assert [int(each[:3]) for each in answer.split(b"HTTP/1.1 ")[1:]] == [201, 200]


@pytest.mark.parametrize(
    "body",
    [
        b"2g\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"+2\r\n{}\r\n0\r\n\r\n",
        b" 2\r\n{}\r\n0\r\n\r\n",
        b"2 \r\n{}\r\n0\r\n\r\n",
        b"00000000000000002\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n",
        b"2\r\n{}\n0\r\n\r\n",
        b"2\n{}\r\n0\r\n\r\n",
        b"2;a\n{}\r\n0\r\n\r\n",
        b"2;a\rb\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\n\n",
        b"2\r\n{}\r\n0\r\nx: y\n\r\n",
    ],
)
def test_odd_chunks_are_refused(victim, body):
    """What another reader may take for a chunk of another size."""
    assert_not_smuggled(exchange(victim, in_chunks(body)))


@pytest.mark.parametrize(
    "encoding",
    [
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding : chunked\r\n",
        b"transfer-encoding:\x0bchunked\r\n",
        b"transfer-encoding:\r\n chunked\r\n",
        b"content-length: 12\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 12\r\n",
    ],
)
def test_odd_encodings_are_refused(victim, encoding):
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    assert_not_smuggled(exchange(victim, in_chunks(chunks, encoding)))


def test_chunks_of_http_1_0_are_refused(victim):
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    assert_not_smuggled(exchange(victim, in_chunks(chunks, version=b"1.0")))


def test_vanished_clients(victim, name):
    """Requests that are never read the answer of."""
    victim.topic(name)
    body = b'{"topic":"%s","attributes":{},"payload":1}' % name.encode()
    request = (
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    ) + body
    for _ in range(300):
        with raw(victim) as connection:
            connection.sendall(request)
    victim.publish("after", name)


def test_half_sent_requests_leave_others_alone(node):
    """Hundreds of clients stop in the middle of a header or a body."""
    halves = [
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-le",
        b"POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: 10000000\r\n\r\n{",
        b"",
    ]
    with contextlib.ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(raw(node))
            connection.sendall(halves[number % 3])
        node.topic()
        for number in range(100):
            node.publish(number)
        if not SANITIZED:
            assert node.resident_kib() < 300 * 1024
    assert node.get("/livez").status == 200


@pytest.mark.skipif(SANITIZED, reason="it waits, and computes nothing")
def test_slow_header_is_cut(shared, sealed):
    """A byte now and then keeps no connection for ever."""
    with raw(shared) as clear, raw(sealed) as secret:
        slow = [clear, secret]
        for connection in slow:
            connection.sendall(b"GET /livez HTTP/1.1\r\nx: ")
            connection.settimeout(0.25)
        deadline = time.monotonic() + 60
        while slow and time.monotonic() < deadline:
            slow = [connection for connection in slow if not is_cut(connection)]
    assert not slow, "a slow client was never cut"


def is_cut(connection):
    """Sends a byte more and looks for the answer."""
    try:
        connection.sendall(b"a")
        return connection.recv(4096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_large_bodies_do_not_stay_in_memory(new_node):
    node = new_node("--max-body-bytes=4194304")
    node.topic()
    before = node.resident_kib()
    body = {"topic": "orders", "attributes": {}, "payload": ["x" * 1000] * 3000}
    for _ in range(15):
        assert node.post("/api/bulk_messages", body).status == 201
    after = wait_until(node.resident_kib, "the memory is known")
    if not SANITIZED:
        # Caches are bounded (tail of the log, recent payloads, the map of
        # the store counts as well); requests leave nothing behind.
        assert after - before < 400 * 1024
