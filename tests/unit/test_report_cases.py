"""Reports of what is unlike the usual: two currencies, no prices, a flat tariff, one maker, commands alone."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.settings import load
from deploy.report.figures import figures, period
from deploy.report.page import html
from deploy.report.source import store
from deploy.report.words import lead, tiles
from streams.contracts.base import Contract
from streams.contracts.forecast import Slot
from streams.contracts.session import SettledSlot
from streams.examples import examples
from streams.topics import COMMAND, PRICE, REGISTRATION, SESSION, Topic

NIGHT = datetime(2023, 3, 26, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
Row = dict[str, Any]
Told = tuple[Topic, Contract]


def report(folder: Path, told: Sequence[Told]) -> Row:
    """The figures of these messages."""
    with (folder / "tail.jsonl").open("w", encoding="utf-8") as out:
        for offset, (topic, message) in enumerate(told):
            key = getattr(message, "car", None) or getattr(message, "key", None)
            row = {"topic": topic.name, "partition": 0, "offset": offset, "key": key, "time": "2023-03-26T12:00:00Z"}
            out.write(json.dumps(row | {"value": json.loads(message.model_dump_json())}) + "\n")
    with store(load(), folder) as opened:
        return figures(opened, period(opened, None, None, "UTC"))


def session(name: str, day: int = 0, **changed: Any) -> Told:
    start = NIGHT + timedelta(days=day)
    slots = (SettledSlot(start=start, end=start + HOUR, energy_kwh=7.0, price=0.1, carbon_g_per_kwh=100.0),)
    usual = {
        "id": name, "session_id": name, "revision": 1, "plugged_at": start - HOUR, "ended_at": start + 5 * HOUR,
        "settled_at": start + 6 * HOUR, "slots": slots, "energy_kwh": 7.0, "currency": "EUR",
    }  # fmt: skip
    return SESSION, examples()[SESSION.name].model_copy(update=usual | changed)


def car(**changed: Any) -> Told:
    return REGISTRATION, examples()[REGISTRATION.name].model_copy(update={"tariff": "T", "region": "R"} | changed)


def prices(*values: float) -> Told:
    start = NIGHT.replace(hour=0)
    slots = tuple(
        Slot(start=start + n * HOUR, end=start + (n + 1) * HOUR, value=value) for n, value in enumerate(values)
    )
    known = {"key": "T", "issued_at": NIGHT - 24 * HOUR, "slots": slots, "known_until": slots[-1].end}
    return PRICE, examples()[PRICE.name].model_copy(update=known)


def test_currencies_are_never_added(tmp_path: Path) -> None:
    found = report(tmp_path, [car(), session("a"), session("b", saving=5.0, currency="GBP"), session("c")])
    assert {row["currency"]: row["sessions"] for row in found["money"]} == {"EUR": 2, "GBP": 1}
    assert {row["currency"]: row["saved"]["part"] for row in found["money"]}["GBP"] == 5.0
    assert [(row["name"], row["currency"]) for row in found["by_tariff"]] == [("T", "EUR"), ("T", "GBP")]
    assert [label for label, _, _ in tiles(found)][:2] == ["Saved, EUR", "Saved, GBP"]
    assert " EUR " in lead(found)
    assert " GBP " in lead(found)


def test_sessions_without_prices_are_counted_and_have_no_cost(tmp_path: Path) -> None:
    bare: Row = {"cost": None, "carbon_g": None, "saving": None, "carbon_saved_g": None, "slots": None}
    found = report(tmp_path, [car(), session("a", **bare)])
    assert (found["sessions"], found["energy_kwh"], found["money"][0]["priced"]) == (1, 7.0, 0)
    assert (found["load"], found["thirds"]) == ([], [])
    assert "without a price" in lead(found)
    page = html(found)
    assert "No settled session of this period has prices" in page
    assert "Some sessions have no prices" in page
    assert "None" not in page


def test_without_a_carbon_recording_carbon_is_said_to_be_missing(tmp_path: Path) -> None:
    found = report(tmp_path, [car(), prices(*[0.1] * 24), session("a", carbon_g=None, carbon_saved_g=None)])
    assert "CO₂" not in lead(found)
    assert "not recorded" in html(found)
    assert found["thirds"][0]["cleanest_kwh"] is None


@pytest.mark.parametrize(
    ("values", "share"),
    [([0.1] * 24, 1 / 3), ([0.2, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2], 1.0), ([0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], 0.0)],
)
def test_the_cheapest_third_of_a_flat_day_has_a_third_of_the_energy(
    tmp_path: Path, values: list[float], share: float
) -> None:
    found = report(tmp_path, [car(), prices(*values), session("a")])
    third = found["thirds"][0]
    assert third["cheapest_kwh"] / third["priced_kwh"] == pytest.approx(share)


def test_a_joined_slot_is_spread_over_its_half_hours(tmp_path: Path) -> None:
    start = NIGHT + timedelta(minutes=10)
    slot = SettledSlot(start=start, end=start + 1.5 * HOUR, energy_kwh=9.0, price=0.1)
    found = report(tmp_path, [car(), session("a", slots=(slot,))])
    told = {row["half_hour"][11:16]: row["energy_kwh"] for row in found["load"] if row["energy_kwh"]}
    assert told == pytest.approx({"01:00": 2.0, "01:30": 3.0, "02:00": 3.0, "02:30": 1.0})


def test_a_correction_replaces_what_was_settled_before(tmp_path: Path) -> None:
    found = report(tmp_path, [car(), session("a", saving=1.0), session("a", revision=2, id="a2", saving=3.0)])
    assert (found["sessions"], found["money"][0]["saving"]) == (1, 3.0)


def test_too_few_days_are_said_in_words(tmp_path: Path) -> None:
    found = report(tmp_path, [car(), *(session(f"s{day}", day) for day in range(4))])
    assert found["by_oem"][0]["saved"]["money"]["low"] is None
    assert "no interval from 4 days" in html(found)


def test_commands_alone_are_a_report(tmp_path: Path) -> None:
    found = report(tmp_path, [car(), (COMMAND, examples()[COMMAND.name])])
    assert found["sessions"] == 0
    assert sum(row["asked"] for row in found["commands"]) == 1
    assert "No session ended in this period." in html(found)


def test_cars_that_are_no_longer_enrolled_have_an_unknown_maker(tmp_path: Path) -> None:
    found = report(tmp_path, [session("a"), (COMMAND, examples()[COMMAND.name])])
    assert [row["oem"] for row in found["promises"]] == ["unknown", "all"]
    assert [row["oem"] for row in found["commands"]] == ["unknown"]
    assert html(found)


def test_no_records_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to report: no session was settled and no command given"):
        report(tmp_path, [car()])
