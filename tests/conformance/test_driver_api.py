"""A slice of `make fuzz` in every run: the driver API answers as its document says, whatever it is asked."""

from typing import Any

import pytest
from schemathesis.schemas import APIOperation

from tests.fuzz.api import Target, attack, operations

CASES = 25
#: Nothing made up is agreed to: a home that exists, a ticket of ours, and a key that is not set up here.
NEVER = {"POST /api/v1/links/{oem}", "POST /api/v1/links/{oem}/code", "GET /api/v1/push-key"}


@pytest.fixture(scope="module")
def target() -> Any:
    with Target() as made:
        yield made


@pytest.mark.parametrize("operation", [pytest.param(one, id=one.label) for one in operations()])
def test_no_request_fails_or_is_answered_as_nobody_said(
    target: Target, operation: APIOperation[Any, Any, Any, Any]
) -> None:
    statuses = attack(target, operation, CASES, start=1)
    assert any(200 <= status < 300 for status in statuses) != (operation.label in NEVER), statuses
