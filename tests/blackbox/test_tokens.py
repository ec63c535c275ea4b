"""Tokens from a file: who may call the API, and what a node does with a file
that is wrong. The routes and roles one by one: tests/unit/http/test_identity.c."""

import base64
import json
import os
import re
import signal

import pytest

from cluster import Cluster
from node import free_port, run_program, wait_until
from test_rules import assert_problem


def make_token(file, name, role, topics=None):
    """By the command line; returns the token."""
    limit = [f"--topics={topics}"] if topics else []
    done = run_program(
        "token", "create", f"--name={name}", f"--role={role}", f"--file={file}", *limit
    )
    assert done.returncode == 0, done.stderr
    token = done.stdout.split()[-1]
    assert re.fullmatch(r"po_[A-Za-z0-9_-]{43}", token)
    assert token not in file.read_text()
    return token


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(token, user="any"):
    pair = base64.b64encode(f"{user}:{token}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def reload(node, lines="tokens read"):
    """SIGHUP, and waits for the log to tell that it was heeded."""
    before = node.log().count(lines)
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: node.log().count(lines) > before, "the node has reloaded")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens"


@pytest.fixture
def guarded(new_node, file):
    """A node with one admin's token, which the node's requests show."""
    token = make_token(file, "boss", "admin")
    node = new_node(f"--api-tokens-file={file}")
    node.token = token
    return node


# ---- Starting ----


def serve(*flags, tmp_path):
    return run_program(
        "serve",
        f"--raft-listen=127.0.0.1:{free_port()}",
        f"--data-dir={tmp_path / 'data'}",
        *flags,
    )


def test_refusal_to_listen_openly_names_both_ways(tmp_path):
    done = serve(f"--listen=0.0.0.0:{free_port()}", tmp_path=tmp_path)
    assert done.returncode == 2
    assert "--api-tokens-file" in done.stderr
    assert "--insecure-no-auth" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "No such file"),
        ("x\n", "line 1"),
        ("# fine\na boss * sha256:00\n", "line 2"),
    ],
)
def test_a_bad_file_is_no_start(tmp_path, file, content, words):
    if content is not None:
        file.write_text(content)
    done = serve(
        f"--listen=127.0.0.1:{free_port()}",
        f"--api-tokens-file={file}",
        tmp_path=tmp_path,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert str(file) in done.stderr


def test_an_open_address_with_tokens(new_node, file):
    """And with a file that has none, nobody is let in."""
    file.write_text("# nobody yet\n")
    node = new_node(f"--listen=0.0.0.0:{free_port()}", f"--api-tokens-file={file}")
    assert node.get("/livez").status == 200
    assert node.get("/api/topics").status == 401
    node.token = make_token(file, "boss", "admin")
    reload(node)
    assert node.get("/api/topics").status == 200


def test_insecure_no_auth_opens_an_address(new_node):
    node = new_node(f"--listen=0.0.0.0:{free_port()}", "--insecure-no-auth")
    assert node.get("/api/topics").status == 200


# ---- Asking ----


def test_a_token_is_needed(guarded):
    token, guarded.token = guarded.token, None
    for headers in ({}, bearer("po_" + "x" * 43), bearer(token[:-1]), basic("no")):
        answer = guarded.get("/api/topics", headers=headers)
        problem = assert_problem(answer, 401)
        assert "oken" in problem["detail"]
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for headers in (bearer(token), basic(token), basic(token, "")):
        assert guarded.get("/api/topics", headers=headers).status == 200
    for path in ("/livez", "/readyz", "/readyz/write", "/api/health", "/", "/page.css"):
        assert guarded.get(path).status == 200
    # What is not built is not told to strangers.
    assert guarded.get("/api/backup").status == 401
    assert guarded.get("/api/backup", headers=bearer(token)).status == 501


def test_roles_and_words(guarded, file, name):
    guarded.topic(name)
    publisher = make_token(file, "app", "publish")
    reader = make_token(file, "eye", "read")
    reload(guarded)
    body = {"topic": name, "payload": 1, "attributes": {}}
    made = guarded.post("/api/messages", body, bearer(publisher))
    assert made.status == 201
    path = f"/api/messages/{made.json()['id']}"
    problem = assert_problem(guarded.get(path, headers=bearer(publisher)), 403)
    assert "role read, operate or admin" in problem["detail"]
    assert guarded.get(path, headers=bearer(reader)).status == 200
    assert_problem(guarded.post("/api/messages", body, bearer(reader)), 403)
    assert guarded.get("/metrics", headers=bearer(reader)).status == 200
    assert_problem(guarded.get("/api/tokens", headers=bearer(reader)), 403)


def test_a_limited_token_sees_its_topics_alone(guarded, file, receiver):
    for topic in ("mine", "theirs"):
        guarded.topic(topic)
    publishers = {t: guarded.publisher(receiver.url, topic=t)["id"] for t in ("mine", "theirs")}
    messages = {t: guarded.publish(t, topic=t)["id"] for t in ("mine", "theirs")}
    replay = guarded.post(f"/api/publishers/{publishers['theirs']}/replay", {})
    assert replay.status == 202, replay
    token = make_token(file, "shop", "operate", "mine,other")
    reload(guarded)
    guarded.token = token
    names = [t["name"] for t in guarded.get("/api/topics").json()["data"]]
    assert names == ["mine"]
    seen = [p["id"] for p in guarded.get("/api/publishers").json()["data"]]
    assert seen == [publishers["mine"]]
    seen = [m["id"] for m in guarded.get("/api/messages").json()["data"]]
    assert seen == [messages["mine"]]
    for identity, status in ((publishers["mine"], 200), (publishers["theirs"], 404), (99, 404)):
        path = f"/api/publishers/{identity}"
        assert guarded.get(path).status == status
        assert guarded.post(f"{path}/pause").status == status
        assert guarded.post(f"{path}/resume").status == status
    assert guarded.get(f"/api/messages/{messages['mine']}").status == 200
    assert guarded.get(f"/api/messages/{messages['theirs']}").status == 404
    public = guarded.get(f"/api/messages/{messages['mine']}").json()["data"]["public_id"]
    assert guarded.get(f"/api/messages/{public}").status == 200
    assert guarded.get(f"/api/replays/{replay.json()['data']['id']}").status == 404
    problem = assert_problem(guarded.get("/api/topics/theirs"), 403)
    assert "limited to other topics" in problem["detail"]
    # Whether it exists is not told.
    assert guarded.get("/api/topics/nothing").json()["detail"] == problem["detail"]
    body = {"topic": "theirs", "payload": 1, "attributes": {}}
    assert_problem(guarded.post("/api/messages", body), 403)
    assert_problem(guarded.get("/api/cluster"), 403)
    guarded.topic("other")


# ---- Reloading ----


def test_a_token_that_is_taken_out_is_refused_from_then_on(guarded, file):
    other = make_token(file, "other", "read")
    reload(guarded)
    connection = guarded.connect()
    path = "/api/topics"
    assert guarded.get(path, headers=bearer(other), connection=connection).status == 200
    done = run_program("token", "revoke", "--name=other", f"--file={file}")
    assert done.returncode == 0, done.stderr
    reload(guarded)
    assert guarded.get(path, headers=bearer(other), connection=connection).status == 401
    assert guarded.get(path, connection=connection).status == 200
    connection.close()


def test_a_bad_file_at_reload_keeps_the_old_tokens(guarded, file):
    sound = file.read_text()
    for content in ("boss admin\n", sound + "x y z\n", None):
        if content is None:
            os.remove(file)
        else:
            file.write_text(content)
        reload(guarded, "the tokens stay as they were")
        assert guarded.get("/api/topics").status == 200
        assert guarded.get("/api/topics", headers=bearer("x")).status == 401
    assert "line 1: four fields are expected" in guarded.log()
    assert "line 2: four fields are expected" in guarded.log()


def test_tokens_are_never_written(guarded, file):
    """Not to the log, at its most talkative, and not to the disk."""
    other = make_token(file, "other", "read")
    guarded.stop()
    guarded.flags.append("--log-level=debug")
    guarded.start()
    guarded.topic()
    guarded.publish(1)
    guarded.get("/api/topics", headers=bearer(other))
    guarded.get("/api/topics", headers=bearer(other + "x"))
    guarded.get("/api/topics", headers=basic(other))
    guarded.stop()
    kept = [p for p in guarded.directory.rglob("*") if p.is_file()]
    for path in [*kept, guarded.log_path, file]:
        content = path.read_bytes()
        for token in (guarded.token, other, base64.b64encode(f"any:{other}".encode()).decode()):
            assert token.encode() not in content, path


# ---- A cluster ----


def test_the_leader_need_not_know_a_followers_tokens(request, tmp_path):
    """Each node has a file of its own; whoever is let in by one is served by
    all, through that one."""
    files = [tmp_path / f"tokens{number}" for number in (1, 2, 3)]
    tokens = [make_token(file, f"app{n}", "operate") for n, file in enumerate(files)]
    reader = make_token(files[0], "eye", "read")
    cluster = Cluster()
    for node, file, token in zip(cluster.nodes, files, tokens):
        node.flags.append(f"--api-tokens-file={file}")
        node.token = token
    request.addfinalizer(lambda: [node.remove() for node in cluster.nodes])
    cluster.start()
    try:
        for number, node in enumerate(cluster.nodes):
            node.topic(f"orders-{number}")
            node.publish(1, topic=f"orders-{number}")
            other = tokens[number - 1]
            assert node.get("/api/topics", headers=bearer(other)).status == 401
        node = cluster.nodes[0]
        assert node.get("/api/topics", headers=bearer(reader)).status == 200
        answer = node.post("/api/topics", {"name": "x"}, bearer(reader))
        assert_problem(answer, 403)
    finally:
        cluster.close()


def test_idempotency_keys_are_their_callers(guarded, file):
    guarded.topic()
    other = make_token(file, "other", "publish")
    reload(guarded)
    body = {"topic": "orders", "payload": 1, "attributes": {}}
    key = {"idempotency-key": "k"}
    first = guarded.post("/api/messages", body, key)
    again = guarded.post("/api/messages", body, key)
    others = guarded.post("/api/messages", body, {**key, **bearer(other)})
    assert first.json() == again.json() != others.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in others.headers


# ---- The command line ----


def test_the_command_makes_lists_and_revokes(file):
    make_token(file, "boss", "admin")
    make_token(file, "shop", "publish", "orders,returns")
    assert (file.stat().st_mode & 0o777) == 0o600
    done = run_program("token", "list", f"--file={file}")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["NAME", "ROLE", "TOPICS"],
        ["boss", "admin", "*"],
        ["shop", "publish", "orders,returns"],
    ]
    again = run_program("token", "create", "--name=boss", "--role=read", f"--file={file}")
    assert again.returncode == 1
    assert "has a token of the name boss" in again.stderr
    assert run_program("token", "revoke", "--name=boss", f"--file={file}").returncode == 0
    gone = run_program("token", "revoke", "--name=boss", f"--file={file}")
    assert gone.returncode == 1
    assert "has no token of the name boss" in gone.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["create", "--role=read"], "--name is missing"),
        (["create", "--name=a"], "--role is missing"),
        (["create", "--name=a", "--role=king"], "expected publish, read"),
        (["create", "--name=a b", "--role=read"], "--name is not 1 to 64"),
        (["create", "--name=a", "--role=admin", "--topics=x"], "cannot limit an admin"),
        (["create", "--name=a", "--role=read", "--topics=x,"], "comma list"),
        (["burn"], "unknown command 'burn'"),
        ([], "create"),
    ],
)
def test_wrong_usage_exits_2(file, arguments, words):
    done = run_program("token", *arguments, f"--file={file}")
    assert done.returncode == 2
    assert words in done.stderr
    assert not file.exists()


