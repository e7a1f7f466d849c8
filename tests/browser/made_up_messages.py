"""What the topics would say about a car that follows its plan to the minute, on recorded prices and carbon."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

from deploy.demo import recorded
from deploy.demo.fleet import SimVehicle, Stay
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.session import Amounts, Promise, SessionSettled
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain import wording
from streams.domain.forecasts import merge
from streams.domain.planner import Curve, PlanRequest, Policy, combine, plan, price_of
from streams.domain.ready import ready_by
from streams.domain.status import StatusState, status

WINDOW = recorded.window("default", 3)


@cache
def vintages(kind: ForecastKind) -> tuple[Forecast, ...]:
    return tuple(recorded.prices(WINDOW) if kind is ForecastKind.PRICE else recorded.carbon(WINDOW))


@cache
def known(kind: ForecastKind, at: datetime) -> Forecast:
    first, *later = vintages(kind)
    for vintage in later:
        first = merge(first, vintage) if vintage.issued_at <= at else first
    return first


@cache
def final() -> tuple[Forecast, Forecast]:
    """Settlement prices and carbon, as curves."""
    prices, carbon = recorded.settlement_slots(WINDOW)
    return (
        vintages(ForecastKind.PRICE)[0].model_copy(update={"slots": tuple(prices)}),
        vintages(ForecastKind.CARBON)[0].model_copy(update={"slots": tuple(carbon)}),
    )


def registration(v: SimVehicle) -> Registration:
    return Registration(
        car=v.car,
        driver=v.driver,
        oem="simulator",
        vehicle=v.vehicle,
        model=v.model,
        usable_kwh=v.usable_kwh,
        power_kw=v.power_kw,
        efficiency=v.efficiency,
        home_zone=v.zone,
        region="GB",
        tariff="GB",
        registered_at=WINDOW.start,
    )


def schedule(v: SimVehicle, stay: Stay, session: str) -> Schedule:
    at = stay.plug_in
    price, carbon = known(ForecastKind.PRICE, at), known(ForecastKind.CARBON, at)
    wish = Preference(car=v.car, ready_by=v.ready_by, target_soc_pct=v.target_soc_pct, updated_at=at)
    by = ready_by(wish, v.zone, at)
    need_kwh = max(0.0, v.target_soc_pct - stay.soc_at_plug_in_pct) / 100 * v.usable_kwh / v.efficiency
    made = plan(
        PlanRequest(
            now=at,
            ready_by=by,
            curve=Curve.of(combine(price, carbon, at, by), v.carbon_price_per_tonne),
            need_kwh=need_kwh,
            power_kw=v.power_kw,
            policy=Policy(margin=timedelta(minutes=20)),
        )
    )
    schedule = Schedule(
        car=v.car,
        session_id=session,
        revision=1,
        energy_kwh=made.energy_kwh,
        cost=made.cost,
        currency="EUR",
        blocks=tuple(Block(start=start, end=end, energy_kwh=kwh) for start, end, kwh in made.blocks),
        carbon_g=made.carbon_g,
        objective=made.objective,
        reachable=made.reachable,
        shortfall_kwh=made.shortfall_kwh,
        target_soc_pct=v.target_soc_pct,
        expected_soc_pct=v.target_soc_pct if made.reachable else 60,
        ready_by=by,
        ready_at=made.ready_at,
        known_until=made.known_until,
        provisional=made.provisional,
        sentence="",
        reason=PlanReason.CHEAPEST if made.reachable else PlanReason.UNREACHABLE,
        inputs=PlanInputs(
            now=at,
            soc_pct=stay.soc_at_plug_in_pct,
            soc_time=at,
            price_issued_at=price.issued_at,
            carbon_issued_at=carbon.issued_at,
            preference_updated_at=WINDOW.start,
        ),
    )
    to = wording.Audience("en", v.zone, at)
    return schedule.model_copy(update={"sentence": wording.plan_sentence(schedule, to)})


def charged_kwh(schedule: Schedule, at: datetime) -> float:
    return sum(b.energy_kwh * min(1.0, max(0.0, (at - b.start) / (b.end - b.start))) for b in schedule.blocks)


def plugged(v: SimVehicle, stay: Stay, schedule: Schedule, session: str, at: datetime) -> VehicleState:
    charging = any(b.start <= at < b.end for b in schedule.blocks)
    soc_pct = stay.soc_at_plug_in_pct + 100 * charged_kwh(schedule, at) * v.efficiency / v.usable_kwh
    return VehicleState(
        car=v.car,
        oem="simulator",
        soc_pct=min(100.0, soc_pct),
        soc_time=at,
        limit_pct=v.target_soc_pct,
        plug=Plug.PLUGGED,
        charge=Charge.CHARGING if charging else Charge.IDLE,
        power_kw=v.power_kw if charging else 0,
        at_home=True,
        car_time=at,
        received_time=at,
        session=PlugSession(
            id=session,
            plugged_at=stay.plug_in,
            seen_at=stay.plug_in,
            revision=1,
            evidence=Evidence.PLUG_READING,
            soc_pct=stay.soc_at_plug_in_pct,
        ),
    )


def away(v: SimVehicle, at: datetime) -> VehicleState:
    return VehicleState(
        car=v.car,
        oem="simulator",
        soc_pct=v.target_soc_pct,
        soc_time=at,
        plug=Plug.UNPLUGGED,
        charge=Charge.IDLE,
        at_home=True,
        car_time=at,
        received_time=at,
    )


def plug(v: SimVehicle, at: datetime, kind: PlugEventKind, session: str) -> PlugEvent:
    return PlugEvent(
        id=f"{session}-{kind}",
        car=v.car,
        kind=kind,
        session_id=session,
        session_revision=1,
        at=at,
        observed_at=at,
        evidence=Evidence.PLUG_READING,
        confidence=1,
        at_home=True,
    )


def commands(v: SimVehicle, schedule: Schedule, session: str, until: datetime) -> Iterator[CommandEvent]:
    wanted = [(schedule.inputs.now, Action.STOP, "the plan waits")]
    wanted += [(block.start, Action.START, "a planned block begins") for block in schedule.blocks]
    for at, action, reason in wanted:
        for step, phase in enumerate((CommandPhase.INTENT, CommandPhase.SENT, CommandPhase.CONFIRMED)):
            if (then := at + timedelta(seconds=40 * step)) <= until:
                yield CommandEvent(
                    id=f"{session}-{action}-{at:%H%M}",
                    car=v.car,
                    session_id=session,
                    plan_revision=1,
                    action=action,
                    phase=phase,
                    at=then,
                    decided_at=at,
                    not_after=at + timedelta(minutes=30),
                    reason=reason,
                )


def push(seen: StatusState, session: str, kind: NotificationKind, at: datetime) -> NotificationEvent:
    told = status(seen, at)
    assert told is not None
    title, body = wording.notice(kind, told)
    return NotificationEvent(
        id=f"{session}-{kind}",
        car=seen.car,
        driver=told.driver,
        session_id=session,
        kind=kind,
        title=title,
        phase=NotificationPhase.SENT,
        body=body,
        at=at,
    )


def settled(v: SimVehicle, stay: Stay, schedule: Schedule, session: str) -> SessionSettled:
    slots = combine(*final(), stay.plug_in, stay.plug_out)
    at_once = (
        (
            stay.plug_in,
            stay.plug_in + timedelta(hours=max(0.01, schedule.energy_kwh / v.power_kw)),
            schedule.energy_kwh,
        ),
    )
    cost, carbon_g = price_of(tuple((b.start, b.end, b.energy_kwh) for b in schedule.blocks), slots)
    cost_at_once, carbon_at_once = price_of(at_once, slots)
    return SessionSettled(
        id=session,
        car=v.car,
        session_id=session,
        revision=1,
        plugged_at=stay.plug_in,
        ended_at=stay.plug_out,
        settled_at=stay.plug_out,
        energy_kwh=schedule.energy_kwh,
        start_soc_pct=stay.soc_at_plug_in_pct,
        end_soc_pct=v.target_soc_pct,
        currency="EUR",
        promise=Promise.MET,
        reason="ready in time",
        cost=Amounts(managed=cost, unmanaged=cost_at_once, timer=cost * 1.05, oracle=cost),
        carbon_g=Amounts(managed=carbon_g, unmanaged=carbon_at_once, timer=carbon_g * 1.05, oracle=carbon_g),
    )
