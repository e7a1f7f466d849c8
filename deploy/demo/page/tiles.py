"""The figures on top of the page: what is being saved, and whether the promises hold, in a visitor's words."""

from __future__ import annotations

from typing import NamedTuple

from deploy.demo.live import Live
from deploy.demo.showing import CarState, SettledSoFar, pushes_sent, saving_pct, settled_so_far, states
from streams.contracts.command import CommandPhase
from streams.contracts.session import Promise

NONE = "–"


class Tile(NamedTuple):
    """One figure: what it is, its value with unit, and what to compare it with."""

    label: str
    value: str
    note: str


def tiles(live: Live) -> list[Tile]:
    """In the order shown."""
    books = settled_so_far(live)
    return [_charging(live), _saved(live, books), _carbon(books), _ready(books), _control(live)]


def _charging(live: Live) -> Tile:
    count = states(live)
    plugged = sum(count[s] for s in (CarState.CHARGING, CarState.WAITING, CarState.DONE, CarState.ATTENTION))
    return Tile("Charging now", f"{count[CarState.CHARGING]}", f"of {plugged} plugged in, {len(live.cars)} cars")


def _saved(live: Live, books: SettledSoFar) -> Tile:
    saved = books.cost_unmanaged - books.cost
    value = f"{saved:.2f} {live.currency}" if books.sessions else NONE
    return Tile("Saved so far", value, _against(books.cost_unmanaged, books.cost, books.sessions))


def _carbon(books: SettledSoFar) -> Tile:
    saved = books.carbon_kg_unmanaged - books.carbon_kg
    value = f"{saved:.1f} kg" if books.sessions else NONE
    return Tile("CO₂ avoided", value, _against(books.carbon_kg_unmanaged, books.carbon_kg, books.sessions))


def _ready(books: SettledSoFar) -> Tile:
    met, missed = books.promises[Promise.MET], books.promises[Promise.MISSED]
    value = f"{met} of {met + missed}" if met + missed else NONE
    aside = [
        f"{books.promises[kind]} {words}"
        for kind, words in ((Promise.UNREACHABLE, "out of reach"), (Promise.LEFT_EARLY, "left early"))
        if books.promises[kind]
    ]
    return Tile("Ready in time", value, ", ".join(aside) or "finished sessions")


def _control(live: Live) -> Tile:
    confirmed = live.counts[f"command.{CommandPhase.CONFIRMED}"]
    return Tile("Commands confirmed", f"{confirmed}", f"{pushes_sent(live)} pushes sent")


def _against(instead: float, paid: float, sessions: int) -> str:
    pct = saving_pct(instead, paid)
    if pct is None:
        return "no finished session yet"
    word = "less" if pct >= 0 else "more"
    return f"{abs(pct):.0f} % {word} than charging at once, {sessions} sessions"