# ---- Tokens of the cluster ----


def test_the_first_token_is_an_admins_and_closes_the_node(node):
    body = {"name": "app", "role": "publish"}
    problem = assert_problem(node.post("/api/tokens", body), 400)
    assert "must be admin" in problem["errors"][0]["detail"]
    answer = node.post("/api/tokens", {"name": "boss", "role": "admin"})
    assert answer.status == 201, answer
    made = answer.json()["data"]
    assert (made["name"], made["role"], made["topics"]) == ("boss", "admin", None)
    assert node.get("/api/topics").status == 401
    node.token = made["token"]
    assert node.get("/api/topics").status == 200
    app = node.post("/api/tokens", {**body, "topics": ["a", "b"]}).json()["data"]
    listed = node.get("/api/tokens?limit=1").json()
    assert [t["name"] for t in listed["data"]] == ["boss"]
    listed = node.get(f"/api/tokens?cursor={listed['next_cursor']}").json()
    assert listed["data"] == [{k: v for k, v in app.items() if k != "token"}]
    assert listed["next_cursor"] is None
    node.kill()
    node.start()
    assert node.get("/api/topics").status == 200
    assert node.get("/api/topics", headers=bearer(app["token"])).status == 403
    node.stop()
    for path in [p for p in node.directory.rglob("*") if p.is_file()] + [node.log_path]:
        content = path.read_bytes()
        assert made["token"].encode() not in content
        assert app["token"].encode() not in content
    node.start()


def test_the_last_admin_is_revoked_last(node):
    node.token = node.post("/api/tokens", {"name": "boss", "role": "admin"}).json()["data"]["token"]
    assert node.post("/api/tokens", {"name": "app", "role": "read"}).status == 201
    problem = assert_problem(node.delete("/api/tokens/boss"), 409)
    assert "revoke the others first" in problem["detail"]
    assert node.delete("/api/tokens/app").status == 204
    assert_problem(node.delete("/api/tokens/app"), 404)
    assert node.delete("/api/tokens/boss").status == 204
    node.token = None
    assert node.get("/api/topics").status == 200


