"""A schema registry in memory, which refuses what real ones refuse: strangers, what is no schema, breaking changes.

The verdicts are those of Confluent's JSON Schema rules for what our messages are made of: objects that are open to
fields of later versions. `D2EV_TEST_SCHEMA_REGISTRY=http://…` holds the same tests to a real registry.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema_rs import meta

from deploy.schema_registry import MEDIA_TYPE
from deploy.schemas import LEVELS

Schema = dict[str, Any]


class Error(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = httpx.Response(status, json={"error_code": code, "message": message})


class FakeRegistry:
    """Answers requests; `login` is the Authorization header that it wants."""

    def __init__(self, level: str = "BACKWARD", login: str | None = None) -> None:
        self.subjects: dict[str, list[str]] = {}
        self.levels: dict[str, str] = {}
        self.read_only = False
        self.writes = 0
        self._level, self._login = level, login
        self._routes: list[tuple[str, str, Callable[[str, Any], Any]]] = [
            ("POST", r"/subjects/([^/]+)", self._find),
            ("GET", r"/subjects/([^/]+)/versions/latest", self._latest),
            ("POST", r"/subjects/([^/]+)/versions", self._register),
            ("POST", r"/compatibility/subjects/([^/]+)/versions", self._judge),
            ("GET", r"/config/([^/]+)", self._config),
            ("PUT", r"/config/([^/]+)", self._set),
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        try:
            if self._login is not None and request.headers.get("Authorization") != self._login:
                raise Error(401, 401, "Unauthorized")
            return httpx.Response(200, json=self._answer(request))
        except Error as error:
            return error.answer

    def _answer(self, request: httpx.Request) -> Any:
        path = urlsplit(str(request.url)).path
        for method, pattern, answer in self._routes:
            if method == request.method and (match := re.fullmatch(pattern, path)):
                if request.content and request.headers["Content-Type"] != MEDIA_TYPE:
                    raise Error(415, 415, "HTTP 415 Unsupported Media Type")
                return answer(match[1], json.loads(request.content or "null"))
        raise Error(404, 404, "HTTP 404 Not Found")

    def _find(self, subject: str, body: Any) -> Any:
        known, schema = self._versions(subject), _canonical(body)
        if schema not in known:
            raise Error(404, 40403, "Schema not found")
        return {"subject": subject, "version": known.index(schema) + 1, "schema": schema}

    def _latest(self, subject: str, _body: Any) -> Any:
        known = self._versions(subject)
        return {"subject": subject, "version": len(known), "schema": known[-1]}

    def _register(self, subject: str, body: Any) -> Any:
        if self.read_only:
            raise Error(422, 42205, f"Subject {subject} is in read-only mode")
        schema = _canonical(body)
        if complaints := list(self._complaints(subject, schema)):
            raise Error(409, 409, "Schema being registered is incompatible with an earlier schema: " + str(complaints))
        known = self.subjects.setdefault(subject, [])
        if schema not in known:
            known.append(schema)
            self.writes += 1
        return {"id": known.index(schema) + 1}

    def _judge(self, subject: str, body: Any) -> Any:
        complaints = list(self._complaints(subject, _canonical(body)))
        return {"is_compatible": not complaints, "messages": complaints}

    def _config(self, subject: str, _body: Any) -> Any:
        if subject not in self.levels:
            raise Error(404, 40408, f"Subject '{subject}' does not have subject-level compatibility configured")
        return {"compatibilityLevel": self.levels[subject]}

    def _set(self, subject: str, body: Any) -> Any:
        if body["compatibility"] not in LEVELS:
            raise Error(422, 42203, "Invalid compatibility level")
        self.levels[subject] = body["compatibility"]
        self.writes += 1
        return body

    def _versions(self, subject: str) -> list[str]:
        if not self.subjects.get(subject):
            raise Error(404, 40401, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def _complaints(self, subject: str, schema: str) -> Iterator[str]:
        level = self.levels.get(subject, self._level)
        known = self.subjects.get(subject, [])
        for text in known if level.endswith("TRANSITIVE") else known[-1:]:
            new, old = json.loads(schema), json.loads(text)
            if level.startswith(("BACKWARD", "FULL")):
                yield from unread(new, old)
            if level.startswith(("FORWARD", "FULL")):
                yield from unread(old, new)


def _canonical(body: Any) -> str:
    try:
        schema = json.loads(body["schema"])
        assert body["schemaType"] == "JSON"
        meta.validate(schema)
    except ValueError as error:
        raise Error(422, 42201, f"Invalid schema: {error}") from None
    return json.dumps(schema)


def unread(reader: Schema, writer: Schema) -> Iterator[str]:
    """What a reader by one schema would not understand of one who writes by the other."""
    ours, theirs = reader.get("definitions", {}), writer.get("definitions", {})
    yield from _unread(reader, writer, "", ours.__getitem__, theirs.__getitem__)


def _unread(
    reader: Schema, writer: Schema, at: str, of_reader: Callable[[str], Schema], of_writer: Callable[[str], Schema]
) -> Iterator[str]:
    reader, writer = _followed(reader, of_reader), _followed(writer, of_writer)
    if reader.get("type") != writer.get("type"):
        yield f"TYPE_CHANGED at {at or '/'}"
    if "enum" in reader and not set(writer.get("enum", ())) <= set(reader["enum"]):
        yield f"ENUM_ARRAY_NARROWED at {at}"
    for name in sorted(set(reader.get("required", ())) - set(writer.get("required", ()))):
        if "default" not in reader["properties"][name]:
            yield f"REQUIRED_ATTRIBUTE_ADDED at {at}/{name}"
    theirs = writer.get("properties", {})
    for name, schema in reader.get("properties", {}).items():
        if name in theirs:
            yield from _unread(schema, theirs[name], f"{at}/{name}", of_reader, of_writer)
        else:
            yield f"PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL at {at}/{name}"


def _followed(schema: Schema, definition: Callable[[str], Schema]) -> Schema:
    return definition(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema
