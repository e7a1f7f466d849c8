"""The OpenAPI document is whole: every route that drivers' apps may use, every refusal, and no page."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from agents.driver_api.app import document, routes

DOCUMENT = document()
EACH = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {one for inner in value.values() for one in names(inner)}
    return {one for inner in value for one in names(inner)} if isinstance(value, list) else set()


def test_it_is_the_same_every_time_and_plain_json() -> None:
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False)) == DOCUMENT == document()


def test_operations_have_names_of_their_own() -> None:
    found = [operation["operationId"] for _, _, operation in EACH]
    assert len(found) == len(set(found)) > 15


@pytest.mark.parametrize(("method", "path", "operation"), EACH)
def test_every_operation_asks_who_it_is_and_says_how_it_refuses(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert path.startswith("/api/v1/")
    assert operation["description"]
    assert {name for one in operation["security"] for name in one} == {"HTTPBearer", "APIKeyCookie"}
    for refused in ("4XX", "5XX"):
        schema = operation["responses"][refused]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorView"}


def test_nothing_unknown_is_taken() -> None:
    for _, _, operation in EACH:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        for name in {str(one).rpartition("/")[2] for one in _references(body)}:
            assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False, name


def _references(value: Any) -> list[Any]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [one for name, inner in value.items() if name != "mapping" for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []


def test_no_page_loads_anything_from_elsewhere() -> None:
    app: FastAPI = routes()
    assert app.docs_url is None
    assert app.redoc_url is None
    assert "HTTPValidationError" not in names(DOCUMENT)
