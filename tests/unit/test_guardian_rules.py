"""Whom the guardian starts, in which order, how often it asks again, and what counts as proof."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.guardian.guard import evenly
from agents.guardian.known import Known
from agents.guardian.rules import (
    GRACE,
    LONGEST_PAUSE,
    MANY_TRIES,
    SETTLES,
    STALE,
    Answer,
    Outcome,
    Progress,
    Step,
    after,
    due,
    lapsed,
    progress_of,
    release_id,
    seen,
    step_of,
)
from agents.settings import load
from streams.contracts.held import HeldCar
from streams.contracts.telemetry import Charge, Plug, Telemetry
from streams.domain.budget import Budget
from tests.guarded import HOUR, LAPSED, MINUTE, NOW, SECOND, STOPPED, account, freed, held, held_car

SEALER = load({}).sealer()
NAMES = [f"a{number}.car" for number in range(4)]
ENDLESS = sorted(set(Outcome) - {Outcome.CHARGING, Outcome.GONE, Outcome.UNSUPPORTED, Outcome.LOCKED})


def knowing(*cars: HeldCar) -> Known:
    known = Known()
    for car in cars:
        known.hear([held(car), *account(car.car.split(".")[0], "at-secret", SEALER)])
    return known


def asked(known: Known, now: datetime = NOW, **progress: Progress) -> list[str]:
    tried = {name.replace("_", "."): one for name, one in progress.items()}
    return [car.car for car in due(known, lapsed(known, now), tried, now)]


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(-60, 600)), min_size=4, max_size=4))
def test_only_lapsed_cars_are_asked_and_the_least_slack_first(drawn: list[tuple[int, int]]) -> None:
    cars = [
        held_car(name, NOW + lease * MINUTE, NOW + slack * MINUTE)
        for name, (lease, slack) in zip(NAMES, drawn, strict=True)
    ]
    found = asked(knowing(*cars))
    assert set(found) == {car.car for car in cars if car.lease_until + GRACE <= NOW}
    slack = {car.car: car.last_safe_start for car in cars}
    assert [slack[name] for name in found] == sorted(slack[name] for name in found)


def test_a_renewed_lease_or_a_tombstone_ends_it() -> None:
    known = knowing(held_car())
    assert asked(known) == ["a.b"]
    known.hear([held(held_car(lease=NOW + 20 * MINUTE))])
    assert asked(known) == []
    known.hear([held(held_car())])
    assert asked(known) == ["a.b"]
    known.hear([freed()])
    assert asked(known) == []


def test_a_car_that_lapses_again_after_a_renewal_is_started_again() -> None:
    known = knowing(held_car())
    over = Progress(lease_until=LAPSED, last=Outcome.CHARGING)
    assert asked(known, a_b=over) == []
    known.hear([held(held_car(lease=NOW + 20 * MINUTE))])
    assert asked(known, NOW + 21 * MINUTE, a_b=over) == ["a.b"]


def test_a_car_whose_account_cannot_be_opened_waits_for_a_newer_token() -> None:
    known = knowing(held_car())
    access = known.access["a"].sealed
    refused = after(Progress(lease_until=LAPSED), Step.START, Answer(Outcome.LOCKED), NOW, access)
    assert asked(known, NOW + HOUR, a_b=refused) == []
    assert asked(known, NOW + 9 * HOUR) == [], "the token has expired"
    known.hear(account("a", "at-newer", SEALER, NOW + 16 * HOUR))
    assert asked(known, NOW + 9 * HOUR, a_b=refused) == ["a.b"]


@given(st.lists(st.sampled_from(ENDLESS), max_size=30))
def test_no_car_is_ever_given_up_or_left_for_long(outcomes: list[Outcome]) -> None:
    known, now, tried = knowing(held_car()), NOW, Progress(lease_until=LAPSED)
    for outcome in outcomes:
        tried = after(tried, step_of(held_car(), tried, now, None), Answer(outcome), now, "token")
        now += max(LONGEST_PAUSE, SETTLES)
        if now < NOW + 8 * HOUR:
            assert asked(known, now, a_b=tried) == ["a.b"]


@given(st.lists(st.sampled_from(ENDLESS), max_size=30))
def test_nobody_is_asked_twice_at_once(outcomes: list[Outcome]) -> None:
    """At once follows only another question: a look upon a refusal, a start upon a look, a wake upon "asleep"."""
    tried = Progress(lease_until=LAPSED)
    for outcome in outcomes:
        step = step_of(held_car(), tried, NOW, None)
        tried = after(tried, step, Answer(outcome), NOW, "token")
        assert tried.not_before is not None
        if tried.not_before == NOW:
            assert tried.step is not step or outcome in {Outcome.RESTS, Outcome.ASLEEP}


def test_the_makers_own_word_on_waiting_counts() -> None:
    for outcome in (Outcome.THROTTLED, Outcome.UNAVAILABLE):
        tried = after(Progress(lease_until=LAPSED), Step.START, Answer(outcome, timedelta(minutes=42)), NOW, "token")
        assert tried.not_before == NOW + 42 * MINUTE


def test_those_that_many_tries_did_not_start_stand_back() -> None:
    known = knowing(held_car("a.b", last=NOW), held_car("c.d", last=NOW + 5 * HOUR))
    assert asked(known, a_b=Progress(lease_until=LAPSED, tries=MANY_TRIES)) == ["c.d", "a.b"]
    assert asked(known, a_b=Progress(lease_until=LAPSED, tries=MANY_TRIES - 1)) == ["a.b", "c.d"]


def test_an_accepted_start_is_looked_at_and_a_try_without_effect_repeated_under_another_id() -> None:
    car, fresh = held_car(), Progress(lease_until=LAPSED)
    started = after(fresh, Step.START, Answer(Outcome.STARTED), NOW, "token")
    assert (step_of(car, started, NOW, None), started.settled) == (Step.LOOK, False)
    rests = after(started, Step.LOOK, Answer(Outcome.RESTS), NOW + SETTLES, "token")
    assert step_of(car, rests, NOW + SETTLES, None) is Step.START
    assert release_id(car, rests.tries) != release_id(car, fresh.tries)
    assert release_id(car, fresh.tries) == release_id(held_car(lease=NOW + HOUR), 0)
    assert after(started, Step.LOOK, Answer(Outcome.CHARGING), NOW, "token").settled


def test_one_reading_alone_does_not_show_that_a_car_is_gone() -> None:
    once = after(Progress(lease_until=LAPSED), Step.LOOK, Answer(Outcome.GONE), NOW, "token")
    twice = after(once, Step.LOOK, Answer(Outcome.GONE), NOW + MINUTE, "token")
    assert (once.settled, step_of(held_car(), once, NOW, None), twice.settled) == (False, Step.LOOK, True)
    assert not after(once, Step.LOOK, Answer(Outcome.RESTS), NOW, "token").gone


@pytest.mark.parametrize(
    ("sleeps_after", "lease", "step"),
    [
        (None, NOW, Step.START),
        (6 * MINUTE, NOW, Step.START),
        (5 * MINUTE, NOW, Step.WAKE),
        (None, NOW - STALE - SECOND, Step.LOOK),
    ],
)
def test_the_first_step(sleeps_after: timedelta | None, lease: datetime, step: Step) -> None:
    car = held_car(lease=lease)
    assert step_of(car, progress_of(car, {}, NOW), NOW, sleeps_after) is step


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"charge": Charge.CHARGING, "car_time": NOW + SECOND}, Outcome.CHARGING),
        ({"charge": Charge.COMPLETE, "car_time": NOW + SECOND}, Outcome.CHARGING),
        ({"charge": Charge.CHARGING, "car_time": NOW - SECOND}, Outcome.RESTS),
        ({"charge": Charge.CHARGING}, Outcome.RESTS),
        ({"charge": Charge.SCHEDULED, "car_time": NOW + SECOND}, Outcome.RESTS),
        ({"charge": Charge.UNKNOWN, "plug": Plug.UNKNOWN, "car_time": NOW + SECOND}, Outcome.RESTS),
        ({"plug": Plug.UNPLUGGED}, Outcome.GONE),
        ({"at_home": False, "charge": Charge.CHARGING, "car_time": NOW + SECOND}, Outcome.GONE),
    ],
)
def test_what_a_reading_proves(said: dict[str, object], outcome: Outcome) -> None:
    reading = Telemetry.model_validate({"car": "a.b", "oem": "simulator", "received_time": NOW + MINUTE, **said})
    assert seen(reading, held_car(), Progress(lease_until=LAPSED, asked_at=NOW)) is outcome
    assert STOPPED < NOW


@given(st.integers(1, 5000))
def test_no_minute_sees_more_starts_than_allowed_and_no_second_a_crowd(per_minute: int) -> None:
    budget, limits, made = Budget(), {("start", ""): evenly(per_minute)}, []
    for second in range(150):
        now = NOW + second * SECOND
        while not budget.wait(limits, now):
            budget.charge(limits, now)
            made.append(second)
    busiest = max(sum(start <= second < start + 60 for second in made) for start in range(90))
    assert 0.9 * per_minute - 1 <= busiest <= per_minute
    assert max(made.count(second) for second in set(made)) <= 1 + per_minute / 60
