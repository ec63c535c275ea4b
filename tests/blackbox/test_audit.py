"""Who changed what: GET /api/audit."""

import json

from node import run_program, wait_until
from test_rules import assert_problem
from test_tokens import bearer, file, guarded  # noqa: F401 (fixtures)


def entries(node, query=""):
    answer = node.get(f"/api/audit{query}")
    assert answer.status == 200, answer
    return answer.json()["data"]


def newest(node, action, subject):
    entry = entries(node, "?limit=1")[0]
    assert (entry["action"], entry["subject"]) == (action, subject)
    return entry


def test_every_change_with_before_and_after(node, receiver):
    node.topic()
    entry = newest(node, "topic.create", "topic/orders")
    assert entry["who"] == "anonymous"
    assert entry["before"] is None
    assert entry["after"]["origin_host"] == "example.com"
    answer = node.request(
        "PATCH", "/api/topics/orders", {"retention_seconds": 99}, {"x-request-id": "r-77"}
    )
    assert answer.status == 200
    entry = newest(node, "topic.change", "topic/orders")
    assert entry["request_id"] == "r-77"
    assert (entry["before"]["retention_seconds"], entry["after"]["retention_seconds"]) == (
        None,
        99,
    )

    made = node.publisher(
        receiver.url,
        secret="whsec_" + "QUJD" * 8,
        headers={"x-key": "hush-hush"},
        bearer_token="hush-too",
    )["id"]
    subject = f"publisher/{made}"
    entry = newest(node, "publisher.create", subject)
    assert entry["after"]["target"] == receiver.url
    assert entry["after"]["secret"] == entry["after"]["bearer_token"] == "***"
    path = f"/api/publishers/{made}"
    assert node.request("PATCH", path, {"max_attempts": 3}).status == 200
    entry = newest(node, "publisher.change", subject)
    assert (entry["before"]["max_attempts"], entry["after"]["max_attempts"]) == (100, 3)
    rotated = node.post(f"{path}/rotate-secret").json()["data"]["secret"]
    newest(node, "publisher.rotate-secret", subject)
    assert node.post(f"{path}/pause", {"reason": "lunch"}).status == 200
    entry = newest(node, "publisher.pause", subject)
    assert (entry["before"]["active"], entry["after"]["active"]) == (True, False)
    assert entry["after"]["state_reason"] == "lunch"

    message = node.publish(1)["id"]
    # Publishing is no change of what is configured.
    newest(node, "publisher.pause", subject)
    assert node.post(f"/api/messages/{message}/discard").status == 200
    entry = newest(node, "message.discard", f"message/{message}")
    assert entry["before"]["deliveries"] == [{"publisher": made, "state": "pending"}]
    assert entry["after"]["deliveries"] == [{"publisher": made, "state": "discarded"}]
    assert node.post(f"/api/messages/{message}/retry").status == 200
    newest(node, "message.retry", f"message/{message}")
    assert node.post(f"{path}/resume").status == 200
    newest(node, "publisher.resume", subject)
    receiver.wait_messages({message})

    replay = node.post(f"{path}/replay", {}).json()["data"]["id"]
    entry = newest(node, "replay.start", f"replay/{replay}")
    assert entry["after"]["publisher"] == made
    assert node.post(f"{path}/replay", {"dry_run": True}).status == 200
    newest(node, "replay.start", f"replay/{replay}")

    assert node.delete(path).status == 204
    entry = newest(node, "publisher.delete", subject)
    assert entry["before"]["target"] == receiver.url
    assert entry["after"] is None
    assert node.delete("/api/topics/orders?force=true").status == 204
    entry = newest(node, "topic.delete", "topic/orders")
    assert entry["before"]["messages"] == 1

    everything = node.get("/api/audit?limit=1000").body
    for secret in ("hush-hush", "hush-too", "QUJDQUJD", rotated):
        assert secret.encode() not in everything
        assert secret not in node.log()


def test_what_is_refused_is_no_change(node):
    node.topic()
    before = entries(node)
    assert node.post("/api/topics", {"name": "orders", "origin_host": "x"}).status == 409
    assert node.delete("/api/publishers/99").status == 404
    assert node.post("/api/publishers/99/pause").status == 404
    assert node.delete("/api/tokens/nobody").status == 404
    assert node.request("PATCH", "/api/topics/orders", {"retention_seconds": -1}).status == 400
    assert entries(node) == before


