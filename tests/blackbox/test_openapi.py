"""/openapi.json tells the truth: it is sound, its examples work as they stand,
what a node answers and sends is what it says, and docs/api.md says the same."""

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

import openapi
from node import ROOT
from receiver import fail_first

# What an example needs stands before it: the topic, its publishers, messages;
# what takes things away stands at the end. Their ids are those of a new node.
ORDER = [
    "createTopic",
    "createPublisher",
    "pausePublisher",
    "publishMessage",
    "publishBulk",
    "scheduleMessage",
    "explainMessage",
    "discardMessage",
    "retryMessage",
    "resumePublisher",
    "startReplay",
    "getReplay",
    "cancelReplay",
    "testPublisher",
    "rotateSecret",
    "changePublisher",
    "changeTopic",
]
LAST = [
    "deletePublisher",
    "deleteTopic",
    "transferLeadership",
    "createToken",  # From then on each request needs it.
    "revokeToken",
]
# Statuses of examples that are not 2xx, with what makes them right.
OTHERWISE = {"transferLeadership": 400}  # The only member leads already.


def document():
    return openapi.load()


def in_order():
    """All operations: the rest, which only read, between the two lists."""
    named = [*ORDER, *LAST]
    known = [each.id for each in document().operations]
    assert not set(named) - set(known)
    rest = [name for name in known if name not in named]
    return [document()[name] for name in [*ORDER, *rest, *LAST]]


def ask(node, operation, query, content_type, body):
    address = operation.address + (f"?{query}" if query else "")
    headers = {} if content_type is None else {"content-type": content_type}
    answer = node.request(operation.method, address, body, headers)
    operation.check(answer)
    return answer


# ---- Serving it ----


