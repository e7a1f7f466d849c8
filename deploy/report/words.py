"""What figures are called, and findings in words."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.pages.words import NARROW, amount, interval, number, percent

Row = dict[str, Any]
Tile = tuple[str, str, str]

#: By kind of promise: its name and its colour. The first is the one to count.
PROMISES: Final = {
    "met": ("met", "managed"),
    "missed": ("missed", "loss"),
    "unreachable": ("out of reach from the start", "best"),
    "left_early": ("left early", "other"),
    "not_made": ("none made", "soft"),
}
OUTCOMES: Final = {
    "confirmed": ("effect seen", "managed"),
    "contradicted": ("the car did otherwise", "loss"),
    "refused": ("refused", "gain"),
    "unproven": ("not to be seen", "other"),
}


def who(row: Row) -> str:
    """Maker and model."""
    model = str(row["model"])
    return f"{row['oem']} {model if len(model) <= 16 else model[:15] + '…'}"


def reason(text: str) -> str:
    """Why a promise came to what it came to."""
    levels = re.fullmatch(r"soc_(\d+)_of_(\d+)", text)
    return f"{levels[1]}{NARROW}% of {levels[2]}{NARROW}%" if levels else text.replace("_", " ")


def moment(text: str, zone: str) -> str:
    """An instant as a clock in the zone shows it."""
    return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def extent(figures: Row) -> str:
    """Which period, in which zone, of how much."""
    zone = figures["zone"]
    return (
        f"{moment(figures['since'], zone)} to {moment(figures['until'], zone)}, times in {zone}. "
        f"{number(figures['sessions'])} sessions of {number(figures['cars'])} cars ended in it."
    )


def lead(figures: Row) -> str:
    """The finding in one sentence."""
    if not figures["sessions"]:
        return "No session ended in this period; commands were given."
    bills = [_bill(row) for row in figures["money"] if row["priced"]]
    told = f"{number(figures['energy_kwh'])} kWh " + (" and ".join(bills) if bills else "without a price")
    carbon = figures["carbon"]["saved"]
    if figures["carbon"]["measured"]:
        told += f"; {number(abs(carbon['part']), 1)} kg CO₂ {_less(carbon['part'])} ({percent(_size(carbon))})"
    return f"{told}."


def _bill(row: Row) -> str:
    saved, currency = row["saved"], row["currency"]
    return (
        f"for {amount(row['cost'])} {currency} instead of {amount(row['cost_at_once'])} {currency} charged at "
        f"once, {percent(_size(saved))} {_less(saved['part'])}"
    )


def _less(saved: float) -> str:
    return "less" if saved >= 0 else "more"


def _size(share: Row) -> float | None:
    return None if share["value"] is None else abs(share["value"])


def tiles(figures: Row) -> list[Tile]:
    """Label, figure, and what stands behind it."""
    money = [
        (f"Saved, {row['currency']}", amount(row["saving"]), _certainty(row["saved"], figures))
        for row in figures["money"] if row["priced"]
    ]  # fmt: skip
    carbon = figures["carbon"]
    grams = ("CO₂ saved", "–", "no carbon recorded")
    if carbon["measured"]:
        grams = ("CO₂ saved", f"{number(carbon['carbon_saved_kg'], 1)} kg", _certainty(carbon["saved"], figures))
    size = f"{number(figures['cars'])} cars, {number(figures['energy_kwh'])} kWh"
    sessions = ("Sessions", number(figures["sessions"]), size)
    return [*money, grams, _kept(figures), *_third(figures), _obeyed(figures), sessions]


def _certainty(share: Row, figures: Row) -> str:
    told = f"{percent(share['value'])} of charging at once"
    if share["low"] is None:
        few = share["days"] < figures["fewest_days"]
        return f"{told}; no interval" + (f" from {share['days']} days" if few else "")
    return f"{told}; {interval(share)}"


def _kept(figures: Row) -> Tile:
    every = next((row for row in figures["promises"] if row["oem"] == "all"), None)
    if every is None:
        return "Promises kept", "–", "none made"
    feasible = every["met"] + every["missed"]
    others = [f"{number(every[kind])} {PROMISES[kind][0]}" for kind in PROMISES if kind != "met" and every[kind]]
    return "Promises kept", f"{number(every['met'])} of {number(feasible)}", ", ".join(others) or "all met"


def _third(figures: Row) -> list[Tile]:
    priced = sum(row["priced_kwh"] or 0 for row in figures["thirds"])
    if not priced:
        return []
    cheap = sum(row["cheapest_kwh"] or 0 for row in figures["thirds"]) / priced
    measured = sum(row["measured_kwh"] or 0 for row in figures["thirds"])
    behind = f"by chance 33{NARROW}%"
    if measured:
        clean = sum(row["cleanest_kwh"] or 0 for row in figures["thirds"]) / measured
        behind += f"; {percent(clean, 0)} in the cleanest"
    return [("In the cheapest third of hours", percent(cheap, 0), behind)]


def _obeyed(figures: Row) -> Tile:
    answered = sum(row["answered"] for row in figures["commands"])
    confirmed = sum(row["confirmed"] for row in figures["commands"])
    share = percent(confirmed / answered if answered else None)
    return "Commands obeyed", share, f"{number(confirmed)} of {number(answered)}, by telemetry"
