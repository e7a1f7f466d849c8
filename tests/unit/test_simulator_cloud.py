"""The cloud over real HTTP, spoken to by the same client and connector that the system uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from pydantic import SecretStr

from oem_connectors.base import Grant, Vehicle
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
)
from oem_connectors.http import OemClient, make_http
from oem_connectors.simulator import CONNECTOR
from oem_connectors.simulator.cloud.budgets import Budgets
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.fleet import commuters
from oem_connectors.simulator.cloud.log import What
from oem_connectors.simulator.cloud.run import serve
from oem_connectors.simulator.cloud.tokens import Terms, TokenBook
from oem_connectors.simulator.cloud.world import World
from oem_connectors.wire import hosts_of
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

START = datetime(2025, 1, 1, 18, tzinfo=UTC)
END = START + timedelta(hours=12)
HOUR = timedelta(hours=1)


@dataclass
class Desk:
    """A client at a cloud with a clock that the test moves."""

    world: World
    client: OemClient
    http: httpx.AsyncClient
    url: str
    now: datetime

    async def link(self, account: str = "a") -> Grant:
        return await self.client.refresh(SecretStr(self.world.tokens.consent(account)), self.now)

    def calls(self, endpoint: str) -> list[int]:
        return [call.status for call in self.world.log.calls if call.endpoint == endpoint]


@asynccontextmanager
async def desk(
    faults: Sequence[Fault] = (), budgets: Budgets | None = None, cars: Sequence[SimCar] | None = None
) -> AsyncIterator[Desk]:
    stays = [Stay(START, END, 40)]
    cars = cars or [
        SimCar(account="a", vehicle="car1", stays=stays),
        SimCar(account="b", vehicle="car9", stays=stays),
    ]
    opened: list[Desk] = []
    world = World(cars, lambda: opened[0].now if opened else START, 1, FaultScript(faults), budgets)
    runner, url = await serve(world)
    async with make_http() as http:
        opened.append(
            Desk(world, OemClient(CONNECTOR, http, hosts_of(CONNECTOR, {"simulator": url})), http, url, START)
        )
        yield opened[0]
    await runner.cleanup()


def fault(kind: FaultKind, **more: float) -> Fault:
    return Fault(kind, START, START + HOUR, **more)


async def test_a_car_can_be_read_stopped_and_started() -> None:
    async with desk() as at:
        grant = await at.link()
        assert await at.client.list_vehicles(grant) == (Vehicle("car1", "sim-one"),)
        reading = await at.client.read(grant, "a.car1", "car1", at.now)
        assert (reading.plug, reading.charge, reading.soc_pct, reading.at_home) == (
            Plug.PLUGGED,
            Charge.CHARGING,
            40,
            True,
        )
        assert (reading.power_kw, reading.limit_pct) == (7.4, 90)
        assert reading.car_time == reading.oem_time == START
        assert await at.client.command(grant, "car1", Action.STOP, "id-1", "p") is None
        assert await at.client.command(grant, "car1", Action.STOP, "id-2", "p") == "already"
        at.now += timedelta(minutes=2)
        stopped = await at.client.read(grant, "a.car1", "car1", at.now)
        assert (stopped.charge, stopped.power_kw) == (Charge.IDLE, 0)
        (change,) = at.world.log.effective()
        assert (change.what, change.cause.command_id, change.cause.plan) == (What.STOPPED, "id-1", "p")
        assert at.world.log.calls_by_endpoint()["stop", 200] == 2


async def test_a_refresh_token_works_once_and_reuse_kills_the_family() -> None:
    async with desk() as at:
        first = SecretStr(at.world.tokens.consent("a"))
        grant = await at.client.refresh(first, at.now)
        rotated = await at.client.refresh(grant.refresh_token, at.now)
        assert rotated.refresh_token != grant.refresh_token
        with pytest.raises(NeedsConsent):
            await at.client.refresh(first, at.now)
        with pytest.raises(NeedsConsent):
            await at.client.refresh(rotated.refresh_token, at.now)
        with pytest.raises(Unauthorised):
            await at.client.read(rotated, "a.car1", "car1", at.now)
        await at.client.read(await at.link(), "a.car1", "car1", at.now)


async def test_an_access_token_ends_with_its_lifetime() -> None:
    async with desk() as at:
        grant = await at.link()
        at.now = grant.expires_at - timedelta(seconds=1)
        await at.client.read(grant, "a.car1", "car1", at.now)
        at.now = grant.expires_at
        with pytest.raises(Unauthorised):
            await at.client.read(grant, "a.car1", "car1", at.now)


async def test_withdrawn_consent_ends_everything() -> None:
    async with desk() as at:
        grant = await at.link()
        at.world.tokens.revoke("a")
        with pytest.raises(Unauthorised):
            await at.client.read(grant, "a.car1", "car1", at.now)
        with pytest.raises(NeedsConsent):
            await at.client.refresh(grant.refresh_token, at.now)


async def test_a_token_opens_only_its_own_account() -> None:
    async with desk() as at:
        grant = await at.link("a")
        with pytest.raises(Rejected):
            await at.client.read(grant, "b.car9", "car9", at.now)
        with pytest.raises(Rejected):
            await at.client.command(grant, "car9", Action.STOP, "x")
        with pytest.raises(NeedsConsent):
            await at.client.refresh(SecretStr("made-up"), at.now)


async def test_budgets_are_per_account_and_minute_with_commands_apart_from_reads() -> None:
    async with desk(budgets=Budgets(reads_per_minute=2, commands_per_minute=1)) as at:
        at.now += timedelta(seconds=20)
        one, other = await at.link("a"), await at.link("b")
        for _ in range(2):
            await at.client.read(one, "a.car1", "car1", at.now)
        with pytest.raises(Throttled) as caught:
            await at.client.read(one, "a.car1", "car1", at.now)
        assert caught.value.retry_after == timedelta(seconds=40)
        await at.client.read(other, "b.car9", "car9", at.now)
        await at.client.command(one, "car1", Action.STOP, "x")
        with pytest.raises(Throttled):
            await at.client.command(one, "car1", Action.STOP, "x")
        at.now += caught.value.retry_after
        await at.client.read(one, "a.car1", "car1", at.now)
        assert at.calls("state") == [200, 200, 429, 200, 200]


async def test_reading_a_sleeping_car_gives_its_last_word_and_does_not_wake_it() -> None:
    async with desk() as at:
        grant = await at.link()
        await at.client.command(grant, "car1", Action.STOP, "x")
        at.now += 2 * HOUR
        first = await at.client.read(grant, "a.car1", "car1", at.now)
        at.now += HOUR
        second = await at.client.read(grant, "a.car1", "car1", at.now)
        assert first.car_time == second.car_time == second.oem_time
        assert at.now - (second.car_time or at.now) > 2 * HOUR
        with pytest.raises(Asleep):
            await at.client.command(grant, "car1", Action.START, "y")
        assert await at.client.command(grant, "car1", Action.WAKE, "z") is None
        at.now += timedelta(minutes=2)
        assert (await at.client.read(grant, "a.car1", "car1", at.now)).car_time == at.now


async def test_the_schedule_in_the_car_goes_over_the_wire_and_back() -> None:
    async with desk() as at:
        grant = await at.link()
        await at.client.command(grant, "car1", Action.STOP, "x")
        at.now += timedelta(minutes=2)
        await at.client.command(grant, "car1", Action.SCHEDULE, "y", start_at=at.now + HOUR)
        reading = await at.client.read(grant, "a.car1", "car1", at.now)
        assert (reading.charge, reading.scheduled_start) == (Charge.SCHEDULED, at.now + HOUR)
        with pytest.raises(Rejected):
            await at.client.command(grant, "car1", Action.SCHEDULE, "z", start_at=at.now)
        await at.client.command(grant, "car1", Action.UNSCHEDULE, "z")
        reading = await at.client.read(grant, "a.car1", "car1", at.now)
        assert (reading.charge, reading.scheduled_start) == (Charge.IDLE, None)


async def test_a_car_that_can_only_be_read_refuses_every_command() -> None:
    async with desk(cars=[SimCar(account="a", vehicle="car1", model="readonly", stays=[Stay(START, END, 40)])]) as at:
        grant = await at.link()
        assert (await at.client.read(grant, "a.car1", "car1", at.now)).charge is Charge.CHARGING
        for action in Action:
            with pytest.raises(Rejected):
                await at.client.command(grant, "car1", action, "x", start_at=at.now + HOUR)


@pytest.mark.parametrize(
    ("personality", "minutes", "plug", "car_ahead_minutes"),
    [
        (Personality.NORMAL, 10, Plug.PLUGGED, 0),
        (Personality.AMBIGUOUS_PLUG, 10, Plug.UNKNOWN, 0),
        (Personality.CLOCK_SKEW, 10, Plug.PLUGGED, 7),
    ],
)
async def test_what_a_stopped_car_says(
    personality: Personality, minutes: int, plug: Plug, car_ahead_minutes: int
) -> None:
    car = SimCar(account="a", vehicle="car1", stays=[Stay(START, END, 40)], personality=personality)
    async with desk(cars=[car]) as at:
        grant = await at.link()
        await at.client.command(grant, "car1", Action.STOP, "x")
        at.now += timedelta(minutes=minutes)
        reading = await at.client.read(grant, "a.car1", "car1", at.now)
        assert reading.plug is plug
        assert reading.car_time == at.now + timedelta(minutes=car_ahead_minutes)


async def test_a_stale_cache_pretends_to_be_fresh() -> None:
    car = SimCar(account="a", vehicle="car1", stays=[Stay(START, END, 40)], personality=Personality.STALE_CACHE)
    async with desk(cars=[car]) as at:
        grant = await at.link()
        ages = set()
        for _ in range(4):
            at.now += timedelta(minutes=9)
            reading = await at.client.read(grant, "a.car1", "car1", at.now)
            assert reading.oem_time == at.now
            assert reading.car_time is not None
            ages.add(at.now - reading.car_time)
        assert len(ages) == 4


async def command_stop(at: Desk, grant: Grant) -> object:
    return await at.client.command(grant, "car1", Action.STOP, "x")


FAULTS: list[tuple[FaultKind, type[OemError] | None, type[OemError] | None, bool]] = [
    # kind, what a read meets, what a stop meets, whether the stop took effect all the same
    (FaultKind.OUTAGE, Unavailable, Unavailable, False),
    (FaultKind.DROPPED, Unavailable, OutcomeUnknown, True),
    (FaultKind.ASLEEP, None, Asleep, False),
    (FaultKind.DUPLICATE, None, Unavailable, False),
    (FaultKind.NO_EFFECT, None, None, False),
    (FaultKind.LATENCY, None, None, True),
]


@pytest.mark.parametrize(("kind", "on_read", "on_stop", "applied"), FAULTS, ids=str)
async def test_a_fault_befalls_calls_in_its_window_only(
    kind: FaultKind, on_read: type[OemError] | None, on_stop: type[OemError] | None, applied: bool
) -> None:
    async with desk([Fault(kind, START + HOUR, START + 2 * HOUR, delay_seconds=0.01)]) as at:
        grant = await at.link()
        await at.client.read(grant, "a.car1", "car1", at.now)
        at.now += HOUR
        met = [
            await outcome(at.client.read(grant, "a.car1", "car1", at.now)),
            await outcome(command_stop(at, grant)),
        ]
        assert met == [on_read, on_stop]
        at.now += HOUR
        reading = await at.client.read(grant, "a.car1", "car1", at.now)
        assert bool(at.world.log.effective()) is applied
        assert (reading.charge is Charge.IDLE) is applied


async def outcome(call: object) -> type[Exception] | None:
    try:
        await call  # type: ignore[misc]
    except OemError as error:
        return type(error)
    return None


async def test_an_internal_error_may_or_may_not_have_been_applied() -> None:
    cars = [SimCar(account="a", vehicle=f"car{n}", stays=[Stay(START, END, 40)]) for n in range(30)]
    async with desk([fault(FaultKind.ERROR)], cars=cars) as at:
        grant = await at.link()
        for car in cars:
            with pytest.raises(OutcomeUnknown):
                await at.client.command(grant, car.vehicle, Action.STOP, "x")
        with pytest.raises(Unavailable):
            await at.client.read(grant, "a.car1", "car1", at.now)
        at.world.settle(at.now + HOUR)
        assert 5 < len(at.world.log.effective()) < 25


async def test_a_lost_token_answer_has_spent_the_token() -> None:
    async with desk([fault(FaultKind.TOKEN_LOST)]) as at:
        token = SecretStr(at.world.tokens.consent("a"))
        with pytest.raises(OutcomeUnknown):
            await at.client.refresh(token, at.now)
        at.now += HOUR
        with pytest.raises(NeedsConsent):
            await at.client.refresh(token, at.now)
        assert at.calls("token") == [0, 400]


async def test_an_outage_spends_no_token() -> None:
    async with desk([fault(FaultKind.OUTAGE)]) as at:
        token = SecretStr(at.world.tokens.consent("a"))
        with pytest.raises(Unavailable):
            await at.client.refresh(token, at.now)
        at.now += HOUR
        await at.client.refresh(token, at.now)


def test_a_share_of_cars_and_calls_is_hit_and_always_the_same() -> None:
    script = FaultScript([fault(FaultKind.OUTAGE, share_of_cars=0.3), fault(FaultKind.ERROR, share_of_calls=0.2)])

    def hit(kind: FaultKind) -> list[tuple[int, int]]:
        return [
            (car, call)
            for car in range(200)
            for call in range(10)
            if kind in script.hitting(1, f"a.{car}", call, START)
        ]

    assert 30 < len({car for car, _ in hit(FaultKind.OUTAGE)}) < 90
    assert len(hit(FaultKind.OUTAGE)) == 10 * len({car for car, _ in hit(FaultKind.OUTAGE)})
    assert 300 < len(hit(FaultKind.ERROR)) < 500
    assert hit(FaultKind.ERROR) == hit(FaultKind.ERROR)


async def test_the_limit_can_be_set_within_bounds() -> None:
    async with desk() as at:
        grant = await at.link()
        headers = {"Authorization": f"Bearer {grant.access_token.get_secret_value()}"}
        for percent, status in (("70", 200), ("49", 400), ("101", 400), ("x", 400)):
            answer = await at.http.post(f"{at.url}/v1/vehicles/car1/limit/{percent}", headers=headers)
            assert answer.status_code == status
        assert (await at.client.read(grant, "a.car1", "car1", at.now)).limit_pct == 70


async def test_the_cloud_listens_on_loopback_only() -> None:
    runner, url = await serve(World([], lambda: START))
    assert [url] == [f"http://{host}:{port}" for host, port in runner.addresses]
    assert {host for host, _ in runner.addresses} == {"127.0.0.1"}
    await runner.cleanup()


def test_commuters_are_home_every_night_and_one_in_ten_is_odd() -> None:
    odd_ones = set(Personality) - {Personality.NORMAL}
    count = 10 * len(odd_ones)
    cars = commuters(count, START, 3, seed=1)
    assert [len(car.stays) for car in cars] == [3] * count
    odd = [car.personality for car in cars if car.personality is not Personality.NORMAL]
    assert len(odd) == len(odd_ones)
    assert set(odd) == odd_ones
    assert commuters(count, START, 3, seed=1) == cars != commuters(count, START, 3, seed=2)


async def test_a_token_rotator_gives_short_lives_to_its_account_only() -> None:
    stays = [Stay(START, END, 40)]
    rotator = SimCar(account="a", vehicle="car1", stays=stays, personality=Personality.TOKEN_ROTATOR)
    async with desk(cars=[rotator, SimCar(account="b", vehicle="car9", stays=stays)]) as at:
        grants = [await at.link("a"), await at.link("b")]
        assert [grant.expires_at - START for grant in grants] == [timedelta(minutes=20), 8 * HOUR]


def test_within_its_grace_a_spent_refresh_token_gives_the_same_again_later_it_kills_the_family() -> None:
    book = TokenBook(1, {"a": Terms(grace=timedelta(minutes=1))})
    first = book.consent("a")
    issued = book.rotate(first, START)
    assert issued is not None
    assert book.rotate(first, START + timedelta(seconds=59)) == issued
    assert book.rotate(first, START + timedelta(minutes=1)) is None
    assert book.rotate(issued.refresh_token, START + timedelta(minutes=1)) is None


async def test_a_flickering_plug_says_unplugged_now_and_then_but_never_twice_in_a_row() -> None:
    car = SimCar(account="a", vehicle="car1", stays=[Stay(START, END, 40)], personality=Personality.FLICKERING_PLUG)
    async with desk(cars=[car], budgets=Budgets(reads_per_minute=1000)) as at:
        grant = await at.link()
        plugs = [(await at.client.read(grant, "a.car1", "car1", at.now)).plug for _ in range(200)]
        assert 3 < plugs.count(Plug.UNPLUGGED) < 30
        assert (Plug.UNPLUGGED, Plug.UNPLUGGED) not in pairwise(plugs)
