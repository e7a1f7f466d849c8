"""The last gate before an OEM: nobody calls within a Retry-After, failing clouds are left alone, one probe asks."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.breaker import LONGEST_PAUSE, OPENS_AT, OPENS_AT_ALONE, PAUSE, PRECEDENCE, Breaker
from agents.clock import LogClock
from agents.gate import Gate, Suspended
from agents.metrics import Metrics
from oem_connectors.errors import (
    Asleep,
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
)

NOW = datetime(2023, 5, 14, 17, tzinfo=UTC)


class Cloud:
    """An OEM behind a gate, in a time of our own; counts the calls that reach it."""

    def __init__(self) -> None:
        self.clock, self.metrics = LogClock(), Metrics()
        self.clock.seen(NOW)
        self.gate = Gate("simulator", self.clock, self.metrics)
        self.reached = 0
        self.says: OemError | None = None
        self.answer = asyncio.Event()
        self.answer.set()

    async def call(self, account: str = "a", *, release: bool = False) -> OemError | None:
        """What one call comes to."""
        try:
            await self.gate.call(account, "read", self._answer, release=release)
        except OemError as error:
            return error
        return None

    async def _answer(self) -> None:
        self.reached += 1
        await self.answer.wait()
        if self.says is not None:
            raise self.says

    def later(self, by: timedelta) -> None:
        self.clock.seen(self.clock.now() + by)

    def is_open(self) -> bool:
        return bool(self.metrics.breaker.labels("simulator")._value.get())

    async def fail(self, trouble: OemError, *accounts: str) -> None:
        self.says = trouble
        for account in accounts:
            await self.call(account)
        self.says = None


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.mark.parametrize("release", [False, True])
async def test_an_account_is_left_alone_for_as_long_as_the_oem_asked_even_by_releases(
    cloud: Cloud, release: bool
) -> None:
    await cloud.fail(Throttled("429", timedelta(minutes=3)), "a")
    cloud.later(timedelta(minutes=2))
    error = await cloud.call("a", release=release)
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(minutes=1)
    assert cloud.reached == 1
    assert await cloud.call("b") is None
    cloud.later(timedelta(minutes=1))
    assert await cloud.call("a") is None


async def test_a_limit_on_all_our_accounts_holds_for_all_of_them(cloud: Cloud) -> None:
    await cloud.fail(Throttled("429", timedelta(minutes=3), app=True), "a")
    assert isinstance(await cloud.call("b"), Throttled)
    assert cloud.reached == 1


async def test_without_a_word_from_the_oem_the_wait_is_ours_and_doubles_until_a_call_succeeds(cloud: Cloud) -> None:
    waits = []
    for _ in range(7):
        cloud.says = Throttled("429")
        error = await cloud.call()
        assert isinstance(error, Throttled)
        assert error.retry_after is not None
        waits.append(error.retry_after.total_seconds())
        cloud.later(error.retry_after)
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    cloud.says = None
    await cloud.call()
    cloud.says = Throttled("429")
    again = await cloud.call()
    assert isinstance(again, Throttled)
    assert again.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("trouble", "accounts", "opens"),
    [
        (Unavailable("503"), "abaaa", True),
        (OutcomeUnknown("timeout"), "abaaa", True),
        (Unavailable("503"), "abaa", False),
        (Unavailable("503"), "aaaaaaaaa", False),
        (Unavailable("503"), "aaaaaaaaaa", True),
    ],
)
async def test_it_opens_after_failures_in_a_row_over_several_accounts_or_many_of_one(
    cloud: Cloud, trouble: OemError, accounts: str, opens: bool
) -> None:
    await cloud.fail(trouble, *accounts)
    assert cloud.is_open() is opens
    assert isinstance(await cloud.call("c"), Suspended) is opens
    assert cloud.reached == len(accounts) + (not opens)


@pytest.mark.parametrize(
    "answer",
    [
        None, Throttled("429", timedelta(0)), Asleep("z"), Unauthorised("401"), Unreadable("?"), Rejected("no"),
        NeedsConsent("gone"),
    ],
)  # fmt: skip
async def test_any_answer_of_the_cloud_itself_ends_the_row_of_failures(cloud: Cloud, answer: OemError | None) -> None:
    for _ in range(5):
        await cloud.fail(Unavailable("503"), "a", "b", "c")
        cloud.says = answer
        await cloud.call("d")
    assert not cloud.is_open()


async def test_one_probe_asks_and_its_success_lets_all_in_again(cloud: Cloud) -> None:
    await cloud.fail(Unavailable("503"), *"abcde")
    cloud.later(PAUSE * 1.2)
    cloud.answer.clear()
    probe = asyncio.create_task(cloud.call("a"))
    await asyncio.sleep(0)
    others = [await cloud.call(name) for name in "bcd"]
    assert all(isinstance(error, Suspended) for error in others)
    cloud.answer.set()
    assert await probe is None
    assert not cloud.is_open()
    assert [await cloud.call(name) for name in "bcd"] == [None] * 3


async def test_a_probe_that_is_dropped_leaves_its_place_to_another(cloud: Cloud) -> None:
    await cloud.fail(Unavailable("503"), *"abcde")
    cloud.later(PAUSE * 1.2)
    cloud.answer.clear()
    probe = asyncio.create_task(cloud.call("a"))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.wait([probe])
    cloud.answer.set()
    assert await cloud.call("b") is None


async def test_a_waiting_release_is_the_probe_before_any_reading(cloud: Cloud) -> None:
    await cloud.fail(Unavailable("503"), *"abcde")
    refused = await cloud.call("a", release=True)
    assert isinstance(refused, Suspended)
    cloud.later(refused.retry_after)
    assert isinstance(await cloud.call("b"), Suspended)
    assert await cloud.call("a", release=True) is None


async def test_readings_do_not_wait_for_ever_for_a_release_that_does_not_come(cloud: Cloud) -> None:
    await cloud.fail(Unavailable("503"), *"abcde")
    await cloud.call("a", release=True)
    cloud.later(PAUSE * 1.2 + PRECEDENCE)
    assert await cloud.call("b") is None


async def test_a_success_or_failure_begun_before_it_opened_does_not_lengthen_the_pause(cloud: Cloud) -> None:
    cloud.answer.clear()
    cloud.says = Unavailable("503")
    calls = [asyncio.create_task(cloud.call(name)) for name in "abcdefghijklmnop"]
    await asyncio.sleep(0)
    cloud.answer.set()
    await asyncio.wait(calls)
    cloud.says = None
    error = await cloud.call()
    assert isinstance(error, Suspended)
    assert error.retry_after <= PAUSE * 1.2


@given(st.integers(1, 80), st.sampled_from("ab"))
def test_pauses_double_to_the_longest_and_differ_by_a_fifth_at_most(probes: int, account: str) -> None:
    breaker, now, pauses = Breaker("simulator"), NOW, []
    for _ in range(OPENS_AT_ALONE):
        breaker.failed(account, now, probe=False)
    for _ in range(probes):
        back_at = breaker.enter(now, release=False)
        assert back_at is not None
        pauses.append(back_at - now)
        now = back_at
        assert breaker.enter(now, release=False) is None
        assert breaker.enter(now, release=False) is not None
        breaker.failed(account, now, probe=True)
        breaker.leave()
    for n, pause in enumerate(pauses):
        expected = min(PAUSE * 2 ** min(n, 10), LONGEST_PAUSE)
        assert expected <= pause <= expected * 1.2


@given(st.lists(st.sampled_from(["fail a", "fail b", "ok", "wait"]), max_size=200))
def test_whatever_comes_it_is_open_only_after_a_row_of_failures_and_always_probed_in_time(moves: list[str]) -> None:
    breaker, now, row = Breaker("simulator"), NOW, 0
    for move in moves:
        if move == "wait":
            now += LONGEST_PAUSE * 1.2
            continue
        was_open = breaker.is_open
        if breaker.enter(now, release=False) is not None:
            assert was_open
            continue
        if move == "ok":
            row = 0
            breaker.answered()
            assert not breaker.is_open
        else:
            row += 1
            breaker.failed(move[-1], now, probe=was_open)
            assert not breaker.is_open or row >= OPENS_AT
        if was_open:
            breaker.leave()
    assert breaker.enter(now + LONGEST_PAUSE * 1.2, release=True) is None
