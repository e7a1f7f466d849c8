"""The notebook runs from top to bottom on recorded nights, and answers as a plain count of the records does."""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from streams.topics import COMMAND, REGISTRATION, SESSION

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "docs" / "notebooks"
NIGHT = NOTEBOOKS / "a-night.ipynb"
NIGHTS = ROOT / "tests" / "data" / "nights" / "nights.jsonl.gz"
#: Seconds: the machine may be busy.
PATIENCE = 300

pytestmark = pytest.mark.timeout(2 * PATIENCE)

#: What of the answers is held against the records.
TELL = """
import json
print(json.dumps({
    "begin": begin.isoformat(),
    "night_kwh": night.energy_kwh.sum(),
    "cheapest": in_cheapest,
    "savings": {oem: row for (oem, _), row in savings[["sessions", "saving", "percent"]].iterrows()},
    "days": {oem: days for (oem, _), days in savings.days.items()},
    "intervals": [oem for (oem, _), low in savings.low.items() if low == low],
    "promises": promises.sum().to_dict(),
    "missed": list(missed.reason),
    "commands": obeyed.groupby("oem").confirmed.sum().to_dict(),
    "plans": replay["plans"],
    "ways": replay["totals"],
    "settled": ways.set_index("currency").managed.to_dict(),
}, default=dict))
"""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def run(path: Path, sockets: Path) -> dict[str, Any]:
    """What a notebook answers, run where it lies; its kernel listens on no port."""
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(TELL))  # type: ignore[no-untyped-call]
    asyncio.run(execute(notebook, path.parent, AsyncKernelManager(transport="ipc", ip=str(sockets / "kernel"))))
    told = [output.text for output in notebook.cells[-1].outputs if output.get("name") == "stdout"]
    answers: dict[str, Any] = json.loads("".join(told))
    return answers


async def execute(notebook: Any, folder: Path, kernel: AsyncKernelManager) -> None:
    """Run all cells, and end the kernel whatever becomes of them."""
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, km=kernel, timeout=PATIENCE, startup_timeout=PATIENCE, resources=where)
    await client.async_execute(cleanup_kc=True)


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Any]]:
    """Once for all; a socket's path must be short."""
    with TemporaryDirectory(prefix="d2ev-") as folder:
        yield run(NIGHT, Path(folder))


@pytest.fixture(scope="module")
def records() -> dict[str, list[Any]]:
    """The values by topic, in order."""
    found: dict[str, list[Any]] = {}
    for line in gzip.decompress(NIGHTS.read_bytes()).decode().splitlines():
        row = json.loads(line)
        found.setdefault(row["topic"], []).append(row["value"])
    return found


@pytest.fixture(scope="module")
def sessions(records: dict[str, list[Any]]) -> list[Any]:
    """Each in its newest account."""
    newest: dict[str, Any] = {}
    for one in sorted(records[SESSION.name], key=lambda one: one["revision"]):
        newest[one["session_id"]] = one
    return list(newest.values())


@pytest.fixture(scope="module")
def maker(records: dict[str, list[Any]]) -> dict[str, str]:
    return {one["car"]: one["oem"] for one in records[REGISTRATION.name]}


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_it_printed(path: Path) -> None:
    notebook = read(path)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
    assert {key for cell in notebook.cells for key in cell.metadata} == set()
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


def test_the_night_is_the_fullest_and_metered_to_the_kwh(answers: dict[str, Any], sessions: list[Any]) -> None:
    begin = datetime.fromisoformat(answers["begin"])
    nights: Counter[int] = Counter()
    for one in sessions:
        for slot in one["slots"] or ():
            start, end = (datetime.fromisoformat(slot[name]) for name in ("start", "end"))
            nights[(start - begin) // timedelta(days=1)] += slot["energy_kwh"]
            assert (start - begin) // timedelta(days=1) == (end - timedelta(seconds=1) - begin) // timedelta(days=1)
    assert answers["night_kwh"] == pytest.approx(nights[0])
    assert nights[0] == max(nights.values())
    assert answers["cheapest"] > 0.5


def test_savings_are_those_of_the_records(answers: dict[str, Any], sessions: list[Any], maker: dict[str, str]) -> None:
    assert set(answers["savings"]) == set(maker.values())
    for oem, told in answers["savings"].items():
        own = [one for one in sessions if maker[one["car"]] == oem and one["cost"]]
        saving = sum(one["saving"] for one in own)
        assert told["sessions"] == len(own)
        assert told["saving"] == pytest.approx(saving)
        assert told["percent"] == pytest.approx(saving / sum(one["cost"]["unmanaged"] for one in own) * 100)


def test_there_is_no_interval_over_fewer_than_five_days(answers: dict[str, Any]) -> None:
    days = answers["days"]
    assert min(days.values()) < 5
    assert answers["intervals"] != []
    assert min(days[oem] for oem in answers["intervals"]) >= 5


def test_promises_and_commands_are_those_of_the_records(
    answers: dict[str, Any], sessions: list[Any], records: dict[str, list[Any]], maker: dict[str, str]
) -> None:
    assert answers["promises"] == Counter(one["promise"] for one in sessions)
    assert answers["missed"] == [one["reason"] for one in sessions if one["promise"] == "missed"] != []
    confirmed = {one["id"]: maker[one["car"]] for one in records[COMMAND.name] if one["phase"] == "confirmed"}
    assert answers["commands"] == Counter(confirmed.values())


def test_the_replay_makes_all_plans_again_and_hurry_costs(answers: dict[str, Any]) -> None:
    plans, ways = answers["plans"], answers["ways"]["EUR"]
    assert plans["same"] == plans["of"] > 300
    assert plans["unpublished"] == 0
    assert ways["changed"]["cost"] > ways["as_is"]["cost"] > 0
    assert ways["settled"]["cost"] == pytest.approx(answers["settled"]["EUR"], rel=0.05)
