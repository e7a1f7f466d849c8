"""What is worth a push and what was already said: one per car, session, kind and content; hushed at night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.domain import wording
from streams.domain.ids import stable_id
from streams.domain.ready import next_local

QUIET_FROM: Final = time(22, 30)
QUIET_UNTIL: Final = time(6, 30)
MOVED: Final = timedelta(minutes=30)
_REMEMBERED: Final = 64

_CAN_WAIT: Final = {NotificationKind.PLAN_MOVED, NotificationKind.DONE, NotificationKind.STOOD_DOWN}
_ONCE_A_SESSION: Final = {
    StatusReason.CANNOT_CONTROL: NotificationKind.CANNOT_CONTROL,
    StatusReason.AT_RISK: NotificationKind.AT_RISK,
    StatusReason.CHARGING_BY_DRIVER: NotificationKind.STOOD_DOWN,
    StatusReason.STOPPED_BY_DRIVER: NotificationKind.STOOD_DOWN,
    StatusReason.OWN_SCHEDULE: NotificationKind.OWN_SCHEDULE,
    StatusReason.CHARGING_BOOST: NotificationKind.BOOSTED,
}
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
    """What a driver was told: the newest ids of pushes, the start announced last, how often links broke."""

    model_config = ConfigDict(frozen=True)

    said: tuple[str, ...] = ()
    announced_session: str | None = None
    announced_start: datetime | None = None
    link_lost: bool = False
    links_lost: int = 0


def notices(ledger: Ledger | None, status: DriverStatus, now: datetime) -> tuple[Ledger, tuple[NotificationEvent, ...]]:
    """The ledger after this status and the pushes it calls for, as intents. Asked again, it stays silent.

    What may wait is not said at night: asked again in the morning it is said then, unless it no longer holds.
    """
    told = _link(ledger or Ledger(), status)
    events: list[NotificationEvent] = []
    for kind, session_id, content in _due(told, status, now):
        event_id = stable_id(status.car, session_id, kind.value, content)
        if event_id in told.said or (kind in _CAN_WAIT and is_quiet(now, status.home_zone)):
            continue
        told = _remember(told, event_id, kind, status)
        if kind is NotificationKind.PLUGGED_IN and status.reason is StatusReason.CANNOT_BE_READY:
            continue  # the warning itself says that the car is plugged in and what happens
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
            yield NotificationKind.PLAN_MOVED, session_id, str(status.next_start)
    if status.reason is StatusReason.CANNOT_BE_READY:
        yield NotificationKind.CANNOT_BE_READY, session_id, f"{status.ready_by} {status.target_soc_pct}"
    if (once := _ONCE_A_SESSION.get(status.reason)) is not None:
        yield once, session_id, ""
    if status.reason is StatusReason.LINK_LOST:
        yield NotificationKind.LINK_LOST, None, str(told.links_lost)
    if status.settled_session_id and (status.saved != 0 or status.saved_carbon_g not in {0, None}):
        yield NotificationKind.DONE, status.settled_session_id, ""


def _moved(told: Ledger, status: DriverStatus, now: datetime) -> bool:
    """Does an announced start that has not passed yet lie more than half an hour off?"""
    if told.announced_session != status.session_id or told.announced_start is None or not status.next_start:
        return False
    return told.announced_start > now and abs(status.next_start - told.announced_start) > MOVED


def _link(told: Ledger, status: DriverStatus) -> Ledger:
    lost = status.reason is StatusReason.LINK_LOST
    count = told.links_lost + (1 if lost and not told.link_lost else 0)
    return told.model_copy(update={"link_lost": lost, "links_lost": count})


def _remember(told: Ledger, event_id: str, kind: NotificationKind, status: DriverStatus) -> Ledger:
    update: dict[str, object] = {"said": (*told.said, event_id)[-_REMEMBERED:]}
    if kind in {NotificationKind.PLUGGED_IN, NotificationKind.PLAN_MOVED}:
        update |= {"announced_session": status.session_id, "announced_start": status.next_start}
    return told.model_copy(update=update)


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
