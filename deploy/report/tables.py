"""The tables of the report: every plot in words, and what has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from deploy.pages.table import Table
from deploy.pages.words import amount, interval, number, per_kwh, percent
from deploy.report.charts import Point
from deploy.report.words import OUTCOMES, PROMISES, moment, reason

Row = dict[str, Any]
#: More lines help nobody on a page; `--json` has all.
MOST_LINES: Final = 200


def money(figures: Row) -> Table:
    """Cost four ways, by currency."""
    ways = ["cost", "charged at once", "timer, 00:30", "perfect knowledge"]
    head = ["Currency", "sessions", "kWh", *ways, "saved", "95 % interval"]
    rows = []
    for row in figures["money"]:
        saved = row["saved"]
        costs = [amount(row[name]) for name in ("cost", "cost_at_once", "cost_timer", "cost_oracle")]
        head_of = [row["currency"], number(row["sessions"]), number(row["energy_kwh"], 1)]
        rows.append([*head_of, *costs, percent(saved["value"]), interval(saved)])
    return Table(head, rows)


def load(points: Sequence[Point], currency: str, *, mean: bool) -> Table:
    """Half hour by half hour."""
    rows = [
        [
            f"{point.at:%H:%M}" if mean else f"{point.at:%Y-%m-%d %H:%M}",
            number(point.kw, 2),
            number(None if point.price is None else point.price * 100, 2),
            number(point.carbon),
        ]
        for point in points
    ]
    return Table(["Half hour from", "kW", per_kwh(currency), "g CO₂/kWh"], rows)


def thirds(figures: Row) -> Table:
    """How much energy fell into the cheapest and the cleanest third of the hours of each day."""
    head = ["Tariff", "carbon region", "kWh", "in the cheapest third", "in the cleanest third"]
    return Table(head, [
        [
            row["tariff"] or "unknown", row["region"] or "unknown", number(row["energy_kwh"], 1),
            percent(_ratio(row["cheapest_kwh"], row["priced_kwh"])),
            percent(_ratio(row["cleanest_kwh"], row["measured_kwh"])),
        ]
        for row in figures["thirds"]
    ])  # fmt: skip


def savings(groups: Sequence[Row], what: str) -> Table:
    """By maker or tariff, with intervals."""
    of_it = ["of at once", "95 % interval"]
    head = [what, "sessions", "days", "kWh", "saved", "", *of_it, "kg CO₂ saved", *of_it]
    rows = []
    for row in groups:
        cost, carbon = row["saved"]["money"], row["saved"]["carbon"]
        begin = [row["name"], number(row["sessions"]), number(cost["days"]), number(row["energy_kwh"], 1)]
        paid = [amount(cost["part"]), row["currency"], percent(cost["value"]), interval(cost)]
        rows.append([*begin, *paid, number(carbon["part"], 1), percent(carbon["value"]), interval(carbon)])
    return Table(head, rows)


def promises(rows: Sequence[Row]) -> Table:
    """By maker, and all."""
    head = ["Maker", "sessions", *(words for words, _ in PROMISES.values())]
    told = [[row["oem"], number(row["sessions"]), *(number(row[kind]) for kind in PROMISES)] for row in rows]
    return Table(head, told, len(told) - 1)


def not_kept(figures: Row) -> Table:
    """Every promise missed or out of reach, with the reason."""
    head = ["Ended", "maker", "model", "promise", "by then", "from", "at its end", "car", "session"]
    return Table(head, [
        [
            moment(row["ended_at"], figures["zone"]), row["oem"] or "unknown", row["model"] or "unknown",
            PROMISES[row["promise"]][0], reason(row["reason"]), _level(row["start_soc_pct"]),
            _level(row["end_soc_pct"]), row["car"], row["session_id"],
        ]
        for row in figures["not_kept"][:MOST_LINES]
    ])  # fmt: skip


def commands(rows: Sequence[Row]) -> Table:
    """By maker, model and action."""
    names = [words for words, _ in OUTCOMES.values()]
    head = ["Maker", "model", "action", "asked", *names, "expired", "open", "obeyed", "median time", "95 % within"]
    return Table(head, [
        [
            row["oem"], row["model"], row["action"], number(row["asked"]), *(number(row[kind]) for kind in OUTCOMES),
            number(row["expired"]), number(row["open"]), percent(row["obey_rate"]),
            _duration(row["median_seconds"]), _duration(row["p95_seconds"]),
        ]
        for row in rows
    ])  # fmt: skip


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _level(value: float | None) -> str:
    return "–" if value is None else percent(value / 100, 0)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
