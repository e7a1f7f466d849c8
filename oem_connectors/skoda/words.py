"""What Škoda's words and models mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from oem_connectors.base import Can
from streams.contracts.telemetry import Charge, Plug


class State(NamedTuple):
    """Plug and charge that one word stands for."""

    plug: Plug
    charge: Charge


UNKNOWN = State(Plug.UNKNOWN, Charge.UNKNOWN)
READY = State(Plug.PLUGGED, Charge.IDLE)
CONSERVING = State(Plug.PLUGGED, Charge.COMPLETE)

#: Answers write READY_FOR_CHARGING, events readyForCharging: both become readyforcharging.
STATES: Mapping[str, State] = {
    "connectcable": State(Plug.UNPLUGGED, Charge.IDLE),
    "notreadyforcharging": State(Plug.UNKNOWN, Charge.IDLE),  # the cable may be in all the same
    "readyforcharging": READY,
    "chargepurposereachedandnotconservationcharging": READY,
    "charging": State(Plug.PLUGGED, Charge.CHARGING),
    "chargepurposereachedandconservation": CONSERVING,
    "conserving": CONSERVING,
    "charginginterrupted": READY,
    "error": State(Plug.UNKNOWN, Charge.FAULT),
}

_SWITCH = Can.START | Can.STOP
#: The all-electric cars by the title they have in the garage.
CONTROL_BY_TITLE: Mapping[str, Can] = {
    "enyaq": _SWITCH | Can.LIMIT | Can.WAKE,
    "elroq": _SWITCH | Can.LIMIT | Can.WAKE,
    "citigoe": _SWITCH,
}
#: Plug-in hybrids share their title with combustion cars: these codes are known to charge, the newest to a limit.
HYBRIDS: Mapping[str, Can] = dict.fromkeys(("NX56XC", "NX34VC", "3V35XC", "3V54XC", "3V53XC"), _SWITCH) | (
    dict.fromkeys(("PS7DYC", "NZ3DYC"), _SWITCH | Can.LIMIT)
)
#: Of the charger, in an answer about air conditioning.
CONNECTIONS: Mapping[str, Plug] = {"CONNECTED": Plug.PLUGGED, "DISCONNECTED": Plug.UNPLUGGED}

#: A charging service with one of these is not paid for.
UNPAID = frozenset({"LICENSE_EXPIRED", "LICENSE_MISSING"})


def state_of(word: str | None) -> State:
    """Plug and charge; `UNKNOWN` for a word nobody has seen."""
    return STATES.get((word or "").replace("_", "").lower(), UNKNOWN)


def capabilities(model: str) -> Can:
    """By title and code, as in "Škoda Enyaq 5AZJJ2"."""
    for title, can in CONTROL_BY_TITLE.items():
        if title in model.lower():
            return Can.READ | can
    return Can.READ | HYBRIDS.get(model.rpartition(" ")[2], Can(0))
