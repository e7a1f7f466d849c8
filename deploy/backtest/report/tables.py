"""The tables of the report: every plot in words, the promises, and the tariffs beside one another."""

from __future__ import annotations

from typing import Any

from deploy.backtest.report.words import CAUSE_NAMES, PROMISE_NAMES, WAY_NAMES
from deploy.pages.table import Table
from deploy.pages.words import interval, number, per_kwh, percent


def tables(summary: dict[str, Any]) -> dict[str, Table]:
    """By the name of the plot that they tell in words."""
    return {
        "cost-by-way": ways(summary),
        "saving-by-day": days(summary),
        "energy-by-hour": hours(summary),
        "stability": shapes(summary),
        "regret": regret(summary),
    }


def ways(summary: dict[str, Any]) -> Table:
    """Money and carbon of every way, the dearest first."""
    more, currency, energy = summary["more"], summary["currency"], summary["energy_kwh"]["managed"] or 1
    order = sorted(summary["cost"], key=lambda way: -summary["cost"][way])
    savings, captured = more["saving"]["cost"], more["capture"]["objective"]
    rows = []
    for way in order:
        cost, grams = summary["cost"][way], summary["carbon_kg"][way]
        saved = ["", ""] if way == "unmanaged" else [percent(savings[way]["value"]), interval(savings[way])]
        rows.append(
            [
                WAY_NAMES[way],
                number(cost, 2),
                number(100 * cost / energy, 2),
                *saved,
                "–" if grams is None else number(grams, 1),
                "" if way == "unmanaged" else percent(captured[way]["value"]),
            ]
        )
    head = ["Way", currency, per_kwh(currency), "saved", "95 % interval", "kg CO₂", "of what is possible"]
    return Table(head, rows, order.index("managed"))


def days(summary: dict[str, Any]) -> Table:
    """Saved and possible, day by day."""
    rows = [
        [day, number(saved, 2), number(best, 2), percent(saved / best if best > 0.005 else None)]
        for day, saved, best in summary["more"]["by_day"]
    ]
    return Table(["Day", f"saved, {summary['currency']}", "possible", "captured"], rows)


def hours(summary: dict[str, Any]) -> Table:
    """Price and energy, hour by hour."""
    rows = [
        [f"{hour:02}:00", number(price * 100 if price is not None else None, 2), number(managed, 1), number(at_once, 1)]
        for hour, price, managed, at_once in summary["more"]["by_hour"]
    ]
    return Table(["Local hour", per_kwh(summary["currency"]), "kWh managed", "kWh unmanaged"], rows)


def shapes(summary: dict[str, Any]) -> Table:
    """Start changes and blocks by class."""
    more = summary["more"]
    moved = [[f"start moved {name} times", number(count)] for name, count in more["start_change_classes"].items()]
    blocks = [[f"{name} blocks", number(count)] for name, count in more["block_classes"].items()]
    return Table(["Of the sessions", "count"], moved + blocks)


def regret(summary: dict[str, Any]) -> Table:
    """Regret by cause in money and as a share of what could be saved."""
    more = summary["more"]
    possible = more["capture"]["objective"]["oracle"]["whole"] or 1
    energy = summary["energy_kwh"]["managed"] or 1
    parts = [*((CAUSE_NAMES[cause], value) for cause, value in more["regret"].items())]
    parts.append(("All together", sum(value for _, value in parts)))
    rows = [
        [name, number(value, 2), number(100 * value / energy, 3), percent(value / possible, 2)] for name, value in parts
    ]
    head = ["Cause", summary["currency"], per_kwh(summary["currency"]), "of what is possible"]
    return Table(head, rows, len(rows) - 1)


def promises(summary: dict[str, Any]) -> Table:
    """What became of ready-by."""
    total = summary["sessions"] or 1
    rows = [
        [PROMISE_NAMES[name], number(count), percent(count / total, 2)] for name, count in summary["ready_by"].items()
    ]
    return Table(["Ready-by", "sessions", "share"], rows)


def tariffs(summary: dict[str, Any]) -> Table:
    """The headline of every tariff."""
    rows = []
    for one in summary["tariffs"]:
        saved = one["cost"]["unmanaged"] - one["cost"]["managed"]
        carbon = one["carbon_saving"]
        rows.append(
            [
                one["tariff"],
                number(one["sessions"]),
                f"{number(saved, 2)} {one['currency']}",
                f"{percent(one['saving']['value'])} ({interval(one['saving'])})",
                "–" if carbon is None else percent(carbon["value"]),
                percent(one["capture"]["value"]),
                number(one["ready_by"]["missed"]),
                number(one["announced_start_changes_per_session"], 3),
            ]
        )
    head = ["Tariff", "sessions", "saved", "of unmanaged", "carbon saved", "captured", "missed", "start changes"]
    return Table(head, rows)
