"""The registry of held cars: who is in it, until when control vouches for it, and how a record ends."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.held import HeldCar
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import Charge
from streams.domain.desired import ControlPolicy
from streams.domain.holding import FORGET, LEASE, RENEW, entry, held, latest_start, look_again, orphaned
from streams.domain.leads import Leads
from streams.domain.reconcile import ControlState, observe_command, observe_state
from tests.night import CAR, after, preference, registration, session, state
from tests.settling import schedule

POLICY = ControlPolicy()
#: 20 kWh at 7.2 kW with a tenth in reserve, before 780.
LIMIT = after(780) - timedelta(hours=20 / 7.2 * 1.1)
RELEASE = LIMIT - POLICY.release_margin
PHASES = (CommandPhase.INTENT, CommandPhase.SENDING, CommandPhase.SENT, CommandPhase.CONFIRMED)


def stop(phase: CommandPhase, minutes: float = 1, action: Action = Action.STOP) -> CommandEvent:
    return CommandEvent(
        id=action.value, car=CAR, session_id="s1", plan_revision=1, action=action, phase=phase, at=after(minutes),
        decided_at=after(minutes), not_after=after(minutes + 5), reason="waiting_for_block",
    )  # fmt: skip


def stopped(*phases: CommandPhase, **changes: Any) -> ControlState:
    """A car that waits for its block at 390, its stop as far as the last of `phases`."""
    facts: dict[str, Any] = {
        "car": CAR, "registration": registration(), "preference": preference(), "schedule": schedule(),
        "state": state(0, charge=Charge.CHARGING),
    }  # fmt: skip
    control = ControlState(**(facts | changes))
    for phase in phases:
        control = observe_command(control, stop(phase))
    return control


HELD = stopped(*PHASES)


@pytest.mark.parametrize("far", range(1, len(PHASES) + 1))
def test_a_car_is_held_from_the_intent_to_stop_it_on(far: int) -> None:
    found = held(stopped(*PHASES[:far]), after(1), POLICY)
    assert found is not None
    assert (found.oem, found.vehicle, found.session_id) == ("simulator", "v1", "s1")
    assert (found.lease_until, found.last_safe_start) == (after(1) + LEASE, LIMIT)


def test_a_stop_that_nobody_saw_the_end_of_may_hold() -> None:
    assert held(stopped(*PHASES[:2], CommandPhase.UNKNOWN), after(1), POLICY) is not None


@pytest.mark.parametrize(
    "control",
    [
        stopped(),
        stopped(CommandPhase.INTENT, CommandPhase.EXPIRED),
        stopped(*PHASES, state=state(0, soc_pct=80)),
        stopped(*PHASES, state=state(0, soc_pct=None), schedule=schedule(blocks=(), energy_kwh=0)),
        stopped(*PHASES, state=state(0, session=session("s2"))),
        stopped(*PHASES, state=state(0, session=session(ended_at=after(1)))),
        stopped(*PHASES, state=state(0, session=None)),
        stopped(*PHASES, state=None),
        stopped(*PHASES, registration=None),
        stopped(*PHASES, schedule=None),
        stopped(*PHASES, schedule=schedule(ready_by=None)),
        stopped(*PHASES, driver_override_session="s1"),
        observe_state(HELD, state(5, charge=Charge.CHARGING)),
        observe_state(HELD, state(5, charge=Charge.COMPLETE, soc_pct=79)),
        observe_state(HELD, state(5, at_home=False)),
    ],
    ids=[
        "no stop", "never sent", "at target", "nothing more planned", "another stay", "unplugged", "no stay",
        "unknown car", "not enrolled", "no plan", "no deadline", "the driver's hand", "charging again", "full", "away",
    ],
)  # fmt: skip
def test_no_other_car_is_vouched_for(control: ControlState) -> None:
    assert held(control, after(6), POLICY) is None


@given(st.floats(0, 800), st.floats(5, 95), st.floats(0, 600), st.sampled_from([7.0, 60.0, 390.0]))
def test_a_lease_never_reaches_beyond_the_instant_of_release(
    minutes: float, soc_pct: float, lead_seconds: float, sampled: float
) -> None:
    leads = Leads(start=timedelta(seconds=lead_seconds))
    control = observe_state(HELD, state(sampled, soc_pct=soc_pct))
    found = held(control, after(minutes), POLICY, leads)
    limit = latest_start(control, after(minutes), POLICY, leads)
    if found is not None:
        assert limit is not None
        assert found.lease_until <= min(after(minutes) + LEASE, limit - POLICY.release_margin)
        assert found.last_safe_start == limit


def kept(known: HeldCar | None, control: ControlState, at: datetime) -> HeldCar | None:
    return entry(known, control, at, POLICY)


def test_a_lease_is_renewed_with_half_of_it_left_and_not_before() -> None:
    first = kept(None, HELD, after(1))
    assert first is not None
    assert look_again(first, after(1)) == after(1) + LEASE - RENEW
    assert kept(first, HELD, after(10.9)) is first
    renewed = kept(first, HELD, after(11))
    assert renewed is not None
    assert (renewed.lease_until, renewed.since) == (after(31), after(1))


def test_a_lease_comes_closer_at_once_when_the_deadline_does() -> None:
    first = kept(None, HELD, after(1))
    sooner = stopped(*PHASES, schedule=schedule(2, ready_by=after(215)))
    found = kept(first, sooner, after(2))
    assert found is not None
    assert first is not None
    assert found.lease_until == after(215) - timedelta(hours=20 / 7.2 * 1.1) - POLICY.release_margin < first.lease_until


def test_at_its_end_a_lease_is_left_to_lapse_and_written_no_more() -> None:
    known = kept(None, HELD, RELEASE - timedelta(minutes=5))
    assert known is not None
    assert known.lease_until == RELEASE
    for minutes in (-4, 0, 1, 20, 90):
        assert kept(known, HELD, RELEASE + timedelta(minutes=minutes)) is known


def test_what_is_written_into_the_car_is_told_at_once() -> None:
    first = kept(None, HELD, after(1))
    found = kept(first, HELD.model_copy(update={"backstop_at": after(570)}), after(2))
    assert found is not None
    assert found.backstop_at == after(570)


@pytest.mark.parametrize(
    "control",
    [
        stopped(*PHASES, schedule=None),
        stopped(*PHASES, schedule=schedule(2, reason=PlanReason.PAUSED, blocks=())),
        stopped(*PHASES, schedule=schedule(2, ready_by=None)),
        stopped(*PHASES, state=None),
    ],
    ids=["no plan", "paused", "no deadline", "unknown car"],
)
def test_what_control_cannot_judge_stays_in_the_registry_and_its_lease_runs_out(control: ControlState) -> None:
    first = kept(None, HELD, after(1))
    assert all(kept(first, control, after(minutes)) is first for minutes in (2, 15, 30, 300))


@pytest.mark.parametrize(
    "control",
    [
        observe_state(HELD, state(5, charge=Charge.CHARGING)),
        observe_state(HELD, state(5, charge=Charge.COMPLETE, soc_pct=79)),
        observe_state(HELD, state(5, soc_pct=81)),
        observe_state(HELD, state(5, at_home=False)),
        observe_state(HELD, state(5, session=session(ended_at=after(4)))),
        observe_state(HELD, state(5, session=session("s2"))),
        HELD.model_copy(update={"driver_override_session": "s1"}),
        observe_command(observe_command(HELD, stop(CommandPhase.SENT, 6, Action.START)),
                        stop(CommandPhase.CONFIRMED, 6, Action.START)),
    ],
    ids=["charging", "full", "at target", "away", "unplugged", "another stay", "the driver's hand", "started"],
)  # fmt: skip
def test_a_car_known_to_be_free_leaves_the_registry(control: ControlState) -> None:
    assert kept(kept(None, HELD, after(1)), control, after(7)) is None


def test_a_start_under_way_does_not_free_a_car_yet() -> None:
    first = kept(None, HELD, after(1))
    assert kept(first, observe_command(HELD, stop(CommandPhase.SENT, 6, Action.START)), after(7)) is first


def test_an_erased_car_may_be_freed_at_once_and_is_forgotten_a_day_later() -> None:
    first = kept(None, HELD, after(1))
    assert first is not None
    erased = orphaned(first, after(2))
    assert erased.lease_until == after(2)
    assert look_again(erased, after(2)) == after(2) + FORGET
    for control in (None, ControlState(car=CAR)):
        assert entry(erased, control, after(2) + FORGET - timedelta(seconds=1), POLICY) is erased
        assert entry(erased, control, after(2) + FORGET, POLICY) is None


def test_a_car_that_calls_itself_complete_after_our_stop_and_far_from_its_target_is_still_held() -> None:
    first = kept(None, HELD, after(1))
    assert kept(first, observe_state(HELD, state(5, charge=Charge.COMPLETE)), after(7)) is first


def test_a_lease_that_is_over_is_not_written_again_and_again_while_the_battery_is_unknown() -> None:
    unknown = HELD.model_copy(update={"state": state(1, soc_pct=None, soc_time=None)})
    known, written = kept(None, unknown, after(1)), 0
    for minutes in range(390, 560, 5):  # the block passes, and with it what it was to bring
        found = kept(known, unknown, after(minutes))
        assert found is not None
        written += found is not known and found.lease_until <= after(minutes)
        known = found
    assert written <= 1
