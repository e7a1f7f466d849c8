"""A made-up demo to look at: real models, plug times, prices and carbon; cars that follow their plans to the minute."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

from deploy.demo import recorded
from deploy.demo.fleet import SimVehicle, Stay, fleet
from deploy.demo.live import Car, Live, WorkerInfo
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
from streams.domain.planner import PlanRequest, combine, plan, price_of
from streams.domain.ready import ready_by
from streams.domain.status import StatusState, status

WINDOW = recorded.window("default", 3)
#: 04:20 on the clock that jumped from 01:00 to 02:00 that night.
NIGHT = datetime.fromisoformat("2023-03-26T03:20:00+00:00")
SLOT = timedelta(minutes=15)
OUT_OF_REACH = 7  # one plugged-in car in so many does not follow commands


def made_up_live(now: datetime = NIGHT, vehicles: int = 40) -> Live:
    """The demo as it would stand at `now`."""
    cars = fleet(vehicles, WINDOW, seed=1)
    live = Live(WINDOW.start, WINDOW.end, WINDOW.zone, "EUR", now, scenario="usual", lag=12)
    live.cars = {v.car: Car(v.car, v.model, v.zone) for v in cars}
    live.workers = [WorkerInfo("worker-1", 4211, True, [0, 2, 4]), WorkerInfo("worker-2", 4212, True, [1, 3, 5])]
    live.price = _known(ForecastKind.PRICE, now)
    live.carbon = _known(ForecastKind.CARBON, now)
    told = sorted((message for v in cars for message in _messages(v, now)), key=lambda message: message[0])
    for _, car, message in told:
        live.take(car, message)
    loads = _loads(now, cars)
    live.loads = lambda: loads
    return live


@cache
def _vintages(kind: ForecastKind) -> tuple[Forecast, ...]:
    return tuple(recorded.prices(WINDOW) if kind is ForecastKind.PRICE else recorded.carbon(WINDOW))


@cache
def _known(kind: ForecastKind, at: datetime) -> Forecast:
    first, *later = _vintages(kind)
    for vintage in later:
        first = merge(first, vintage) if vintage.issued_at <= at else first
    return first


@cache
def _final() -> tuple[Forecast, Forecast]:
    """Settlement prices and carbon, as curves."""
    prices, carbon = recorded.settlement_slots(WINDOW)
    return (
        _vintages(ForecastKind.PRICE)[0].model_copy(update={"slots": tuple(prices)}),
        _vintages(ForecastKind.CARBON)[0].model_copy(update={"slots": tuple(carbon)}),
    )


def _messages(v: SimVehicle, now: datetime) -> Iterator[tuple[datetime, str, object]]:
    seen = StatusState(car=v.car, registration=_registration(v), state=_away(v, WINDOW.start))
    for stay in (s for s in v.stays if s.plug_in <= now):
        session = f"{v.vehicle}-{stay.plug_in:%d%H%M}"
        schedule = _schedule(v, stay, session)
        at = min(now, stay.plug_out)
        yield stay.plug_in, v.car, _plug(v, stay.plug_in, PlugEventKind.PLUGGED_IN, session)
        yield stay.plug_in, v.car, schedule
        for command in _commands(v, schedule, session, at):
            yield command.at, v.car, command
        seen = seen.model_copy(update={"state": _plugged(v, stay, schedule, session, at), "schedule": schedule})
        yield stay.plug_in, v.car, _push(seen, session, NotificationKind.PLUGGED_IN, stay.plug_in)
        if stay.plug_out <= now:
            settled = _settled(v, stay, schedule, session)
            seen = seen.model_copy(update={"state": _away(v, stay.plug_out), "settled": settled})
            yield stay.plug_out, v.car, _plug(v, stay.plug_out, PlugEventKind.UNPLUGGED, session)
            yield stay.plug_out, v.car, settled
            yield stay.plug_out, v.car, _push(seen, session, NotificationKind.DONE, stay.plug_out)
    yield now, v.car, seen.state
    yield now, v.car, status(_given_up(v, seen), now)


def _given_up(v: SimVehicle, seen: StatusState) -> StatusState:
    if int(v.vehicle[-4:]) % OUT_OF_REACH or seen.schedule is None:
        return seen
    return seen.model_copy(update={"gave_up_session": seen.schedule.session_id})


def _registration(v: SimVehicle) -> Registration:
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


def _schedule(v: SimVehicle, stay: Stay, session: str) -> Schedule:
    at = stay.plug_in
    price, carbon = _known(ForecastKind.PRICE, at), _known(ForecastKind.CARBON, at)
    wish = Preference(car=v.car, ready_by=v.ready_by, target_soc_pct=v.target_soc_pct, updated_at=at)
    by = ready_by(wish, v.zone, at)
    need_kwh = max(0.0, v.target_soc_pct - stay.soc_at_plug_in_pct) / 100 * v.usable_kwh / v.efficiency
    made = plan(
        PlanRequest(
            now=at,
            ready_by=by,
            slots=combine(price, carbon, at, by),
            need_kwh=need_kwh,
            min_need_kwh=0,
            power_kw=v.power_kw,
            carbon_price_per_tonne=v.carbon_price_per_tonne,
            charging_now=False,
            margin=timedelta(minutes=20),
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
    return schedule.model_copy(update={"sentence": wording.plan_sentence(schedule, v.zone, at)})


def _charged_kwh(schedule: Schedule, at: datetime) -> float:
    return sum(b.energy_kwh * min(1.0, max(0.0, (at - b.start) / (b.end - b.start))) for b in schedule.blocks)


def _plugged(v: SimVehicle, stay: Stay, schedule: Schedule, session: str, at: datetime) -> VehicleState:
    charging = any(b.start <= at < b.end for b in schedule.blocks)
    soc_pct = stay.soc_at_plug_in_pct + 100 * _charged_kwh(schedule, at) * v.efficiency / v.usable_kwh
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


def _away(v: SimVehicle, at: datetime) -> VehicleState:
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


def _plug(v: SimVehicle, at: datetime, kind: PlugEventKind, session: str) -> PlugEvent:
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


def _commands(v: SimVehicle, schedule: Schedule, session: str, until: datetime) -> Iterator[CommandEvent]:
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


def _push(seen: StatusState, session: str, kind: NotificationKind, at: datetime) -> NotificationEvent:
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


def _settled(v: SimVehicle, stay: Stay, schedule: Schedule, session: str) -> SessionSettled:
    slots = combine(*_final(), stay.plug_in, stay.plug_out)
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


def _loads(now: datetime, cars: list[SimVehicle]) -> tuple[list[tuple[datetime, float]], list[tuple[datetime, float]]]:
    grid = [WINDOW.start + n * SLOT for n in range(int((now - WINDOW.start) / SLOT))]
    managed, unmanaged = dict.fromkeys(grid, 0.0), dict.fromkeys(grid, 0.0)
    begun = [(car, stay) for car in cars for stay in car.stays if stay.plug_in <= now]
    for v, stay in begun:
        schedule = _schedule(v, stay, "load")
        full = stay.plug_in + timedelta(hours=schedule.energy_kwh / v.power_kw)
        for at in grid:
            managed[at] += 4 * (_charged_kwh(schedule, at + SLOT) - _charged_kwh(schedule, at))
            unmanaged[at] += v.power_kw * max(0.0, (min(full, at + SLOT) - max(stay.plug_in, at)) / SLOT)
    return [*managed.items()], [*unmanaged.items()]
