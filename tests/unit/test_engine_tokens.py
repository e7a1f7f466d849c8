"""Grants in the hands of a worker: one refresh per account at a time, and a spent token always has its successor."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agents import accounts, envelope
from agents.cars import Cars
from agents.clock import LogClock
from agents.engine.log import NotDurable
from agents.engine.stage import Revoked
from agents.gate import Suspended
from agents.guardian.known import Known
from agents.metrics import Metrics
from agents.said import Said
from agents.sealing import Sealer, new_key
from oem_connectors.base import Grant
from oem_connectors.errors import (
    NeedsConsent,
    NotApplied,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
)
from streams.contracts.account import AccountState, Link
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.topics import ACCOUNT, REGISTRATION, TICK
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow
from tests.lanes import KEY, Rig, raws
from tests.night import CAR, registration

NOW = datetime(2023, 5, 14, 17, tzinfo=UTC)
LIFE = timedelta(hours=8)


class Cloud:
    """An OEM whose refresh tokens are good once; `answer` lets refreshes through, `loses` drops their answers."""

    def __init__(self) -> None:
        self.good = "rt-0"
        self.refreshes = 0
        self.asked = 0
        self.calls: Counter[str] = Counter()
        self.answer = asyncio.Event()
        self.answer.set()
        self.loses = False
        self.refuses: OemError | None = None
        self.dead: set[str] = set()
        self.meanwhile: Callable[[], Any] | None = None

    async def refresh(self, token: SecretStr, now: datetime) -> Grant:
        self.asked += 1
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if self.refuses is not None:
            raise self.refuses
        if token.get_secret_value() != self.good:
            raise NeedsConsent("spent")
        self.refreshes += 1
        self.good = f"rt-{self.refreshes}"
        await self.answer.wait()
        if self.loses:
            raise OutcomeUnknown("no answer")
        return Grant(
            access_token=SecretStr(f"at-{self.refreshes}"), refresh_token=SecretStr(self.good), expires_at=now + LIFE
        )

    async def read(self, grant: Grant, car: str, vehicle: str, now: datetime, model: str) -> str:
        del vehicle, now, model
        return f"{car} by {self._let_in(grant)}"

    async def command(self, grant: Grant, vehicle: str, action: Action, *more: Any, **about: Any) -> str:
        del vehicle, more, about
        return f"{action} by {self._let_in(grant)}"

    def _let_in(self, grant: Grant) -> str:
        token = grant.access_token.get_secret_value()
        self.calls[token] += 1
        if token in self.dead:
            raise Unauthorised("dead")
        return token


class Desk:
    """Custody of one account in a lane, its cars, and their OEM."""

    def __init__(self, directory: Path) -> None:
        self.rig = Rig(accounts.stage(Sealer(KEY), self.renew, Metrics()), directory)
        self.holds: set[str] = set()
        self.cloud = Cloud()
        self.clock = LogClock()
        self.clock.seen(NOW)
        self.take_over()

    def take_over(self, key: bytes = KEY) -> None:
        """Another worker speaks to the cars: nothing in memory."""
        clients: Any = {"simulator": self.cloud}
        self.metrics = Metrics()
        lane, held = (lambda partition: self.rig.lane), (lambda partition, car: car in self.holds)
        self.cars = Cars(clients, lane, held, Sealer(key), self.clock, self.metrics)

    async def renew(self, partition: int, account: str) -> None:
        await self.cars.renew(partition, account)

    async def read(self) -> Any:
        return await self.cars.read(0, registration())

    async def command(self, action: Action) -> Any:
        return await self.cars.command(0, registration(), order(action), lambda: None)

    def later(self, **by: float) -> None:
        self.clock.seen(self.clock.now() + timedelta(**by))

    async def tick(self) -> None:
        tick = Tick(at=self.clock.now(), phase=TickPhase.READ)
        await self.rig.give(*raws(TICK.name, [("0", tick)]))
        while self.rig.lane.jobs._tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def link(self, token: bytes) -> None:
        sealed = self.rig.sealer.seal(token, envelope.seal_context("acct"))
        await self.rig.give(*raws(REGISTRATION.name, [(CAR, registration(grant_sealed=sealed))]))

    def row(self) -> AccountRow:
        row = self.rig.lane.get(ACCOUNTS, "acct")
        assert isinstance(row, AccountRow)
        return row

    def held(self) -> str:
        """The refresh token in custody."""
        key = self.rig.lane.get(KEYS, "acct")
        assert key is not None
        sealed = self.row().sealed_token
        assert sealed is not None
        return envelope.opened(Sealer(KEY), key).open(sealed, envelope.seal_context("acct")).decode()

    def told(self) -> list[Link]:
        return [AccountState.model_validate_json(r.value or b"").link for r in self.rig.log.of(ACCOUNT.name)]

    def lost(self) -> float:
        return float(self.metrics.refreshes_lost.labels("simulator")._value.get())


def order(action: Action) -> CommandEvent:
    return CommandEvent(
        id="c1", car=CAR, session_id="s1", action=action, plan_revision=1, phase=CommandPhase.INTENT, at=NOW,
        decided_at=NOW, not_after=NOW + timedelta(days=1), reason="plan",
    )  # fmt: skip


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.link(b"rt-0")
    assert made.held() == "rt-0"
    yield made
    made.rig.log.refused.clear()
    await made.rig.runtime.finish()


async def test_two_cars_of_an_account_share_one_refresh(desk: Desk) -> None:
    one, two = registration(), registration(car="acct.other")
    readings: list[Any] = list(await asyncio.gather(desk.cars.read(0, one), desk.cars.read(0, two)))
    assert readings == ["acct.car by at-1", "acct.other by at-1"]
    assert desk.cloud.asked == 1
    assert desk.held() == "rt-1"


async def test_a_refresh_whose_call_is_dropped_at_a_rebalance_still_puts_the_new_token_on_the_log(desk: Desk) -> None:
    desk.cloud.answer.clear()
    reading = asyncio.create_task(desk.read())
    while desk.cloud.refreshes == 0:  # noqa: ASYNC110 - the call goes through several commits
        await asyncio.sleep(0)
    desk.rig.epoch += 1
    reading.cancel()
    desk.cloud.answer.set()
    await desk.cars.settle()
    assert reading.cancelled() or await asyncio.wait([reading])
    assert desk.held() == "rt-1"


async def test_a_registration_brought_again_does_not_bring_back_a_spent_token(desk: Desk) -> None:
    await desk.read()
    await desk.link(b"rt-0")
    assert desk.held() == "rt-1"


async def test_after_a_take_over_the_access_token_is_used_on_without_a_refresh(desk: Desk) -> None:
    await desk.read()
    desk.take_over()
    assert await desk.read() == "acct.car by at-1"
    assert desk.cloud.asked == 1


async def test_no_token_is_used_that_is_not_on_the_log(desk: Desk) -> None:
    desk.cloud.answer.clear()
    reading = asyncio.create_task(desk.read())
    while desk.cloud.refreshes == 0:  # noqa: ASYNC110 - the call goes through several commits
        await asyncio.sleep(0)
    desk.rig.log.refused = {desk.rig.stores[ACCOUNTS.name].changelog_topic_name}
    desk.cloud.answer.set()
    with pytest.raises(NotDurable):
        await reading
    assert desk.cloud.calls == {}


async def test_a_token_is_renewed_while_the_old_one_lives_even_if_nobody_uses_it(desk: Desk) -> None:
    await desk.read()
    desk.later(hours=6)
    await desk.tick()
    assert desk.cloud.asked == 1
    desk.later(hours=1, minutes=20)
    await desk.tick()
    assert desk.cloud.asked == 2
    assert await desk.read() == "acct.car by at-2"


@pytest.mark.parametrize("trouble", [Unavailable("HTTP 503"), Throttled("HTTP 429"), Rejected("HTTP 400")])
async def test_a_renewal_that_fails_leaves_the_old_token_in_use_and_the_grant_unspent(
    desk: Desk, trouble: OemError
) -> None:
    await desk.read()
    desk.later(hours=7, minutes=30)
    desk.cloud.refuses = trouble
    if not isinstance(trouble, Throttled):
        assert [await desk.read() for _ in range(5)] == ["acct.car by at-1"] * 5
    else:
        with pytest.raises(Throttled):
            await desk.read()
    assert desk.cloud.asked == 2
    assert desk.row().refreshing_since is None


async def test_a_refused_grant_is_told_once_and_no_call_follows_but_starts_while_the_token_lives(desk: Desk) -> None:
    await desk.read()
    desk.later(hours=7, minutes=30)
    desk.cloud.good = "somebody else's"
    for _ in range(3):
        with pytest.raises(NeedsConsent):
            await desk.read()
        with pytest.raises(NeedsConsent):
            await desk.command(Action.STOP)
        await desk.tick()
    assert desk.told() == [Link.LINKED, Link.NEEDS_CONSENT]
    assert (desk.cloud.asked, desk.cloud.calls["at-1"]) == (2, 1)
    assert await desk.command(Action.START) == "start by at-1"
    desk.later(hours=1)
    with pytest.raises(NeedsConsent):
        await desk.command(Action.START)
    assert (desk.cloud.asked, desk.cloud.calls["at-1"]) == (2, 2)


async def test_a_start_is_sent_with_the_living_token_even_as_the_grant_is_refused(desk: Desk) -> None:
    await desk.read()
    desk.later(hours=7, minutes=30)
    desk.cloud.good = "somebody else's"
    assert await desk.command(Action.START) == "start by at-1"
    assert desk.told() == [Link.LINKED, Link.NEEDS_CONSENT]


async def test_a_grant_refused_while_the_driver_linked_anew_is_not_lost(desk: Desk) -> None:
    async def link_anew() -> None:
        desk.cloud.good = "rt-new"
        await desk.link(b"rt-new")

    desk.cloud.meanwhile = link_anew
    assert await desk.read() == "acct.car by at-1"
    assert desk.told() == [Link.LINKED, Link.LINKED]
    assert desk.cloud.asked == 2


async def test_linking_anew_ends_the_loss(desk: Desk) -> None:
    desk.cloud.good = "rt-new"
    with pytest.raises(NeedsConsent):
        await desk.read()
    await desk.link(b"rt-new")
    assert await desk.read() == "acct.car by at-1"


async def test_an_unanswered_refresh_waits_and_is_tried_with_the_old_token_and_counted(desk: Desk) -> None:
    desk.cloud.refuses = OutcomeUnknown("no answer")
    for _ in range(3):
        with pytest.raises(NotApplied):
            await desk.read()
    assert (desk.cloud.asked, desk.lost()) == (1, 0)
    desk.later(seconds=31)
    desk.cloud.refuses = None
    assert await desk.read() == "acct.car by at-1"
    assert (desk.cloud.asked, desk.lost()) == (2, 1)
    assert desk.row().refreshing_since is None


async def test_silence_never_ends_a_grant_but_is_asked_ever_more_slowly(desk: Desk) -> None:
    desk.cloud.refuses = OutcomeUnknown("no answer")
    for _ in range(60):
        with pytest.raises(NotApplied):
            await desk.read()
        desk.later(seconds=31)
    assert desk.told() == [Link.LINKED, Link.EXPIRING]
    assert desk.cloud.asked <= 7


async def lose_an_answer(desk: Desk) -> None:
    """The OEM has spent the refresh token, the answer was lost; the access token lives for half an hour yet."""
    await desk.read()
    desk.later(hours=7, minutes=30)
    desk.cloud.loses = True
    assert await desk.read() == "acct.car by at-1"
    desk.cloud.loses = False


async def test_after_a_lost_answer_no_car_is_stopped_and_held_ones_are_let_go_before_the_token_is_used_again(
    desk: Desk,
) -> None:
    desk.holds = {CAR}
    await lose_an_answer(desk)
    assert desk.told() == [Link.LINKED, Link.EXPIRING]
    for _ in range(5):
        desk.later(minutes=2)
        await desk.tick()
        assert await desk.read() == "acct.car by at-1"
        for hold in (Action.STOP, Action.UNSCHEDULE):
            with pytest.raises(Suspended):
                await desk.command(hold)
        assert await desk.command(Action.SCHEDULE) == "schedule by at-1"
    assert await desk.command(Action.START) == "start by at-1"
    assert desk.cloud.asked == 2
    desk.holds = set()
    desk.later(minutes=2)
    await desk.tick()
    assert desk.cloud.asked == 3
    assert desk.told() == [Link.LINKED, Link.EXPIRING, Link.NEEDS_CONSENT]


async def test_a_car_that_does_not_let_itself_be_started_holds_up_the_refresh_for_a_while_only(desk: Desk) -> None:
    desk.holds = {CAR}
    await lose_an_answer(desk)
    desk.later(minutes=21)
    await desk.tick()
    assert desk.cloud.asked == 3


async def test_a_start_goes_out_before_the_token_in_doubt_is_used_again(desk: Desk) -> None:
    await lose_an_answer(desk)
    desk.later(minutes=5)
    assert await desk.command(Action.START) == "start by at-1"
    assert desk.cloud.asked == 2


async def test_a_refresh_that_is_answered_ends_the_doubt(desk: Desk) -> None:
    await lose_an_answer(desk)
    desk.cloud.good = "rt-1"  # the OEM forgives
    desk.later(seconds=31)
    assert await desk.command(Action.STOP) == "stop by at-3"
    assert desk.told() == [Link.LINKED, Link.EXPIRING, Link.LINKED]


async def test_a_worker_that_died_inside_a_refresh_lets_held_cars_go_before_the_next(desk: Desk) -> None:
    await desk.read()
    desk.later(hours=7, minutes=30)
    desk.cloud.answer.clear()
    reading = asyncio.create_task(desk.read())
    while desk.cloud.refreshes == 1:  # noqa: ASYNC110 - the call goes through several commits
        await asyncio.sleep(0)
    for rotation in desk.cars._grants._rotations:
        rotation.cancel()  # the kill
    await asyncio.wait([reading])
    desk.take_over()
    desk.cloud.answer.set()
    desk.later(minutes=5)
    await desk.tick()
    assert desk.told() == [Link.LINKED, Link.EXPIRING]
    assert await desk.command(Action.START) == "start by at-1"
    assert desk.cloud.asked == 2
    desk.later(minutes=1)
    await desk.tick()
    assert desk.told() == [Link.LINKED, Link.EXPIRING, Link.NEEDS_CONSENT]


async def test_a_worker_that_died_inside_a_refresh_costs_the_grant_only_if_the_oem_says_so(desk: Desk) -> None:
    desk.cloud.answer.clear()
    reading = asyncio.create_task(desk.read())
    while desk.cloud.refreshes == 0:  # noqa: ASYNC110 - the call goes through several commits
        await asyncio.sleep(0)
    for rotation in desk.cars._grants._rotations:
        rotation.cancel()  # the kill
    await asyncio.wait([reading])
    assert desk.row().refreshing_since == NOW
    desk.take_over()
    desk.cloud.answer.set()
    desk.later(seconds=31)
    with pytest.raises(NeedsConsent):
        await desk.read()
    assert desk.lost() == 1
    assert desk.told() == [Link.LINKED, Link.NEEDS_CONSENT]


async def test_no_refresh_begins_while_partitions_are_given_up(desk: Desk) -> None:
    await desk.cars.settle()
    with pytest.raises(Revoked):
        await desk.read()
    assert (desk.cloud.asked, desk.row().refreshing_since) == (0, None)
    desk.cars.resume()
    assert await desk.read() == "acct.car by at-1"


async def test_a_dead_access_token_is_renewed_once_and_not_given_to_anyone_again(desk: Desk) -> None:
    await desk.read()
    desk.cloud.dead = {"at-1"}
    assert await desk.read() == "acct.car by at-2"
    desk.cloud.dead = {"at-2", "at-3"}
    with pytest.raises(Unauthorised):
        await desk.read()
    assert desk.cloud.asked == 3
    desk.take_over()
    assert desk.cloud.calls == {"at-1": 2, "at-2": 2, "at-3": 1}


async def test_a_worker_with_the_wrong_seal_key_harms_no_consent(desk: Desk) -> None:
    await desk.read()
    desk.take_over(new_key())
    with pytest.raises(Unavailable):
        await desk.read()
    assert desk.told() == [Link.LINKED]
    assert desk.held() == "rt-1"


async def test_nothing_on_the_log_shows_a_token(desk: Desk) -> None:
    await desk.read()
    written = b"".join((record.value or b"") for record in desk.rig.log.written)
    assert b"sealed_access" in written
    assert b"rt-" not in written
    assert b"at-1" not in written


async def test_a_guardian_can_use_what_a_worker_left_behind(desk: Desk) -> None:
    await desk.read()
    known = Known()
    tables = {desk.rig.stores[table.name].changelog_topic_name: table.name for table in (ACCOUNTS, KEYS)}
    known.hear(
        Said(tables[record.topic], "acct", record.value) for record in desk.rig.log.written if record.topic in tables
    )
    access, key = known.access["acct"], known.keys["acct"]
    token = envelope.opened(Sealer(KEY), key).open(access.sealed, envelope.access_context("acct"))
    assert (token, access.expires_at) == (b"at-1", NOW + LIFE)
