"""Makes the extracts in `data/` from the full recordings; deterministic, so that anyone can check them.

`python -m deploy.demo.make_extracts FOLDER`, where FOLDER holds the recordings that `data/README.md` names.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from deploy.demo.recorded import DATA, WINDOWS

_PRICES = "prices/dayahead_hourly_GB_2022-01_2023-08.csv"
_CARBON = "carbon/gb_national_2023-01_2023-08.csv"
_SESSIONS = "ev_sessions/norway_home_sessions_2018-02_2019-12-08.csv"
_CARS = "ev_models/open-ev-data.json"

#: Forecasts look behind and ahead of a window.
_MARGIN = (timedelta(days=2), timedelta(days=4))
#: Spring and autumn, ending before each clock change: [first day, day after the last).
_SESSION_DAYS = ((date(2019, 3, 1), date(2019, 3, 31)), (date(2019, 9, 1), date(2019, 10, 27)))

Row = Sequence[str | float]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the four extracts; exit code 2 and one line when a recording is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the full recordings")
    folder: Path = parser.parse_args(argv).folder
    missing = [name for name in (_PRICES, _CARBON, _SESSIONS, _CARS) if not (folder / name).is_file()]
    if missing:
        print(
            f"{folder}: {missing[0]} is not there; see deploy/demo/data/README.md for its source",
            file=sys.stderr,
        )
        return 2
    _write("prices_gb.csv", ("start_utc", "price_eur_mwh"), _prices(folder))
    _write("carbon_gb.csv", ("start_utc", "forecast_g_per_kwh", "actual_g_per_kwh", "flag"), _carbon(folder))
    _write("home_sessions.csv", ("user", "plug_in_local", "plug_out_local", "energy_kwh"), _sessions(folder))
    columns = ("model", "usable_kwh", "ac_phases", "kw_at_7_4", "kw_at_11", "kwh_per_100km")
    _write("cars.csv", columns, _cars(folder))
    return 0


def _prices(folder: Path) -> Iterable[Row]:
    for row in _rows(folder / _PRICES):
        at = datetime.fromisoformat(row["start_utc"])
        if _wanted(at):
            yield _stamp(at), float(row["price_eur_mwh"])


def _carbon(folder: Path) -> Iterable[Row]:
    """Where the actual is missing or 0 (never true of Great Britain) the forecast stands in, flagged."""
    for row in _rows(folder / _CARBON):
        at = datetime.fromisoformat(row["from"])
        if not _wanted(at):
            continue
        dirty = row["actual"] in {"", "0"}
        actual = row["forecast"] if dirty else row["actual"]
        yield _stamp(at), row["forecast"], actual, "forecast_as_actual" if dirty else ""


def _sessions(folder: Path) -> Iterable[Row]:
    """Sessions with an end, 30 min to 72 h, 0.5 kWh or more, none overlapping another of its user."""
    clean = sorted(
        (row["user_id"], row["plugin_time"], row["plugout_time"], float(row["energy_session"]))
        for row in _rows(folder / _SESSIONS)
        if row["plugout_time"] and _usable(row)
    )
    for user, sessions in groupby(clean, key=lambda row: row[0]):
        free_from = ""
        for _, plug_in, plug_out, energy in sessions:
            if plug_in >= free_from:
                yield user, plug_in.replace(" ", "T"), plug_out.replace(" ", "T"), energy
                free_from = plug_out


def _usable(row: dict[str, str]) -> bool:
    plug_in, plug_out = (datetime.fromisoformat(row[column]) for column in ("plugin_time", "plugout_time"))
    long_enough = timedelta(minutes=30) <= plug_out - plug_in <= timedelta(hours=72)
    inside = any(first <= plug_in.date() and plug_out.date() < last for first, last in _SESSION_DAYS)
    return inside and long_enough and float(row["energy_session"]) >= 0.5


def _cars(folder: Path) -> Iterable[Row]:
    """Battery cars from 2019 on with 30 to 100 kWh usable, the newest variant of each model and battery."""
    newest: dict[tuple[str, float], dict[str, Any]] = {}
    for car in json.loads((folder / _CARS).read_text(encoding="utf-8"))["data"]:
        key = f"{car['brand']} {car['model'].strip()}", car["usable_battery_size"]
        year = car["release_year"] or 0
        fits = car["type"] == "bev" and car["vehicle_type"] == "car" and year >= 2019 and 30 <= key[1] <= 100
        if fits and year > (newest[key]["release_year"] if key in newest else 0):
            newest[key] = car
    for (model, usable_kwh), car in sorted(newest.items()):
        ac = car["ac_charger"]
        consumption = car["energy_consumption"]["average_consumption"]
        per_100km = consumption / 10 if consumption > 100 else consumption  # some entries are in Wh/km
        draws = ac["power_per_charging_point"]
        yield model, usable_kwh, ac["usable_phases"], draws["7.4"], draws["11"], round(per_100km, 1)


def _wanted(at: datetime) -> bool:
    before, after = _MARGIN
    return any(window.start - before <= at < window.end + after for window in WINDOWS.values())


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(name: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with (DATA / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
