"""The stage that reads cars: who is read on a beat, who is skipped and why, and what survives a take-over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from agents import polling
from agents.cars import Cars
from agents.dispatch import Budgets
from agents.engine.stage import Lane, Work
from agents.metrics import Metrics
from oem_connectors.base import Limits, Pace, Quota
from oem_connectors.errors import Asleep, NeedsConsent, OemError, Throttled, Unavailable
from oem_connectors.simulator import CONNECTOR
from streams.contracts.account import AccountState, Link
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.registration import Registration
from streams.contracts.telemetry import Plug, Telemetry
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.budget import Budget
from streams.topics import ACCOUNT, COMMAND, REGISTRATION, TELEMETRY, TICK, VEHICLE
from tables import POLLS
from tests import night
from tests.desk import Desk

NIGHT = datetime(2023, 5, 15, 1, 0, tzinfo=UTC)
GRID = timedelta(seconds=1)


class Reading(Desk):
    """The polling stage, with the calls that it wants made and an OEM that answers as told."""

    def __init__(self, limits: Limits = Limits(), pace: Pace = CONNECTOR.pace) -> None:  # noqa: B008 - frozen
        self.metrics = Metrics()
        self.answer: Callable[[Registration], Telemetry] = self.fine
        self.partition = 0
        connectors = {"simulator": replace(CONNECTOR, limits=limits, pace=pace)}
        budgets = Budgets(Budget)
        super().__init__(polling.stage(lambda: cast(Cars, self), connectors, 1, budgets, self.metrics, GRID))

    async def read(self, partition: int, car: Registration) -> Telemetry:
        """As `Cars` does."""
        del partition
        return self.answer(car)

    async def commit(self, change: Callable[[Work], None]) -> None:
        """As a lane does."""
        work = self._work([])
        change(work)
        super()._apply(work)
        self.sent += [send.message for send in work.effects.sends if send.topic is TELEMETRY]

    def _apply(self, work: Work) -> None:
        super()._apply(work)
        self.jobs = work.effects.jobs

    def beat(self, at: datetime) -> list[str]:
        """The cars that are read at an instant, in order."""
        self.give(at, (TICK, "0", Tick(at=at, phase=TickPhase.READ)))
        self.sent: list[Telemetry] = []
        calls = [cast(Any, job.run).keywords["car"].car for job in self.jobs]
        for job in self.jobs:
            asyncio.run(_done(job.run(cast(Lane, self))))
        return calls

    def fine(self, car: Registration) -> Telemetry:
        return Telemetry(car=car.car, oem=car.oem, plug=Plug.PLUGGED, received_time=self.memory.clock)

    def enrol(self, *cars: str, at: datetime = NIGHT) -> None:
        self.give(at, *((REGISTRATION, car, night.registration(car=car)) for car in cars))

    def tell(self, at: datetime, car: str, **fields: Any) -> None:
        """The state of a car that waits at the plug, seen at an instant."""
        plugged = NIGHT - timedelta(hours=5)
        session = PlugSession(
            id="s", plugged_at=plugged, seen_at=plugged, revision=1, evidence=Evidence.PLUG_READING, soc_pct=40
        )
        known = {
            "at_home": True,
            "plug": Plug.PLUGGED,
            "session": session,
            "car_time": at,
            "received_time": at,
        } | fields
        self.give(at, (VEHICLE, car, VehicleState(car=car, oem="simulator", **known)))

    def command(self, at: datetime, car: str, phase: CommandPhase) -> None:
        event = CommandEvent(
            id=f"c{car}", car=car, session_id="s", plan_revision=1, action=Action.STOP, phase=phase, at=at,
            decided_at=at, not_after=at, reason="",
        )  # fmt: skip
        self.give(at, (COMMAND, car, event))

    def skipped(self, reason: str) -> int:
        return int(self.metrics.polls_skipped.labels("simulator", reason)._value.get())

    def unreachable(self, reason: str) -> float:
        labels = {"oem": "simulator", "reason": reason}
        return self.metrics.registry.get_sample_value("d2ev_cars_unreachable", labels) or 0


async def _done(job: Awaitable[None]) -> None:
    await job


def cars(number: int, accounts: int | None = None) -> list[str]:
    return [f"acct{n % (accounts or number)}.car{n}" for n in range(number)]


def later(minutes: float) -> datetime:
    return NIGHT + timedelta(minutes=minutes)


def test_a_new_car_is_read_at_once_and_its_reading_is_told() -> None:
    desk = Reading()
    desk.enrol("a.1")
    assert desk.beat(NIGHT) == ["a.1"]
    assert [reading.car for reading in desk.sent] == ["a.1"]
    assert desk.beat(NIGHT) == []


def test_a_car_that_left_is_not_read() -> None:
    desk = Reading()
    desk.enrol("a.1", "a.2")
    desk.give(NIGHT, (REGISTRATION, "a.1", None))
    assert desk.beat(NIGHT) == ["a.2"]


def test_under_a_quota_the_rest_is_read_on_later_beats_and_counted() -> None:
    desk = Reading(Limits(app=Quota(60, timedelta(minutes=1))))
    desk.enrol(*cars(40))
    first = desk.beat(NIGHT)
    assert 0 < len(first) < 15
    assert desk.skipped("quota") == 40 - len(first)
    seen, at = set(first), NIGHT
    while len(seen) < 40 and at < later(5):
        at += timedelta(seconds=1)
        seen |= set(desk.beat(at))
    assert len(seen) == 40


def test_a_car_with_a_command_pending_goes_before_those_at_rest() -> None:
    desk = Reading(Limits(app=Quota(8, timedelta(minutes=10))))
    fleet = cars(10)
    desk.enrol(*fleet)
    for car in fleet:
        desk.tell(NIGHT, car)
    desk.command(NIGHT, fleet[7], CommandPhase.SENT)
    read = [car for minute in range(45, 60) for car in desk.beat(later(minute))]
    assert len(read) < len(fleet)
    assert read[0] == fleet[7]


@pytest.mark.parametrize("link", [Link.NEEDS_CONSENT, Link.REVOKED])
def test_an_account_without_consent_is_not_read_until_it_is_linked_again(link: Link) -> None:
    desk = Reading()
    desk.enrol("a.1", "a.2", "b.1")
    state = AccountState(account="a", oem="simulator", link=link, reason="", since=NIGHT)
    desk.give(NIGHT, (ACCOUNT, "a", state))
    assert desk.beat(NIGHT) == ["b.1"]
    desk.restart()
    assert "a.1" not in desk.beat(later(1))
    assert desk.skipped("needs_consent") >= 2
    desk.give(later(2), (ACCOUNT, "a", state.model_copy(update={"link": Link.LINKED})))
    assert {"a.1", "a.2"} <= set(desk.beat(later(2)))


def test_after_a_retry_after_the_whole_account_is_left_alone_for_so_long() -> None:
    desk = Reading()
    desk.enrol("a.1", "a.2", "b.1")

    def throttle(car: Registration) -> Telemetry:
        if car.car == "a.1":
            raise Throttled("too many", timedelta(minutes=7))
        return desk.fine(car)

    desk.answer = throttle
    desk.beat(NIGHT)
    desk.answer = desk.fine
    for minute in range(1, 7):
        assert not {"a.1", "a.2"} & set(desk.beat(later(minute)))
    assert desk.skipped("retry_after") >= 1
    assert {"a.1", "a.2"} <= set(desk.beat(later(7)))


@pytest.mark.parametrize(
    ("error", "again"),
    [(Unavailable(""), 10), (Asleep(""), 10), (NeedsConsent(""), 1), (Throttled("", timedelta(minutes=3)), 3)],
)
def test_after_a_failed_read_the_next_one_waits(error: OemError, again: float) -> None:
    desk = Reading()
    desk.enrol("a.1")

    def fail(car: Registration) -> Telemetry:
        raise error

    desk.answer = fail
    assert desk.beat(NIGHT) == ["a.1"]
    assert desk.sent == []
    assert desk.beat(later(again) - timedelta(seconds=1)) == []
    assert desk.beat(later(again)) == ["a.1"]


def test_a_reading_that_nobody_asked_for_postpones_the_next() -> None:
    told, untold = Reading(), Reading()
    for desk in (told, untold):
        desk.enrol("a.1")
        desk.tell(NIGHT, "a.1")
        desk.beat(NIGHT)
    asked: dict[Reading, int] = {told: 0, untold: 0}
    for minute in range(1, 181):
        told.tell(later(minute), "a.1")
        for desk in (told, untold):
            asked[desk] += len(desk.beat(later(minute) + GRID))
    assert asked[told] == 0
    assert asked[untold] == 6
    assert told.skipped("streamed") >= 3


def test_a_car_that_sleeps_is_let_sleep_until_something_is_worth_waking_it() -> None:
    desk = Reading(
        pace=Pace(plugged=GRID, idle=timedelta(minutes=5), sleeps_after=timedelta(minutes=15), reads_wake=True)
    )
    desk.enrol("a.1")
    desk.tell(NIGHT, "a.1")
    desk.beat(NIGHT)
    assert [car for minute in range(1, 120) for car in desk.beat(later(minute))] == []
    assert desk.skipped("asleep") >= 2
    desk.command(later(120), "a.1", CommandPhase.SENT)
    assert desk.beat(later(121)) == ["a.1"]


def test_after_a_take_over_cars_are_read_over_their_interval_and_urgent_ones_at_once() -> None:
    desk = Reading()
    fleet = cars(200)
    desk.enrol(*fleet)
    for car in fleet:
        desk.tell(NIGHT, car)
    desk.command(NIGHT, fleet[3], CommandPhase.SENT)
    desk.beat(NIGHT)
    desk.restart()
    assert desk.beat(later(1)) == [fleet[3]]
    desk.command(later(1), fleet[3], CommandPhase.CONFIRMED)
    per_minute = [len(desk.beat(later(minute))) for minute in range(2, 33)]
    assert sum(per_minute) >= 199
    assert max(per_minute) <= 25


def test_the_habit_is_kept_for_the_next_owner_and_learned_once() -> None:
    desk = Reading()
    desk.enrol("a.1")
    for _ in range(3):
        desk.tell(NIGHT, "a.1")
        desk.restart()
    row = desk.get(POLLS, "a.1")
    assert row.watched.habit.weekends + row.watched.habit.working_days == (42,)  # 20:00 UTC is 21:00 in London


def test_a_reading_that_changes_nothing_writes_no_row() -> None:
    desk = Reading()
    desk.enrol("a.1")
    desk.tell(NIGHT, "a.1")
    before = dict(desk.stored)
    desk.stored = cast(Any, _NoWrites(before))
    desk.tell(later(5), "a.1", soc_pct=44.0)


class _NoWrites(dict[tuple[str, str], bytes]):
    def __setitem__(self, key: tuple[str, str], value: bytes) -> None:
        raise AssertionError(f"{key} was written")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("away"), "failed"),
        (NeedsConsent("gone"), "consent"),
        (Throttled("slow down", timedelta(minutes=5)), "throttled"),
        (Asleep("sleeps"), "asleep"),
    ],
)
def test_a_car_that_cannot_be_read_is_counted_by_reason_until_it_speaks(error: OemError, reason: str) -> None:
    desk = Reading()
    desk.enrol("a.1", "a.2")

    def fail(_: Registration) -> Telemetry:
        raise error

    desk.answer = fail
    desk.beat(NIGHT)
    desk.beat(NIGHT + GRID)
    assert desk.unreachable(reason) == 2
    assert desk.metrics.registry.get_sample_value("d2ev_cars", {"oem": "simulator"}) == 2
    desk.tell(NIGHT + 2 * GRID, "a.1")
    desk.give(NIGHT + 2 * GRID, (REGISTRATION, "a.2", None))
    desk.beat(NIGHT + 3 * GRID)
    assert desk.unreachable(reason) == 0
    assert desk.metrics.registry.get_sample_value("d2ev_cars", {"oem": "simulator"}) == 1


def test_lost_consent_counts_for_every_car_of_the_account_and_outlives_a_take_over() -> None:
    desk = Reading()
    desk.enrol("a.1", "a.2", "b.1")
    desk.beat(NIGHT)
    lost = AccountState(account="a", oem="simulator", link=Link.NEEDS_CONSENT, reason="", since=NIGHT)
    desk.give(NIGHT + GRID, (ACCOUNT, "a", lost))
    desk.beat(NIGHT + 2 * GRID)
    assert desk.unreachable("consent") == 2
    desk.metrics.partitions_gone()
    desk.restart()
    desk.beat(NIGHT + 3 * GRID)
    assert desk.unreachable("consent") == 2
