"""Grants in the hands of a worker: one refresh per account at a time, and a spent token always has its successor."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agents import accounts
from agents.cars import Cars
from agents.clock import LogClock
from agents.sealing import Sealer
from oem_connectors.base import Grant
from oem_connectors.errors import NeedsConsent
from streams.topics import REGISTRATION
from tables import ACCOUNTS
from tests.lanes import KEY, Rig, raws
from tests.night import registration

NOW = datetime(2023, 5, 14, 17, tzinfo=UTC)


class Cloud:
    """An OEM whose refresh tokens are good once; `answer` lets refreshes through."""

    def __init__(self) -> None:
        self.good = "rt-0"
        self.refreshes = 0
        self.answer = asyncio.Event()

    async def refresh(self, token: SecretStr, now: datetime) -> Grant:
        if token.get_secret_value() != self.good:
            raise NeedsConsent("spent")
        self.refreshes += 1
        self.good = f"rt-{self.refreshes}"
        await self.answer.wait()
        return Grant(
            access_token=SecretStr(f"at-{self.refreshes}"), refresh_token=SecretStr(self.good),
            expires_at=now + timedelta(hours=8),
        )  # fmt: skip

    async def read(self, grant: Grant, car: str, vehicle: str, now: datetime) -> str:
        del vehicle, now
        return f"{car} by {grant.access_token.get_secret_value()}"


class Desk:
    """Custody of one account in a lane, its cars, and their OEM."""

    def __init__(self, directory: Path) -> None:
        self.rig = Rig(accounts.stage(Sealer(KEY)), directory)
        self.cloud = Cloud()
        clients: Any = {"simulator": self.cloud}
        clock = LogClock()
        clock.seen(NOW)
        self.cars = Cars(clients, lambda partition: self.rig.lane, self.rig.sealer, clock, self.rig.metrics)

    def held(self) -> str:
        """The refresh token in custody."""
        row = self.rig.lane.get(ACCOUNTS, "acct")
        assert row is not None
        assert row.sealed_token is not None
        return self.rig.sealer.open(row.sealed_token, accounts.seal_context("acct")).decode()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    sealed = made.rig.sealer.seal(b"rt-0", accounts.seal_context("acct"))
    await made.rig.give(*raws(REGISTRATION.name, [("acct.car", registration(grant_sealed=sealed))]))
    assert made.held() == "rt-0"
    yield made
    await made.rig.runtime.finish()


async def test_two_cars_of_an_account_share_one_refresh(desk: Desk) -> None:
    desk.cloud.answer.set()
    one, two = registration(), registration(car="acct.other")
    readings: list[Any] = list(await asyncio.gather(desk.cars.read(0, one), desk.cars.read(0, two)))
    assert readings == ["acct.car by at-1", "acct.other by at-1"]
    assert desk.cloud.refreshes == 1
    assert desk.held() == "rt-1"


async def test_a_refresh_whose_call_is_dropped_at_a_rebalance_still_puts_the_new_token_on_the_log(desk: Desk) -> None:
    reading = asyncio.create_task(desk.cars.read(0, registration()))
    while desk.cloud.refreshes == 0:  # noqa: ASYNC110 - the call goes through several commits
        await asyncio.sleep(0)
    desk.rig.epoch += 1
    reading.cancel()
    desk.cloud.answer.set()
    await desk.cars.settle()
    assert reading.cancelled() or await asyncio.wait([reading])
    assert desk.held() == "rt-1"


async def test_a_registration_brought_again_does_not_bring_back_a_spent_token(desk: Desk) -> None:
    desk.cloud.answer.set()
    await desk.cars.read(0, registration())
    old = desk.rig.sealer.seal(b"rt-0", accounts.seal_context("acct"))
    await desk.rig.give(*raws(REGISTRATION.name, [("acct.car", registration(grant_sealed=old))]))
    assert desk.held() == "rt-1"
