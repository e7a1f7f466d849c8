"""Every recorded answer is accounted for: it gives what stands beside it, or it is refused for the reason given.

`tests/cases/oem/<connector>.json` maps a file under `tests/data/oem_api` (`file#name` for one answer in a file that
holds several) to `{"kind", "expected"}` or `{"refused"}`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oem_connectors.errors import Unreadable
from oem_connectors.recorded import understand
from oem_connectors.registry import load
from oem_connectors.subject import said

TESTS = Path(__file__).parents[1]
DATA = TESTS / "data" / "oem_api"
RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
CASES: list[tuple[str, str, dict[str, Any]]] = [
    (table.stem, where, case)
    for table in sorted((TESTS / "cases" / "oem").glob("*.json"))
    for where, case in json.loads(table.read_text("utf-8")).items()
]


def answer(where: str) -> Any:
    file, _, name = where.partition("#")
    found = json.loads((DATA / file).read_text("utf-8"))
    for key in filter(None, name.split("/")):
        found = found[int(key) if isinstance(found, list) else key]
    return found


@pytest.mark.parametrize(("connector", "where", "case"), CASES, ids=[where for _, where, _ in CASES])
def test_a_recorded_answer_says_what_it_says(connector: str, where: str, case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(Unreadable) as refusal:
            understand(load()[connector], answer(where), "account.car", RECEIVED)
        assert case["refused"] in str(refusal.value)
        return
    found = understand(load()[connector], answer(where), "account.car", RECEIVED)
    assert (found.kind, said(found.telemetry)) == (case["kind"], case["expected"])


def test_no_recorded_answer_is_left_out() -> None:
    told = {where.partition("#")[0] for _, where, _ in CASES}
    kept = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*.json")}
    assert kept - told == set()
    assert told - kept == set()


def test_what_is_expected_says_something() -> None:
    for _, where, case in CASES:
        assert case.get("expected") or case.get("refused"), where