def test_served_to_everybody_as_it_is(shared):
    answer = shared.get("/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == openapi.PATH.read_bytes()


@pytest.mark.parametrize("path", ["/openapi.json", "/page.css"])
def test_not_sent_again_to_who_has_it(shared, path):
    first = shared.get(path)
    tag = first.headers["etag"]
    for shown in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = shared.get(path, headers={"if-none-match": shown})
        assert again.status == 304, again
        assert again.headers["etag"] == tag
        assert again.body == b""
    for shown in ('"x"', tag[:-1], f'"x{tag[1:]}', ",,", ""):
        again = shared.get(path, headers={"if-none-match": shown})
        assert again.status == 200, again
        assert again.body == first.body


# ---- Its form ----


def test_a_public_validator_finds_it_valid():
    modules = os.environ.get("POSTOFFICE_NODE_MODULES")
    if modules is None:
        pytest.skip("POSTOFFICE_NODE_MODULES names no folder of the validator")
    package = Path(modules) / "@seriousme" / "openapi-schema-validator"
    done = subprocess.run(
        ["node", package / "bin" / "validate-api-cli.js", openapi.PATH],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"valid": true' in done.stdout


# ---- Examples ----


def test_examples_fit_their_schemas():
    count = 0
    for where, schema, value in document().examples():
        try:
            document().validate(schema, value, strict=False)
        except Exception as error:
            raise AssertionError(f"the example at {where}: {error}") from error
        count += 1
    assert count > 30


def test_examples_work_as_they_stand(node, receiver):
    """Each with each of its queries and bodies; only targets are moved to a
    receiver that exists."""
    told = {}
    for operation in in_order():
        if operation.streams:
            continue
        for query in operation.queries():
            for content_type, body in operation.bodies():
                if isinstance(body, dict) and "target" in body:
                    path = body["target"].rsplit("/", 1)[1]
                    body = {**body, "target": f"{receiver.url}/{path}"}
                answer = ask(node, operation, query, content_type, body)
                told[operation.id] = answer
                if operation.id == "createToken":
                    node.token = answer.json()["data"]["token"]
                if not operation.built:
                    assert answer.status == 501, answer
                elif operation.id in OTHERWISE:
                    assert answer.status == OTHERWISE[operation.id], answer
                else:
                    assert answer.status < 300, (operation, body, answer)
    found = told["getMessage"].json()["data"]
    assert found["payload"] == document()["publishMessage"].bodies()[0][1]["payload"]
    assert found["deliveries"], "the example of a message has deliveries"


# ---- Deliveries ----

TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def webhooks(node, receiver, body_format):
    return node.publisher(
        f"{receiver.url}/{body_format}",
        body_format=body_format,
        secret="whsec_" + base64.b64encode(b"s" * 24).decode(),
        headers={"x-own": "1"},
    )["id"]


def test_what_is_sent_is_what_is_described(node, receiver):
    """In every body format: sent, sent again after a failure, with two
    signatures, replayed, and as a test."""
    formats = document().delivery.SCHEMAS
    receiver.behaviour = fail_first(1)
    node.topic()
    ids = [webhooks(node, receiver, each) for each in formats]
    body = {"topic": "orders", "payload": {"a": 1}, "attributes": {"b": "c"}, "key": "k"}
    for identity in ids:
        assert node.post(f"/api/publishers/{identity}/rotate-secret").status == 200
    answer = node.post("/api/messages", body, {"traceparent": TRACE_PARENT})
    assert answer.status == 201, answer
    for identity in ids:
        node.wait_backlog(identity)
        assert node.post(f"/api/publishers/{identity}/replay", {}).status == 202
        assert node.post(f"/api/publishers/{identity}/test").status == 200
    seen = set()
    # Two of the message, a replay of it and a test.
    for request in receiver.wait_requests(4 * len(ids)):
        document().delivery.check(request, request.path.rsplit("/", 1)[1], {"x-own"})
        assert request.headers["user-agent"].startswith("Postoffice/")
        seen |= {name.lower() for name in request.headers}
    # This one is for after a crash: test_crash.py looks at it.
    assert set(document().delivery.headers) - seen == {"postoffice-maybe-duplicate"}


# ---- docs/api.md ----


def docs():
    text = (ROOT / "docs" / "api.md").read_text()
    return text.replace("{id or public_id}", "{id}")


def members(schema):
    """The names of a schema's members."""
    return set(document().resolve(schema).get("properties", {}))


def test_docs_name_every_path_and_no_other():
    """A path may stand there by its last step, beside its brother."""
    built = {each.path for each in document().operations if each.built}
    known = {each.path for each in document().operations}
    told = set(re.findall(r"[ `](/[a-z][^` ]*)", docs()))
    assert {path for path in told if path.startswith("/api/")} <= known
    pages = {"/", "/page.css"}
    for path in built - pages - told:
        assert "/" + path.rsplit("/", 1)[1] in told, f"docs/api.md lacks {path}"


def test_docs_name_every_parameter():
    told = set(re.findall(r"`\??([A-Za-z_.-]+)[^`]*`", docs()))
    for operation in document().operations:
        if not operation.built:
            continue
        wanted = {each["name"] for each in operation.parameters} - {"traceparent"}
        for content_type, _ in operation.bodies():
            if content_type is not None:
                wanted |= members(operation.body_schema(content_type))
        if operation.path.startswith("/api/"):
            assert wanted <= told, f"docs/api.md lacks some of {operation}"


def test_docs_name_no_other_parameter():
    """What the second column of the table of routes says in backticks is a
    parameter, a field, or a value that one of these takes."""
    known = set()

    def add(value):
        if isinstance(value, dict):
            known.update(value.get("properties", {}))
            known.update(map(str, value.get("enum", [])))
            known.update([value["name"]] if "in" in value else [])
            known.update(value["content"] if "content" in value else [])
            value = list(value.values())
        for each in value if isinstance(value, list) else []:
            add(each)

    add(document().content)
    rows = re.findall(r"^\| `[A-Z]+[` ][^|]*\|([^|]*)\|", docs(), re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        for word in re.findall(r"`([^`]*)`", row):
            name = word.lstrip("?").split("=")[0]
            assert name in known, f"docs/api.md has {word}, openapi.json has not"
