"""The summary's money and carbon as rows of text, managed beside the other ways: the same in terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from deploy.demo.showing import per_kwh, saving_pct

WAYS: Final = {"managed": "D2EV", "unmanaged": "At once", "timer": "Timer 00:30", "oracle": "Oracle"}
NONE: Final = "–"


class Row(NamedTuple):
    """One line of the books: a name, and a text for each of the `WAYS` in order; `part` belongs to the line above."""

    name: str
    cells: tuple[str, ...]
    part: bool = False


def heading(summary: Mapping[str, Any]) -> str:
    """What the books are about."""
    return f"{summary['vehicles']} cars, {summary['sessions']} sessions, {summary['energy_kwh']:.0f} kWh by the meter"


def rows(summary: Mapping[str, Any]) -> list[Row]:
    """Cost and CO2 of the same energy, four ways. Ratios of nothing are a dash."""
    currency, energy_kwh = summary["currency"], summary["energy_kwh"]
    cost, carbon_kg, coin = summary["cost"], summary["carbon_kg"], per_kwh(summary["currency"])
    return [
        _row("Cost", lambda way: f"{cost[way]:.2f} {currency}"),
        _row("against at once", lambda way: _less(cost["unmanaged"], cost[way]), part=True),
        _row(coin.unit, lambda way: _over(cost[way] * coin.factor, energy_kwh, 2), part=True),
        _row("CO2", lambda way: f"{carbon_kg[way]:.1f} kg"),
        _row("against at once", lambda way: _less(carbon_kg["unmanaged"], carbon_kg[way]), part=True),
        _row("g/kWh", lambda way: _over(carbon_kg[way] * 1000, energy_kwh, 0), part=True),
    ]


def _row(name: str, cell: Callable[[str], str], *, part: bool = False) -> Row:
    return Row(name, tuple(map(cell, WAYS)), part)


def _less(instead: float, paid: float) -> str:
    pct = saving_pct(instead, paid)
    if pct is None:
        return NONE
    return f"{-pct:+.1f} %" if abs(pct) >= 0.05 else "0.0 %"


def _over(amount: float, energy_kwh: float, digits: int) -> str:
    return f"{amount / energy_kwh:.{digits}f}" if energy_kwh else NONE
