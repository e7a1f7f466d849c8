"""A fleet due at one slot edge: spread, paced, within every Retry-After, through two restarts; and after an outage."""

from collections.abc import Callable
from functools import cache

import pytest

from agents.settings import load
from deploy.bench.herd import RETRY_AFTER, STARTS_PER_SECOND, Herd
from deploy.bench.herd_cars import EDGE
from deploy.bench.herd_night import herd_night, judged, outage_night

CARS = 10_000


@cache
def edge() -> Herd:
    return herd_night(CARS)


@cache
def outage() -> Herd:
    return outage_night(3_000)


def test_the_herd_is_paced_as_a_worker_would() -> None:
    assert load({}).starts_per_second == STARTS_PER_SECOND


def test_starts_are_spread_evenly_over_ten_minutes_whatever_restarts_in_between() -> None:
    """The bar is what a uniform fleet exceeds once in a thousand times."""
    found = judged(edge())
    assert found["offsets_ks"] * CARS**0.5 < 1.95
    assert found["waits_p99_seconds"] <= 1
    assert found["waits_max_seconds"] <= 5


@pytest.mark.parametrize("night", [edge, outage])
def test_every_car_is_started_once_and_no_command_is_repeated(night: Callable[[], Herd]) -> None:
    herd = night()
    found = judged(herd)
    assert found["started"] == found["cars"]
    assert found["started_twice"] == found["same_command_twice"] == 0
    refused = sum(not start.taken for start in herd.starts)
    assert len(herd.starts) == len(herd.cars) + refused


@pytest.mark.parametrize("night", [edge, outage])
def test_nothing_is_asked_of_an_account_before_its_maker_said(night: Callable[[], Herd]) -> None:
    found = judged(night())
    assert found["throttled_accounts"] > 20
    assert found["asked_before_retry_after"] == 0


@pytest.mark.parametrize("night", [edge, outage])
def test_no_second_sees_more_planned_starts_than_the_cap_and_none_is_late(night: Callable[[], Herd]) -> None:
    found = judged(night())
    assert 0 < found["starts_per_second_peak"] <= found["starts_per_second_cap"]
    assert found["too_late_for_the_promise"] == 0


def test_after_an_outage_what_presses_goes_first_and_the_rest_in_turn() -> None:
    herd = outage()
    begin = min(start.at for start in herd.starts)
    assert begin > EDGE
    urgent = [start.at for start in herd.starts if start.reason != "in_block"]
    assert len(urgent) > 20
    assert sum(at == begin for at in urgent) > 0.9 * len(urgent)
    planned = sorted(start.at for start in herd.starts if start.reason == "in_block")
    nine_in_ten = (planned[len(planned) * 9 // 10] - begin).total_seconds()
    assert 0.8 <= nine_in_ten / (len(herd.cars) / STARTS_PER_SECOND) <= 2
    assert planned[-1] - begin > RETRY_AFTER, "those whose maker asked to wait come when they may"