@pytest.mark.parametrize(
    "body, field",
    [
        ({"role": "admin"}, "name"),
        ({"name": "a b", "role": "admin"}, "name"),
        ({"name": "x" * 65, "role": "admin"}, "name"),
        ({"name": "anonymous", "role": "admin"}, "name"),
        ({"name": "a"}, "role"),
        ({"name": "a", "role": "king"}, "role"),
        ({"name": "a", "role": "admin", "topics": ["x"]}, "topics"),
        ({"name": "a", "role": "admin", "topics": "x"}, "topics"),
        ({"name": "a", "role": "admin", "topics": ["x/y"]}, "topics"),
        ({"name": "a", "role": "admin", "topics": [1]}, "topics"),
        ({"name": "a", "role": "admin", "topics": ["x", "x"]}, "topics"),
        ({"name": "a", "role": "admin", "token": "mine"}, "token"),
    ],
)
def test_bad_bodies_are_named(shared, body, field):
    answer = shared.post("/api/tokens", body)
    assert_problem(answer, 400)
    assert field in answer.errors


def test_a_name_is_there_once(guarded):
    """In the file or in the cluster."""
    assert guarded.post("/api/tokens", {"name": "app", "role": "read"}).status == 201
    for name in ("app", "boss"):
        answer = guarded.post("/api/tokens", {"name": name, "role": "read"})
        assert_problem(answer, 409)
        assert answer.errors["name"] == ["has already been taken"]
    problem = assert_problem(guarded.delete("/api/tokens/boss"), 409)
    assert "--api-tokens-file" in problem["detail"]


def test_every_node_knows_at_once(cluster):
    """Made at one node, a token counts at all when it is told; revoked, it
    counts at none: also for what each node answers by itself."""
    first, second, third = cluster.nodes
    boss = second.post("/api/tokens", {"name": "boss", "role": "admin"}).json()["data"]["token"]
    for node in cluster.nodes:
        assert node.get("/api/topics?consistency=local").status == 401
        node.token = boss
    for count in range(5):
        body = {"name": f"app{count}", "role": "read"}
        token = third.post("/api/tokens", body).json()["data"]["token"]
        for node in cluster.nodes:
            for path in ("/api/topics", "/api/topics?consistency=local", "/metrics"):
                assert node.get(path, headers=bearer(token)).status == 200
            assert_problem(node.post("/api/topics", {}, bearer(token)), 403)
        assert first.delete(f"/api/tokens/app{count}").status == 204
        for node in cluster.nodes:
            for path in ("/api/topics", "/api/topics?consistency=local", "/metrics"):
                assert node.get(path, headers=bearer(token)).status == 401
    old = cluster.wait_leader()
    old.kill()
    cluster.wait_leader(other_than=old)
    for node in cluster.up():
        assert node.get("/api/tokens").json()["data"][0]["name"] == "boss"
    old.start()


def test_the_command_on_a_running_cluster(node):
    url = f"--url={node.url}"
    done = run_program("token", "create", "--name=boss", "--role=admin", url)
    assert done.returncode == 0, done.stderr
    env = {"POSTOFFICE_TOKEN": done.stdout.split()[-1]}
    done = run_program(
        "token", "create", "--name=app", "--role=publish", "--topics=a,b", url, env=env
    )
    app = done.stdout.split()[-1]
    done = run_program("token", "list", url, env=env)
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["boss", "admin", "*"],
        ["app", "publish", "a,b"],
    ]
    done = run_program("token", "list", url, f"--token={app}")
    assert done.returncode == 1
    assert "role admin" in done.stderr
    assert run_program("token", "revoke", "--name=app", url, env=env).returncode == 0
    done = run_program("token", "list", url, "--json", env=env)
    assert [t["name"] for t in json.loads(done.stdout)["data"]] == ["boss"]
    node.token = env["POSTOFFICE_TOKEN"]


# ---- Web pages of others ----


def test_pages_of_others_are_refused(shared, guarded):
    """On a node that needs no token by the host that they name, and everywhere
    by their origin."""
    port = shared.url.rsplit(":", 1)[1]
    for host in ("evil.example", f"evil.example:{port}"):
        for answer in (
            shared.post("/api/topics", {}, {"host": host}),
            shared.get("/api/messages", headers={"host": host}),
            shared.get("/metrics", headers={"host": host}),
        ):
            assert assert_problem(answer, 403)["code"] == "foreign_host"
        assert shared.get("/livez", headers={"host": host}).status == 200
        assert guarded.get("/api/messages", headers={"host": host}).status == 200
    assert shared.get("/api/messages", headers={"host": f"localhost:{port}"}).status == 200
    for node in (shared, guarded):
        for origin in ("http://evil.example", "null"):
            answer = node.post("/api/topics", {}, {"origin": origin})
            assert assert_problem(answer, 403)["code"] == "cross_origin"
        assert node.post("/api/topics", {}, {"origin": node.url}).status == 400
