"""Tesla's words and units, the same in answers and in records."""

from __future__ import annotations

from streams.contracts.telemetry import Charge, Plug

CHARGES = {
    "Disconnected": Charge.IDLE,
    "NoPower": Charge.NO_POWER,
    "Starting": Charge.STARTING,
    "Charging": Charge.CHARGING,
    "Complete": Charge.COMPLETE,
    "Stopped": Charge.IDLE,
}
PLUGS = {name: Plug.UNPLUGGED if name == "Disconnected" else Plug.PLUGGED for name in CHARGES}
_KM_PER_MILE = 1.609344


def km(miles: float | None) -> float | None:
    """Miles in kilometres, to the metre."""
    return None if miles is None else round(miles * _KM_PER_MILE, 3)
