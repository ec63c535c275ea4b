"""What holds for every route: statuses, the shape of errors, request ids,
lists, and the routes about the node itself."""

import json
import re

import pytest

JSON_HEADERS = {"content-type": "application/json"}


def assert_problem(answer, status):
    """RFC 9457, with the members that every error of ours has."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    for member in ("type", "title", "status", "detail", "code", "request_id"):
        assert member in problem, f"{member} is missing in {problem}"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert isinstance(problem["data"]["errors"], dict)
    return problem


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/apix", "/api/topics/a/b/c", "/api//topics"]
)
def test_unknown_route_is_404(shared, path):
    assert_problem(shared.get(path), 404)


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("PUT", "/api/topics", {"GET", "POST"}),
        ("DELETE", "/api/messages", {"POST"}),
        ("GET", "/api/bulk_messages", {"POST"}),
        ("POST", "/api/publishers/1", {"GET", "DELETE"}),
        ("GET", "/api/publishers/1/pause", {"POST"}),
        ("POST", "/livez", {"GET"}),
        ("PATCH", "/metrics", {"GET"}),
    ],
)
def test_wrong_method_is_405_with_allow(shared, method, path, allowed):
    answer = shared.request(method, path, "{}" if method != "GET" else None)
    assert_problem(answer, 405)
    offered = {word.strip() for word in answer.headers["allow"].split(",")}
    assert allowed <= offered
    assert method not in offered


@pytest.mark.parametrize(
    "path", ["/api/topics/", "/api/publishers/", "/api/health/", "/livez/"]
)
def test_trailing_slash_is_the_same_route(shared, path):
    assert shared.get(path).status == 200


def test_create_with_trailing_slash(shared, name):
    body = {"name": name, "origin_host": "example.com"}
    assert shared.post("/api/topics/", body).status == 201


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '"text"', "{}x", '{"a":1,}', "\xff", "{'a':1}"]
)
def test_malformed_body_is_400(shared, body):
    for path in ("/api/topics", "/api/publishers", "/api/messages", "/api/bulk_messages"):
        raw = body.encode("latin-1")
        assert_problem(shared.post(path, raw, JSON_HEADERS), 400)


def test_deep_nesting_is_refused_and_harmless(shared, name):
    shared.topic(name)
    depth = 100_000
    body = '{"topic":"%s","attributes":{},"payload":%s%s}' % (
        name,
        "[" * depth,
        "]" * depth,
    )
    assert_problem(shared.post("/api/messages", body), 400)
    assert shared.get("/livez").status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_other_content_type_is_415(shared, name, kind):
    body = json.dumps({"name": name, "origin_host": "example.com"})
    answer = shared.post("/api/topics", body, {"content-type": kind})
    assert_problem(answer, 415)


def test_content_type_may_have_parameters(shared, name):
    body = json.dumps({"name": name, "origin_host": "example.com"})
    kind = {"content-type": "Application/JSON; charset=utf-8"}
    assert shared.post("/api/topics", body, kind).status == 201


def test_body_above_the_bound_is_413(new_node):
    node = new_node("--max-body-bytes=65536", "--max-message-bytes=4096")
    node.topic()
    fitting = {"topic": "orders", "attributes": {}, "payload": "x" * 3000}
    assert node.post("/api/messages", fitting).status == 201
    large = {**fitting, "payload": "x" * 5000}
    assert_problem(node.post("/api/messages", large), 413)
    huge = {**fitting, "payload": "x" * 70_000}
    answer = node.post("/api/messages", huge)
    assert answer.status == 413, answer
    bulk = {**fitting, "payload": ["x" * 3000, "x" * 5000]}
    assert_problem(node.post("/api/bulk_messages", bulk), 413)
    assert node.post("/api/messages", fitting).status == 201


def test_request_id_is_echoed_when_sane(shared):
    answer = shared.get("/livez", headers={"x-request-id": "check-42.a_b"})
    assert answer.headers["x-request-id"] == "check-42.a_b"


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 500, 'quote"'])
def test_request_id_is_made_otherwise(shared, given):
    headers = {} if given is None else {"x-request-id": given}
    answer = shared.get("/api/nothing", headers=headers)
    made = answer.headers["x-request-id"]
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", made)
    assert made != given
    assert made != shared.get("/livez").headers["x-request-id"]


@pytest.mark.parametrize(
    "query, named",
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=-1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=%20nonsense", "cursor"),
        ("bogus=1", "bogus"),
    ],
)
@pytest.mark.parametrize("path", ["/api/topics", "/api/publishers"])
def test_bad_query_parameters_are_named(shared, path, query, named):
    answer = shared.get(f"{path}?{query}")
    assert_problem(answer, 400)
    assert named in answer.body.decode()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/readyz/write"])
def test_probes(shared, path):
    assert shared.get(path).status == 200
    verbose = shared.get(f"{path}?verbose")
    assert verbose.status == 200
    assert verbose.body.strip()


def test_health_in_the_original_form(shared):
    answer = shared.get("/api/health")
    assert answer.status == 200
    assert answer.json() == {"status": "ok"}


def test_head_is_get_without_a_body(shared):
    answer = shared.request("HEAD", "/api/health")
    assert answer.status == 200
    assert answer.body == b""


def test_cluster_of_one(shared):
    data = shared.get("/api/cluster").json()["data"]
    assert data["node"] == 1
    assert data["leader"] == 1
    assert data["term"] >= 1
    assert data["commit_index"] >= 1
    assert re.fullmatch(r"[0-9a-f-]{36}", data["cluster_id"])
    [member] = data["members"]
    assert member["id"] == 1
    assert member["role"] == "voter"
    assert member["state"] == "leader"
    assert member["raft"] == f"127.0.0.1:{shared.raft_port}"
    assert member["version"]


def metric(node, name):
    """The value of a series without labels."""
    answer = node.get("/metrics")
    assert answer.status == 200
    for line in answer.body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"{name} is not among the metrics")


def test_metrics_count(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    assert node.get("/metrics").headers["content-type"].startswith(
        "text/plain; version=0.0.4"
    )
    before = metric(node, "postoffice_messages_published_total")
    node.publish_many(range(7))
    assert metric(node, "postoffice_messages_published_total") == before + 7
    receiver.wait_requests(7)
    node.wait_backlog(publisher["id"])
    assert metric(node, "postoffice_backlog_messages") == 0


def test_metrics_are_described(shared):
    text = shared.get("/metrics").body.decode()
    series = {
        line.split()[0].split("{")[0]
        for line in text.splitlines()
        if line and not line.startswith("#")
    }
    histograms = re.findall(r"^# TYPE (\w+) histogram$", text, re.MULTILINE)
    parts = {one + end for one in histograms for end in ("_bucket", "_sum", "_count")}
    families = series - parts | set(histograms)
    assert len(families) >= 12
    for one in families:
        assert f"# HELP {one} " in text
        assert f"# TYPE {one} " in text


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/api/backup"),
    ],
)
def test_what_is_not_built_says_so(shared, method, path):
    assert_problem(shared.request(method, path), 501)


def test_page(shared):
    answer = shared.get("/")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = dict(
        each.strip().split(" ", 1)
        for each in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and "unsafe" not in str(policy)
    page = answer.body.decode()
    assert "Node 1 (term" in page and "is well: it takes messages." in page
    # What the policy would have a browser refuse.
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|src=|//", page)


def test_page_leads_on(shared):
    """Every link leads to something that is there, on this node."""
    links = re.findall(r'href="([^"]+)"', shared.get("/").body.decode())
    assert {"/openapi.json", "/metrics", "/page.css"} < set(links)
    for link in links:
        answer = shared.request("HEAD" if link == "/api/events" else "GET", link)
        assert answer.status == 200, link
    assert "prefers-color-scheme: dark" in shared.get("/page.css").body.decode()
