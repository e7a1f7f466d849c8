"""What telemetry proves about a command: only a later sample of the car is an effect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.confirm import judge

SENT_AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=3)
SESSION = PlugSession(id="s", plugged_at=SENT_AT, seen_at=SENT_AT, revision=1, evidence=Evidence.PLUG_READING)
START, STOP, WAKE = Action.START, Action.STOP, Action.WAKE
CONFIRMED, FAILED, UNKNOWN = CommandPhase.CONFIRMED, CommandPhase.FAILED, CommandPhase.UNKNOWN


def at(minutes: float) -> datetime:
    return SENT_AT + timedelta(minutes=minutes)


def command(action: Action, phase: CommandPhase = CommandPhase.SENT) -> CommandEvent:
    return CommandEvent(
        id="c", car="a.b", session_id="s", plan_revision=1, action=action, phase=phase, at=at(0),
        decided_at=at(-1), not_after=at(4), reason="in_block",
    )  # fmt: skip


def state(minutes: float, charge: Charge, **fields: Any) -> VehicleState:
    times = {"car_time": at(minutes), "received_time": at(minutes)}
    return VehicleState(car="a.b", oem="sim", charge=charge, **(times | {"session": SESSION} | fields))


ENDED = SESSION.model_copy(update={"ended_at": at(1), "end_evidence": Evidence.TWO_READINGS})
OTHER = SESSION.model_copy(update={"id": "next"})
CASES: dict[str, tuple[Action, VehicleState | None, float, CommandPhase | None, str | None]] = {
    "start: charging": (START, state(1, Charge.CHARGING), 1, CONFIRMED, None),
    "start: already full": (START, state(1, Charge.COMPLETE), 1, CONFIRMED, None),
    "start: seen after the window": (START, state(1, Charge.CHARGING), 9, CONFIRMED, None),
    "start: not yet": (START, state(1, Charge.IDLE), 1, None, None),
    "start: still starting": (START, state(1, Charge.STARTING), 3, None, None),
    "start: ignored": (START, state(1, Charge.IDLE), 3.1, FAILED, "ignored"),
    "start: charging before it was sent proves nothing": (START, state(-1, Charge.CHARGING), 1, None, None),
    "start: charging as it was sent proves nothing": (START, state(0, Charge.CHARGING), 1, None, None),
    "stop: silent on charging since": (
        STOP,
        state(2, Charge.CHARGING, charge_time=at(-5)),
        3.1,
        UNKNOWN,
        "unobservable",
    ),
    "start: silent on charging since": (
        START,
        state(2, Charge.IDLE, charge_time=at(-5)),
        3.1,
        UNKNOWN,
        "unobservable",
    ),
    "start: charging before it was sent, and silent since": (
        START,
        state(2, Charge.CHARGING, charge_time=at(-5)),
        1,
        None,
        None,
    ),
    "wake: silent on charging, but awake": (WAKE, state(2, Charge.IDLE, charge_time=at(-5)), 1, CONFIRMED, None),
    "start: nothing heard": (START, state(-1, Charge.IDLE), 3.1, UNKNOWN, "unobservable"),
    "start: nothing known": (START, None, 3.1, UNKNOWN, "unobservable"),
    "start: nothing known yet": (START, None, 3, None, None),
    "start: the car does not say": (START, state(1, Charge.UNKNOWN), 3.1, UNKNOWN, "unobservable"),
    "start: unplugged": (START, state(1, Charge.IDLE, session=ENDED), 1, FAILED, "unplugged"),
    "start: another session": (START, state(1, Charge.CHARGING, session=OTHER), 1, FAILED, "unplugged"),
    "start: no session": (START, state(1, Charge.IDLE, session=None), 1, FAILED, "unplugged"),
    "stop: resting": (STOP, state(1, Charge.IDLE), 1, CONFIRMED, "obeyed"),
    "stop: waiting for its timer": (STOP, state(1, Charge.SCHEDULED), 1, CONFIRMED, "obeyed"),
    "stop: still charging": (STOP, state(1, Charge.CHARGING), 3, None, None),
    "stop: ignored": (STOP, state(1, Charge.CHARGING), 3.1, FAILED, "ignored"),
    "stop: starting is not stopped": (STOP, state(1, Charge.STARTING), 3.1, FAILED, "ignored"),
    "stop: the car does not say": (STOP, state(1, Charge.UNKNOWN), 3.1, UNKNOWN, "unobservable"),
    "wake: any sample": (WAKE, state(1, Charge.UNKNOWN), 1, CONFIRMED, None),
    "wake: nothing": (WAKE, state(-1, Charge.IDLE), 3.1, UNKNOWN, "unobservable"),
}


@pytest.mark.parametrize("phase", [CommandPhase.SENT, CommandPhase.SENDING])
@pytest.mark.parametrize(("action", "known", "minutes", "expected", "detail"), CASES.values(), ids=CASES)
def test_what_a_reading_proves(
    action: Action,
    known: VehicleState | None,
    minutes: float,
    expected: CommandPhase | None,
    detail: str | None,
    phase: CommandPhase,
) -> None:
    asked = command(action, phase)
    verdict = judge(asked, known, at(minutes), WINDOW)
    if expected is None:
        assert verdict is None
    else:
        changed = {"phase": expected, "detail": detail, "at": at(minutes)}
        assert verdict == asked.model_copy(update=changed)


ALREADY: dict[str, tuple[Action, VehicleState | None, float, CommandPhase | None, str | None]] = {
    "stopped, says the OEM, and charges": (STOP, state(1, Charge.CHARGING), 3.1, UNKNOWN, "contradicted"),
    "not yet late": (STOP, state(1, Charge.CHARGING), 3, None, None),
    "stopped, and rests": (STOP, state(1, Charge.IDLE), 1, CONFIRMED, "obeyed"),
    "stopped, and nobody saw": (STOP, state(-1, Charge.CHARGING), 3.1, UNKNOWN, "unobservable"),
    "started, says the OEM, and rests": (START, state(1, Charge.IDLE), 3.1, UNKNOWN, "contradicted"),
    "started, and charges": (START, state(1, Charge.CHARGING), 1, CONFIRMED, None),
}


@pytest.mark.parametrize(("action", "known", "minutes", "expected", "detail"), ALREADY.values(), ids=ALREADY)
def test_the_oem_s_already_is_held_against_what_the_car_says(
    action: Action, known: VehicleState | None, minutes: float, expected: CommandPhase | None, detail: str | None
) -> None:
    asked = command(action).model_copy(update={"detail": "already"})
    verdict = judge(asked, known, at(minutes), WINDOW)
    assert (None if verdict is None else (verdict.phase, verdict.detail)) == (expected and (expected, detail))


SET = at(120)
IDLE, DRIVING = Charge.IDLE, Charge.UNKNOWN
SENDING, SENT = CommandPhase.SENDING, CommandPhase.SENT
TIMERS: dict[str, tuple[datetime | None, CommandPhase, VehicleState | None, float, CommandPhase | None, str | None]] = {
    "set: shown": (SET, SENT, state(1, IDLE, scheduled_start=at(120)), 1, CONFIRMED, None),
    "set: shown to the minute": (SET, SENT, state(1, IDLE, scheduled_start=at(121.5)), 1, CONFIRMED, None),
    "set: another, not late": (SET, SENT, state(1, IDLE, scheduled_start=at(60)), 2, None, None),
    "set: another": (SET, SENT, state(1, IDLE, scheduled_start=at(60)), 3.1, FAILED, "ignored"),
    "set: a car that never says, not late": (SET, SENT, state(1, IDLE), 2, None, None),
    "set: a car that never says": (SET, SENT, state(1, IDLE), 3.1, CONFIRMED, None),
    "set: never answered, never said": (SET, SENDING, state(1, IDLE), 3.1, UNKNOWN, "unobservable"),
    "set: never answered, but shown": (SET, SENDING, state(1, IDLE, scheduled_start=SET), 1, CONFIRMED, None),
    "set: not read": (SET, SENT, state(-1, IDLE, scheduled_start=SET), 3.1, UNKNOWN, "unobservable"),
    "set: unplugged, it may stand": (SET, SENDING, state(1, IDLE, session=ENDED), 3.1, UNKNOWN, "unobservable"),
    "undone: shows none": (None, SENT, state(1, IDLE), 1, CONFIRMED, None),
    "undone: away": (None, SENT, state(1, DRIVING, session=ENDED), 1, CONFIRMED, None),
    "undone: still shown": (None, SENT, state(1, IDLE, scheduled_start=SET), 2, None, None),
    "undone: ignored": (None, SENT, state(1, IDLE, scheduled_start=SET), 3.1, FAILED, "ignored"),
    "undone: not read": (None, SENT, state(-1, IDLE), 3.1, UNKNOWN, "unobservable"),
}  # fmt: skip


@pytest.mark.parametrize(("start", "phase", "known", "minutes", "expected", "detail"), TIMERS.values(), ids=TIMERS)
def test_what_a_reading_proves_about_the_car_s_own_schedule(
    start: datetime | None,
    phase: CommandPhase,
    known: VehicleState | None,
    minutes: float,
    expected: CommandPhase | None,
    detail: str | None,
) -> None:
    asked = command(Action.UNSCHEDULE if start is None else Action.SCHEDULE, phase)
    verdict = judge(asked.model_copy(update={"start_at": start}), known, at(minutes), WINDOW)
    assert (None if verdict is None else (verdict.phase, verdict.detail)) == (expected and (expected, detail))


@pytest.mark.parametrize(("minutes", "expired"), [(7, False), (7.1, True)])
def test_an_intent_that_nobody_sent_expires(minutes: float, expired: bool) -> None:
    verdict = judge(command(START, CommandPhase.INTENT), state(1, Charge.CHARGING), at(minutes), WINDOW)
    assert (verdict is not None and verdict.phase is CommandPhase.EXPIRED) is expired


@given(st.sampled_from(sorted(FINAL)), st.sampled_from(Action), st.sampled_from(Charge), st.integers(0, 99))
def test_a_final_phase_stays(phase: CommandPhase, action: Action, charge: Charge, minutes: int) -> None:
    assert judge(command(action, phase), state(1, charge), at(minutes), WINDOW) is None


@given(st.sampled_from(Action), st.none() | st.sampled_from(Charge), st.integers(-5, 5))
def test_every_command_is_judged_in_the_end(action: Action, charge: Charge | None, minutes: int) -> None:
    known = None if charge is None else state(minutes, charge)
    verdict = judge(command(action), known, at(99), WINDOW)
    assert verdict is not None
    assert verdict.phase in FINAL
