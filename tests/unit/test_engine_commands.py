"""Commands across a take-over: an intent not yet sent is sent once, one whose outcome was lost is unknown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents import commands, outbox
from agents.clock import LogClock
from agents.gate import Suspended
from agents.metrics import Metrics
from oem_connectors.errors import Asleep, NeedsConsent, OemError, OutcomeUnknown, Rejected, Throttled, Unavailable
from streams.contracts.account import AccountState, Link
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.plug_event import PlugEvent, PlugEventKind
from streams.contracts.registration import Registration
from streams.contracts.vehicle import Evidence
from streams.topics import ACCOUNT, COMMAND, PLUG, REGISTRATION, TICK
from tables import OUTBOX
from tests.lanes import Rig, raw, raws
from tests.night import CAR, PLUGGED, registration


class Cars:
    """The OEM's side: what was asked of it, and what it says."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.actions: list[Action] = []
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
        self.actions.append(intent.action)
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

    async def tick(self, minutes: float) -> None:
        at = PLUGGED + timedelta(minutes=minutes)
        self.clock.seen(at)
        await self.rig.give(*raws(TICK.name, [("0", Tick(at=at, phase=TickPhase.ACT))]))
        await self.rest()

    async def take_over_when(self, so: Callable[[], bool]) -> None:
        while not so():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        self.rig.epoch += 1
        await self.rig.runtime.finish()
        self.rig.runtime.begin({(COMMAND.name, 0)})

    def events(self) -> list[CommandEvent]:
        return [CommandEvent.model_validate_json(r.value or b"") for r in self.rig.log.of(COMMAND.name)]

    def phases(self) -> list[CommandPhase]:
        return [event.phase for event in self.events()]


def intent(minutes: float = 0, action: Action = Action.START) -> CommandEvent:
    at = PLUGGED + timedelta(minutes=minutes)
    return CommandEvent(
        id=f"c{minutes}", car=CAR, session_id="s1", action=action, plan_revision=1, phase=CommandPhase.INTENT,
        at=at, decided_at=at, not_after=at + timedelta(minutes=15), reason="plan",
    )  # fmt: skip


def account(link: Link, name: str = "acct") -> AccountState:
    return AccountState(account=name, oem="simulator", link=link, reason="refused", since=PLUGGED)


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
    assert [event.at for event in desk.events()] == [intent(5).at] * 2


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


@pytest.mark.parametrize(
    ("trouble", "detail", "wait"),
    [
        (Throttled("429", timedelta(minutes=2)), "throttled", timedelta(minutes=2)),
        (Suspended("open", timedelta(minutes=1)), "unavailable", timedelta(minutes=1)),
        (Unavailable("503"), "unavailable", None),
        (Asleep("z"), "asleep", None),
        (Rejected("no"), "rejected", None),
    ],
)
async def test_what_was_not_applied_is_failed_with_its_reason_and_when_to_come_back(
    desk: Desk, trouble: OemError, detail: str, wait: timedelta | None
) -> None:
    desk.cars.says = trouble
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    await desk.rest()
    last = desk.events()[-1]
    assert (last.phase, last.detail) == (CommandPhase.FAILED, detail)
    assert last.retry_at == (None if wait is None else last.at + wait)


async def test_an_intent_that_a_newer_one_replaced_unsent_expires_and_is_not_sent(desk: Desk) -> None:
    desk.cars.answer.clear()
    other = [("acct.other", registration(car="acct.other"))]
    await desk.rig.give(*raws(REGISTRATION.name, other))
    first = intent().model_copy(update={"car": "acct.other", "id": "busy"})
    await desk.rig.give(*raws(COMMAND.name, [("acct.other", first)]))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(1, Action.STOP))]))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(2))]))
    desk.cars.answer.set()
    await desk.rest()
    assert desk.cars.sent == ["busy", "c2"]
    steps = [(event.id, event.phase.value, event.detail) for event in desk.events() if event.car == CAR]
    assert steps == [("c1", "expired", "superseded"), ("c2", "sending", None), ("c2", "sent", None)]


