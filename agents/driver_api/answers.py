"""From contracts to what the API answers: pure, with the present as an argument."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from agents.driver_api.views import (
    BlockView,
    CarView,
    HistoryView,
    MessageView,
    OutlookView,
    PlanView,
    PreferenceView,
    SavingsView,
    SessionView,
    SlotView,
)
from streams.contracts.account import AccountState
from streams.contracts.driver_status import DriverStatus
from streams.contracts.forecast import Forecast
from streams.contracts.notification import NotificationEvent
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.telemetry import Plug
from streams.domain.balance import balance_of
from streams.domain.ids import stable_id
from streams.domain.status import StatusState, status

#: Chart and table reach so far.
AHEAD: Final = timedelta(hours=36)
_BEHIND: Final = timedelta(hours=1)
#: A car on the cable that is not heard for so long; one that is not may sleep for days.
_QUIET_PLUGGED: Final = timedelta(hours=2)
_QUIET: Final = timedelta(hours=24)
_PAGE: Final = 50


def preference_view(preference: Preference | None, car: str) -> PreferenceView:
    """What the driver wants; the defaults where nothing was chosen yet."""
    chosen = preference or Preference(car=car, updated_at=datetime.min.replace(tzinfo=UTC))
    return PreferenceView(
        ready_by=chosen.ready_by,
        ready_by_days=chosen.ready_by_days,
        target_soc_pct=chosen.target_soc_pct,
        min_soc_pct=chosen.min_soc_pct,
        balance=balance_of(chosen.carbon_price_per_tonne),
        carbon_price_per_tonne=chosen.carbon_price_per_tonne,
        mode=chosen.mode,
        language=chosen.language,
        updated_at=None if preference is None else preference.updated_at,
    )


def first_status(
    registration: Registration, account: AccountState | None, preference: Preference | None, now: datetime
) -> DriverStatus:
    """What is so of a car of which no stage has said anything yet."""
    known = StatusState(car=registration.car, registration=registration, account=account, preference=preference)
    said = status(known, now)
    assert said is not None
    return said


def car_view(
    registration: Registration,
    told: DriverStatus,
    schedule: Schedule | None,
    preference: Preference | None,
    last: SessionView | None,
    now: datetime,
) -> CarView:
    """One car as its driver sees it."""
    plan = schedule if schedule is not None and schedule.session_id == told.session_id else None
    view = CarView(
        car=told.car,
        oem=registration.oem,
        model=registration.model,
        home_zone=told.home_zone,
        controllable=told.controllable,
        link=told.link,
        reason=told.reason,
        sentence=told.sentence,
        plug=told.plug,
        charge=told.charge,
        soc_pct=told.soc_pct,
        soc_time=told.soc_time,
        at_home=told.at_home,
        stale=is_stale(told, now),
        next_start=told.next_start,
        ready_by=told.ready_by,
        ready_at=told.ready_at,
        target_soc_pct=told.target_soc_pct,
        expected_soc_pct=told.expected_soc_pct,
        shortfall_kwh=told.shortfall_kwh,
        plan=None if plan is None or plan.reason is PlanReason.UNPLUGGED else plan_view(plan),
        preference=preference_view(preference, told.car),
        last_session=last,
        version="",
    )
    return view.model_copy(update={"version": stable_id(view.model_dump_json())})


def is_stale(told: DriverStatus, now: datetime) -> bool:
    """Whether the car has been silent for too long: two hours on the cable, a day off it."""
    if told.soc_time is None:
        return False
    return now - told.soc_time > (_QUIET_PLUGGED if told.plug is Plug.PLUGGED else _QUIET)


def plan_view(schedule: Schedule) -> PlanView:
    """The plan in force."""
    return PlanView(
        session_id=schedule.session_id,
        revision=schedule.revision,
        blocks=block_views(schedule),
        energy_kwh=schedule.energy_kwh,
        cost=schedule.cost,
        currency=schedule.currency,
        carbon_g=schedule.carbon_g,
        reachable=schedule.reachable,
        shortfall_kwh=schedule.shortfall_kwh,
        ready_by=schedule.ready_by,
        ready_at=schedule.ready_at,
        known_until=schedule.known_until,
        provisional=schedule.provisional,
        reason=schedule.reason,
    )


def block_views(schedule: Schedule) -> tuple[BlockView, ...]:
    """The plan's blocks."""
    return tuple(BlockView(start=one.start, end=one.end, energy_kwh=one.energy_kwh) for one in schedule.blocks)


