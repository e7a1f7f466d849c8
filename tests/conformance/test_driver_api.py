"""A slice of `make fuzz` in every run: the driver API answers as its document says, whatever it is asked."""

from typing import Any

import pytest
from schemathesis.schemas import APIOperation

from tests.fuzz.api import Target, attack, operations

CASES = 25
#: Not signed in, and not there: such answers alone would mean that nothing was tried.
OUTSIDE = {401, 404}


@pytest.fixture(scope="module")
def target() -> Any:
    with Target() as made:
        yield made


@pytest.mark.parametrize("operation", [pytest.param(one, id=one.label) for one in operations()])
def test_no_request_fails_or_is_answered_as_nobody_said(
    target: Target, operation: APIOperation[Any, Any, Any, Any]
) -> None:
    statuses = attack(target, operation, CASES, start=1)
    assert not set(statuses) <= OUTSIDE, statuses
