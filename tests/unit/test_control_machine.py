"""Control under anything that may happen, in any order: the whole loop as a state machine, judged by the car's truth.

`D2EV_TEST_STEPS=1000000 pytest -s tests/unit/test_control_machine.py` takes longer and prints how fast it goes.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, time, timedelta
from itertools import count
from time import perf_counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from oem_connectors.simulator.cloud.chance import between
from oem_connectors.simulator.cloud.log import What
from oem_connectors.simulator.cloud.states import Mode
from streams.contracts.command import FINAL, Action
from streams.contracts.preference import Preference
from tests.loop import Loop, prices
from tests.loop_judge import HONEST, Hand, Judge

BORN = datetime(2025, 1, 6, 16, tzinfo=UTC)
FOREVER = timedelta(days=400)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
STEPS_EACH = 50
STEPS = int(os.environ.get("D2EV_TEST_STEPS", "1500"))
LONG = "D2EV_TEST_STEPS" in os.environ
SWITCHES = {What.STARTED, What.STOPPED}
#: A switch of the driver's can be told from what these cars do.
PLAIN = HONEST - {
    Personality.STALE_CACHE,
    Personality.FLICKERING_PLUG,
    Personality.CLOCK_SKEW,
    Personality.RANDOM_START,
    Personality.IGNORES_STOP,
}
PAUSES = (0, 0, 1, 10, 20, 45, 120)  # minutes between two events
RARELY = st.integers(0, 3).map(lambda draw: draw == 1)
taken = count()


class ControlMachine(RuleBasedStateMachine):
    """One car, its driver, its maker's cloud, the prices and the worker."""

    @initialize(
        personality=st.sampled_from(Personality),
        model=st.sampled_from([*["sim-one"] * 6, "sim-one-basic", "sim-one-basic", "readonly"]),
        soc_pct=st.integers(10, 85),
        seed=st.integers(0, 1000),
    )
    def plug_in(self, personality: Personality, model: str, soc_pct: int, seed: int) -> None:
        arrival = BORN + 2 * timedelta(hours=1)
        stay = Stay(arrival, arrival + FOREVER, soc_pct)
        car = SimCar(account="a", vehicle="b", model=model, personality=personality, stays=[stay])
        self.wish_now = Preference(car=car.key, updated_at=BORN)
        self.loop = Loop(car, self.wish_now, BORN, seed=seed)
        self.judge = Judge(self.loop)
        #: So much happened; what time passes in between depends on nothing else.
        self.events, self.seed = 0, seed
        #: The driver switched the car in this stay.
        self.touched = False
        self.new_prices(seed)
        self.loop.run(arrival)
        self.judge.at_home.append(True)
        self.judge.may_promise(self.wish_now)

    @property
    def plugged(self) -> bool:
        return self.loop.cloud.truth.mode is not Mode.AWAY

    def live(self, span: timedelta) -> None:
        """Time goes on, with a halt where the promise falls due."""
        until = self.loop.now + span
        promise = self.judge.promise
        if promise is not None and promise.ready_by <= until:
            self.loop.run(promise.ready_by)
            self.judge.at_ready_by()
        self.loop.run(until)

    @rule(minutes=st.sampled_from([5, 20, 60, 120, 240]))
    def time_passes(self, minutes: int) -> None:
        self.live(minutes * MINUTE)

    @precondition(lambda self: self.judge.promise is not None)
    @rule()
    def the_night_passes(self) -> None:
        assert self.judge.promise is not None
        self.live(self.judge.promise.ready_by - self.loop.now)

    @rule(seed=st.integers(0, 1000))
    def new_prices(self, seed: int) -> None:
        start = self.loop.now.replace(minute=0, second=0, microsecond=0)
        values = [round(between(0.05, 0.4, seed, hour), 2) for hour in range(36)]
        self.loop.vintage(prices(start, values, issued_at=self.loop.now))

    @rule(
        mode=st.sampled_from(["smart", "smart", "smart", "boost", "paused"]),
        hour=st.integers(5, 9),
        target_pct=st.integers(50, 90),
    )
    def another_wish(self, mode: str, hour: int, target_pct: int) -> None:
        self.live(SECOND)
        changed = {"mode": mode, "ready_by": time(hour), "target_soc_pct": target_pct, "updated_at": self.loop.now}
        self.wish_now = self.wish_now.model_copy(update=changed)
        self.loop.wish(self.wish_now)
        if mode == "boost":
            self.judge.boosted_at.append(self.loop.now)
        if self.touched:
            self.judge.promise = None
        else:
            self.judge.may_promise(self.wish_now)

    @precondition(lambda self: self.plugged)
    @rule(rarely=RARELY, action=st.sampled_from([Action.START, Action.STOP]))
    def driver_at_the_car(self, rarely: bool, action: Action) -> None:
        """Who knows when, and nobody looks."""
        if rarely:
            self.touched, self.judge.promise = True, None
            self.loop.cloud.truth.by_hand(action, self.loop.now)

    @precondition(lambda self: self.contradiction is not None)
    @rule()
    def driver_contradicts(self) -> None:
        """Against what we want and what a reading shows: nobody could take it for anything else."""
        action, loop = self.contradiction, self.loop
        assert action is not None
        self.touched, self.judge.promise = True, None
        loop.cloud.truth.by_hand(action, loop.now)
        self.judge.hands.append(Hand(self.judge.stay, action, loop.now))
        loop.reading_delay = timedelta(0)
        self.live(SECOND)
        loop.look()
        self.live(2 * SECOND)

    @property
    def contradiction(self) -> Action | None:
        """What the driver would do to undo what we want, if what we know is plain."""
        loop, state = self.loop, self.loop.control.state
        plan, command = loop.schedule, loop.command
        in_doubt = command is not None and command.phase not in FINAL
        if (
            state is None
            or state.session is None
            or plan is None
            or in_doubt
            or loop.cloud.car.personality not in PLAIN
        ):
            return None
        edges = [edge for block in plan.blocks for edge in (block.start, block.end) if edge <= loop.now]
        events = [change.at for change in loop.cloud.log.changes if change.what in SWITCHES]
        commanded = [] if command is None else [command.at]
        known_since = max([state.session.plugged_at + 10 * MINUTE, *edges, *events, *commanded])
        if state.car_time <= known_since or not loop.cloud.reachable(loop.now):
            return None
        plain = {("waiting_for_block", Mode.IDLE): Action.START, ("in_block", Mode.CHARGING): Action.STOP}
        return plain.get((loop.steps[-1].reason, loop.cloud.truth.mode))

    @rule(
        rarely=RARELY,
        minutes=st.sampled_from([2, 40, 120, 500]),
        soc_pct=st.integers(5, 80),
        home=st.sampled_from([True, True, False]),
    )
    def trip(self, rarely: bool, minutes: int, soc_pct: int, home: bool) -> None:
        if not rarely:
            return
        loop, judge = self.loop, self.judge
        judge.promise, self.touched = None, False
        loop.cloud.truth.unplug(loop.now)
        at = loop.now + minutes * MINUTE
        left_pct = min(soc_pct, int(loop.cloud.truth.soc_at(loop.now)))
        loop.cloud.truth.come_back(Stay(at, at + FOREVER, left_pct, at_home=home))
        self.live((minutes - 1) * MINUTE)
        judge.look()
        judge.at_home.append(home)
        self.live(MINUTE)
        judge.may_promise(self.wish_now)

    @rule(kind=st.sampled_from(["lost_answers", "lost_requests", "asleep", "no_effect"]))
    def trouble_with_a_command(self, kind: str) -> None:
        setattr(self.loop.cloud.trouble, kind, 1)

    @rule(minutes=st.sampled_from([10, 10, 10, 60, 240]), throttled=st.booleans())
    def trouble_with_the_maker(self, minutes: int, throttled: bool) -> None:
        until = self.loop.now + minutes * MINUTE
        setattr(self.loop.cloud.trouble, "throttled_until" if throttled else "outage_until", until)
        if minutes > 10:
            self.judge.promise = None
        self.judge.reachable_since = max(self.judge.reachable_since, until)

    @rule(minutes=st.sampled_from([0, 0, 3, 20]))
    def readings_late(self, minutes: int) -> None:
        self.loop.reading_delay = minutes * MINUTE

    @precondition(lambda self: self.loop.readings)
    @rule(back=st.integers(1, 5))
    def a_reading_comes_again(self, back: int) -> None:
        self.loop.again(self.loop.readings[-min(back, len(self.loop.readings))])

    @rule(sending=st.sampled_from([None, None, True, False]))
    def worker_restarts(self, sending: bool | None) -> None:
        self.loop.restart(sending=sending)

    @invariant()
    def all_promises_hold(self) -> None:
        next(taken)
        if hasattr(self, "judge"):
            self.judge.look()
            self.events += 1
            self.live(PAUSES[int(between(0, len(PAUSES), self.seed, self.events))] * MINUTE)


@pytest.mark.timeout(0 if LONG else 120)
def test_control_holds_its_promises_whatever_happens() -> None:
    began = perf_counter()
    effort = settings(
        max_examples=max(1, STEPS // STEPS_EACH),
        stateful_step_count=STEPS_EACH,
        derandomize=not LONG,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(ControlMachine, settings=effort)
    steps, seconds = next(taken), perf_counter() - began
    print(f"\n{steps} steps in {seconds:.0f} s: {steps / seconds:.0f} per second")  # noqa: T201 - the long run is started by hand
    assert steps > STEPS / 2
