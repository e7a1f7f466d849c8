"""A made-up demo to look at: real models, plug times, prices and carbon; cars that do as planned."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from deploy.demo.fleet import SimVehicle, fleet
from deploy.demo.live import Car, Live, WorkerInfo
from streams.contracts.forecast import ForecastKind
from streams.contracts.internal import Standing
from streams.contracts.notification import NotificationKind
from streams.contracts.plug_event import PlugEventKind
from streams.domain.status import StatusState, status
from tests.browser import made_up_messages as say
from tests.browser.made_up_messages import WINDOW

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
    live.price = say.known(ForecastKind.PRICE, now)
    live.carbon = say.known(ForecastKind.CARBON, now)
    told = sorted((message for v in cars for message in _messages(v, now)), key=lambda message: message[0])
    for _, car, message in told:
        live.take(car, message)
    loads = _loads(now, cars)
    live.loads = lambda: loads
    return live


def _messages(v: SimVehicle, now: datetime) -> Iterator[tuple[datetime, str, object]]:
    seen = StatusState(car=v.car, registration=say.registration(v), state=say.away(v, WINDOW.start))
    for stay in (s for s in v.stays if s.plug_in <= now):
        session = f"{v.vehicle}-{stay.plug_in:%d%H%M}"
        schedule = say.schedule(v, stay, session)
        at = min(now, stay.plug_out)
        yield stay.plug_in, v.car, say.plug(v, stay.plug_in, PlugEventKind.PLUGGED_IN, session)
        yield stay.plug_in, v.car, schedule
        for command in say.commands(v, schedule, session, at):
            yield command.at, v.car, command
        seen = seen.model_copy(update={"state": say.plugged(v, stay, schedule, session, at), "schedule": schedule})
        yield stay.plug_in, v.car, say.push(seen, session, NotificationKind.PLUGGED_IN, stay.plug_in)
        if stay.plug_out <= now:
            settled = say.settled(v, stay, schedule, session)
            seen = seen.model_copy(update={"state": say.away(v, stay.plug_out), "settled": settled})
            yield stay.plug_out, v.car, say.plug(v, stay.plug_out, PlugEventKind.UNPLUGGED, session)
            yield stay.plug_out, v.car, settled
            yield stay.plug_out, v.car, say.push(seen, session, NotificationKind.DONE, stay.plug_out)
    yield now, v.car, seen.state
    yield now, v.car, status(_given_up(v, seen), now)


def _given_up(v: SimVehicle, seen: StatusState) -> StatusState:
    if int(v.vehicle[-4:]) % OUT_OF_REACH or seen.schedule is None:
        return seen
    plan = seen.schedule
    given_up = Standing(car=v.car, gave_up_session=plan.session_id, reason="ignored", at=plan.inputs.now)
    return seen.model_copy(update={"standing": given_up})


def _loads(now: datetime, cars: list[SimVehicle]) -> tuple[list[tuple[datetime, float]], list[tuple[datetime, float]]]:
    grid = [WINDOW.start + n * SLOT for n in range(int((now - WINDOW.start) / SLOT))]
    managed, unmanaged = dict.fromkeys(grid, 0.0), dict.fromkeys(grid, 0.0)
    begun = [(car, stay) for car in cars for stay in car.stays if stay.plug_in <= now]
    for v, stay in begun:
        schedule = say.schedule(v, stay, "load")
        full = stay.plug_in + timedelta(hours=schedule.energy_kwh / v.power_kw)
        for at in grid:
            managed[at] += 4 * (say.charged_kwh(schedule, at + SLOT) - say.charged_kwh(schedule, at))
            unmanaged[at] += v.power_kw * max(0.0, (min(full, at + SLOT) - max(stay.plug_in, at)) / SLOT)
    return [*managed.items()], [*unmanaged.items()]
