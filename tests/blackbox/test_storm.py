"""A hundred thousand requests that are not what they should be.

Valid requests, changed by chance from a printed seed: bodies, targets and
header values, many to a connection, of which each must be answered; and
requests whose every byte may be wrong, one to a connection, of which nothing is
asked but that the node outlives them.
"""

import re
import socket

from node import SANITIZED

# A sanitized node takes ten times as long.
KEPT, BROKEN = (6_000, 1_000) if SANITIZED else (80_000, 20_000)
PIPELINED = 50
MIB = 1024  # In KiB, as memory is told.

TARGETS = [
    ("POST", "/api/messages"),
    ("POST", "/api/bulk_messages"),
    ("POST", "/api/schedule_messages"),
    ("POST", "/api/topics"),
    ("POST", "/api/publishers"),
    ("PATCH", "/api/publishers/1"),
    ("PATCH", "/api/topics/orders"),
    ("POST", "/api/publishers/1/replay"),
    ("POST", "/api/messages/1/retry"),
    ("GET", "/api/messages?topic=orders&state=dead&limit=2&attr.kind=a"),
    ("GET", "/api/messages?publisher=1&q=a&cursor=m5&field./a=3"),
    ("GET", "/api/messages/1/explain?publisher=1"),
    ("GET", "/api/publishers?limit=10&cursor=p1&consistency=local"),
    ("GET", "/readyz?verbose"),
]
BODIES = [
    b'{"topic":"orders","payload":{"a":[1,2,{"b":"\\u00e9"}]},"attributes":{"k":"v"}}',
    b'{"topic":"orders","payload":[1,"x",null],"attributes":{},"key":"k"}',
    b'{"topic":"orders","payload":1,"attributes":{},"schedule_at":"2030-01-02T03:04:05Z"}',
    b'{"name":"t","origin_host":"h","indexed_fields":["/a/b"],"retention_seconds":60}',
    b'{"topic":"orders","target":"http://127.0.0.1:9/","type":"http","active":false,'
    b'"filter":{"payload":{"/a":1}},"headers":{"x-a":"b"},"max_in_flight":3}',
    b'{"from":1,"to":"2026-01-01T00:00:00Z","state":"dead","dry_run":true}',
]
NAMES = [b"idempotency-key", b"x-request-id", b"traceparent", b"authorization"]
# What parsers stumble over.
PIECES = [
    b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[" * 600, b"]", b",", b":",
    b"null", b"-", b"1e999", b"0" * 400, b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"%",
    b"%zz", b"..", b"//", b"?", b"&", b"=", b"\t", b"A" * 3000, b"18446744073709551616",
]  # fmt: skip
# None of them is a fault of ours.
EXPECTED = {200, 201, 202, 400, 401, 404, 405, 406, 409, 413, 415, 422, 501}
ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def mutate(chance, text):
    """One to four changes: of a byte, of a stretch, or a piece in between."""
    text = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(text))
        what = chance.randrange(4)
        if what == 0 and at < len(text):
            text[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            del text[at : at + chance.randint(1, 12)]
        elif what == 2:
            text[at:at] = chance.choice(PIECES)
        else:
            text[at:at] = text[at : at + chance.randint(1, 12)]
    return bytes(text)


def in_line(text):
    """Without what would end a header line, or part a request line."""
    return bytes(byte if byte > 32 and byte != 127 else 46 for byte in text)


def kept_request(chance):
    """Wrong within, but it is clear where it ends."""
    method, target = chance.choice(TARGETS)
    body = b"" if method == "GET" else chance.choice(BODIES)
    lines = [b"host: localhost", b"content-type: application/json"]
    target = target.encode()
    which = chance.randrange(8)
    if which == 0:
        target = b"/" + in_line(mutate(chance, target[1:]))
    elif which == 1:
        name = chance.choice(NAMES)
        lines.append(name + b": " + in_line(mutate(chance, b"Basic dTpw00-aa-01")))
    elif body:
        body = mutate(chance, body)
    lines.append(b"content-length: %d" % len(body))
    head = b"%s %s HTTP/1.1\r\n" % (method.encode(), target)
    return head + b"\r\n".join(lines) + b"\r\n\r\n" + body


def broken_request(chance):
    return mutate(chance, kept_request(chance))


def exchange(node, text):
    """Sends it, then nothing more, and reads what comes until the end."""
    answer = bytearray()
    with socket.create_connection((node.host, node.port), timeout=30) as connection:
        try:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(1 << 18):
                answer += more
        except (ConnectionResetError, BrokenPipeError):
            pass  # It had enough.
    return bytes(answer)


def statuses(answers):
    """Of answers back to back."""
    found, at = [], 0
    while at < len(answers):
        head = ANSWER.match(answers, at)
        assert head, f"no answer begins with {answers[at : at + 100]!r}"
        found.append(int(head[1]))
        length = LENGTH.search(head[0])
        at = head.end() + (int(length[1]) if length else 0)
    return found


def throw_kept(node, chance, count):
    counts = {}
    for _ in range(count // PIPELINED):
        requests = [kept_request(chance) for _ in range(PIPELINED)]
        got = statuses(exchange(node, b"".join(requests)))
        assert len(got) == PIPELINED, f"{len(got)} answers to {requests!r}"
        for status in got:
            counts[status] = counts.get(status, 0) + 1
    return counts


def test_storm(node, seed):
    node.topic()
    node.publisher("http://127.0.0.1:9/", active=False)
    # What a node needs for its work has come by then.
    throw_kept(node, seed, KEPT // 4)
    before = node.resident_kib()
    counts = throw_kept(node, seed, KEPT // 4 * 3)
    for _ in range(BROKEN):
        exchange(node, broken_request(seed))
    print(sorted(counts.items()))
    assert set(counts) <= EXPECTED, f"answers beyond the contract: {counts}"
    assert counts[400] > KEPT // 10 and counts[404] > 0 and counts[201] > 0
    assert node.get("/readyz/write").status == 200
    node.publish({"after": "the storm"})
    if not SANITIZED:
        grown = node.resident_kib() - before
        assert grown < 48 * MIB, f"grown by {grown} KiB"
