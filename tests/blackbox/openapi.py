"""The API's own description, ui/openapi.json, as tests use it: what a node
answers is compared with it.

Schemas are taken strictly here: a member that a schema does not name is an
error, so that nothing new goes undescribed. Clients are told otherwise: members
may be added.
"""

import functools
import json
import re
import urllib.parse

import jsonschema

from node import ROOT

PATH = ROOT / "ui" / "openapi.json"
METHODS = ("get", "post", "patch", "delete")


def _strict(schema):
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


class Operation:
    def __init__(self, document, method, path, item):
        self._document = document
        self._item = item[method]
        self.method = method.upper()
        self.path = path
        self.id = self._item["operationId"]
        self.built = "x-not-built" not in self._item
        self.streams = "x-stream" in self._item  # Its answer does not end.
        self.role = self._item["x-role"]
        self.parameters = [
            document.resolve(each)
            for each in item.get("parameters", []) + self._item.get("parameters", [])
        ]
        self.responses = {
            int(status): document.resolve(response)
            for status, response in self._item["responses"].items()
        }
        self._pattern = re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", path))

    def __repr__(self):
        return f"<{self.id}: {self.method} {self.path}>"

    def fits(self, method, path):
        return method == self.method and self._pattern.fullmatch(path)

    @property
    def address(self):
        """Its path, with the examples of its parameters."""
        path = self.path
        for parameter in self.parameters:
            if parameter["in"] == "path":
                path = path.replace(
                    "{%s}" % parameter["name"], str(parameter["example"])
                )
        return path

    def queries(self):
        """Of each parameter that has an example a query, with what must be
        given beside it; at least one."""
        given = [
            each
            for each in self.parameters
            if each["in"] == "query" and "example" in each
        ]
        always = {p["name"]: p["example"] for p in given if p.get("required")}
        made = [
            {**always, p.get("x-example-name", p["name"]): p["example"]} for p in given
        ]
        return [urllib.parse.urlencode(query) for query in made or [{}]]

    def bodies(self):
        """Pairs of a content-type and an example; (None, None) without one."""
        content = self._item.get("requestBody", {}).get("content", {})
        made = []
        for content_type, media in content.items():
            examples = media.get("examples", {"": {"value": media.get("example")}})
            made += [(content_type, each["value"]) for each in examples.values()]
        return made or [(None, None)]

    def body_schema(self, content_type):
        return self._item["requestBody"]["content"][content_type]["schema"]

    def check(self, answer):
        """That the file names the answer's status and describes its body."""
        assert answer.status in self.responses, f"{self} does not name {answer}"
        content = self.responses[answer.status].get("content")
        if content is None:
            assert answer.body == b"", f"{self} names no body: {answer}"
            return
        content_type = answer.headers["content-type"].split(";")[0]
        assert content_type in content, f"{self} does not name {content_type}"
        media = content[content_type]
        if "x-line" in media:
            for line in answer.body.splitlines():
                self._document.validate(media["x-line"], json.loads(line))
        elif content_type.endswith("json"):
            self._document.validate(media["schema"], answer.json())


class Delivery:
    """What the file says of the requests that a target gets."""

    # Of HTTP itself; OpenAPI has no parameters of these names, or needs none.
    PLAIN = {"host", "accept", "content-type", "content-length", "user-agent"}
    SCHEMAS = {
        "payload": "Payload",
        "payload_with_attributes": "PayloadWithAttributes",
        "envelope": "Envelope",
        "cloudevents": "CloudEvent",
    }

    def __init__(self, document):
        self._document = document
        self._item = document.content["webhooks"]["message"]["post"]
        self.headers = {each["name"]: each for each in self._item["parameters"]}

    def check(self, request, body_format, own=()):
        """That the file describes this request to a publisher's target, who
        gets headers of its own, too."""
        assert request.method == "POST"
        sent = {name.lower(): value for name, value in request.headers.items()}
        strange = set(sent) - set(self.headers) - self.PLAIN - set(own)
        assert not strange, f"not described: {strange}"
        for name, header in self.headers.items():
            if name in sent:
                value, schema = sent[name], header["schema"]
                if schema.get("type") == "integer":
                    value = int(value)
                self._document.validate(schema, value)
            else:
                assert not header.get("required"), f"{name} is missing"
        self._check_body(request, sent["content-type"], body_format)

    def _check_body(self, request, content_type, body_format):
        reference = {"$ref": f"#/components/schemas/{self.SCHEMAS[body_format]}"}
        schema = self._item["requestBody"]["content"][content_type]["schema"]
        assert reference in schema.get("anyOf", [schema])
        self._document.validate(reference, json.loads(request.body))


class Document:
    def __init__(self, content):
        self.content = content
        self._strict = _strict(content["components"])
        self.operations = [
            Operation(self, method, path, item)
            for path, item in content["paths"].items()
            for method in METHODS
            if method in item
        ]
        self.delivery = Delivery(self)

    def __getitem__(self, identity):
        [found] = [each for each in self.operations if each.id == identity]
        return found

    def find(self, method, path):
        """The operation of a request, or None; literal paths go first."""
        fitting = [each for each in self.operations if each.fits(method, path)]
        return min(fitting, key=lambda each: each.path.count("{"), default=None)

    def resolve(self, value):
        if "$ref" not in value:
            return value
        _, _, kind, name = value["$ref"].split("/")
        return self.content["components"][kind][name]

    def validate(self, schema, value, strict=True):
        components = self._strict if strict else self.content["components"]
        whole = {
            **(_strict(schema) if strict else schema),
            "components": components,
        }
        jsonschema.Draft202012Validator(whole).validate(value)

    def examples(self):
        """Each example of the file with its schema: (where, schema, value)."""

        def walk(value, where):
            if isinstance(value, list):
                for number, each in enumerate(value):
                    yield from walk(each, f"{where}/{number}")
            if not isinstance(value, dict):
                return
            if "schema" in value and "example" in value:
                yield where, value["schema"], value["example"]
            if "schema" in value:
                for name, each in value.get("examples", {}).items():
                    yield f"{where}/{name}", value["schema"], each["value"]
            elif isinstance(value.get("examples"), list):  # A schema's own.
                for each in value["examples"]:
                    yield where, value, each
            for name, each in value.items():
                if name not in ("example", "examples"):
                    yield from walk(each, f"{where}/{name}")

        yield from walk(self.content, "")


@functools.cache
def load():
    return Document(json.loads(PATH.read_text()))
