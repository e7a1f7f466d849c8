"""A plug session while it lasts: how much energy went in when, by telemetry alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from pydantic import BaseModel, ConfigDict

from streams.contracts.registration import Registration
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.counterfactual import Baseline
from streams.domain.planner import Profile

#: Touching readings inside one grid step become one: no tariff has shorter slots to tell them apart by.
_STEP_S: Final = 300
#: A rise that takes less is rounding.
_NOTHING: Final = timedelta(seconds=1)


class OpenSession(BaseModel):
    """One session being metered. `energy`: (start, end, wall kWh), sorted, disjoint; `track`: (at, soc_pct)."""

    model_config = ConfigDict(frozen=True)

    car: str
    session: PlugSession
    baseline: Baseline
    energy: Profile = ()
    track: tuple[tuple[datetime, float], ...] = ()
    high_pct: float | None = None
    charging: bool = False
    read_at: datetime | None = None
    read_kw: float | None = None


def meter(opened: OpenSession | None, state: VehicleState, registration: Registration) -> OpenSession:
    """Fold one more state. Idempotent; a new session starts anew, on the registration in force.

    ValueError: the car was never plugged in.
    """
    if state.session is None:
        if opened is None:
            raise ValueError("a car that was never plugged in has no session to meter")
        return opened
    if opened is None or opened.session.id != state.session.id:
        opened = OpenSession(car=state.car, session=state.session, baseline=Baseline.of(registration))
    elif _newness(state.session) >= _newness(opened.session):
        opened = opened.model_copy(update={"session": state.session})
    return _read(opened, state)


def soc_at(opened: OpenSession, at: datetime) -> float | None:
    """State of charge at an instant, by interpolation; after the last sample, that sample."""
    track = opened.track
    if not track or at < track[0][0]:
        return None
    for (before, low), (after, high) in pairwise(track):
        if before <= at < after:
            return low + (high - low) * ((at - before) / (after - before))
    return track[-1][1]


def _newness(session: PlugSession) -> tuple[int, bool]:
    """A session that ended is only reopened by a new revision, never by a late reading."""
    return session.revision, session.ended_at is not None


def _read(opened: OpenSession, state: VehicleState) -> OpenSession:
    """Energy since the last reading: from the state of charge, or from power where a car tells none.

    The reading that ends the session may come after a drive: what is missing then was not missing at the plug.
    """
    ended_at = opened.session.ended_at
    if ended_at is not None and state.car_time > ended_at:
        return opened
    if opened.read_at is not None and state.car_time <= opened.read_at:
        return opened
    charging = state.charge is Charge.CHARGING
    update: dict[str, object] = {"read_at": state.car_time, "read_kw": state.power_kw, "charging": charging}
    sampled = state.soc_time
    if state.soc_pct is not None and sampled is not None and sampled >= opened.session.plugged_at:
        driven = ended_at is not None and opened.track and state.soc_pct < opened.track[-1][1]
        if not driven and (not opened.track or sampled > opened.track[-1][0]):
            risen = _risen(opened, sampled, state.soc_pct, charging=charging)
            update["energy"] = _add(opened.energy, risen)
            update["track"] = _extend(opened.track, (sampled, state.soc_pct))
            if risen is not None or opened.high_pct is None:
                update["high_pct"] = state.soc_pct
    elif not opened.track and opened.charging and opened.read_at and opened.read_kw and opened.read_kw > 0:
        hours = (state.car_time - opened.read_at) / timedelta(hours=1)
        update["energy"] = _add(opened.energy, (opened.read_at, state.car_time, opened.read_kw * hours))
    return opened.model_copy(update=update)


def _risen(
    opened: OpenSession, at: datetime, soc_pct: float, *, charging: bool
) -> tuple[datetime, datetime, float] | None:
    """The energy behind a new high, placed where the car was charging: whole percents arrive late."""
    if opened.high_pct is None or soc_pct <= opened.high_pct:
        return None
    energy_kwh = (soc_pct - opened.high_pct) / 100 * opened.baseline.usable_kwh / opened.baseline.efficiency
    length = timedelta(hours=energy_kwh / opened.baseline.power_kw)
    before = opened.track[-1][0]
    free_from = opened.energy[-1][1] if opened.energy else opened.session.plugged_at
    if length < _NOTHING:
        return None  # it counts with the next percent
    if opened.charging and not charging:
        return (before, min(at, before + length), energy_kwh)
    earliest = max(free_from, at - length)
    return (earliest if earliest < at else before, at, energy_kwh)


def _add(energy: Profile, new: tuple[datetime, datetime, float] | None) -> Profile:
    if new is None:
        return energy
    if energy and energy[-1][1] == new[0] and _step(energy[-1][0]) == _step(new[0]):
        return (*energy[:-1], (energy[-1][0], new[1], energy[-1][2] + new[2]))
    return (*energy, new)


def _step(at: datetime) -> int:
    return int(at.timestamp()) // _STEP_S


def _extend(
    track: tuple[tuple[datetime, float], ...], sample: tuple[datetime, float]
) -> tuple[tuple[datetime, float], ...]:
    """A level that lasts is two samples, its first and its last."""
    if len(track) > 1 and track[-1][1] == track[-2][1] == sample[1]:
        return (*track[:-1], sample)
    return (*track, sample)
