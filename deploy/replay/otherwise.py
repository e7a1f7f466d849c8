"""The same stays under the rules as they are and under others: cost, CO2 and promises, beside what was settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from deploy.backtest.run import Line, Setting, drive
from deploy.backtest.visit import Conduct
from deploy.replay.changes import Changes
from deploy.replay.stays import Settled

Row = dict[str, Any]
WAYS = ("settled", "as_is", "changed")


def otherwise(sessions: Sequence[Settled], before: Changes, after: Changes) -> list[Row]:
    """One row per session: as it was settled, and driven by either rules."""
    groups: dict[int, list[Settled]] = defaultdict(list)
    for one in sessions:
        groups[id(one.curves)].append(one)
    rows = []
    for group in groups.values():
        old, new = (_driven(group, changed) for changed in (before, after))
        rows += [_row(one, a, b) for one, a, b in zip(group, old, new, strict=True)]
    return rows


def totals(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """Sums and promises of each way, by currency."""
    by_currency: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_currency[row["currency"]].append(row)
    return {currency: {way: _total(of, way) for way in WAYS} for currency, of in sorted(by_currency.items())}


def _total(rows: Sequence[Row], way: str) -> Row:
    return {
        "cost": sum(row[way]["cost"] for row in rows),
        "carbon_kg": sum(row[way]["carbon_g"] for row in rows) / 1000,
        "energy_kwh": sum(row[way]["energy_kwh"] for row in rows),
        "promises": dict(Counter(row[way]["promise"] for row in rows)),
    }


def _driven(group: Sequence[Settled], changed: Changes) -> list[Line]:
    stays = [one.stay._replace(preference=changed.wish(one.stay.preference)) for one in group]
    curves = group[0].curves
    return drive(Setting(curves.price, curves.carbon, Conduct(), changed.rules), stays, lambda: None)


def _row(one: Settled, old: Line, new: Line) -> Row:
    session = one.session
    cost = session.cost.managed if session.cost else 0.0
    carbon_g = session.carbon_g.managed if session.carbon_g else 0.0
    return {
        "car": session.car,
        "session_id": session.session_id,
        "currency": session.currency,
        "settled": _cells(cost, carbon_g, session.energy_kwh, session.promise),
        "as_is": _line(old),
        "changed": _line(new),
    }


def _line(line: Line) -> Row:
    bill = line.bills["managed"]
    return _cells(bill.cost, bill.carbon_g, line.outcome.energy_kwh, line.promise)


def _cells(cost: float, carbon_g: float, energy_kwh: float, promise: str) -> Row:
    return {"cost": cost, "carbon_g": carbon_g, "energy_kwh": energy_kwh, "promise": str(promise)}
