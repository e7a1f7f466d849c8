"""The dispatch stage: who is held is on the log with the stop, and commands wait their turn within every budget."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents.dispatch import Budgets, stage
from agents.engine.stage import Send, Work
from agents.metrics import Metrics
from agents.quotas import Quotas
from agents.turns import Turns
from oem_connectors import registry
from oem_connectors.base import Can, Limits, Quota
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.lead import LeadTime
from streams.contracts.telemetry import Charge
from streams.domain.budget import Budget
from streams.domain.holding import FORGET, LEASE
from streams.domain.reconcile import ControlPolicy
from streams.topics import COMMAND, HELD, LEAD, PREFERENCE, REGISTRATION, SCHEDULE, STANDING, TICK, VEHICLE
from tables import CONTROL, LEADS, LEASES
from tests.desk import Desk
from tests.night import CAR, after, preference, registration, session, state
from tests.settling import schedule

POLICY = ControlPolicy()
#: No schedules in the car: they are another test's matter.
SIMULATOR = replace(registry.load()["simulator"], capabilities=lambda _: Can.READ | Can.START | Can.STOP | Can.WAKE)
MINUTE = timedelta(minutes=1)
#: Planned starts in a second.
PACE = 250.0


class Partition(Desk):
    """The stage with cars that are plugged in and charge, to be stopped until their block at 390."""

    def __init__(self, limits: Limits | None = None, cars: tuple[str, ...] = (CAR,), **enrolled: Any) -> None:
        self.metrics = Metrics()
        connector = SIMULATOR if limits is None else replace(SIMULATOR, limits=limits)
        turns = Turns(Quotas({"simulator": connector}, 1), 1, PACE)
        super().__init__(stage(POLICY, {"simulator": connector}, turns, Budgets(Budget), self.metrics))
        for car in cars:
            self.give(
                after(0),
                (REGISTRATION, car, registration(car=car, **enrolled)),
                (PREFERENCE, car, preference(car=car)),
                (VEHICLE, car, state(0, car=car, charge=Charge.CHARGING, session=session(f"s-{car}"))),
                (SCHEDULE, car, schedule(car=car, session_id=f"s-{car}")),
            )

    def _apply(self, work: Work) -> None:
        assert work.put_off == []
        super()._apply(work)

    def beat(self, minutes: float) -> list[Send]:
        return self.give(after(minutes), (TICK, "0", Tick(at=after(minutes), phase=TickPhase.ACT)))

    def answer(self, command: CommandEvent, minutes: float, *phases: CommandPhase, **details: Any) -> None:
        for phase in phases:
            event = command.model_copy(update={"phase": phase, "at": after(minutes), **details})
            self.give(after(minutes), (COMMAND, command.car, event))

    def obey(self, command: CommandEvent, minutes: float) -> None:
        """The car does as it was told, and is seen to."""
        self.answer(command, minutes, CommandPhase.SENDING, CommandPhase.SENT, CommandPhase.CONFIRMED)
        charge = Charge.CHARGING if command.action is Action.START else Charge.IDLE
        seen = state(minutes + 0.1, car=command.car, charge=charge, session=session(command.session_id))
        self.give(after(minutes + 0.1), (VEHICLE, command.car, seen))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def commands(sends: list[Send]) -> list[CommandEvent]:
    return [send.message for send in sends if send.topic is COMMAND]


def held(sends: list[Send]) -> list[Any]:
    return [send.message for send in sends if send.topic is HELD]


@pytest.fixture
def stopped() -> Partition:
    """A car that obeyed its stop at 1."""
    desk = Partition()
    (stop,) = commands(desk.beat(1))
    desk.obey(stop, 2)
    return desk


def test_who_is_held_goes_out_with_the_stop_and_before_it() -> None:
    desk = Partition()
    sends = desk.beat(1)
    assert [send.topic for send in sends] == [HELD, COMMAND]
    (record,) = held(sends)
    assert commands(sends)[0].action is Action.STOP
    assert record.lease_until == after(1) + LEASE
    assert desk.value("d2ev_cars_held") == 1


def test_the_lease_is_renewed_while_the_car_is_held_and_never_beyond_its_release(stopped: Partition) -> None:
    renewed = {}
    for minutes in range(2, 390):
        for record in held(stopped.beat(minutes)):
            renewed[minutes] = record
    assert len(renewed) == 38
    assert all(b - a == 10 for a, b in zip(list(renewed), list(renewed)[1:], strict=False))
    assert all(one.lease_until <= one.last_safe_start - POLICY.release_margin for one in renewed.values())


def test_a_started_car_leaves_the_registry(stopped: Partition) -> None:
    (start,) = commands(stopped.beat(390))
    assert start.action is Action.START
    stopped.obey(start, 391)
    assert held(stopped.beat(392)) == [None]
    assert stopped.get(LEASES, CAR) is None
    assert stopped.value("d2ev_cars_held") == 0


def test_a_car_that_is_held_into_its_last_minutes_is_counted_until_it_charges(stopped: Partition) -> None:
    last_safe_start = stopped.get(LEASES, CAR).last_safe_start
    minutes = (last_safe_start - after(0)) / MINUTE
    near = "d2ev_cars_held_near_last_safe_start"
    (start,) = commands(stopped.beat(minutes - 15))
    assert stopped.value(near) == 0
    stopped.answer(start, minutes - 14, CommandPhase.FAILED)
    (again,) = commands(stopped.beat(minutes - 4))
    assert stopped.value(near) == 1
    stopped.restart()
    stopped.beat(minutes + 1)
    assert stopped.value(near) == 1
    stopped.obey(again, minutes + 2)
    stopped.beat(minutes + 3)
    assert stopped.value(near) == 0


def test_a_car_that_was_erased_while_we_held_it_is_nobodys_alarm(stopped: Partition) -> None:
    stopped.give(after(5), (REGISTRATION, CAR, None))
    stopped.beat(600)
    stopped.restart()
    stopped.beat(601)
    assert stopped.value("d2ev_cars_held") == 1
    assert stopped.value("d2ev_cars_held_near_last_safe_start") == 0


def test_after_a_take_over_a_lease_that_is_about_to_lapse_is_renewed_on_the_first_beat(stopped: Partition) -> None:
    stopped.restart()
    (record,) = held(stopped.beat(20))
    assert record.lease_until == after(20) + LEASE
    assert stopped.value("d2ev_cars_held") == 1


def test_an_erased_car_that_we_hold_may_be_freed_at_once_and_its_record_ends_a_day_later(stopped: Partition) -> None:
    (record,) = held(stopped.give(after(5), (REGISTRATION, CAR, None)))
    assert (record.vehicle, record.lease_until) == ("v1", after(5))
    assert stopped.get(CONTROL, CAR) is None
    stopped.restart()
    assert held(stopped.beat(6)) == []
    assert held(stopped.give(after(5) + FORGET, (TICK, "0", Tick(at=after(5) + FORGET, phase=TickPhase.ACT)))) == [None]
    assert len(stopped.memory.due) == 0


def test_an_erased_car_that_nobody_holds_leaves_nothing() -> None:
    desk = Partition()
    assert desk.give(after(0), (REGISTRATION, CAR, None)) == []
    assert len(desk.memory.due) == 0


def test_a_car_of_a_maker_that_nobody_knows_is_left_alone() -> None:
    assert Partition(oem="elsewhere").beat(1) == []


def test_an_account_gets_no_more_commands_than_its_maker_allows_and_the_rest_wait() -> None:
    cars = tuple(f"one.car{n}" for n in range(20))
    desk = Partition(Limits(commands=Quota(16, timedelta(hours=1))), cars)
    first = commands(desk.beat(1))
    assert len(first) == 2, "half of a quarter of the quota"
    assert desk.value("d2ev_commands_waiting", oem="simulator") == 18
    made = [1] * len(first)
    for minutes in range(2, 120):
        for car in cars:
            seen = state(minutes, car=car, charge=Charge.CHARGING, session=session(f"s-{car}"))
            desk.give(after(minutes), (VEHICLE, car, seen))
        made += [minutes for _ in commands(desk.beat(minutes))]
    assert len(made) == 20
    assert max(sum(a <= b < a + 60 for b in made) for a in made) <= 16
    assert desk.value("d2ev_commands_waiting", oem="simulator") == 0


def test_no_car_of_an_account_is_commanded_before_its_maker_said_not_even_after_a_take_over() -> None:
    desk = Partition(cars=("one.a", "one.b", "two.c"))
    for stop in commands(desk.beat(1)):
        desk.answer(stop, 1, CommandPhase.SENDING)
        desk.answer(stop, 1, CommandPhase.FAILED, detail="throttled", retry_at=after(30 if stop.car == "one.a" else 3))
    made = []
    for minutes in range(2, 60):
        if minutes == 10:
            desk.restart()
        made += [(command.car, minutes) for command in commands(desk.beat(minutes))]
    first: dict[str, int] = {}
    for car, minutes in made:
        first.setdefault(car, minutes)
    assert first["two.c"] < 10
    assert min(first["one.a"], first["one.b"]) == 30


def test_releases_go_first_then_starts_then_stops() -> None:
    cars = ("a.stop", "b.start", "c.release", "d.release")
    desk = Partition(Limits(app=Quota(4, 8 * MINUTE)), cars)
    at = 391.0
    plan: dict[str, dict[str, Any]] = {
        "a.stop": {
            "blocks": [b.model_copy(update={"start": after(450), "end": after(617)}) for b in schedule().blocks]
        },
        "b.start": {},
        "c.release": {"ready_by": after(780 - 190)},
        "d.release": {"ready_by": after(780 - 195)},
    }
    for car, changed in plan.items():
        charge = Charge.CHARGING if car == "a.stop" else Charge.IDLE
        desk.give(
            after(at),
            (SCHEDULE, car, schedule(2, car=car, session_id=f"s-{car}", **changed)),
            (VEHICLE, car, state(at, car=car, charge=charge, session=session(f"s-{car}"))),
        )
    made = [command for minutes in range(392, 402) for command in commands(desk.beat(minutes))]
    assert [command.car for command in made] == ["d.release", "c.release", "b.start", "a.stop"]
    assert [command.action for command in made] == [Action.START] * 3 + [Action.STOP]


def test_planned_starts_come_at_the_pace_of_a_fleet_and_urgent_ones_at_once() -> None:
    cars = tuple(f"acct{n}.car" for n in range(600))
    desk = Partition(cars=cars)
    for minutes in (1.0, 1.1, 1.2):
        for stop in commands(desk.beat(minutes)):
            desk.obey(stop, minutes)
    late = cars[:100]
    for car in late:
        desk.give(after(389), (SCHEDULE, car, schedule(2, car=car, session_id=f"s-{car}", ready_by=after(585))))
    per_second = [commands(desk.beat(390 + n / 60)) for n in range(4)]
    assert {command.car for command in per_second[0]} >= set(late)
    planned = [sum(command.reason == "in_block" for command in second) for second in per_second]
    assert sum(planned) == 500
    assert max(planned) <= PACE


def test_leads_are_combined_kept_and_make_starts_earlier() -> None:
    desk = Partition(model="Test")
    (stop,) = commands(desk.beat(1))
    desk.obey(stop, 2)
    lead = LeadTime(
        oem="simulator", model="Test", action=Action.START, partition=1, samples=9, median_seconds=60,
        p90_seconds=180, at=after(3),
    )  # fmt: skip
    desk.give(after(3), (LEAD, "simulator/Test/start/1", lead))
    desk.restart()
    assert desk.get(LEADS, "simulator/Test/start/1") == lead
    starts = [minutes for minutes in range(4, 391) if commands(desk.beat(minutes))]
    assert starts[0] == 387


def test_the_largest_step_of_power_in_a_second_is_shown_for_a_minute() -> None:
    cars = tuple(f"acct{n}.car" for n in range(5))
    desk = Partition(cars=cars)
    for stop in commands(desk.beat(1)):
        desk.answer(stop, 1, CommandPhase.SENDING, CommandPhase.SENT, detail=None if stop.car != cars[0] else "already")
    desk.beat(1.1)
    assert desk.value("d2ev_power_step_kw_per_second") == pytest.approx(4 * 7.2)
    desk.beat(2)
    assert desk.value("d2ev_power_step_kw_per_second") == 0


def test_what_a_fold_changes_in_the_standing_is_told() -> None:
    desk = Partition()
    (stop,) = commands(desk.beat(1))
    desk.obey(stop, 2)
    seen = state(20, charge=Charge.SCHEDULED, scheduled_start=after(120), session=session(f"s-{CAR}"))
    sends = desk.give(after(20), (VEHICLE, CAR, seen)) + desk.beat(21)
    told = [send.message for send in sends if send.topic is STANDING]
    assert [one.own_schedule_session for one in told] == [f"s-{CAR}"]


def test_who_is_held_is_durable_before_the_stop_that_holds_is_written() -> None:
    assert Partition().stage.first == (HELD,)
