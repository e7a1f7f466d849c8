"""One car as the first screen shows it: what is so, in moods and numbers that a template only prints."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from agents.driver_api.page.chart import Chart, chart
from agents.driver_api.page.speech import Speech
from agents.driver_api.views import BlockView, CarView, OutlookView
from streams.contracts.account import Link
from streams.contracts.driver_status import StatusReason
from streams.contracts.preference import Preference, Weekday
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import FLOWING, Charge, Plug
from streams.domain.ready import ready_by

Mood = Literal["charging", "waiting", "done", "attention", "idle"]
WEEK: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MOODS: Final[dict[StatusReason, Mood]] = {
    StatusReason.CHARGING_AS_PLANNED: "charging",
    StatusReason.CHARGING_BOOST: "charging",
    StatusReason.CHARGING_BY_DRIVER: "charging",
    StatusReason.STARTING: "charging",
    StatusReason.STOPPING: "charging",
    StatusReason.WAITING_FOR_CHEAP: "waiting",
    StatusReason.PLANNING: "waiting",
    StatusReason.ADVICE_ONLY: "waiting",
    StatusReason.AT_TARGET: "done",
    StatusReason.AT_RISK: "attention",
    StatusReason.CANNOT_CONTROL: "attention",
    StatusReason.CANNOT_BE_READY: "attention",
    StatusReason.LINK_LOST: "attention",
    StatusReason.OWN_SCHEDULE: "attention",
    StatusReason.STOPPED_BY_DRIVER: "attention",
}
_LOST: Final = {Link.NEEDS_CONSENT, Link.REVOKED}
#: There may be a plan, but nobody carries it out.
_NOT_CARRIED_OUT: Final = {
    StatusReason.LINK_LOST,
    StatusReason.CANNOT_CONTROL,
    StatusReason.CHARGING_BY_DRIVER,
    StatusReason.STOPPED_BY_DRIVER,
    StatusReason.OWN_SCHEDULE,
    StatusReason.PAUSED,
    StatusReason.AWAY,
    StatusReason.UNPLUGGED,
}
#: Times to choose from, around the one that holds.
_HALF: Final = 30
_CHOICES: Final = 9


class Card(NamedTuple):
    """What the template prints."""

    view: CarView
    name: str
    mood: Mood
    state: str
    flow: Literal["yes", "no", "unknown"]
    lost: bool
    ready: datetime
    ready_wall: time
    own_day: Weekday | None
    choices: tuple[str, ...]
    blocks: tuple[BlockView, ...]
    expected_pct: float | None
    boosting: bool
    paused: bool
    pending: bool
    chart: Chart | None


def card(
    view: CarView, preference: Preference, outlook: OutlookView | None, say: Speech, *, pending: bool = False
) -> Card:
    """The first screen of a car; `pending`: a wish was just saved, and what is shown was made before it."""
    ready = ready_by(preference, view.home_zone, say.now)
    planned = view.plan is not None and view.reason not in _NOT_CARRIED_OUT
    if outlook is not None and not planned:
        outlook = outlook.model_copy(update={"blocks": ()})
    day = own_day(preference, view.home_zone, say.now)
    wall = preference.ready_by_days[day] if day else preference.ready_by
    return Card(
        view=view,
        name=name_of(view),
        mood=_MOODS.get(view.reason, "idle"),
        state=_state(view),
        flow=_flow(view.charge),
        lost=view.link in _LOST,
        ready=ready,
        ready_wall=wall,
        own_day=day,
        choices=_choices(wall),
        blocks=tuple(block for block in view.plan.blocks if block.end > say.now) if view.plan and planned else (),
        expected_pct=view.expected_soc_pct if planned else None,
        boosting=preference.mode == "boost" and (pending or _boosts(view, preference)),
        paused=preference.mode == "paused",
        pending=pending and view.plug is Plug.PLUGGED,
        chart=None if outlook is None else chart(outlook, ready, say),
    )


def name_of(view: CarView) -> str:
    """The model as people say it, else the maker."""
    return view.model.partition("+")[0].strip() or view.oem.replace("_", " ").title()


def own_day(preference: Preference, zone: str, now: datetime) -> Weekday | None:
    """The weekday of the next ready-by, if it has a time of its own."""
    day = WEEK[ready_by(preference, zone, now).astimezone(ZoneInfo(zone)).weekday()]
    return day if day in preference.ready_by_days else None


def _state(view: CarView) -> str:
    """The word for the reason; who chooses hours by the climate does not wait for cheap ones."""
    clean = view.reason is StatusReason.WAITING_FOR_CHEAP and view.preference.balance == "carbon"
    return "waiting_for_clean" if clean else view.reason


def _boosts(view: CarView, preference: Preference) -> bool:
    """A boost ends with its session; the wish stays written."""
    if view.plan is not None:
        return view.plan.reason is PlanReason.BOOST
    last = view.last_session
    return last is None or last.ended_at <= preference.updated_at


def _flow(charge: Charge) -> Literal["yes", "no", "unknown"]:
    if charge is Charge.UNKNOWN:
        return "unknown"
    return "yes" if charge in FLOWING else "no"


def _choices(wall: time) -> tuple[str, ...]:
    """Half hours around the one that holds."""
    middle = datetime(2000, 1, 1, wall.hour, wall.minute) - timedelta(minutes=wall.minute % _HALF)  # noqa: DTZ001
    first = middle - timedelta(minutes=_HALF * (_CHOICES // 2))
    around = {f"{first + timedelta(minutes=_HALF * n):%H:%M}" for n in range(_CHOICES)} | {f"{wall:%H:%M}"}
    return tuple(sorted(around))
