"""Custody under any run of events: kills, lost answers, outages, new consents. The cloud is the judge."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.custody import LOST, lives
from agents.engine.stage import Revoked
from agents.grants import LET_GO
from oem_connectors.base import Grant
from oem_connectors.errors import NeedsConsent, OemError, OutcomeUnknown, Unauthorised, Unavailable
from streams.contracts.account import Link
from streams.contracts.command import Action
from tests.night import CAR
from tests.unit.test_engine_tokens import Cloud, Desk

CALLS = ("read", "start", "stop", "tick", "kill", "give up", "link")
EVENTS = ("minute", "hour", "evening", "lose", "fail", "mend", "revoke")


class Judge(Cloud):
    """Single-use tokens, a family that dies when one is used twice, and a note of every broken promise."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""
        self.spent: set[str] = set()
        #: Tokens whose successor never reached us, so that using them again is all one can do.
        self.unanswered: set[str] = set()
        self.revoked = self.refused = False
        self.linked = 0
        self.broken: list[str] = []
        self.desk: Desk

    async def refresh(self, token: SecretStr, now: Any) -> Grant:
        text = token.get_secret_value()
        if self.refused:
            self.broken.append("a refresh after the grant was refused")
        row = self.desk.row()
        if row.refreshing_since is None:
            self.broken.append("a refresh that the log knows nothing of")
        if self.trouble == "fail":
            raise Unavailable("503")
        if text in self.spent and text not in self.unanswered:
            self.broken.append("a token used twice")
        waited = row.link is Link.EXPIRING and now >= row.since + LET_GO
        if text in self.unanswered and self.desk.holds and lives(row, now) and not waited:
            self.broken.append("a car was held as the consent was put at stake")
        if text != self.good or self.revoked:
            self.refused = True
            raise NeedsConsent("invalid_grant")
        self.spent.add(text)
        self.refreshes += 1
        self.good = f"rt-{self.linked}-{self.refreshes}"
        self.unanswered.add(text)
        await asyncio.sleep(0)
        if self.trouble == "lose":
            raise OutcomeUnknown("no answer")
        self.unanswered.discard(text)
        return Grant(SecretStr(f"at-{self.refreshes}"), SecretStr(self.good), now + timedelta(hours=8))

    async def read(self, grant: Grant, car: str, vehicle: str, now: Any, model: str) -> str:
        return self._called("read", grant)

    async def command(self, grant: Grant, vehicle: str, action: Action, *more: Any, **about: Any) -> str:
        return self._called(action.value, grant)

    def _called(self, what: str, grant: Grant) -> str:
        link = self.desk.row().link
        if (link in LOST and what != "start") or (link is Link.EXPIRING and what == "stop"):
            self.broken.append(f"a {what} though the link is {link}")
        if self.trouble:
            raise Unavailable("503")
        if self.revoked:
            raise Unauthorised("revoked")
        self.desk.holds = {CAR} if what == "stop" else set() if what == "start" else self.desk.holds
        return grant.access_token.get_secret_value()

    def excuse(self, held: str) -> None:
        """A worker died before the successor was written: the old token is all there is."""
        if held in self.spent:
            self.unanswered.add(held)

    def link(self) -> str:
        self.linked += 1
        self.revoked = self.refused = False
        self.good = f"rt-{self.linked}-{self.refreshes}"
        return self.good


class Walk:
    """One account through a night of events."""

    def __init__(self, directory: Path) -> None:
        self.desk = Desk(directory)
        self.judge = Judge()
        self.judge.desk = self.desk
        self.desk.cloud = self.judge
        self.desk.take_over()

    async def take(self, step: str) -> None:
        judge, desk = self.judge, self.desk
        now: dict[str, Callable[[], Any]] = {
            "minute": lambda: desk.later(minutes=1),
            "hour": lambda: desk.later(hours=1),
            "evening": lambda: desk.later(hours=7, minutes=20),
            "lose": lambda: setattr(judge, "trouble", "lose"),
            "fail": lambda: setattr(judge, "trouble", "fail"),
            "mend": lambda: setattr(judge, "trouble", ""),
            "revoke": lambda: setattr(judge, "revoked", True),
        }
        if step in now:
            now[step]()
            return
        calls: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "read": desk.read,
            "start": lambda: desk.command(Action.START),
            "stop": lambda: desk.command(Action.STOP),
            "tick": desk.tick,
            "kill": self.kill,
            "give up": self.give_up,
            "link": lambda: desk.link(judge.link().encode()),
        }
        with suppress(OemError, Revoked):
            await calls[step]()

    async def kill(self) -> None:
        """In the middle of whatever a reading begins; what it had not written is gone."""
        reading = asyncio.create_task(self.desk.read())
        for _ in range(6):
            await asyncio.sleep(0)
        for task in (*self.desk.cars._grants._rotations, reading):
            task.cancel()
        await asyncio.wait([reading])
        while self.desk.rig.lane.busy():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        self.judge.excuse(self.desk.held())
        self.desk.take_over()

    async def give_up(self) -> None:
        """A rebalance: what is under way ends on the log, and the next owner reads on."""
        reading = asyncio.create_task(self.desk.read())
        for _ in range(6):
            await asyncio.sleep(0)
        self.desk.rig.epoch += 1
        await self.desk.cars.settle()
        reading.cancel()
        await asyncio.wait([reading])
        await self.desk.rig.runtime.finish()
        self.desk.take_over()


@settings(max_examples=60, deadline=None)
@example(["read", "evening", "revoke", "read", "read", "start", "stop", "link", "read"])
@example(["stop", "evening", "lose", "read", "mend", "minute", "read", "stop", "start", "minute", "read"])
@example(["stop", "evening", "kill", "minute", "read", "start", "minute", "read", "stop"])
@example(["read", "evening", "lose", "read", "minute", "mend", "read", "kill", "minute", "read"])
@given(st.lists(st.sampled_from(CALLS + EVENTS), min_size=5, max_size=40))
def test_no_run_of_events_spends_a_token_twice_or_loses_consent_that_the_oem_still_gives(steps: list[str]) -> None:
    async def walk() -> None:
        with TemporaryDirectory() as directory:
            walk = Walk(Path(directory))
            await walk.desk.link(walk.judge.link().encode())
            for step in steps:
                await walk.take(step)
                lost = walk.desk.row().link in LOST
                assert walk.judge.broken == []
                assert not lost or walk.judge.refused
            await walk.desk.rig.runtime.finish()
            assert walk.desk.rig.crashes == []

    asyncio.run(walk())