async def test_an_intent_replaced_on_its_way_to_the_oem_is_held_back(desk: Desk) -> None:
    def replaced() -> None:
        desk.cars.on_the_way = lambda: None
        row = desk.rig.lane.get(OUTBOX, CAR)
        assert row is not None
        newer = row.model_copy(update={"command": intent(2)})
        desk.rig.lane._rows._remember({(OUTBOX.name, CAR): newer})

    desk.cars.on_the_way = replaced
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(1, Action.STOP))]))
    await desk.rest()
    assert desk.cars.sent == []
    assert [(event.phase.value, event.detail) for event in desk.events()] == [
        ("sending", None),
        ("expired", "superseded"),
    ]


async def test_a_command_whose_time_ran_out_on_its_way_is_held_back(desk: Desk) -> None:
    desk.cars.on_the_way = lambda: desk.clock.seen(PLUGGED + timedelta(minutes=16))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent())]))
    await desk.rest()
    assert desk.cars.sent == []
    assert desk.phases() == [CommandPhase.SENDING, CommandPhase.EXPIRED]


async def test_a_worker_that_lost_its_partition_on_the_way_sends_nothing_and_says_nothing(desk: Desk) -> None:
    def lose() -> None:
        desk.rig.epoch += 1

    desk.cars.on_the_way = lose
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    assert desk.cars.sent == []
    assert desk.phases() == [CommandPhase.SENDING]


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (Link.NEEDS_CONSENT, "consent_lost"),
        (Link.REVOKED, "consent_lost"),
        (Link.EXPIRING, "consent_in_doubt"),
    ],
)
async def test_when_consent_is_lost_or_in_doubt_the_cars_that_we_may_hold_are_started_once(
    desk: Desk, link: Link, reason: str
) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    for _ in range(2):
        await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(link))]))
        await desk.rest()
    assert len(desk.cars.sent) == 2
    assert [(event.action, event.phase) for event in desk.events()][2:] == [
        (Action.START, CommandPhase.INTENT),
        (Action.START, CommandPhase.SENDING),
        (Action.START, CommandPhase.SENT),
    ]
    assert desk.events()[-1].reason == reason


async def test_a_car_that_sleeps_as_consent_is_in_doubt_is_woken_and_started(desk: Desk) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    desk.cars.says = Asleep("z")
    await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.EXPIRING))]))
    await desk.rest()
    desk.cars.says = None
    for minutes in (5, 10, 15, 20):
        await desk.tick(minutes)
    assert desk.cars.actions == [Action.STOP, Action.START, Action.WAKE, Action.START]
    assert not outbox.may_hold(desk.rig.lane, CAR)


async def test_a_release_that_another_command_replaced_unsent_is_asked_for_again(desk: Desk) -> None:
    other = "acct.other"
    await desk.rig.give(*raws(REGISTRATION.name, [(other, registration(car=other))]))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    desk.cars.answer.clear()
    await desk.rig.give(*raws(COMMAND.name, [(other, intent(1).model_copy(update={"car": other}))]))
    await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.EXPIRING))]))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(5, Action.SCHEDULE))]))
    desk.cars.answer.set()
    await desk.rest()
    assert outbox.may_hold(desk.rig.lane, CAR)
    await desk.tick(10)
    assert desk.cars.actions == [Action.STOP, Action.START, Action.SCHEDULE, Action.START]
    assert not outbox.may_hold(desk.rig.lane, CAR)


async def test_a_release_that_is_refused_is_not_asked_for_again_when_its_cause_is_read_again(desk: Desk) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    desk.cars.says = NeedsConsent("dead")
    for _ in range(3):
        await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.NEEDS_CONSENT))]))
        await desk.rest()
    assert desk.cars.actions == [Action.STOP, Action.START]


async def test_a_stop_sent_after_the_doubt_is_not_undone_by_a_release_from_before(desk: Desk) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    desk.cars.says = Unavailable("503")
    await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.EXPIRING))]))
    await desk.rest()
    desk.cars.says = None
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(5)), (CAR, intent(6, Action.STOP))]))
    await desk.rest()
    await desk.tick(20)
    assert desk.cars.actions[-1] is Action.STOP


