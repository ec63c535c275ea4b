"""What holds of every route, asked of every route that openapi.json names (which
a unit test keeps equal to the router)."""

import http.client

import pytest

import openapi
from node import Node
from test_rules import assert_problem

OPERATIONS = openapi.load().operations
PATHS = sorted({each.path for each in OPERATIONS})
READS = [each for each in OPERATIONS if each.method == "GET" and not each.streams]
BUILT = [each for each in OPERATIONS if each.built]
# Those of the original take any member; what it lacked does not.
LENIENT = {
    "createTopic", "createPublisher", "publishMessage", "publishBulk", "scheduleMessage",
}  # fmt: skip
PROBES = ("/livez", "/readyz", "/readyz/write", "/api/health")


def named(operations):
    return pytest.mark.parametrize("operation", operations, ids=lambda each: each.id)


def takes_json(operation):
    return any(kind == "application/json" for kind, _ in operation.bodies())


@pytest.fixture(scope="module")
def filled(request):
    """A node on which the addresses of the examples exist."""
    node = Node()
    request.addfinalizer(node.remove)
    node.start()
    node.topic("orders")
    node.publisher("http://127.0.0.1:1/", "orders", active=False)
    for number in range(3):
        node.publish(number, "orders")
    answer = node.post("/api/publishers/1/replay", {"state": "delivered"})
    assert answer.status == 202, answer
    yield node
    node.close()


def ask(node, operation, query="", *, slash="", method=None, **options):
    if not query and operation.queries() != [""]:
        required = [p for p in operation.parameters if p.get("required")]
        query = "&".join(
            f"{p['name']}={p['example']}" for p in required if p["in"] == "query"
        )
    address = operation.address + slash + (f"?{query}" if query else "")
    return node.request(method or operation.method, address, **options)


# ---- Method and path ----


@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_405(filled, path):
    mine = [each for each in OPERATIONS if each.path == path]
    allowed = {each.method for each in mine}
    if "GET" in allowed:
        allowed.add("HEAD")
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
        answer = filled.request(method, mine[0].address)
        assert_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == allowed


@named([each for each in READS if each.path != "/"])
def test_a_trailing_slash_is_the_same_route(filled, operation):
    assert ask(filled, operation, slash="/").status == ask(filled, operation).status


@named(READS)
def test_head_is_get_without_the_body(filled, operation):
    whole, bare = ask(filled, operation), ask(filled, operation, method="HEAD")
    assert bare.status == whole.status
    assert bare.body == b""
    assert bare.headers["content-type"] == whole.headers["content-type"]
    assert bare.headers["content-length"] is not None


# ---- The request's id ----


@named([each for each in OPERATIONS if not each.streams])
def test_the_request_id_is_echoed(filled, operation):
    """Also by refusals: the unknown parameter keeps changes from being made."""
    given = {"x-request-id": "ab.C_9-z"}
    answer = ask(filled, operation, "nothing=1", headers=given)
    assert answer.headers["x-request-id"] == "ab.C_9-z"
    own = ask(filled, operation, "nothing=1", headers={"x-request-id": "a b"})
    assert own.headers["x-request-id"] not in ("a b", None)


# ---- Query and body ----


@named(BUILT)
def test_an_unknown_parameter_is_named(filled, operation):
    if operation.path in PROBES:
        pytest.skip("a probe answers whatever it is asked with")
    problem = assert_problem(ask(filled, operation, "nothing=1"), 400)
    assert [each["parameter"] for each in problem["errors"]] == ["nothing"]
    assert problem["errors"][0]["pointer"] is None
    assert "nothing" in problem["data"]["errors"]


@named([each for each in BUILT if takes_json(each)])
def test_another_type_is_415(filled, operation):
    answer = ask(filled, operation, body="a=1", headers={"content-type": "text/plain"})
    assert_problem(answer, 415)


@named([each for each in BUILT if takes_json(each)])
@pytest.mark.parametrize("body", ["{", "[]", "{} {}", "{,}", "\xff", "7"])
def test_what_is_not_an_object_is_400(filled, operation, body):
    problem = assert_problem(ask(filled, operation, body=body.encode("latin-1")), 400)
    assert problem["code"] == "malformed_json"


@named([each for each in BUILT if takes_json(each)])
def test_unknown_fields(filled, operation):
    problem = assert_problem(ask(filled, operation, body={"no~t/hing": 1}), 400)
    told = "/no~0t~1hing" in [each["pointer"] for each in problem["errors"]]
    assert told == (operation.id not in LENIENT)


@named([each for each in BUILT if takes_json(each)])
def test_a_field_that_is_given_twice(filled, operation):
    schema = openapi.load().resolve(operation.body_schema("application/json"))
    if not schema["properties"]:
        pytest.skip("it takes no fields")
    name = sorted(schema["properties"])[0]
    body = '{"%s":null,"%s":null}' % (name, name)
    problem = assert_problem(ask(filled, operation, body=body), 400)
    assert f"/{name}" in [each["pointer"] for each in problem["errors"]]


# ---- Lists ----


LISTS = [
    each
    for each in READS
    if {"limit", "cursor"} <= {parameter["name"] for parameter in each.parameters}
]


@named(LISTS)
@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "cursor=x"])
def test_bad_pages_are_named(filled, operation, query):
    problem = assert_problem(ask(filled, operation, query), 400)
    assert problem["errors"][0]["parameter"] == query.split("=")[0]


def test_cursors_hold_while_messages_arrive(filled):
    """Each message once, newest first, whatever comes in between."""
    filled.topic("busy")
    before = [filled.publish(number, "busy")["id"] for number in range(10)]
    seen, cursor = [], ""
    while True:
        page = filled.get(f"/api/messages?topic=busy&limit=3{cursor}").json()
        seen += [each["id"] for each in page["data"]]
        filled.publish("later", "busy")
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == before[::-1]


# ---- Connections ----


def test_one_connection_serves_all(filled):
    """No answer, whatever it is, breaks the connection behind it."""
    connection = filled.connect()
    sock = None
    for operation in OPERATIONS:
        if operation.streams:
            continue
        answer = ask(filled, operation, "nothing=1", connection=connection)
        assert answer.status < 500 or answer.status in (501, 503), answer
        assert sock is None or connection.sock is sock, operation
        sock = connection.sock
    connection.close()


def test_absolute_targets(filled):
    """RFC 9112, section 3.2.2."""
    connection = http.client.HTTPConnection(filled.host, filled.port, timeout=60)
    for path, status in (("/livez", 200), ("/api/nothing", 404), ("", 200)):
        connection.putrequest("GET", f"http://any.host{path}")
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        assert response.status == status, path
    connection.close()
