"""Proof of control: a newly linked car is started again right after its first stop, or found out to be unable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from streams.contracts.command import Action, CommandPhase
from streams.contracts.preference import Preference
from streams.domain import reconcile
from tests.loop import Loop, prices

HOUR = timedelta(hours=1)
BORN = datetime(2025, 1, 6, 16, tzinfo=UTC)
PLUG_IN, READY_BY = BORN + 2 * HOUR, BORN + 15 * HOUR
CHEAP = [0.1 if (16 + hour) % 24 in {1, 2, 3, 4} else 0.3 for hour in range(72)]
FLAT = [0.3] * 72


def lived(personality: Personality, prove: bool, night: list[float] = CHEAP, days: int = 1) -> Loop:
    stays = [Stay(PLUG_IN + day * 24 * HOUR, READY_BY + HOUR + day * 24 * HOUR, 40) for day in range(days)]
    car = SimCar(account="a", vehicle="b", model="sim-one", personality=personality, stays=stays)
    loop = Loop(car, Preference(car=car.key, target_soc_pct=80, updated_at=BORN), BORN)
    assert loop.control.registration is not None
    enrolled = loop.control.registration.model_copy(update={"prove_control": prove})
    loop.control = reconcile.observe_registration(loop.control, enrolled)
    loop.vintage(prices(BORN, night))
    loop.run(stays[-1].plug_out)
    return loop


def switches(loop: Loop) -> list[tuple[Action, str]]:
    return [(c.action, c.reason) for c in loop.decisions if c.action in {Action.START, Action.STOP}]


def test_the_first_stop_is_followed_at_once_by_a_start_and_then_holds() -> None:
    loop = lived(Personality.NORMAL, prove=True)
    assert switches(loop)[:4] == [
        (Action.STOP, "waiting_for_block"),
        (Action.START, "proof"),
        (Action.STOP, "waiting_for_block"),
        (Action.START, "in_block"),
    ], loop.story()
    stop, start, again, *_ = [c for c in loop.decisions if c.action in {Action.START, Action.STOP}]
    assert start.decided_at - stop.decided_at < timedelta(minutes=10)
    assert again.decided_at - start.decided_at < timedelta(minutes=10)
    assert loop.control.proven_at is not None
    assert loop.cloud.truth.soc_at(READY_BY) >= 79
    assert loop.cloud.log.duplicate_effective() == []


def test_what_is_proven_is_not_proven_again() -> None:
    loop = lived(Personality.NORMAL, prove=True, days=2)
    assert [reason for _, reason in switches(loop)].count("proof") == 1
    assert loop.cloud.truth.soc_at(READY_BY + 24 * HOUR) >= 79


def test_a_car_that_nobody_wants_proven_is_not_started_for_it() -> None:
    assert "proof" not in {reason for _, reason in switches(lived(Personality.NORMAL, prove=False))}


def test_a_night_without_a_pause_needs_no_proof() -> None:
    assert switches(lived(Personality.NORMAL, prove=True, night=FLAT)) == [(Action.STOP, "at_target")]


def test_a_block_that_is_about_to_begin_is_the_proof() -> None:
    soon = [0.1 if (16 + hour) % 24 in {18, 19, 20, 21, 22, 23} else 0.3 for hour in range(72)]
    soon[2] = 0.3  # the hour of the plug-in
    stays = [Stay(PLUG_IN + timedelta(minutes=40), READY_BY + HOUR, 40)]
    car = SimCar(account="a", vehicle="b", model="sim-one", personality=Personality.NORMAL, stays=stays)
    loop = Loop(car, Preference(car=car.key, target_soc_pct=80, updated_at=BORN), BORN)
    assert loop.control.registration is not None
    enrolled = loop.control.registration.model_copy(update={"prove_control": True})
    loop.control = reconcile.observe_registration(loop.control, enrolled)
    loop.vintage(prices(BORN, soon))
    loop.run(READY_BY)
    assert "proof" not in {reason for _, reason in switches(loop)}
    assert Action.START not in {action for action, _ in switches(loop)} or loop.control.proven_at is not None


def test_a_car_that_cannot_resume_is_found_out_hours_before_it_matters() -> None:
    found, late = lived(Personality.CANNOT_RESUME, prove=True), lived(Personality.CANNOT_RESUME, prove=False)
    assert min(found.told()) < PLUG_IN + HOUR, found.story()
    assert min(late.told()) > PLUG_IN + 5 * HOUR, late.story()
    assert found.control.cannot_resume
    assert found.control.proven_at is None


def test_a_failed_proof_goes_on_being_asked_for_and_told_until_it_matters() -> None:
    loop = lived(Personality.CANNOT_RESUME, prove=True)
    first = min(loop.told())
    assert all(step.told for step in loop.steps if first <= step.at < READY_BY), loop.story()
    asked = [c for c in loop.decisions if c.action is Action.START and c.phase is CommandPhase.INTENT]
    assert len(asked) > loop.policy.max_attempts
    assert [action for action, _ in switches(loop)].count(Action.STOP) == 1


@pytest.mark.parametrize("personality", Personality)
def test_every_odd_car_keeps_its_promise_under_proof_or_its_driver_is_told_in_time(personality: Personality) -> None:
    loop = lived(personality, prove=True)
    assert loop.cloud.log.duplicate_effective() == []
    if loop.cloud.truth.soc_at(READY_BY) < 79:
        limit = READY_BY - loop.cloud.car.battery.hours(loop.cloud.truth.soc_at(PLUG_IN + 6 * HOUR), 80) * HOUR
        assert min(loop.told()) <= limit, loop.story()
