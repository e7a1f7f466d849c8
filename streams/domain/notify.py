"""What is worth a push and what was already said: one per real change; hushed at night unless it is a failure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.telemetry import Charge
from streams.domain import wording
from streams.domain.ids import stable_id
from streams.domain.ready import next_local

QUIET_FROM: Final = time(22, 30)
QUIET_UNTIL: Final = time(6, 30)
MOVED: Final = timedelta(minutes=30)
#: Less than this is not "about 0.1 kWh".
WORTH_TELLING_KWH: Final = 0.05
_REMEMBERED: Final = 64

#: A failure that comes and goes is told this often in a session.
_REPEATS: Final = 3

_CAN_WAIT: Final = {NotificationKind.PLAN_MOVED, NotificationKind.DONE, NotificationKind.STOOD_DOWN}
_TROUBLES: Final = {
    StatusReason.CANNOT_CONTROL: NotificationKind.CANNOT_CONTROL,
    StatusReason.AT_RISK: NotificationKind.AT_RISK,
}
_ONCE_A_SESSION: Final = {
    StatusReason.CHARGING_BY_DRIVER: NotificationKind.STOOD_DOWN,
    StatusReason.STOPPED_BY_DRIVER: NotificationKind.STOOD_DOWN,
    StatusReason.OWN_SCHEDULE: NotificationKind.OWN_SCHEDULE,
}
#: What a boost leaves for; a car that only stopped for a moment is still boosted.
_AFTER_BOOST: Final = {
    StatusReason.WAITING_FOR_CHEAP,
    StatusReason.CHARGING_AS_PLANNED,
    StatusReason.STOPPING,
    StatusReason.AT_TARGET,
    StatusReason.PAUSED,
    StatusReason.CANNOT_BE_READY,
}
#: Their own push says that the car is plugged in, or charges now.
_SAYS_IT_ALL: Final = {StatusReason.CANNOT_BE_READY, StatusReason.CHARGING_BOOST}
_HAS_PLAN: Final = {
    StatusReason.WAITING_FOR_CHEAP,
    StatusReason.CHARGING_AS_PLANNED,
    StatusReason.CHARGING_BOOST,
    StatusReason.STARTING,
    StatusReason.STOPPING,
    StatusReason.AT_TARGET,
    StatusReason.PAUSED,
    StatusReason.CANNOT_BE_READY,
    StatusReason.ADVICE_ONLY,
}


class Ledger(BaseModel):
    """What a driver was told: the newest ids of pushes, the start announced last, and how often things came.

    Troubles and boosts are counted by plug session, all else since ever.
    """

    model_config = ConfigDict(frozen=True)

    said: tuple[str, ...] = ()
    announced_session: str | None = None
    announced_start: datetime | None = None
    moves: int = 0
    link_lost: bool = False
    links_lost: int = 0
    session: str | None = None
    troubled: bool = False
    troubles: int = 0
    boosted: bool = False
    boosts: int = 0


def notices(ledger: Ledger | None, status: DriverStatus, now: datetime) -> tuple[Ledger, tuple[NotificationEvent, ...]]:
    """The ledger after this status and the pushes it calls for, as intents. Asked again, it stays silent.

    What may wait is not said at night: asked again in the morning it is said then, unless it no longer holds.
    """
    told = _observe(ledger or Ledger(), status)
    events: list[NotificationEvent] = []
    for kind, session_id, content in _due(told, status, now):
        event_id = stable_id(status.car, session_id, kind.value, content)
        if event_id in told.said or (kind in _CAN_WAIT and is_quiet(now, status.home_zone)):
            continue
        told = _remember(told, event_id, kind, status, now)
        if kind is not NotificationKind.PLUGGED_IN or status.reason not in _SAYS_IT_ALL:
            events.append(_event(event_id, kind, session_id, status, now))
    return told, tuple(events)


def ask_again(ledger: Ledger, status: DriverStatus, now: datetime) -> datetime | None:
    """When the quiet hours end, if they hold back something that `notices` would say now; else None."""
    if not is_quiet(now, status.home_zone):
        return None
    held = (
        kind in _CAN_WAIT and stable_id(status.car, session_id, kind.value, content) not in ledger.said
        for kind, session_id, content in _due(ledger, status, now)
    )
    return next_local(QUIET_UNTIL, status.home_zone, now) if any(held) else None


def is_quiet(now: datetime, zone: str) -> bool:
    """Is it night at home?"""
    local = now.astimezone(ZoneInfo(zone)).time()
    return local >= QUIET_FROM or local < QUIET_UNTIL


def _due(told: Ledger, status: DriverStatus, now: datetime) -> Iterator[tuple[NotificationKind, str | None, str]]:
    """(kind, session, content) of everything that holds at present."""
    session_id = status.session_id
    if session_id and status.plan_revision is not None and status.reason in _HAS_PLAN:
        yield NotificationKind.PLUGGED_IN, session_id, ""
        if _moved(told, status, now):
            yield NotificationKind.PLAN_MOVED, session_id, str(told.moves)
    if status.reason is StatusReason.CANNOT_BE_READY:
        yield NotificationKind.CANNOT_BE_READY, session_id, f"{status.ready_by} {status.target_soc_pct}"
    if (trouble := _TROUBLES.get(status.reason)) is not None:
        yield trouble, session_id, _time(min(told.troubles, _REPEATS))
    if (once := _ONCE_A_SESSION.get(status.reason)) is not None:
        yield once, session_id, ""
    if status.reason is StatusReason.CHARGING_BOOST:
        yield NotificationKind.BOOSTED, session_id, _time(told.boosts)
    if status.reason is StatusReason.LINK_LOST:
        yield NotificationKind.LINK_LOST, None, str(told.links_lost)
    if status.settled_session_id and (status.charged_kwh or 0.0) >= WORTH_TELLING_KWH:
        yield NotificationKind.DONE, status.settled_session_id, ""


def _time(count: int) -> str:
    """The first time needs no number."""
    return "" if count <= 1 else str(count)


def _start(status: DriverStatus, now: datetime) -> datetime | None:
    """When the plan charges next, or that it does now."""
    return status.next_start if status.planned_until is None else now


def _moved(told: Ledger, status: DriverStatus, now: datetime) -> bool:
    """Does an announced start that has not passed yet lie more than half an hour off?

    That it charges now is told by the push of a boost or a warning, or else once the car does.
    """
    start = _start(status, now)
    if told.announced_session != status.session_id or told.announced_start is None or start is None:
        return False
    if status.reason in _SAYS_IT_ALL or status.reason is StatusReason.STARTING:
        return False
    return told.announced_start > now and abs(start - told.announced_start) > MOVED


def _observe(told: Ledger, status: DriverStatus) -> Ledger:
    """Counts what begins with this status. Trouble is over when the car charges."""
    reason = status.reason
    if status.session_id not in {None, told.session}:
        fresh = {"troubled": False, "troubles": 0, "boosted": False, "boosts": 0}
        told = told.model_copy(update={"session": status.session_id, **fresh})
    lost = reason is StatusReason.LINK_LOST
    troubled = reason in _TROUBLES or (told.troubled and status.charge is not Charge.CHARGING)
    boosted = reason is StatusReason.CHARGING_BOOST or (told.boosted and reason not in _AFTER_BOOST)
    return told.model_copy(
        update={
            "link_lost": lost,
            "links_lost": told.links_lost + (lost and not told.link_lost),
            "troubled": troubled,
            "troubles": told.troubles + (troubled and not told.troubled),
            "boosted": boosted,
            "boosts": told.boosts + (boosted and not told.boosted),
        }
    )


def _remember(told: Ledger, event_id: str, kind: NotificationKind, status: DriverStatus, now: datetime) -> Ledger:
    update: dict[str, object] = {}
    if kind in {NotificationKind.PLUGGED_IN, NotificationKind.PLAN_MOVED}:
        update = {"announced_session": status.session_id, "announced_start": _start(status, now)}
    if kind is NotificationKind.PLAN_MOVED:  # the announced start tells that it was said
        return told.model_copy(update=update | {"moves": told.moves + 1})
    return told.model_copy(update=update | {"said": (*told.said, event_id)[-_REMEMBERED:]})


def _event(
    event_id: str, kind: NotificationKind, session_id: str | None, status: DriverStatus, now: datetime
) -> NotificationEvent:
    title, body = wording.notice(kind, status)
    return NotificationEvent(
        id=event_id,
        car=status.car,
        driver=status.driver,
        session_id=session_id,
        kind=kind,
        phase=NotificationPhase.INTENT,
        title=title,
        body=body,
        at=now,
    )
