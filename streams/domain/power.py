"""What power a car really draws at home, learned from its own readings."""

from __future__ import annotations

from typing import Final

from streams.contracts.registration import Registration
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState

#: Above this the car itself tapers: its power then says nothing about the wall.
_TAPERS_PCT: Final = 85.0
#: A reading outside these shares of the registered power is a ramp, a pre-conditioning or an error.
_BELIEVED: Final = (0.5, 1.2)
#: How far one reading moves the estimate: quickly down and slowly up, so that plans count on a low quantile.
_DOWN, _UP = 0.3, 0.05


def learn(known_kw: float | None, state: VehicleState, registration: Registration | None) -> float | None:
    """The estimate after one more state, in kW at the wall; None while nothing was learned.

    A low quantile on purpose: planned too fast, the car is late; planned too slow, it is ready early.
    """
    if registration is None or state.at_home is False or state.charge is not Charge.CHARGING:
        return known_kw
    if state.power_kw is None or state.soc_pct is None or state.soc_pct > _TAPERS_PCT:
        return known_kw
    share = state.power_kw / registration.power_kw
    if not _BELIEVED[0] <= share <= _BELIEVED[1]:
        return known_kw
    before = known_kw or registration.power_kw
    step = _DOWN if state.power_kw < before else _UP
    return round(before + step * (state.power_kw - before), 3)
