"""Who is read first when not all can be, who is left alone, and what a maker's quota allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quotas import Quotas
from agents.reads import poll_policy
from oem_connectors.base import Can, Connector, Limits, Pace, Quota
from oem_connectors.simulator import CONNECTOR
from streams.domain.budget import Budget
from streams.domain.polling import PollPolicy, Worth
from streams.domain.reading_order import Case, Heard, Skip, Wanted, by_worth, left_alone, wakes
from streams.domain.watched import Watched

NIGHT = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
EVENING = NIGHT.replace(hour=17)
HOME = ZoneInfo("Europe/London")
GRID = timedelta(seconds=1)
IDLE = Watched(known=True, at_home=True)
WAITING = Watched(known=True, at_home=True, session_id="s", seen_at=NIGHT - timedelta(hours=9), has_soc=True)
SLEEPS = PollPolicy(sleeps_after=timedelta(minutes=15))
WOKEN_BY_READS = replace(SLEEPS, reads_wake=True)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def connector(limits: Limits = CONNECTOR.limits, pace: Pace = CONNECTOR.pace, can: Can | None = None) -> Connector:
    made = replace(CONNECTOR, limits=limits, pace=pace)
    return made if can is None else replace(made, capabilities=lambda _model: can)


def wanted(limits: Limits, *cars: tuple[Worth, int, str]) -> list[Wanted]:
    quotas = Quotas({"simulator": connector(limits)}, 1)
    return [
        Wanted(value, NIGHT - minutes(ago), car, quotas.read("simulator", car)) for value, ago, car in cars
    ]  # fmt: skip


def test_those_worth_most_are_read_and_the_others_are_told_how_long_to_wait() -> None:
    cars = [(value, 0, f"a.{value.name}") for value in reversed(Worth)]
    turns = list(by_worth(wanted(Limits(reads=Quota(24, timedelta(hours=1))), *cars), Budget(), NIGHT))
    assert [one.worth for one, _ in turns] == list(Worth)
    assert [one.worth for one, wait in turns if not wait] == [
        Worth.COMMAND_PENDING, Worth.SLOT_EDGE, Worth.NEW_SESSION,
    ]  # fmt: skip
    assert all(wait < timedelta(hours=1) for _, wait in turns)


def test_of_equal_worth_the_one_not_heard_of_for_longest_goes_first() -> None:
    cars = [(Worth.IDLE, 5, "a.1"), (Worth.IDLE, 50, "a.2"), (Worth.IDLE, 20, "a.3")]
    assert [one.car for one, _ in by_worth(wanted(Limits(), *cars), Budget(), NIGHT)] == ["a.2", "a.3", "a.1"]


Beats = Sequence[tuple[int, list[tuple[Worth, int, str]]]]


@given(
    st.integers(1, 40),
    st.integers(1, 3600),
    st.lists(
        st.tuples(
            st.integers(0, 900),
            st.lists(st.tuples(st.sampled_from(Worth), st.integers(0, 60), st.sampled_from(["a.1", "a.2", "a.3"]))),
        ),
        max_size=40,
    ),
)
def test_no_window_holds_more_readings_than_the_quota(calls: int, per_seconds: int, beats: Beats) -> None:
    per, now, read = timedelta(seconds=per_seconds), NIGHT, list[datetime]()
    limits, budget = Limits(reads=Quota(calls, per)), Budget()
    for later, cars in beats:
        now += timedelta(seconds=later)
        read += [now for _, wait in by_worth(wanted(limits, *cars), budget, now) if not wait]
    for begin in read:
        assert sum(begin <= at < begin + per for at in read) <= calls


def test_readings_never_use_up_the_quota_of_an_app() -> None:
    limits, budget, now = Limits(app=Quota(100, timedelta(hours=1))), Budget(), NIGHT
    read = 0
    for beat in range(60):
        cars = [(Worth.IDLE, 0, f"a{beat}-{n}.1") for n in range(10)]
        read += sum(not wait for _, wait in by_worth(wanted(limits, *cars), budget, now + minutes(beat)))
    assert 40 <= read <= 80


def case(watched: Watched, policy: PollPolicy, car_time: float | None, received: float = -60) -> Case:
    heard = None if car_time is None else Heard(NIGHT + minutes(car_time), NIGHT + minutes(received))
    return Case("a.b", watched, heard, policy, HOME)


LEFT_ALONE: dict[str, tuple[Case, Skip | None]] = {
    "a car of a maker whose cars do not sleep": (case(IDLE, PollPolicy(), -5), None),
    "awake and at rest": (case(IDLE, SLEEPS, -5), Skip.ASLEEP),
    "awake and waiting for its block": (case(WAITING, SLEEPS, -5), Skip.ASLEEP),
    "awake, and a command is pending": (
        case(WAITING.model_copy(update={"pending": True}), SLEEPS, -5), None,
    ),
    "awake and charging": (case(WAITING.model_copy(update={"charging": True}), SLEEPS, -5), None),
    "asleep, and a reading does not wake it": (case(IDLE, SLEEPS, -16), None),
    "asleep, and a reading wakes it": (case(IDLE, WOKEN_BY_READS, -16), Skip.ASLEEP),
    "asleep for all we know": (case(IDLE, WOKEN_BY_READS, None), Skip.ASLEEP),
    "asleep, and its block begins soon": (
        case(
            WAITING.model_copy(update={"planned_session": "s", "edges": (NIGHT + minutes(2),)}), WOKEN_BY_READS, -16
        ), None,
    ),
    "heard of a minute ago without being asked": (case(WAITING, PollPolicy(), -1, -1), Skip.STREAMED),
    "heard of an hour ago": (case(WAITING, PollPolicy(), -60, -60), None),
}  # fmt: skip


@pytest.mark.parametrize(("one", "why"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_who_is_left_alone(one: Case, why: Skip | None) -> None:
    due = next((at for at in (one.next_after(NIGHT - minutes(1)),)), NIGHT)
    now = min(due, NIGHT)
    skip = left_alone(one, now)
    assert (skip and skip[0]) == why
    assert skip is None or skip[1] > now


def test_an_evening_is_worth_a_wake_within_the_quota_of_wakes() -> None:
    one = Case("a.b", IDLE, Heard(EVENING - minutes(40), EVENING - minutes(40)), WOKEN_BY_READS, HOME)
    assert left_alone(one, EVENING) is None
    assert wakes(one, EVENING)
    quotas = Quotas({"simulator": connector(Limits(wakes=Quota(8, timedelta(days=1))))}, 1)
    limits, budget = quotas.read("simulator", "a.b", wakes=True), Budget()
    woken = 0
    for minute in range(24 * 60):
        if not budget.wait(limits, EVENING + minutes(minute)):
            budget.charge(limits, EVENING + minutes(minute))
            woken += 1
    assert 1 <= woken <= 8


def test_a_sleeper_is_left_alone_long_enough_to_fall_asleep() -> None:
    """A night at rest: between two readings of a car that is awake lies the time it needs."""
    now, heard, reads = NIGHT, Heard(NIGHT, NIGHT), list[datetime]()
    while now < NIGHT + timedelta(hours=3):
        one = Case("a.b", WAITING, heard, replace(SLEEPS, plugged_waiting=minutes(5)), HOME)
        now = one.next_after(now)
        while (skip := left_alone(one, now)) is not None:
            now = skip[1]
        reads.append(now)
        heard = Heard(now, now)  # somebody keeps it awake, so that every sample is fresh
    assert len(reads) >= 8
    assert min(b - a for a, b in pairwise(reads)) >= minutes(15)


def test_a_makers_quota_and_pace_set_how_often_its_cars_are_looked_at() -> None:
    rare = connector(Limits(reads=Quota(50, timedelta(days=1))), Pace(plugged=minutes(15), idle=minutes(15)))
    policy = poll_policy(rare, "any", GRID)
    assert timedelta(days=1) / policy.idle == pytest.approx(25, rel=0.01)
    assert min(policy.command_pending, policy.after_change, policy.soonest) == minutes(15)
    assert policy.rarest > policy.idle
    sleepy = Pace(plugged=minutes(1), idle=minutes(5), sleeps_after=minutes(15), reads_wake=True)
    woken = poll_policy(connector(Limits(wakes=Quota(8, timedelta(days=1))), sleepy), "any", GRID)
    assert (woken.sleeps_after, woken.reads_wake) == (minutes(15), True)
    assert timedelta(days=1) / woken.idle == pytest.approx(4, rel=0.01)


def test_a_car_that_tells_by_itself_is_read_after_six_hours_or_when_it_is_silent() -> None:
    policy = poll_policy(connector(can=Can.READ | Can.STREAM), "any", GRID)
    assert (
        timedelta(hours=3)
        < sum((Case(f"a.{n}", WAITING, None, policy, HOME).next_after(NIGHT) - NIGHT for n in range(200)), timedelta(0))
        / 200
        * 2
        < timedelta(hours=9)
    )
    pending = Case("a.b", WAITING.model_copy(update={"pending": True}), None, policy, HOME)
    assert pending.next_after(NIGHT) <= NIGHT + minutes(2)
