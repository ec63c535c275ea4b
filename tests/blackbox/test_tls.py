"""The API behind TLS: its versions, HTTP/1.1 alone, and a certificate that is
exchanged while clients are connected."""

import os
import shutil
import signal
import socket
import ssl
import struct

import pytest

from certificates import Authority, client_context
from node import run_program, wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(authority, tmp_path):
    """A certificate and its key, which a test may exchange."""
    place = tmp_path / "cert.pem", tmp_path / "key.pem"
    exchange(place, authority.issue("127.0.0.1"))
    return place


@pytest.fixture
def sealed(new_node, authority, files):
    return new_node(*flags(files), tls=client_context(authority))


def flags(files):
    return f"--tls-cert={files[0]}", f"--tls-key={files[1]}"


def exchange(files, others):
    for file, other in zip(files, others):
        shutil.copy(other, file)


def reload(node, line):
    before = node.log().count(line)
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: node.log().count(line) > before, f"the log tells: {line}")


def handshake(node, context):
    connection = socket.create_connection(("127.0.0.1", node.port), timeout=60)
    return context.wrap_socket(connection, server_hostname="127.0.0.1")


def serial(node):
    with handshake(node, node.tls) as connection:
        return connection.getpeercert()["serialNumber"]


def test_everything_goes_through_it(sealed, receiver):
    sealed.topic("t")
    publisher = sealed.publisher(receiver.url, "t")["id"]
    sealed.publish(1, "t")
    sealed.wait_backlog(publisher)
    assert len(receiver.requests) == 1
    large = sealed.publish("x" * 900_000, "t")
    assert len(sealed.message(large["id"])["payload"]) == 900_000
    told = sealed.get("/api/cluster").json()["data"]["members"][0]
    assert told["url"] == sealed.url


def test_plain_http_is_refused(sealed):
    with socket.create_connection(("127.0.0.1", sealed.port), timeout=60) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        got = plain.recv(100)
    assert not got.startswith(b"HTTP")


@pytest.mark.parametrize(
    "offered, chosen",
    [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)],
)
def test_http2_is_not_offered(sealed, authority, offered, chosen):
    context = client_context(authority)
    if offered:
        context.set_alpn_protocols(offered)
    with handshake(sealed, context) as connection:
        assert connection.selected_alpn_protocol() == chosen
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions(sealed, authority, version):
    context = client_context(authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with handshake(sealed, context) as connection:
        assert connection.version() == version.replace("_", ".")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(sealed, authority):
    context = client_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        handshake(sealed, context)


# ---- Another certificate ----


def test_reload_leaves_connections_alone(sealed, authority, files):
    standing = sealed.connect()
    assert sealed.get("/livez", connection=standing).status == 200
    before = serial(sealed)
    exchange(files, authority.issue("127.0.0.1"))
    reload(sealed, "certificate reloaded")
    assert serial(sealed) != before
    socket_before = standing.sock
    assert sealed.get("/livez", connection=standing).status == 200
    assert standing.sock is socket_before
    standing.close()


@pytest.mark.parametrize("broken", ["gone", "nonsense", "another's key"])
def test_a_bad_file_keeps_the_old_certificate(sealed, authority, files, broken):
    before = serial(sealed)
    if broken == "gone":
        files[1].unlink()
    elif broken == "nonsense":
        files[0].write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    else:
        shutil.copy(authority.issue("127.0.0.1")[1], files[1])
    reload(sealed, "the certificate from before stays in use")
    assert str(files[1 if broken != "nonsense" else 0]) in sealed.log()
    assert serial(sealed) == before
    exchange(files, authority.issue("127.0.0.1"))
    reload(sealed, "certificate reloaded")
    assert serial(sealed) != before


# ---- Starting ----


def serve(tmp_path, *more):
    return run_program("serve", f"--data-dir={tmp_path}/data", "--listen=127.0.0.1:0", *more)


def test_both_flags_are_needed(tmp_path, files):
    for flag in flags(files):
        done = serve(tmp_path, flag)
        assert done.returncode != 0
        assert "--tls-cert and --tls-key" in done.stderr


def test_a_file_that_cannot_be_used_is_no_start(tmp_path, files):
    files[0].write_text("nonsense")
    done = serve(tmp_path, *flags(files), "--raft-listen=127.0.0.1:0")
    assert done.returncode != 0
    assert str(files[0]) in done.stderr


# ---- Who connects ----


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def test_connections_that_are_reset_are_let_go(sealed):
    """The good-bye of TLS cannot be said to them."""
    before = descriptors(sealed)
    for _ in range(50):
        connection = handshake(sealed, sealed.tls)
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(10)
        linger = struct.pack("ii", 1, 0)  # A reset in place of an end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
    wait_until(lambda: descriptors(sealed) <= before + 2, "all are closed")


def test_silent_clients_leave_others_alone(sealed):
    """They connect and begin no handshake, or half of one."""
    held = []
    try:
        for number in range(200):
            held.append(socket.create_connection(("127.0.0.1", sealed.port), timeout=60))
            if number % 2:
                held[-1].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert sealed.get("/livez").status == 200
    finally:
        for connection in held:
            connection.close()


def test_the_command_line(sealed, authority):
    url = f"--url={sealed.url}"
    done = run_program("status", url, f"--ca-file={authority.file}")
    assert done.returncode == 0, done.stderr
    done = run_program("status", url, env={"POSTOFFICE_CA_FILE": str(authority.file)})
    assert done.returncode == 0, done.stderr
    done = run_program("status", url)
    assert done.returncode == 1 and "certificate" in done.stderr
    done = run_program("status", url, "--ca-file=/nowhere/ca.pem")
    assert done.returncode == 2 and "/nowhere/ca.pem" in done.stderr
