"""The same stays under the rules as they are and under others: cost, CO2 and promises, beside what was settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from deploy.backtest.run import Line, Setting, drive
from deploy.backtest.visit import Conduct
from deploy.replay.changes import Changes
from deploy.replay.log import Log
from deploy.replay.stays import Settled, recordings

Row = dict[str, Any]


def otherwise(log: Log, sessions: Sequence[Settled], before: Changes, after: Changes) -> list[Row]:
    """One row per session: as it was settled, and driven by either rules."""
    groups: dict[tuple[str, str], list[Settled]] = defaultdict(list)
    for one in sessions:
        groups[one.stay.registration.tariff, one.stay.registration.region].append(one)
    rows = []
    for group in groups.values():
        old, new = (_driven(log, group, changed) for changed in (before, after))
        rows += [_row(one, a, b) for one, a, b in zip(group, old, new, strict=True)]
    return rows


def totals(rows: Sequence[Row]) -> dict[str, Row]:
    """Sums and promises of each way."""
    return {
        way: {
            "cost": sum(row[way]["cost"] for row in rows),
            "carbon_kg": sum(row[way]["carbon_g"] for row in rows) / 1000,
            "energy_kwh": sum(row[way]["energy_kwh"] for row in rows),
            "promises": dict(Counter(row[way]["promise"] for row in rows)),
        }
        for way in ("settled", "as_is", "changed")
    }


def _driven(log: Log, group: Sequence[Settled], changed: Changes) -> list[Line]:
    price, carbon = recordings(log, group[0].stay.registration)
    if price is None:
        raise ValueError(f"no prices of {group[0].stay.registration.tariff} are kept: nothing can be planned anew")
    stays = [one.stay._replace(preference=changed.wish(one.stay.preference)) for one in group]
    return drive(Setting(price, carbon, Conduct(), changed.rules), stays, lambda: None)


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
