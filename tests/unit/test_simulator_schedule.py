"""The schedule in the car itself: kept without us, told in every reading, done once at its instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oem_connectors.simulator import CONNECTOR
from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.log import Cause, Log, What, Who
from oem_connectors.simulator.cloud.states import Mode, Reply
from oem_connectors.simulator.cloud.truth import Truth
from streams.contracts.command import Action

PLUG_IN = datetime(2025, 1, 1, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
OURS = Cause(Who.COMMAND, "id-1", "plan-1")
CAR = SimCar(
    account="a",
    vehicle="b",
    stays=[
        Stay(PLUG_IN, PLUG_IN + 10 * HOUR, 40),
        Stay(PLUG_IN + 12 * HOUR, PLUG_IN + 20 * HOUR, 50, at_home=False),
    ],
)


def held(car: SimCar = CAR, start_hour: float = 6) -> tuple[Truth, Log]:
    """Stopped an hour after plug-in, with a start of its own `start_hour` hours after plug-in."""
    log = Log()
    truth = Truth(car, log, seed=1, born=PLUG_IN)
    assert truth.command(Action.STOP, PLUG_IN + HOUR, OURS) is Reply.ACCEPTED
    at = PLUG_IN + start_hour * HOUR
    assert truth.command(Action.SCHEDULE, PLUG_IN + HOUR * 1.1, OURS, at) is Reply.ACCEPTED
    return truth, log


def test_a_held_car_waits_says_so_and_starts_although_it_sleeps() -> None:
    truth, log = held()
    told = truth.sample(PLUG_IN + 1.2 * HOUR)
    assert (told.mode, told.scheduled_start) == (Mode.WAITING, PLUG_IN + 6 * HOUR)
    truth.advance(PLUG_IN + 5.9 * HOUR)
    assert truth.asleep
    told = truth.sample(PLUG_IN + 6 * HOUR)
    assert (told.mode, told.scheduled_start) == (Mode.CHARGING, None)
    assert log.changes[-1].cause == Cause(Who.SCHEDULE, "id-1", "plan-1")
    assert [change.what for change in log.effective()] == [What.STOPPED]


def test_it_is_done_once_and_the_last_word_counts() -> None:
    truth, log = held()
    assert truth.command(Action.SCHEDULE, PLUG_IN + 1.2 * HOUR, OURS, PLUG_IN + 3 * HOUR) is Reply.ACCEPTED
    assert truth.command(Action.SCHEDULE, PLUG_IN + 1.2 * HOUR, OURS, PLUG_IN + 3 * HOUR) is Reply.ALREADY
    truth.advance(PLUG_IN + 3.1 * HOUR)
    truth.command(Action.STOP, PLUG_IN + 3.2 * HOUR, OURS)
    truth.advance(PLUG_IN + 9 * HOUR)
    assert truth.mode is Mode.IDLE
    starts = [change.at for change in log.changes if change.what is What.STARTED]
    assert starts == [PLUG_IN, PLUG_IN + 3 * HOUR]


def test_a_removed_schedule_starts_nothing() -> None:
    truth, _ = held()
    assert truth.command(Action.UNSCHEDULE, PLUG_IN + 1.2 * HOUR, OURS) is Reply.ACCEPTED
    assert truth.command(Action.UNSCHEDULE, PLUG_IN + 1.2 * HOUR, OURS) is Reply.ALREADY
    told = truth.sample(PLUG_IN + 1.2 * HOUR)
    assert (told.mode, told.scheduled_start) == (Mode.IDLE, None)
    truth.advance(PLUG_IN + 9 * HOUR)
    assert truth.mode is Mode.IDLE


def test_a_schedule_left_in_the_car_delays_the_next_stay_wherever_it_is() -> None:
    truth, _ = held(start_hour=14)
    modes = [truth.sample(PLUG_IN + hours * HOUR).mode for hours in (12, 14)]
    assert modes == [Mode.WAITING, Mode.CHARGING]


def test_a_schedule_can_be_removed_away_from_home() -> None:
    truth, _ = held(start_hour=14)
    assert truth.command(Action.UNSCHEDULE, PLUG_IN + 11 * HOUR, OURS) is Reply.ACCEPTED
    truth.advance(PLUG_IN + 12 * HOUR)
    assert truth.mode is Mode.CHARGING


@pytest.mark.parametrize("start_at", [PLUG_IN, PLUG_IN + HOUR])
def test_only_an_instant_to_come_is_taken(start_at: datetime) -> None:
    truth = Truth(CAR, Log(), seed=1, born=PLUG_IN)
    assert truth.command(Action.SCHEDULE, PLUG_IN + HOUR, OURS, start_at) is Reply.NOT_FUTURE
    assert truth.sample(PLUG_IN + HOUR).scheduled_start is None


def test_a_jammed_car_does_not_start_by_its_schedule_either() -> None:
    truth, _ = held(replace(CAR, personality=Personality.CANNOT_RESUME))
    truth.advance(PLUG_IN + 9 * HOUR)
    assert truth.mode is Mode.IDLE


@pytest.mark.parametrize("model", ["sim-one", "sim-one-basic", "readonly"])
@pytest.mark.parametrize("action", Action)
def test_the_cloud_and_the_connector_agree_on_what_a_model_takes(model: str, action: Action) -> None:
    truth = Truth(replace(CAR, model=model), Log(), seed=1, born=PLUG_IN)
    reply = truth.command(action, PLUG_IN + HOUR, OURS, PLUG_IN + 2 * HOUR)
    assert (reply is not Reply.UNSUPPORTED) is CONNECTOR.can(model, action)
