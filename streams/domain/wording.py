"""Every sentence a driver reads: short, in their language, in local time of the home, no ids, honest about estimates.

The texts are in `words`, a table per language; the functions only choose and fill them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.contracts.base import Language
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationKind
from streams.contracts.schedule import Block, PlanReason, Schedule
from streams.contracts.telemetry import FLOWING, Charge, Plug
from streams.domain.balance import balance_of
from streams.domain.words import WORDS

#: What phones show of a push without cutting it.
TITLE_CHARS: Final = 40
BODY_CHARS: Final = 160

#: From these ages on the time of a reading is told, with its weekday, with its date.
AGES: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=6))

_SIGNS: Final[Mapping[str, str]] = {"EUR": "€", "GBP": "£", "USD": "$"}
_NAME_CHARS: Final = 14

#: Plans that charge; once their blocks are over, so are they.
_CHARGES: Final = {
    PlanReason.CHEAPEST,
    PlanReason.UNREACHABLE,
    PlanReason.BOOST,
    PlanReason.NO_FORECAST,
    PlanReason.UNKNOWN_SOC,
}
_AS_PLANNED: Final = {
    StatusReason.WAITING_FOR_CHEAP,
    StatusReason.CHARGING_AS_PLANNED,
    StatusReason.CHARGING_BOOST,
    StatusReason.STARTING,
    StatusReason.STOPPING,
    StatusReason.CANNOT_BE_READY,
    StatusReason.PAUSED,
    StatusReason.ADVICE_ONLY,
}

#: What a plan says that holds for a car that charges now, whoever started it.
_TRUE_OF_ANY_HAND: Final = {"now", "unreachable", "late"}


class Audience(NamedTuple):
    """Who reads it: in which language, where, and when."""

    language: Language
    zone: str
    now: datetime

    def text(self, name: str) -> str:
        """The text of that name, not filled."""
        return WORDS[self.language][name]

    def time(self, at: datetime | None) -> str:
        """An exact time."""
        return "" if at is None else clock(at, self.zone, self.now, language=self.language)

    def about(self, at: datetime | None) -> str:
        """An estimated time."""
        return "" if at is None else clock(at, self.zone, self.now, about=True, language=self.language)

    def number(self, value: float, digits: int) -> str:
        """A number with so many decimals."""
        return f"{value:.{digits}f}".replace(".", self.text("decimal"))

    def money(self, value: float, currency: str) -> str:
        """An amount, without its sign."""
        amount, sign = self.number(abs(value), 2), _SIGNS.get(currency)
        return f"{amount} {currency}" if sign is None else self.text("money").format(sign=sign, amount=amount)


def clock(at: datetime, zone: str, now: datetime, *, about: bool = False, language: Language = "en") -> str:
    """Local time of the home, for people: to five minutes if `about`; with the weekday, or the date, if far off."""
    local = at.astimezone(ZoneInfo(zone))
    if about:
        seconds = (local.minute % 5) * 60 + local.second
        rounded = at - timedelta(seconds=seconds, microseconds=local.microsecond)
        local = (rounded + timedelta(minutes=5 if seconds >= 150 else 0)).astimezone(ZoneInfo(zone))
    time = f"{local:%H:%M}"
    if abs(at - now) < AGES[1]:
        return time
    words = WORDS[language]
    if abs(at - now) < AGES[2]:
        return words["day_time"].format(day=words["days"].split()[local.weekday()], time=time)
    return words["date_time"].format(day=local.day, month=words["months"].split()[local.month - 1], time=time)


def plan_sentence(schedule: Schedule, to: Audience) -> str:
    """The plan by itself, in one or two sentences."""
    return _fit(_told("plan", schedule, to), _provisional(schedule, to))


def hands_off_sentence(reason: PlanReason, language: Language) -> str:
    """Why a car is left alone."""
    return WORDS[language][f"status.{reason.value}"]


def status_sentence(status: DriverStatus, schedule: Schedule | None) -> str:
    """Why the car is (not) charging, by the plan where it decides that, and what an old reading is worth."""
    to = _audience(status)
    plan = "" if schedule is None else _told(_voice(status, schedule), schedule, to)
    why = _why(status, plan, to)
    return _fit(why, _heard(status, to), _provisional(schedule, to) if schedule is not None and why == plan else "")


def notice(kind: NotificationKind, status: DriverStatus) -> tuple[str, str]:
    """(title, body) of a push."""
    to = _audience(status)
    title = to.text(f"{kind.value}.title")
    if status.name:
        title = to.text("title").format(name=_short(status.name), title=title)
    if kind is NotificationKind.DONE:
        return title, _done(status, to)
    if kind is NotificationKind.PLAN_MOVED and not status.planned_until and status.next_start and status.ready_by:
        name = "plan_moved.body" if status.controllable else "plan_moved.body.advised"
        return title, to.text(name).format(start=to.about(status.next_start), by=to.time(status.ready_by))
    return title, status.sentence


def _audience(status: DriverStatus) -> Audience:
    return Audience(status.language, status.home_zone, status.at)


def _fit(*sentences: str) -> str:
    """As many of the sentences, the most important first, as a push has room for."""
    said = ""
    for sentence in sentences:
        longer = f"{said} {sentence}".strip()
        if not said or len(longer) <= BODY_CHARS:
            said = longer
    return said


def _voice(status: DriverStatus, schedule: Schedule) -> str:
    """How a plan is told: as what happens, as what is still to happen, or as advice to the driver."""
    flowing = status.charge in FLOWING
    if status.reason is StatusReason.STOPPING:
        return "stopping"
    if status.reason is StatusReason.CHARGING_BOOST:
        return "boost"
    if status.controllable:
        return "plan" if flowing else "starting"
    true = flowing and _name(schedule, status.at) in _TRUE_OF_ANY_HAND
    return "plan" if true else "advice"


def _told(voice: str, schedule: Schedule, to: Audience) -> str:
    name, texts = _name(schedule, to.now), WORDS[to.language]
    found = (texts.get(f"{source}.{name}") for source in (voice, "plan", "status"))  # hands off is a status of its own
    return next(text for text in found if text).format_map(_Facts(schedule, to))


def _name(schedule: Schedule, now: datetime) -> str:
    """Which text tells the plan, as seen at `now`."""
    left = _left(schedule, now)
    if not left and schedule.reason in _CHARGES:
        return "over"
    if schedule.reason is PlanReason.CHEAPEST:
        if left[0].start <= now:
            return "now" if len(left) == 1 else "now_and_later"
        return "later" if len(left) == 1 else "parts"
    if schedule.reason is PlanReason.UNREACHABLE and schedule.ready_by and schedule.ready_by <= now:
        return "late"
    return schedule.reason.value


def _left(schedule: Schedule, now: datetime) -> list[Block]:
    return [block for block in schedule.blocks if block.end > now]


def _provisional(schedule: Schedule, to: Audience) -> str:
    if not schedule.provisional or schedule.known_until is None:
        return ""
    return to.text("provisional").format(known=to.time(schedule.known_until))


_FACTS: Final[Mapping[str, Callable[[Schedule, Audience], str]]] = {
    "target": lambda plan, _: _percent(plan.target_soc_pct),
    "expected": lambda plan, _: _short_of(plan.expected_soc_pct, plan.target_soc_pct),
    "short": lambda plan, to: to.number(max(0.1, plan.shortfall_kwh), 1),
    "parts": lambda plan, to: str(len(_left(plan, to.now))),
    "best": lambda plan, to: to.text(f"best.{_chosen_by(plan)}"),
    "start": lambda plan, to: to.about(_left(plan, to.now)[0].start),
    "done": lambda plan, to: to.about(plan.ready_at),
    "by": lambda plan, to: to.time(plan.ready_by),
}


def _chosen_by(schedule: Schedule) -> str:
    return "carbon" if balance_of(schedule.inputs.carbon_price_per_tonne or 0.0) == "carbon" else "money"


class _Facts:
    """What a plan has to fill a text with, each made when it is asked for."""

    def __init__(self, schedule: Schedule, to: Audience) -> None:
        self._schedule, self._to = schedule, to

    def __getitem__(self, name: str) -> str:
        return _FACTS[name](self._schedule, self._to)


def _why(status: DriverStatus, plan: str, to: Audience) -> str:
    if status.reason in _AS_PLANNED:
        return plan
    if status.reason is StatusReason.AT_TARGET:
        return _reached(status, plan, to)
    if status.reason is StatusReason.CANNOT_CONTROL and status.charge in {Charge.NO_POWER, Charge.FAULT}:
        return to.text(f"status.{status.charge.value}")
    if status.reason is StatusReason.LINK_LOST and not status.controllable:
        return to.text("status.link_lost.advised")
    return to.text(f"status.{status.reason.value}")


def _reached(status: DriverStatus, plan: str, to: Audience) -> str:
    """At the target as far as the car told; otherwise only that it stopped, or that the plan is done."""
    if status.soc_pct is not None and status.soc_pct >= (status.target_soc_pct or 0.0):
        return to.text("status.at_target").format(soc=_percent(status.soc_pct))
    return to.text("status.complete") if status.charge is Charge.COMPLETE else plan


def _heard(status: DriverStatus, to: Audience) -> str:
    """What an old reading is worth: its time, while the cable is in."""
    if status.soc_time is None or status.plug is not Plug.PLUGGED or status.at - status.soc_time < AGES[0]:
        return ""
    return to.text("heard").format(at=to.time(status.soc_time))


def _done(status: DriverStatus, to: Audience) -> str:
    """What the last session cost, and what that is beside charging at once."""
    kwh = to.number(status.charged_kwh or 0.0, 1)
    if status.cost is None or status.saved is None:
        return to.text("done.unknown").format(kwh=kwh)
    cost, saved, carbon = round(status.cost, 2), round(status.saved, 2), round((status.saved_carbon_g or 0) / 1000, 1)
    words = {
        "kwh": kwh,
        "cost": to.money(cost, status.currency or ""),
        "money": to.money(saved, status.currency or ""),
        "carbon": to.number(abs(carbon), 1),
    }
    texts = to.text("done.paid" if cost < 0 else "done.cost"), to.text(f"done.{_sign(saved)}.{_sign(carbon)}")
    return _fit(*(text.format(**words) for text in texts))


def _sign(saved: float) -> str:
    return "less" if saved > 0 else "more" if saved < 0 else "same"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1].rstrip() + "…"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"


def _short_of(value: float | None, target: float | None) -> str:
    """A percentage that is shown below the target it falls short of, however little."""
    if value is None or target is None:
        return _percent(value)
    return str(max(0, min(round(value), round(target) - 1)))