def test_tokens_are_written_down_and_name_who(guarded):  # noqa: F811
    token = guarded.post("/api/tokens", {"name": "ops", "role": "operate"}).json()["data"]["token"]
    entry = newest(guarded, "token.create", "token/ops")
    assert entry["who"] == "boss"
    assert entry["after"]["role"] == "operate"
    answer = guarded.post("/api/topics", {"name": "t", "origin_host": "h"}, bearer(token))
    assert answer.status == 201
    assert newest(guarded, "topic.create", "topic/t")["who"] == "ops"
    made = guarded.publisher("http://127.0.0.1:9/", "t")["id"]
    paused = guarded.post(f"/api/publishers/{made}/pause", headers=bearer(token)).json()["data"]
    assert paused["paused_by"] == "ops"
    entry = newest(guarded, "publisher.pause", f"publisher/{made}")
    assert (entry["before"]["paused_by"], entry["after"]["paused_by"]) == (None, "ops")
    replay = guarded.post(f"/api/publishers/{made}/replay", {}, bearer(token)).json()["data"]
    assert replay["asked_by"] == "ops"
    assert guarded.delete("/api/tokens/ops").status == 204
    entry = newest(guarded, "token.revoke", "token/ops")
    assert (entry["before"]["name"], entry["after"]) == ("ops", None)
    assert token.encode() not in guarded.get("/api/audit").body


def test_filters_and_pages(node):
    for count in range(5):
        node.topic(f"t{count}")
    assert node.delete("/api/topics/t1").status == 204
    assert [e["subject"] for e in entries(node, "?action=topic.delete")] == ["topic/t1"]
    assert [e["action"] for e in entries(node, "?subject=topic/t1")] == [
        "topic.delete",
        "topic.create",
    ]
    assert len(entries(node, "?who=anonymous")) == 6
    assert entries(node, "?who=nobody") == []
    seen = []
    path = "/api/audit?limit=2"
    while path:
        page = node.get(path).json()
        seen += [e["id"] for e in page["data"]]
        node.topic(f"later{len(seen)}")  # Pages stay as they are.
        path = page["next_cursor"] and f"/api/audit?limit=2&cursor={page['next_cursor']}"
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 6
    for query in ("?action=topic.burn", "?limit=0", "?cursor=x", "?what=1"):
        assert_problem(node.get(f"/api/audit{query}"), 400)


def test_it_survives_kill_9_and_is_the_same_everywhere(cluster):
    first, second, third = cluster.nodes
    for count, node in enumerate(cluster.nodes):
        node.topic(f"t{count}")
    leader = cluster.wait_leader()
    heir = cluster.followers()[0]
    answer = third.post("/api/cluster/transfer", {"to": cluster.id_of(heir)})
    assert answer.status == 200, answer
    cluster.wait_leader(among=[heir])
    entry = newest(first, "cluster.transfer", f"node/{cluster.id_of(heir)}")
    assert entry["before"] == {"leader": cluster.id_of(leader)}
    before = entries(second)
    assert len(before) == 4
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start(wait=False)
    cluster.wait_leader()
    for node in cluster.nodes:
        wait_until(node.ready, "the node is ready")
        assert entries(node) == before
        wait_until(
            lambda: entries(node, "?consistency=local") == before,
            "the node itself has come so far",
        )
    cluster.wait_agreement()


def test_what_retention_removes_is_counted(node):
    node.topic(retention_seconds=1)
    node.publish_many(range(7))

    def counted():
        found = entries(node, "?action=topic.expire")
        return sum(e["after"]["removed"] for e in found) == 7 and found

    found = wait_until(counted, "retention has removed all, and says so")
    assert {(e["who"], e["subject"], e["before"]) for e in found} == {
        ("system", "topic/orders", None)
    }


# ---- The command line ----


def test_the_command_lists_and_filters(node):
    node.topic("orders")
    node.topic("returns")
    assert node.delete("/api/topics/returns").status == 204
    url = f"--url={node.url}"
    done = run_program("audit", url)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[-4:-1] for line in done.stdout.splitlines()]
    assert rows == [
        ["WHO", "ACTION", "SUBJECT"],
        ["anonymous", "topic.delete", "topic/returns"],
        ["anonymous", "topic.create", "topic/returns"],
        ["anonymous", "topic.create", "topic/orders"],
    ]
    for flags, count in [
        (["--subject=topic/returns"], 2),
        (["--action=topic.create"], 2),
        (["--action=topic.create", "--subject=topic/returns"], 1),
        (["--who=anonymous", "--limit=1"], 1),
        (["--who=nobody"], 0),
    ]:
        listed = json.loads(run_program("audit", *flags, "--json", url).stdout)["data"]
        assert len(listed) == count, flags
    assert listed == [] and "nothing was changed" in run_program("audit", *flags, url).stderr
    wrong = run_program("audit", "--action=burn", url)
    assert wrong.returncode == 1 and "action" in wrong.stderr
    helped = run_program("audit", "--help").stdout
    assert "publisher.rotate-secret" in helped and "cluster.transfer" in helped