def outlook_view(
    registration: Registration,
    price: Forecast | None,
    carbon: Forecast | None,
    blocks: tuple[BlockView, ...],
    now: datetime,
) -> OutlookView:
    """Price and carbon from an hour ago on, cut at every change of either."""
    begin = now.replace(minute=0, second=0, microsecond=0) - _BEHIND
    until = begin + _BEHIND + AHEAD
    known = [forecast for forecast in (price, carbon) if forecast is not None]
    edges = {edge for one in known for slot in one.slots for edge in (slot.start, slot.end) if begin < edge < until}
    cuts = sorted(edges | {begin, until})
    slots = [
        SlotView(start=start, end=end, price_per_kwh=_at(price, start), carbon_g_per_kwh=_at(carbon, start))
        for start, end in pairwise(cuts)
    ]
    while slots and slots[-1].price_per_kwh is None and slots[-1].carbon_g_per_kwh is None:
        slots.pop()
    return OutlookView(
        car=registration.car,
        home_zone=registration.home_zone,
        currency=None if price is None else price.unit.partition("/")[0],
        now=now,
        price_known_until=None if price is None else price.known_until,
        slots=tuple(slots),
        blocks=blocks,
    )


def _at(forecast: Forecast | None, at: datetime) -> float | None:
    """The value that holds from `at` on; None where none is known."""
    if forecast is None:
        return None
    place = bisect_right(forecast.slots, at, key=lambda slot: slot.start) - 1
    return forecast.slots[place].value if place >= 0 and at < forecast.slots[place].end else None


def session_view(settled: SessionSettled) -> SessionView:
    """One settled session."""
    carbon_g = settled.carbon_g
    return SessionView(
        session_id=settled.session_id,
        plugged_at=settled.plugged_at,
        ended_at=settled.ended_at,
        energy_kwh=settled.energy_kwh,
        start_soc_pct=settled.start_soc_pct,
        end_soc_pct=settled.end_soc_pct,
        currency=settled.currency,
        cost=None if settled.cost is None else settled.cost.managed,
        saved=settled.saving,
        carbon_kg=None if carbon_g is None else carbon_g.managed / 1000,
        carbon_saved_kg=None if settled.carbon_saved_g is None else settled.carbon_saved_g / 1000,
        promise=settled.promise,
    )


def history_view(sessions: Iterable[SessionView], zone: str, before: datetime | None) -> HistoryView:
    """Sessions that ended before `before`, a page of them, newest first; savings of all sessions."""
    ordered = sorted(sessions, key=lambda one: one.ended_at, reverse=True)
    page = [one for one in ordered if before is None or one.ended_at < before]
    more = page[_PAGE - 1].ended_at.isoformat() if len(page) > _PAGE else None
    return HistoryView(sessions=tuple(page[:_PAGE]), savings=savings(ordered, zone), next=more)


def savings(sessions: Sequence[SessionView], zone: str) -> tuple[SavingsView, ...]:
    """All together, then month by month of the home, newest first; currencies are never added up."""
    months: defaultdict[tuple[str, str], list[SessionView]] = defaultdict(list)
    for one in sessions:
        months["", one.currency].append(one)
        months[f"{one.ended_at.astimezone(ZoneInfo(zone)):%Y-%m}", one.currency].append(one)
    whole = sorted(place for place in months if not place[0])
    each = sorted((place for place in months if place[0]), reverse=True)
    return tuple(_sum(month or None, currency, months[month, currency]) for month, currency in (*whole, *each))


def _sum(month: str | None, currency: str, sessions: Sequence[SessionView]) -> SavingsView:
    return SavingsView(
        month=month,
        sessions=len(sessions),
        energy_kwh=sum(one.energy_kwh for one in sessions),
        currency=currency,
        saved=sum(one.saved for one in sessions if one.saved is not None),
        carbon_saved_kg=sum(one.carbon_saved_kg for one in sessions if one.carbon_saved_kg is not None),
        unpriced_sessions=sum(one.saved is None for one in sessions),
    )


def message_view(event: NotificationEvent) -> MessageView:
    """One message."""
    return MessageView(id=event.id, car=event.car, kind=event.kind, title=event.title, body=event.body, at=event.at)
