"""Days of real Teslas, minute by minute, played through the connector into the state of a car."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oem_connectors.base import Reply
from oem_connectors.errors import Asleep
from oem_connectors.subject import said
from oem_connectors.tesla import CONNECTOR
from oem_connectors.tesla.outcome import outcome
from streams.contracts.telemetry import Charge, Plug, Telemetry
from streams.domain.vehicle import fold
from streams.hot import SessionRow, TelemetryRow, VehicleRow

DATA = Path(__file__).parents[1] / "data" / "oem_api" / "tesla_telemetry_timeseries"
NUMBERS = ("battery_level", "charge_limit_soc", "battery_range", "charger_power", "scheduled_charging_start_time")
Row = Mapping[str, str]


def rows(file: str) -> list[Row]:
    with (DATA / file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def when(row: Row) -> datetime:
    """The files name no zone: any will do."""
    return datetime.fromisoformat(row["Date"]).replace(tzinfo=UTC)


def answer(row: Row) -> tuple[int, dict[str, Any]]:
    """What the Fleet API would have answered: 408 for a car that sleeps, else the row, empty cells as null."""
    if row["state"] in {"asleep", "offline"}:
        error = "vehicle unavailable: vehicle is offline or asleep"
        return 408, {"response": None, "error": error, "error_description": ""}
    charge: dict[str, Any] = {name: float(row[name]) if row.get(name) else None for name in NUMBERS}
    charge["charging_state"] = row["charging_state"] or None
    charge["scheduled_charging_pending"] = {"True": True, "False": False}.get(row["scheduled_charging_pending"])
    charge["timestamp"] = int(when(row).timestamp() * 1000)
    odometer = float(row["odometer"]) if row["odometer"] else None
    car = {"state": row["state"], "charge_state": charge, "vehicle_state": {"odometer": odometer}}
    return 200, {"response": car}


def readings(file: str) -> Iterator[Telemetry]:
    for row in rows(file):
        status, raw = answer(row)
        verdict = outcome(Reply(status, raw))
        if status == 408:
            assert isinstance(verdict, Asleep)
            continue
        assert verdict is None
        yield CONNECTOR.normalise("account.car", raw, when(row) + timedelta(seconds=2))


def play(file: str) -> tuple[VehicleRow, dict[str, SessionRow]]:
    """The last state of the car, and its plug sessions as they were known last."""
    state: VehicleRow | None = None
    sessions: dict[str, SessionRow] = {}
    for reading in readings(file):
        state = fold(state, TelemetryRow(**reading.model_dump()))
        if state.session is not None:
            sessions[state.session.id] = state.session
    assert state is not None
    return state, sessions


@pytest.mark.parametrize(
    ("file", "awake", "charges", "percents", "speechless"),
    [
        (
            "teslafi_2016-06-26_models_charge_cycle.csv",
            999,
            {"complete": 484, "idle": 253, "charging": 70},
            (57.0, 70.0),
            190,
        ),
        ("teslafi_2016-07.csv", 24, {"idle": 14}, (63.0, 63.0), 10),
        ("teslafi_2018-06-01_asleep_online.csv", 155, {"complete": 109}, (69.0, 70.0), 46),
        ("teslafi_2019-09-01_asleep_online.csv", 618, {"complete": 286}, (79.0, 80.0), 332),
    ],
)
def test_every_row_says_what_its_words_say_and_nothing_else(
    file: str, awake: int, charges: dict[str, int], percents: tuple[float, float], speechless: int
) -> None:
    found = list(readings(file))
    assert len(found) == awake
    assert Counter(one.charge.value for one in found if one.charge is not Charge.UNKNOWN) == charges
    socs = [one.soc_pct for one in found if one.soc_pct is not None]
    assert (min(socs), max(socs)) == percents
    assert sum(said(one).keys() == {"car_time"} for one in found) == speechless


def test_a_day_gives_two_plug_sessions_and_the_charging_between() -> None:
    state, sessions = play("teslafi_2016-06-26_models_charge_cycle.csv")
    assert [(str(one.plugged_at), one.ended_at and str(one.ended_at)) for one in sessions.values()] == [
        ("2016-06-26 07:58:31+00:00", "2016-06-26 10:48:28+00:00"),
        ("2016-06-26 16:04:32+00:00", None),
    ]
    assert (state.plug, state.charge, state.soc_pct, state.limit_pct) == (Plug.PLUGGED, Charge.COMPLETE, 70, 70)
    charging = [one for one in readings("teslafi_2016-06-26_models_charge_cycle.csv") if one.charge is Charge.CHARGING]
    assert (charging[0].soc_pct, charging[-1].soc_pct, charging[-1].power_kw) == (57, 70, 9)
    assert all(one.scheduled_start is None for one in charging)  # a start time that is not pending


@pytest.mark.parametrize(
    ("file", "plug", "soc_pct"),
    [
        ("teslafi_2016-07.csv", Plug.UNPLUGGED, 63),
        ("teslafi_2018-06-01_asleep_online.csv", Plug.PLUGGED, 69),
        ("teslafi_2019-09-01_asleep_online.csv", Plug.PLUGGED, 79),
    ],
)
def test_sleep_and_silence_neither_end_a_session_nor_begin_one(file: str, plug: Plug, soc_pct: float) -> None:
    state, sessions = play(file)
    assert (state.plug, state.soc_pct) == (plug, soc_pct)
    assert [one.ended_at for one in sessions.values()] == ([None] if plug is Plug.PLUGGED else [])


def test_just_woken_a_car_may_know_its_battery_and_not_its_plug() -> None:
    woken = [
        one
        for one in readings("teslafi_2016-06-26_models_charge_cycle.csv")
        if one.soc_pct is not None and one.charge is Charge.UNKNOWN
    ]
    assert [(one.soc_pct, one.plug, one.power_kw) for one in woken] == [(70.0, Plug.UNKNOWN, None)] * 2
