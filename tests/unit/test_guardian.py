"""The guardian before a real HTTP cloud: what the cars do, judged by the cloud's own log."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.guardian.rules import SETTLES, STALE
from oem_connectors.simulator.cloud.car import Personality
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from oem_connectors.simulator.cloud.states import Mode
from tests.guarded import HOUR, MINUTE, NOW, SECOND, account, freed, held, held_car, scene, sim_car


def trouble(kind: FaultKind, minutes: int) -> FaultScript:
    return FaultScript((Fault(kind, NOW, NOW + minutes * MINUTE),))


async def test_a_lapsed_car_is_started_once_and_then_left_alone() -> None:
    async with scene([sim_car("a.b")]) as staged:
        await staged.live(HOUR, 5 * SECOND)
        (start,) = staged.starts()
        assert NOW <= start.at <= NOW + MINUTE
        assert staged.calls() == ["start", "state"]


async def test_while_control_renews_its_leases_nothing_is_asked() -> None:
    async with scene([sim_car("a.b")]) as staged:
        for _ in range(12):
            staged.known.hear([held(held_car(lease=staged.time.at + 20 * MINUTE))])
            await staged.live(10 * MINUTE, 10 * SECOND)
        assert staged.calls() == []
        await staged.live(15 * MINUTE, 10 * SECOND)
        assert len(staged.starts()) == 1


async def test_a_car_that_is_freed_while_it_waits_in_line_is_not_asked() -> None:
    async with scene([sim_car("a.b"), sim_car("c.d")], per_minute=30) as staged:
        await staged.live(2 * SECOND)
        assert staged.calls() == ["start"]
        assert staged.guard.busy, "the other one waits for the rate"
        staged.known.hear([freed("a.b"), freed("c.d")])
        await staged.live(HOUR)
        assert staged.calls() == ["start"]


async def test_cars_that_sleep_are_woken_and_started() -> None:
    cars = [sim_car("a.b", Personality.DEEP_SLEEPER), sim_car("c.d")]
    async with scene(cars) as staged:
        for name in ("a.b", "c.d"):
            staged.known.hear([held(held_car(name, lease=NOW + HOUR))])
        staged.time.at = NOW + HOUR
        await staged.live(10 * MINUTE, 5 * SECOND)
        assert {change.car for change in staged.starts()} == {"a.b", "c.d"}


@pytest.mark.parametrize("kind", [FaultKind.NO_EFFECT, FaultKind.DROPPED, FaultKind.ERROR, FaultKind.OUTAGE])
async def test_a_start_without_effect_is_repeated_and_none_takes_effect_twice(kind: FaultKind) -> None:
    async with scene([sim_car("a.b"), sim_car("c.d")], trouble(kind, 4)) as staged:
        await staged.live(30 * MINUTE, 5 * SECOND)
        assert sorted(change.car for change in staged.starts()) == ["a.b", "c.d"]
        assert staged.world.log.duplicate_effective() == []
        assert all(truth.mode is Mode.CHARGING for truth in staged.world.cars.values())


async def test_a_car_that_drops_its_charge_is_started_until_it_keeps_it() -> None:
    async with scene([sim_car("a.b", Personality.ACCEPTS_THEN_FAILS)]) as staged:
        await staged.live(HOUR, 5 * SECOND)
        assert staged.world.cars["a.b"].mode is Mode.CHARGING


async def test_an_expired_token_is_counted_and_a_newer_one_used() -> None:
    async with scene([sim_car("a.b")]) as staged:
        staged.known.hear(account("a", "at-old", staged.settings.sealer(), expires=NOW - SECOND))
        await staged.live(MINUTE)
        assert staged.calls() == []
        staged.known.hear(account("a", staged.token("a"), staged.settings.sealer()))
        await staged.live(MINUTE)
        assert len(staged.starts()) == 1


async def test_a_token_that_the_maker_refuses_is_tried_once_and_a_newer_one_used() -> None:
    async with scene([sim_car("a.b")]) as staged:
        staged.known.hear(account("a", "at-wrong", staged.settings.sealer()))
        await staged.live(10 * MINUTE, 5 * SECOND)
        assert [(call.endpoint, call.status) for call in staged.world.log.calls] == [("start", 401)]
        staged.known.hear(account("a", staged.token("a"), staged.settings.sealer()))
        await staged.live(MINUTE)
        assert len(staged.starts()) == 1


async def test_a_token_of_another_account_does_not_open() -> None:
    async with scene([sim_car("a.b"), sim_car("c.d")]) as staged:
        staged.known.access["a"] = staged.known.access["c"]
        await staged.live(10 * MINUTE, 5 * SECOND)
        assert [change.car for change in staged.starts()] == ["c.d"]


async def test_nobody_calls_before_a_retry_after_has_passed() -> None:
    cars = [sim_car(f"a.car{number}") for number in range(60)]
    async with scene(cars, per_minute=6000) as staged:
        staged.world.budgets.commands_per_minute = 3
        await staged.live(HOUR, SECOND)
        assert len({change.car for change in staged.starts()}) == 60
        refused = [call.at for call in staged.world.log.calls if call.status == 429]
        minutes = {at.replace(second=0) for at in refused}
        assert len(refused) <= 8 * len(minutes), "one burst a minute at most, then we wait"


async def test_an_unplugged_car_is_let_be_after_two_readings() -> None:
    async with scene([sim_car("a.b")]) as staged:
        staged.known.hear([held(held_car(lease=NOW + 10 * HOUR))])
        staged.time.at = NOW + 10 * HOUR
        staged.known.hear(account("a", staged.token("a"), staged.settings.sealer(), NOW + 18 * HOUR))
        await staged.live(HOUR, 5 * SECOND)
        assert staged.calls() == ["start", "state", "state"]


async def test_a_lease_that_lapsed_long_ago_is_looked_at_first() -> None:
    async with scene([sim_car("a.b")]) as staged:
        staged.time.at = NOW + STALE + MINUTE
        await staged.live(SETTLES, 5 * SECOND)
        assert staged.calls()[0] == "state"
        assert len(staged.starts()) == 1


async def test_a_maker_we_do_not_know_stops_nobody_else() -> None:
    async with scene([sim_car("a.b")]) as staged:
        staged.known.hear([held(held_car("c.d", oem="gone-away")), *account("c", "x", staged.settings.sealer())])
        await staged.live(MINUTE)
        assert len(staged.starts()) == 1


async def test_metrics_count_what_happened_and_name_no_car() -> None:
    async with scene([sim_car("a.b")]) as staged:
        await staged.live(SETTLES + MINUTE, 5 * SECOND)
        text = staged.metrics.render().decode()
    answers = {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "d2ev_guardian_answers_total"
    }
    assert answers == {"started": 1, "charging": 1}
    assert "a.b" not in text


async def test_the_rate_holds_for_a_fleet() -> None:
    async with scene([sim_car(f"a{number}.b") for number in range(40)], per_minute=10) as staged:
        await staged.live(timedelta(minutes=5), SECOND)
        at = sorted(call.at for call in staged.world.log.calls if call.endpoint == "start")
        assert 40 <= len(at) <= 42
        assert all(later - early >= MINUTE for early, later in zip(at, at[10:], strict=False))
