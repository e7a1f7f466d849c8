"""Token buckets: no window holds more calls than the quota, nothing starves, and commands go before reads."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agents.quotas import Quotas
from oem_connectors import registry
from oem_connectors.base import Limits, Quota
from streams.contracts.command import Action
from streams.domain.budget import Budget, Key, Rate, rate

NOW = datetime(2023, 5, 14, 23, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIMULATOR = registry.load()["simulator"]


def second(n: float) -> datetime:
    return NOW + timedelta(seconds=n)


def quotas(partitions: int = 1, **limits: Quota) -> Quotas:
    return Quotas({"simulator": replace(SIMULATOR, limits=Limits(**limits))}, partitions)


def most_in_a_window(calls: list[datetime], per: timedelta) -> int:
    return max((sum(start <= at < start + per for at in calls) for start in calls), default=0)


@given(st.integers(1, 60), st.integers(10, 600), st.lists(st.integers(0, 40), min_size=1, max_size=300))
def test_no_window_of_the_quota_holds_more_calls_than_it_allows(calls: int, seconds: int, pauses: list[int]) -> None:
    per = timedelta(seconds=seconds)
    limits, budget, now, made = {("calls", "all"): rate(calls, per)}, Budget(), NOW, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        while not budget.wait(limits, now):
            budget.charge(limits, now)
            made.append(now)
    assert most_in_a_window(made, per) <= calls


@given(st.floats(0.05, 100), st.integers(10, 3600))
def test_whoever_waits_as_long_as_told_may_call(calls: float, seconds: int) -> None:
    limits, budget, now = {("calls", "all"): rate(calls, timedelta(seconds=seconds))}, Budget(), NOW
    for _ in range(20):
        now += budget.wait(limits, now) + timedelta(microseconds=2)
        assert not budget.wait(limits, now)
        budget.charge(limits, now)


def test_a_steady_caller_gets_most_of_the_quota() -> None:
    limits, budget = {("calls", "all"): rate(60, MINUTE)}, Budget()
    made = 0
    for n in range(600):
        if not budget.wait(limits, second(n)):
            budget.charge(limits, second(n))
            made += 1
    assert made > 0.75 * 600


def test_a_new_owner_begins_with_half_a_bucket() -> None:
    limits, budget = {("calls", "all"): rate(80, MINUTE)}, Budget()
    made = 0
    while not budget.wait(limits, NOW):
        budget.charge(limits, NOW)
        made += 1
    assert made == 10, "a quarter of 80 may come at once, and half of that after a take-over"


def test_time_that_runs_back_fills_nothing() -> None:
    limits, budget = {("calls", "all"): rate(4, MINUTE)}, Budget()
    budget.wait(limits, NOW)
    budget.charge(limits, second(60))
    assert budget.wait(limits, second(30)) == budget.wait(limits, second(60)) > timedelta(0)


def test_the_app_quota_is_split_by_partition() -> None:
    for partitions in (1, 6):
        app = quotas(partitions, app=Quota(6_000, MINUTE)).command("simulator", "a.car", Action.START)
        assert app == {("app", "simulator"): rate(6_000 / partitions, MINUTE)}


def test_a_wake_counts_as_a_command_too() -> None:
    book = quotas(commands=Quota(30, MINUTE), wakes=Quota(3, timedelta(days=1)))
    assert set(book.command("simulator", "a.car", Action.WAKE)) == {("commands", "a"), ("wakes", "a")}
    assert set(book.command("simulator", "a.car", Action.STOP)) == {("commands", "a")}


def test_an_unknown_oem_has_no_limits() -> None:
    assert quotas(app=Quota(1, MINUTE)).command("elsewhere", "a.car", Action.START) == {}


def test_reads_leave_a_fifth_of_the_app_and_commands_may_use_all() -> None:
    book = quotas(app=Quota(600, MINUTE))
    read, command = book.read("simulator", "a.car"), book.command("simulator", "b.car", Action.START)
    made = dict.fromkeys(("read", "command"), 0)
    budget = Budget()

    def take(kind: str, limits: Mapping[Key, Rate], n: float) -> None:
        while not budget.wait(limits, second(n)):
            budget.charge(limits, second(n))
            made[kind] += 1

    for n in range(600):
        take("read", read, n)
    alone = made["read"]
    assert 0.5 * 6_000 < alone <= 0.8 * 6_000
    made["read"] = 0
    for n in range(600, 1200):
        take("command", command, n)
        take("read", read, n)
    assert made["command"] > 0.75 * 6_000
    assert made["read"] == 0, "commands that want all get all"
