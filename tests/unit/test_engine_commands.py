"""Commands across a take-over: an intent not yet sent is sent once, one whose outcome was lost is unknown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents import commands
from agents.clock import LogClock
from agents.metrics import Metrics
from oem_connectors.errors import OemError, OutcomeUnknown
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.registration import Registration
from streams.topics import COMMAND, REGISTRATION
from tests.lanes import Rig, raws
from tests.night import CAR, PLUGGED, registration


class Cars:
    """The OEM's side: what was asked of it, and what it says."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.on_the_way: Callable[[], None] = lambda: None
        self.says: OemError | None = None
        self.answer = asyncio.Event()
        self.answer.set()

    async def command(
        self, partition: int, car: Registration, intent: CommandEvent, last_look: Callable[[], None]
    ) -> str | None:
        del partition, car
        self.on_the_way()
        last_look()
        self.sent.append(intent.id)
        await self.answer.wait()
        if self.says is not None:
            raise self.says
        return None


class Desk:
    """The stage in a lane that can be given up and taken over."""

    def __init__(self, directory: Path) -> None:
        self.cars, self.clock = Cars(), LogClock()
        cars: Any = self.cars
        self.rig = Rig(commands.stage(lambda: cars, self.clock, Metrics()), directory)

    async def rest(self) -> None:
        while self.rig.lane.jobs._tasks or not self.rig.lane.restored:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def take_over(self) -> None:
        """Another worker: the same store, nothing in memory, no tick seen."""
        self.rig.epoch += 1
        await self.rig.runtime.finish()
        self.rig.runtime.begin({(COMMAND.name, 0)})
        await self.rest()

    def phases(self) -> list[CommandPhase]:
        return [CommandEvent.model_validate_json(r.value or b"").phase for r in self.rig.log.of(COMMAND.name)]


def intent(minutes: float = 0) -> CommandEvent:
    at = PLUGGED + timedelta(minutes=minutes)
    return CommandEvent(
        id=f"c{minutes}", car=CAR, session_id="s1", action=Action.START, plan_revision=1, phase=CommandPhase.INTENT,
        at=at, decided_at=at, not_after=at + timedelta(minutes=15), reason="plan",
    )  # fmt: skip


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.rig.give(*raws(REGISTRATION.name, [(CAR, registration())]))
    yield made
    made.rig.epoch += 1
    await made.rig.runtime.finish()


async def test_an_intent_is_on_the_log_as_sending_before_the_call_and_as_sent_after(desk: Desk) -> None:
    desk.cars.answer.clear()
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    while not desk.cars.sent:  # noqa: ASYNC110 - the call follows a commit
        await asyncio.sleep(0.001)
    assert desk.phases() == [CommandPhase.SENDING]
    desk.cars.answer.set()
    await desk.rest()
    assert desk.phases() == [CommandPhase.SENDING, CommandPhase.SENT]


async def test_an_intent_read_again_is_not_sent_again(desk: Desk) -> None:
    for _ in range(3):
        await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
        await desk.rest()
    assert desk.cars.sent == ["c0"]


async def test_after_a_kill_during_the_call_the_outcome_is_unknown_and_nothing_is_sent_again(desk: Desk) -> None:
    desk.cars.answer.clear()
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    while not desk.cars.sent:  # noqa: ASYNC110 - the call follows a commit
        await asyncio.sleep(0.001)
    await desk.take_over()
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    await desk.rest()
    assert desk.cars.sent == ["c0"]
    assert desk.phases() == [CommandPhase.SENDING, CommandPhase.UNKNOWN]


async def test_after_a_kill_before_the_call_the_intent_is_sent_once_and_dated_no_earlier_than_decided(
    desk: Desk,
) -> None:
    desk.rig.log.refused = {COMMAND.name}  # the kill: `sending` does not become durable
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(5))]))
    while not desk.rig.crashes:  # noqa: ASYNC110 - the refusal surfaces in a job
        await asyncio.sleep(0.001)
    assert desk.cars.sent == []
    desk.rig.log.refused = set()
    await desk.take_over()
    await desk.rest()
    assert desk.cars.sent == ["c5"]
    events = [CommandEvent.model_validate_json(r.value or b"") for r in desk.rig.log.of(COMMAND.name)]
    assert [event.at for event in events] == [intent(5).at] * 2


async def test_a_late_intent_expires_unsent(desk: Desk) -> None:
    desk.clock.seen(PLUGGED + timedelta(minutes=16))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    await desk.rest()
    assert desk.cars.sent == []
    assert desk.phases() == [CommandPhase.EXPIRED]


async def test_no_answer_is_unknown_not_failed(desk: Desk) -> None:
    desk.cars.says = OutcomeUnknown("no answer")
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    await desk.rest()
    assert desk.phases() == [CommandPhase.SENDING, CommandPhase.UNKNOWN]