async def test_a_second_stop_that_was_not_sent_does_not_make_the_first_forgotten(desk: Desk) -> None:
    desk.cars.says = OutcomeUnknown("no answer")
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    desk.cars.says = Suspended("a refresh was not answered", timedelta(seconds=30))
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(5, Action.STOP))]))
    await desk.rest()
    assert outbox.may_hold(desk.rig.lane, CAR)


async def test_a_second_loss_lets_a_car_go_that_was_stopped_again_since(desk: Desk) -> None:
    for minutes in (0, 60):
        await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(minutes, Action.STOP))]))
        await desk.rest()
        doubt = account(Link.EXPIRING).model_copy(update={"since": PLUGGED + timedelta(minutes=minutes)})
        await desk.rig.give(*raws(ACCOUNT.name, [("acct", doubt)]))
        await desk.rest()
    assert desk.cars.actions == [Action.STOP, Action.START] * 2


@pytest.mark.parametrize(
    ("says", "tries"), [(Unavailable("503"), 4), (Throttled("429", timedelta(minutes=1)), 4), (NeedsConsent("dead"), 2)]
)
async def test_a_release_is_asked_for_until_the_cloud_has_an_answer(desk: Desk, says: OemError, tries: int) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    desk.cars.says = says
    await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.NEEDS_CONSENT))]))
    await desk.rest()
    for minutes in (10, 20, 30):
        desk.cars.says = None if minutes == 20 else desk.cars.says
        await desk.tick(minutes)
        if minutes == 10:
            await desk.take_over()
    assert len(desk.cars.sent) == len(set(desk.cars.sent)) == tries


@pytest.mark.parametrize("says", [None, Rejected("no"), OutcomeUnknown("no answer")])
async def test_only_a_stop_that_may_have_worked_is_undone(desk: Desk, says: OemError | None) -> None:
    desk.cars.says = says
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.NEEDS_CONSENT))]))
    await desk.rest()
    assert len(desk.cars.sent) == (1 if isinstance(says, Rejected) else 2)


async def test_a_started_car_and_a_car_of_another_account_are_left_alone_when_consent_is_lost(desk: Desk) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP)), (CAR, intent(1))]))
    await desk.rest()
    sent = list(desk.cars.sent)
    for name in ("acct", "other"):
        await desk.rig.give(*raws(ACCOUNT.name, [(name, account(Link.NEEDS_CONSENT, name))]))
        await desk.rest()
    assert desk.cars.sent == sent == ["c1"]


async def test_an_erased_car_that_we_may_hold_is_started_then_forgotten_without_a_trace_on_the_log(desk: Desk) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    before = len(desk.events())
    desk.cars.answer.clear()
    await desk.rig.give(raw(REGISTRATION.name, 9, CAR.encode(), None))
    await desk.take_over_when(lambda: len(desk.cars.sent) == 2)
    desk.cars.answer.set()
    await desk.rest()
    assert len(desk.cars.sent) == 3  # the kill came between the start and the forgetting: asked again
    assert desk.rig.lane.get(OUTBOX, CAR) is None
    assert len(desk.events()) == before


async def test_an_erased_car_that_we_do_not_hold_is_forgotten_at_once(desk: Desk) -> None:
    await desk.rig.give(raw(REGISTRATION.name, 9, CAR.encode(), None))
    await desk.rest()
    assert desk.cars.sent == []
    assert desk.rig.lane.get(OUTBOX, CAR) is None


async def test_a_worker_that_slept_through_its_session_sends_nothing_though_nobody_told_it(desk: Desk) -> None:
    def sleep() -> None:
        desk.rig.runtime.alive = lambda: False

    desk.cars.on_the_way = sleep
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    chunk = await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(1))]))
    await desk.rest()
    assert desk.cars.sent == []
    assert desk.phases() == [CommandPhase.SENDING]
    assert chunk.dropped


async def test_in_the_queue_of_an_account_starts_go_before_stops(desk: Desk) -> None:
    names = ["acct.a", "acct.b", "acct.c", "acct.d"]
    await desk.rig.give(*raws(REGISTRATION.name, [(name, registration(car=name)) for name in names]))
    desk.cars.answer.clear()
    actions = [Action.STOP, Action.STOP, Action.SCHEDULE, Action.START]
    intents = [
        (name, intent(n, action).model_copy(update={"car": name}))
        for n, (name, action) in enumerate(zip(names, actions, strict=True))
    ]
    await desk.rig.give(*raws(COMMAND.name, intents))
    desk.cars.answer.set()
    await desk.rest()
    assert desk.cars.sent == ["c3", "c0", "c1", "c2"]


