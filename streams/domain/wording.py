"""Every sentence a driver reads: short, in local time of the home, no ids, honest about estimates.

The words live in one table, so another language is one more table; the functions only choose and fill them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationKind
from streams.contracts.schedule import Block, PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug

_FRESH: Final = timedelta(hours=1)

TEXT: Final[dict[str, str]] = {
    "days": "Mon Tue Wed Thu Fri Sat Sun",
    "day_time": "{day} {time}",
    "plan.cheapest.later": "Charging starts about {start}, done about {done}.",
    "plan.cheapest.now": "Charging now, done about {done}.",
    "plan.cheapest.now_and_later": "Charging now, with a break for dearer hours; done about {done}.",
    "plan.cheapest.parts": "Charging in {parts} parts from about {start}, done about {done}.",
    "plan.cheapest.over": "The planned charging is over.",
    "plan.provisional": " Prices are known until {known}, so this may change.",
    "plan.unreachable": "Charging now. {target} % is out of reach by {by}: about {expected} % then, "
    "{target} % about {done}.",
    "plan.unreachable.short": "Charging now. The target is out of reach by {by}: about {short} kWh short.",
    "plan.late": "Charging on past {by}: {target} % about {done}.",
    "plan.at_target": "The car has reached {target} %.",
    "plan.boost": "Charging now because you asked for it, done about {done}.",
    "plan.paused": "Smart charging is paused because you asked for it.",
    "plan.no_forecast": "Prices are not known at present, so the car charges now, done about {done}.",
    "plan.unknown_soc": "The car has not said how full it is, so it charges now.",
    "plan.away": "The car is away from home, so its charging is left alone.",
    "plan.unplugged": "The car is not plugged in.",
    "advice.cheapest.later": "Charge after about {start}: it is cheapest then, done about {done}.",
    "advice.cheapest.now": "Charge now: it is cheapest, done about {done}.",
    "advice.cheapest.now_and_later": "Charge now, with a break for dearer hours; done about {done}.",
    "advice.cheapest.parts": "Charge after about {start}, with breaks for dearer hours; done about {done}.",
    "advice.cheapest.over": "No more charging is advised.",
    "advice.unreachable": "Charge now. {target} % is out of reach by {by}: about {expected} % then, "
    "{target} % about {done}.",
    "advice.unreachable.short": "Charge now. The target is out of reach by {by}: about {short} kWh short.",
    "advice.late": "Charge on past {by}: {target} % about {done}.",
    "advice.boost": "Charge now, as you asked for; done about {done}.",
    "advice.no_forecast": "Prices are not known at present, so charge now, done about {done}.",
    "advice.unknown_soc": "The car has not said how full it is, so charge now.",
    "advice.moved": "Charge after about {start} instead, ready by {by}.",
    "advice.link_lost": "The link to the car is lost. Please link it again; nothing is advised until then.",
    "status.away": "The car is away from home, so its charging is left alone.",
    "status.unplugged": "Not plugged in.",
    "status.unknown": "The car has not reported whether it is plugged in.",
    "status.planning": "Plugged in. The plan is being made.",
    "status.starting": "Asking the car to start charging. ",
    "status.stopping": "Asking the car to wait. ",
    "status.no_power": "The socket gives no power. Please check the cable and the fuse.",
    "status.fault": "The car reports a charging fault. Please check the car.",
    "status.charging_by_driver": "Charging because it was started at the car; it is left to charge.",
    "status.stopped_by_driver": "Not charging because it was stopped at the car; it is left alone until it is "
    "plugged in again.",
    "status.own_schedule": "The car waits for its own charging timer. Switch that off to charge by the plan.",
    "status.at_risk": "The car should be charging by now, and nothing shows that it does. Please check it.",
    "status.cannot_control": "The car does not follow our commands. Please check its charging yourself.",
    "status.link_lost": "The link to the car is lost. Please link it again; it charges unmanaged until then.",
    "status.at_target": "Charged to {soc} %.",
    "status.complete": "The car has finished charging.",
    "status.heard": " Last heard from the car at {at}.",
    "plugged_in.title": "Plugged in",
    "plan_moved.title": "New charging time",
    "plan_moved.body": "Charging now starts about {start}, ready by {by}.",
    "cannot_be_ready.title": "Not full in time",
    "cannot_control.title": "Please check your car",
    "at_risk.title": "Please check that your car charges",
    "stood_down.title": "Left to you",
    "own_schedule.title": "The car has its own timer",
    "link_lost.title": "Link to your car lost",
    "done.title": "Charging session finished",
    "done.saved": "Saved about {saved} {currency} and {carbon} kg CO2 against charging at once.",
    "done.money": "Saved about {saved} {currency} against charging at once.",
    "done.carbon": "Saved about {carbon} kg CO2 against charging at once.",
    "done.even": "It cost as much as charging at once.",
    "done.more": "It cost about {saved} {currency} more than charging at once.",
    "done.unknown": "Its cost is not known.",
    "boosted.title": "Charging now",
}

_AS_PLANNED: Final = {
    StatusReason.WAITING_FOR_CHEAP,
    StatusReason.CHARGING_AS_PLANNED,
    StatusReason.CHARGING_BOOST,
    StatusReason.CANNOT_BE_READY,
    StatusReason.PAUSED,
    StatusReason.ADVICE_ONLY,
}

#: What a plan says that holds for a car that charges now, whoever started it.
_TRUE_OF_ANY_HAND: Final = {"plan.cheapest.now", "plan.unreachable", "plan.unreachable.short", "plan.late"}


def clock(at: datetime, zone: str, now: datetime, *, about: bool = False) -> str:
    """Local time of the home, for people: to five minutes if `about`, with the weekday from a day on."""
    local = at.astimezone(ZoneInfo(zone))
    if about:
        seconds = (local.minute % 5) * 60 + local.second
        rounded = at - timedelta(seconds=seconds, microseconds=local.microsecond)
        local = (rounded + timedelta(minutes=5 if seconds >= 150 else 0)).astimezone(ZoneInfo(zone))
    if abs(at - now) < timedelta(days=1):
        return f"{local:%H:%M}"
    day = TEXT["days"].split()[local.weekday()]
    return TEXT["day_time"].format(day=day, time=f"{local:%H:%M}")


def plan_sentence(schedule: Schedule, zone: str, now: datetime) -> str:
    """The plan in one or two sentences, as seen at `now`."""
    left = _left(schedule, now)
    return _said(_plan_text(schedule, len(left), now), schedule, zone, now)


def advice_sentence(schedule: Schedule, zone: str, now: datetime, *, charging: bool) -> str:
    """The plan as advice to the driver of a car that takes no commands; one that charges as advised is told so."""
    name = _plan_text(schedule, len(_left(schedule, now)), now)
    advice = name.replace("plan.", "advice.", 1)
    as_it_is = advice not in TEXT or (charging and name in _TRUE_OF_ANY_HAND)
    return _said(name if as_it_is else advice, schedule, zone, now)


def _left(schedule: Schedule, now: datetime) -> list[Block]:
    return [block for block in schedule.blocks if block.end > now]


def _said(name: str, schedule: Schedule, zone: str, now: datetime) -> str:
    """The text `name` with what the plan has to fill it, and how long the prices are known."""
    left = _left(schedule, now)
    words = {
        "target": _percent(schedule.target_soc_pct),
        "expected": _percent(schedule.expected_soc_pct),
        "short": f"{schedule.shortfall_kwh:.1f}",
        "parts": str(len(left)),
        "start": clock(left[0].start, zone, now, about=True) if left else "",
        "done": clock(schedule.ready_at, zone, now, about=True) if schedule.ready_at else "",
        "by": clock(schedule.ready_by, zone, now) if schedule.ready_by else "",
        "known": clock(schedule.known_until, zone, now) if schedule.known_until else "",
    }
    tail = TEXT["plan.provisional"] if schedule.provisional and words["known"] else ""
    return (TEXT[name] + tail).format(**words)


def hands_off_sentence(reason: PlanReason) -> str:
    """Why a car is left alone."""
    return TEXT[f"plan.{reason.value}"]


def _plan_text(schedule: Schedule, parts: int, now: datetime) -> str:
    if schedule.reason is PlanReason.CHEAPEST:
        if parts == 0:
            return "plan.cheapest.over"
        if schedule.blocks[-parts].start <= now:
            return "plan.cheapest.now" if parts == 1 else "plan.cheapest.now_and_later"
        return "plan.cheapest.later" if parts == 1 else "plan.cheapest.parts"
    if schedule.reason is PlanReason.UNREACHABLE and schedule.ready_by and schedule.ready_by <= now:
        return "plan.late"
    if schedule.reason is PlanReason.UNREACHABLE and schedule.expected_soc_pct is None:
        return "plan.unreachable.short"
    return f"plan.{schedule.reason.value}"


def status_sentence(status: DriverStatus, plan: str) -> str:
    """Why the car is (not) charging. `plan`, the plan's own sentence, is said where it answers that."""
    return _status_text(status, plan).strip() + _age(status)


