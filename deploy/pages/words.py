"""Numbers as people read them."""

from __future__ import annotations

from typing import Any, Final

#: A narrow space at which no line breaks.
NARROW: Final = "\u202f"
#: What a hundredth of a currency is called.
MINOR: Final = {"EUR": "ct", "GBP": "p"}


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent; a dash for nothing."""
    return "–" if value is None else f"{100 * value:.{digits}f}{NARROW}%".replace("-", "−")


def interval(share: dict[str, Any], digits: int = 1) -> str:
    """The 95 % interval of a share."""
    if share["low"] is None:
        return "no interval"
    return f"{100 * share['low']:.{digits}f} to {100 * share['high']:.{digits}f}{NARROW}%".replace("-", "−")


def number(value: float | None, digits: int = 0) -> str:
    """A number with thin thousands; a dash for nothing."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", NARROW).replace("-", "−")


def amount(value: float | None) -> str:
    """Money, to the cent unless there is much of it."""
    return number(value, 2 if value is None or abs(value) < 1000 else 0)


def per_kwh(currency: str) -> str:
    """The unit of prices in the report."""
    return f"{MINOR.get(currency, currency + '/100')}/kWh"
