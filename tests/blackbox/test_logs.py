"""The log as a machine reads it: JSON lines, without secrets, in a file that
may be moved away."""

import base64
import hashlib
import json
import re
import signal
from datetime import datetime

from node import wait_until
from receiver import fail
from test_tokens import basic, bearer

SECRET = "whsec_" + base64.b64encode(b"nobody may ever see this one").decode()
BEARER = "bearer-nobody-may-see"
BASIC = "user:password-nobody-may-see"
CLUSTER_SECRET = "a cluster secret that nobody may see"
LEVELS = {"debug", "info", "warn", "error"}


def lines_of(text):
    """Every line, parsed; each has what belongs to it."""
    found = []
    for line in text.splitlines():
        parsed = json.loads(line)
        assert parsed["level"] in LEVELS, line
        assert re.fullmatch("[a-z_]+", parsed["component"]), line
        assert parsed["message"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", parsed["time"])
        datetime.fromisoformat(parsed["time"].rstrip("Z"))
        found.append(parsed)
    return found


def secrets_of(*created):
    """In every form in which they might get out."""
    texts = {SECRET, BEARER, BASIC, "password-nobody-may-see", CLUSTER_SECRET}
    texts |= {made["secret"] for made in created if made["secret"]}
    texts.add(base64.b64encode(BASIC.encode()).decode())
    texts |= {text.removeprefix("whsec_") for text in set(texts)}
    return texts


def use_tokens(cluster, node):
    """Through a node that does not lead: made, used rightly and wrongly, shown
    in places where none belongs, revoked. Returns what nobody may find again."""
    boss = node.post("/api/tokens", {"name": "boss", "role": "admin"}).json()["data"]["token"]
    for each in cluster.nodes:
        each.token = boss
    eye = node.post("/api/tokens", {"name": "eye", "role": "read"}).json()["data"]["token"]
    for show, token in [(bearer, eye), (basic, eye), (bearer, boss), (basic, boss)]:
        assert node.get("/api/topics", headers=show(token)).status == 200
        assert node.get("/metrics", headers=show(token)).status == 200
    asked = {"name": "eyes", "origin_host": "h"}
    assert node.post("/api/topics", asked, bearer(eye)).status == 403
    assert node.post("/api/topics", asked, basic(boss)).status == 201
    assert node.get("/api/topics", headers=bearer(eye + "x")).status == 401
    assert node.get("/api/topics", headers={"authorization": f"Token {eye}"}).status == 401
    assert node.get(f"/api/topics?token={eye}").status == 400
    assert node.post("/api/topics", {"name": eye + "/"}).status == 400
    assert node.post("/api/tokens", {"name": "x", "role": eye}).status == 400
    assert node.delete("/api/tokens/eye").status == 204
    assert node.get("/api/topics", headers=bearer(eye)).status == 401
    told = node.get("/api/audit").body.decode() + node.get("/api/tokens").body.decode()
    assert '"token.create"' in told and '"token.revoke"' in told
    texts = {boss, eye}
    texts |= {basic(token)["authorization"].split()[1] for token in (boss, eye)}
    texts |= {hashlib.sha256(token.encode()).hexdigest() for token in (boss, eye)}
    for text in texts:
        assert text not in told, f"{text} is in the audit"
    return texts


def test_three_busy_nodes(new_cluster, receiver, tmp_path):
    secret_file = tmp_path / "secret"
    secret_file.write_text(CLUSTER_SECRET)
    cluster = new_cluster(
        "--log-format=json",
        "--log-level=debug",
        f"--cluster-secret-file={secret_file}",
    )
    node = cluster.followers()[0]
    node.topic()
    created = [
        node.publisher(receiver.url, secret=SECRET, bearer_token=BEARER),
        node.publisher(receiver.url + "/2", basic_auth=BASIC, max_attempts=1),
    ]
    rotated = node.post(f"/api/publishers/{created[0]['id']}/rotate-secret")
    created.append(rotated.json()["data"])
    node.publish_many(range(50))
    wait_until(lambda: len(receiver.requests) == 100, "all were delivered")
    receiver.behaviour = fail(401)
    node.publish(1, headers={"x-request-id": "told-by-the-client"})
    wait_until(lambda: len(receiver.requests) > 101, "the failing one was tried")
    # What a client may put into a line.
    node.get("/%00/quote\"/back\\slash")
    node.get("/api/none", headers={"x-request-id": "nowhere", "authorization": BEARER})
    node.post("/api/publishers", {"bearer_token": BEARER, "secret": SECRET})
    tokens = use_tokens(cluster, node)
    leader = cluster.leader()
    leader.terminate()
    assert leader.wait_exit() == 0
    cluster.wait_leader(among=cluster.others(leader))
    logs = [each.log() for each in cluster.nodes]
    lines = [line for log in logs for line in lines_of(log)]
    asked = [line for line in lines if line["message"] == "request"]
    assert all(line["request_id"] and line["method"] for line in asked)
    # The same on the node that was asked and the one that answered.
    for wanted, least in [("told-by-the-client", 2), ("nowhere", 1)]:
        assert sum(line["request_id"] == wanted for line in asked) >= least
    for text in secrets_of(*created) | tokens:
        for log in logs:
            assert text not in log, f"{text} is in the log"


def test_bytes_that_are_no_text(new_node):
    node = new_node("--log-format=json")
    connection = node.connect()
    connection.connect()
    connection.sock.sendall(b"GET /\xff\xfe\xc3 HTTP/1.1\r\nhost: h\r\n\r\n")
    assert connection.sock.recv(1000).startswith(b"HTTP/1.1 404")
    connection.close()
    raw = node.log_path.read_bytes()
    assert b'"status":404' in raw
    lines_of(raw.decode())  # It would not, were one byte no UTF-8.


def test_a_flood_is_counted(new_node):
    node = new_node("--log-format=json")
    connection = node.connect()
    for _ in range(1000):
        node.get("/none", connection=connection, quiet=True)
    connection.close()
    asked = [line for line in lines_of(node.log()) if line["message"] == "request"]
    metrics = node.get("/metrics").body.decode()
    silenced = int(re.search(r"^postoffice_log_silenced_total (\d+)$", metrics, re.M)[1])
    assert silenced > 0
    assert len(asked) + silenced == 1000


def test_moved_away(new_node):
    """As logrotate does it: rename, then SIGHUP."""
    node = new_node("--log-format=json")
    moved = node.log_path.with_suffix(".1")
    node.log_path.rename(moved)
    node.get("/before")
    node.process.send_signal(signal.SIGHUP)
    wait_until(node.log_path.exists, "there is a new file")
    node.get("/after")
    try:
        assert "/before" in moved.read_text()
        assert "/after" not in moved.read_text()
        assert "/after" in node.log()
        lines_of(node.log())
    finally:
        moved.unlink()