async def test_what_waited_when_a_partition_left_is_sent_by_its_next_owner_once(desk: Desk) -> None:
    await desk.rig.give(*raws(REGISTRATION.name, [("acct.a", registration(car="acct.a"))]))
    desk.cars.answer.clear()
    await desk.rig.give(
        *raws(COMMAND.name, [("acct.a", intent().model_copy(update={"car": "acct.a"})), (CAR, intent(1))])
    )
    while not desk.cars.sent:  # noqa: ASYNC110 - the call follows a commit
        await asyncio.sleep(0.001)
    desk.rig.epoch += 1
    await desk.rig.runtime.finish()
    desk.cars.answer.set()
    desk.rig.runtime.begin({(COMMAND.name, 0)})
    await desk.rest()
    assert desk.cars.sent == ["c0", "c1"]


async def test_after_a_take_over_nothing_of_the_old_queue_stands_in_the_way(desk: Desk) -> None:
    other = CAR.split(".")[0] + ".v2"

    def stop(car: str, minutes: float, name: str) -> CommandEvent:
        return intent(minutes, Action.STOP).model_copy(update={"id": name, "car": car})

    await desk.rig.give(*raws(REGISTRATION.name, [(other, registration(car=other))]))
    desk.cars.answer.clear()
    await desk.rig.give(*raws(COMMAND.name, [(CAR, stop(CAR, 0, "a1")), (other, stop(other, 0, "b1"))]))
    await desk.take_over_when(lambda: bool(desk.cars.sent))
    desk.cars.answer.set()
    await desk.rest()
    for car, name in ((CAR, "a2"), (other, "b2")):
        await desk.rig.give(*raws(COMMAND.name, [(car, stop(car, 5, name))]))
        await desk.rest()
    assert desk.cars.sent[-2:] == ["a2", "b2"]


@pytest.mark.parametrize(
    ("kind", "session_id", "released"),
    [
        (PlugEventKind.UNPLUGGED, "s1", False),
        (PlugEventKind.PLUGGED_IN, "s2", False),
        (PlugEventKind.UNPLUGGED, "s0", True),
        (PlugEventKind.SESSION_CORRECTED, "s1", True),
    ],
)
async def test_lost_consent_starts_no_car_that_was_unplugged_since_our_stop(
    desk: Desk, kind: PlugEventKind, session_id: str, released: bool
) -> None:
    await desk.rig.give(*raws(COMMAND.name, [(CAR, intent(0, Action.STOP))]))
    await desk.rest()
    at = PLUGGED + timedelta(hours=9)
    event = PlugEvent(
        id="p", car=CAR, kind=kind, session_id=session_id, session_revision=1, at=at, observed_at=at,
        evidence=Evidence.TWO_READINGS, confidence=0.9,
    )  # fmt: skip
    await desk.rig.give(*raws(PLUG.name, [(CAR, event)]))
    await desk.rig.give(*raws(ACCOUNT.name, [("acct", account(Link.NEEDS_CONSENT))]))
    await desk.rest()
    assert any(event.action is Action.START for event in desk.events()) is released


@pytest.mark.parametrize(("hours", "asked"), [(5, [Action.UNSCHEDULE]), (-5, [])])
async def test_an_erased_car_keeps_no_start_of_ours_that_is_still_to_come(
    desk: Desk, hours: float, asked: list[Action]
) -> None:
    start_at = PLUGGED + timedelta(hours=hours)
    written = intent(0, Action.SCHEDULE).model_copy(update={"start_at": start_at})
    await desk.rig.give(*raws(COMMAND.name, [(CAR, written)]))
    await desk.rest()
    await desk.tick(1)
    before = len(desk.cars.actions)
    await desk.rig.give(raw(REGISTRATION.name, 9, CAR.encode(), None))
    await desk.rest()
    assert desk.cars.actions[before:] == asked
    assert desk.rig.lane.get(OUTBOX, CAR) is None
