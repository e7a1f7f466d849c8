"""Every fake maker over HTTP with the connector of that maker: what happens to a car is what the caller is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from pydantic import SecretStr

from deploy.fakes.maker import Maker, serve
from oem_connectors import registry
from oem_connectors.base import Grant
from oem_connectors.errors import NotApplied, OemError, OutcomeUnknown, Throttled, Unauthorised, Unavailable
from oem_connectors.http import OemClient, make_http
from oem_connectors.simulator.cloud.budgets import Budgets
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.log import What
from oem_connectors.simulator.cloud.world import World
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug, Telemetry

MAKERS = ("tesla", "smartcar", "enode", "renault", "skoda", "hyundai_kia")
START = datetime(2026, 1, 5, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAR = SimCar(account="a", vehicle="car1", stays=[Stay(START, START + 12 * HOUR, 40.0)])
#: Where only readings tell that nothing became of a command.
TOLD_LATER = {("skoda", FaultKind.ASLEEP), ("skoda", FaultKind.DUPLICATE), ("enode", FaultKind.ASLEEP)}
every = pytest.mark.parametrize("oem", MAKERS)


@dataclass
class Night:
    """One car at one fake maker, with a clock that the test moves."""

    maker: Maker
    world: World
    client: OemClient
    clock: list[datetime]
    car: SimCar

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def later(self, **span: float) -> None:
        self.clock[0] += timedelta(**span)

    async def grant(self) -> Grant:
        return await self.client.refresh(self.maker.grant(self.world, self.car.account), self.now)

    async def read(self, grant: Grant) -> Telemetry:
        vehicle = self.maker.vehicle(self.car)
        return await self.client.read(grant, self.car.key, vehicle, self.now, self.maker.model or "")

    async def command(self, grant: Grant, action: Action, command_id: str = "id-1") -> str | None:
        vehicle = self.maker.vehicle(self.car)
        return await self.client.command(grant, vehicle, action, command_id, "p", model=self.maker.model or "")

    def switches(self) -> list[tuple[What, str, str]]:
        """What commands have done to the car by now."""
        self.world.settle(self.now)
        return [(one.what, one.cause.command_id, one.cause.plan) for one in self.world.log.effective()]


@asynccontextmanager
async def night(
    oem: str, faults: Sequence[Fault] = (), budgets: Budgets | None = None, car: SimCar = CAR
) -> AsyncIterator[Night]:
    clock, made = [START + timedelta(minutes=1)], import_module(f"deploy.fakes.{oem}").MAKER
    world = World([replace(car, model=made.model or car.model)], lambda: clock[0], 1, FaultScript(faults), budgets)
    runner, url = await serve(made.desk(world))
    connector = registry.load()[oem]
    app = {name: SecretStr(value) for name, value in made.app.items()}
    try:
        async with make_http() as http:
            client = OemClient(connector, http, hosts_of(connector, {oem: url}), app)
            yield Night(made, world, client, clock, car)
    finally:
        await runner.cleanup()


def fault(kind: FaultKind) -> Fault:
    """From a few minutes after the first on."""
    return Fault(kind, START + timedelta(minutes=5), START + HOUR)


@every
async def test_a_car_is_read_stopped_and_started(oem: str) -> None:
    async with night(oem) as at:
        grant = await at.grant()
        reading = await at.read(grant)
        assert (reading.plug, reading.charge, reading.at_home) == (Plug.PLUGGED, Charge.CHARGING, True)
        assert reading.soc_pct == 40
        assert reading.power_kw is None or 7 <= reading.power_kw <= 7.5
        assert await at.command(grant, Action.STOP) is None
        at.later(minutes=2)
        assert (await at.read(grant)).charge is Charge.IDLE
        assert await at.command(grant, Action.START, "id-2") is None
        at.later(minutes=2)
        assert (await at.read(grant)).charge is Charge.CHARGING
        assert at.switches() == [(What.STOPPED, "id-1", "p"), (What.STARTED, "id-2", "p")]


@every
async def test_its_list_names_the_car_and_a_model_that_can_be_controlled(oem: str) -> None:
    async with night(oem) as at:
        (found,) = await at.client.list_vehicles(await at.grant())
        assert (found.id, found.obstacle) == (at.maker.vehicle(at.car), None)
        for action in (Action.START, Action.STOP):
            assert at.client.connector.can(at.maker.model or "", action)
            assert at.client.connector.can(found.model, action) or oem in {"tesla", "smartcar", "enode"}


@every
async def test_what_is_asked_for_twice_is_done_once(oem: str) -> None:
    async with night(oem) as at:
        grant = await at.grant()
        await at.command(grant, Action.STOP, "id-1")
        at.later(minutes=2)
        assert await at.command(grant, Action.STOP, "id-2") in {"already", None}
        at.later(minutes=2)
        assert at.switches() == [(What.STOPPED, "id-1", "p")]


@every
@pytest.mark.parametrize("kind", [FaultKind.OUTAGE, FaultKind.ASLEEP, FaultKind.DUPLICATE])
async def test_what_the_maker_refuses_was_not_done(oem: str, kind: FaultKind) -> None:
    async with night(oem, [fault(kind)]) as at:
        grant = await at.grant()
        at.later(minutes=5)
        if (oem, kind) in TOLD_LATER:
            assert await at.command(grant, Action.STOP) is None
        else:
            with pytest.raises((NotApplied, OutcomeUnknown)):
                await at.command(grant, Action.STOP)
        at.later(minutes=2)
        assert at.switches() == []


@every
async def test_a_yes_may_come_to_nothing(oem: str) -> None:
    async with night(oem, [fault(FaultKind.NO_EFFECT)]) as at:
        grant = await at.grant()
        at.later(minutes=5)
        assert await at.command(grant, Action.STOP) is None
        at.later(minutes=2)
        assert at.switches() == []


@every
async def test_a_command_whose_answer_is_lost_was_done_and_its_outcome_is_unknown(oem: str) -> None:
    async with night(oem, [fault(FaultKind.DROPPED)]) as at:
        grant = await at.grant()
        at.later(minutes=5)
        with pytest.raises(OutcomeUnknown):
            await at.command(grant, Action.STOP)
        at.later(minutes=2)
        assert at.switches() == [(What.STOPPED, "id-1", "p")]
        with pytest.raises(OemError):
            await at.read(grant)


@every
async def test_an_error_leaves_open_whether_the_car_was_told(oem: str) -> None:
    done = set()
    for name in ("car1", "car2", "car3", "car4", "car5", "car6"):
        async with night(oem, [fault(FaultKind.ERROR)], car=replace(CAR, vehicle=name)) as at:
            grant = await at.grant()
            at.later(minutes=5)
            with pytest.raises(OutcomeUnknown):
                await at.command(grant, Action.STOP)
            at.later(minutes=2)
            done.add(bool(at.switches()))
    assert done == {True, False}


@every
async def test_a_reading_that_fails_says_nothing_of_the_car(oem: str) -> None:
    async with night(oem, [fault(FaultKind.ERROR)]) as at:
        grant = await at.grant()
        at.later(minutes=5)
        with pytest.raises(Unavailable):
            await at.read(grant)


@every
async def test_too_many_calls_are_refused_as_such(oem: str) -> None:
    async with night(oem, budgets=Budgets(reads_per_minute=4, commands_per_minute=1)) as at:
        grant = await at.grant()
        await at.command(grant, Action.STOP)
        at.later(seconds=1)
        with pytest.raises(Throttled):
            await at.command(grant, Action.START, "id-2")
        at.later(minutes=2)
        assert at.switches() == [(What.STOPPED, "id-1", "p")]


@every
async def test_a_token_ends(oem: str) -> None:
    async with night(oem) as at:
        grant = await at.grant()
        at.later(hours=9)
        with pytest.raises(Unauthorised):
            await at.read(grant)
        assert at.switches() == []


@every
async def test_a_car_elsewhere_is_not_at_home(oem: str) -> None:
    away = replace(CAR, stays=[Stay(START, START + 12 * HOUR, 40.0, at_home=False)])
    async with night(oem, car=away) as at:
        reading = await at.read(await at.grant())
        assert (reading.plug, reading.at_home) == (Plug.PLUGGED, False)


@every
async def test_a_car_without_a_cable_is_unplugged(oem: str) -> None:
    later = replace(CAR, stays=[Stay(START + HOUR, START + 12 * HOUR, 40.0)])
    async with night(oem, car=later) as at:
        reading = await at.read(await at.grant())
        assert reading.plug is Plug.UNPLUGGED
        assert reading.charge in {Charge.IDLE, Charge.UNKNOWN}


@every
async def test_a_car_that_does_not_tell_its_plug_is_not_unplugged(oem: str) -> None:
    async with night(oem, car=replace(CAR, personality=Personality.AMBIGUOUS_PLUG, limit_pct=40)) as at:
        assert (await at.read(await at.grant())).plug is not Plug.UNPLUGGED


@every
async def test_a_sleeping_car_gets_its_command_in_the_end(oem: str) -> None:
    async with night(oem) as at:
        grant = await at.grant()
        await at.command(grant, Action.STOP)
        at.later(minutes=40)
        at.world.settle(at.now)
        assert at.world.cars[CAR.key].asleep
        grant = await at.grant()
        if at.client.connector.can(at.maker.model or "", Action.WAKE):
            await at.command(grant, Action.WAKE, "wake")
            at.later(minutes=2)
        await at.command(grant, Action.START, "id-2")
        for _ in range(10):
            at.later(minutes=1)
            await at.read(grant)
        assert at.switches()[-1] == (What.STARTED, "id-2", "p")