def _status_text(status: DriverStatus, plan: str) -> str:
    if status.reason in _AS_PLANNED:
        return plan
    if status.reason is StatusReason.AT_TARGET:
        return _reached_text(status, plan)
    if status.reason is StatusReason.CANNOT_CONTROL and status.charge in {Charge.NO_POWER, Charge.FAULT}:
        return TEXT[f"status.{status.charge.value}"]
    asking = status.reason in {StatusReason.STARTING, StatusReason.STOPPING}
    if status.reason is StatusReason.LINK_LOST and not status.controllable:
        return TEXT["advice.link_lost"]
    text = TEXT[f"status.{status.reason.value}"]
    return text + plan if asking else text


def _reached_text(status: DriverStatus, plan: str) -> str:
    """At the target as far as the car told; otherwise only that it stopped, or that the plan is done."""
    if status.soc_pct is not None and status.soc_pct >= (status.target_soc_pct or 0.0):
        return TEXT["status.at_target"].format(soc=_percent(status.soc_pct))
    return TEXT["status.complete"] if status.charge is Charge.COMPLETE else plan


def notice(kind: NotificationKind, status: DriverStatus) -> tuple[str, str]:
    """(title, body) of a push."""
    title = TEXT[f"{kind.value}.title"]
    if kind is NotificationKind.DONE:
        return title, _savings(status)
    if kind is NotificationKind.PLAN_MOVED and status.next_start and status.ready_by:
        start = clock(status.next_start, status.home_zone, status.at, about=True)
        by = clock(status.ready_by, status.home_zone, status.at)
        return title, TEXT["plan_moved.body" if status.controllable else "advice.moved"].format(start=start, by=by)
    return title, status.sentence


def _savings(status: DriverStatus) -> str:
    if status.saved is None and status.saved_carbon_g is None:
        return TEXT["done.unknown"]
    money, carbon = round(status.saved or 0.0, 2), round((status.saved_carbon_g or 0.0) / 1000, 1)
    names = {(True, True): "saved", (True, False): "money", (False, True): "carbon"}
    name = "more" if money < 0 else names.get((money > 0, carbon > 0), "even")
    words = {"saved": f"{abs(money):.2f}", "currency": status.currency or "", "carbon": f"{carbon:.1f}"}
    return TEXT[f"done.{name}"].format(**words)


def _age(status: DriverStatus) -> str:
    """What an old reading is worth: its time, while the cable is in."""
    if status.soc_time is None or status.plug is not Plug.PLUGGED or status.at - status.soc_time < _FRESH:
        return ""
    at = clock(status.soc_time, status.home_zone, status.at)
    return TEXT["status.heard"].format(at=at)


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
