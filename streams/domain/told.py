"""What was told about a plug session, by its schedules alone: the promise, the power expected, what was believed."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from streams.contracts.schedule import PlanReason, Schedule
from streams.domain.planner import Profile

_NO_PROMISE: Final = {PlanReason.UNKNOWN_SOC, PlanReason.UNPLUGGED, PlanReason.AWAY}
#: A new session's schedule may overtake the reading that ends the one before.
_SESSIONS_KEPT: Final = 2
_BELIEFS_KEPT: Final = 50


class _Fold(BaseModel):
    model_config = ConfigDict(frozen=True)


class Promised(_Fold):
    """What the driver was told: this full by then, or not."""

    ready_by: datetime
    target_pct: float
    reachable: bool
    paused: bool
    carbon_price_per_tonne: float
    currency: str


class Told(_Fold):
    """All that the schedules of one session said, up to `revision`.

    `first` is the first promise on the terms in force (a new target or ready-by is a new promise), `latest` the last
    one made before its ready-by passed. `power_kw` is what the first schedule expected of the car. `beliefs`: since
    when, and how many g per kWh the energy then planned was believed to emit.
    """

    session_id: str
    revision: int
    first: Promised | None = None
    latest: Promised | None = None
    power_kw: float | None = None
    beliefs: tuple[tuple[datetime, float], ...] = ()


def hear(known: tuple[Told, ...], schedule: Schedule) -> tuple[Told, ...]:
    """Fold one more schedule; the newest sessions last. The same tuple when it says nothing new. Idempotent."""
    if schedule.session_id is None:
        return known
    told = told_of(known, schedule.session_id)
    if told is None:
        new = _fold(Told(session_id=schedule.session_id, revision=schedule.revision), schedule)
        return (*known, new)[-_SESSIONS_KEPT:]
    if schedule.revision <= told.revision:
        return known
    new = _fold(told, schedule)
    return tuple(new if other is told else other for other in known)


def told_of(known: tuple[Told, ...], session_id: str) -> Told | None:
    """What was told about that session, if anything."""
    return next((told for told in known if told.session_id == session_id), None)


def believed_g(energy: Profile, told: Told | None) -> float | None:
    """Carbon of `energy` by the plan in force when it went in; before the first plan, by the first.

    A plan is believed to emit evenly, at the mean of its blocks. Null when no plan knew its carbon.
    """
    if told is None or not told.beliefs:
        return None
    since = [at for at, _ in told.beliefs]
    return sum(kwh * told.beliefs[max(0, bisect_right(since, start) - 1)][1] for start, _, kwh in energy)


def _fold(told: Told, schedule: Schedule) -> Told:
    power_kw, inputs = told.power_kw, schedule.inputs
    update: dict[str, object] = {
        "revision": schedule.revision,
        "power_kw": inputs.power_kw if power_kw is None else power_kw,
        **_promise(told, schedule),
    }
    if inputs.carbon_issued_at is not None and schedule.energy_kwh > 0:
        belief = (inputs.now, schedule.carbon_g / schedule.energy_kwh)
        update["beliefs"] = (*told.beliefs, belief)[-_BELIEFS_KEPT:]
    return told.model_copy(update=update)


def _promise(told: Told, schedule: Schedule) -> dict[str, Promised]:
    if schedule.reason in _NO_PROMISE or schedule.ready_by is None or schedule.target_soc_pct is None:
        return {}
    if told.latest is not None and schedule.inputs.now >= told.latest.ready_by:
        return {}
    made = Promised(
        ready_by=schedule.ready_by,
        target_pct=schedule.target_soc_pct,
        reachable=schedule.reachable,
        paused=schedule.reason is PlanReason.PAUSED,
        carbon_price_per_tonne=schedule.inputs.carbon_price_per_tonne or 0.0,
        currency=schedule.currency,
    )
    first = told.first
    if first is None or (first.ready_by, first.target_pct) != (made.ready_by, made.target_pct):
        first = made
    return {"first": first, "latest": made}
