"""The simulated fleet lives recorded days: plausible, inside the window, the same for the same seed."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.drivers import Visit, in_window, ready_by, to_utc
from deploy.demo.fleet import fleet, soc_at_plug_in
from deploy.demo.recorded import WINDOWS, window
from streams.contracts.base import account_of
from streams.contracts.registration import Registration

LONDON = ZoneInfo("Europe/London")


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_same_seed_gives_the_same_fleet_and_another_seed_another() -> None:
    assert fleet(40, window(), 7) == fleet(40, window(), 7)
    assert fleet(40, window(), 7) != fleet(40, window(), 8)


def test_a_larger_fleet_begins_with_the_smaller_one() -> None:
    assert fleet(60, window(), 7)[:20] == fleet(20, window(), 7)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("days", [1, 5])
def test_stays_lie_inside_the_window_and_never_overlap(name: str, days: int) -> None:
    span = window(name, days)
    for vehicle in fleet(200, span, 1):
        assert vehicle.stays
        assert span.start <= vehicle.stays[0].plug_in
        assert vehicle.stays[-1].plug_out <= span.end
        assert all(stay.plug_out - stay.plug_in >= timedelta(minutes=30) for stay in vehicle.stays)
        assert all(earlier.plug_out <= later.plug_in for earlier, later in pairwise(vehicle.stays))


def test_every_car_is_plausible_and_can_be_registered() -> None:
    cars = fleet(1000, window(), 3)
    assert len({vehicle.car for vehicle in cars}) == len(cars)
    for vehicle in cars:
        assert 3 <= vehicle.power_kw <= 11.1
        assert time(5) <= vehicle.ready_by <= time(9, 30)
        assert vehicle.ready_by.minute % 15 == 0
        assert all(5 <= stay.soc_at_plug_in_pct < vehicle.target_soc_pct for stay in vehicle.stays)
        Registration(
            car=vehicle.car,
            driver=vehicle.driver,
            oem="simulator",
            vehicle=vehicle.vehicle,
            model=vehicle.model,
            usable_kwh=vehicle.usable_kwh,
            power_kw=vehicle.power_kw,
            efficiency=vehicle.efficiency,
            home_zone=vehicle.zone,
            region="GB",
            tariff="GB",
            registered_at=window().start,
        )


def test_some_accounts_own_two_cars_and_none_three() -> None:
    cars = fleet(200, window(), 1)
    owned = [sum(account_of(v.car) == account for v in cars) for account in {v.account for v in cars}]
    assert set(owned) == {1, 2}
    assert 0.1 < owned.count(2) / len(owned) < 0.35


def test_five_thousand_cars_reuse_recorded_days_at_other_minutes() -> None:
    cars = fleet(5000, window(), 1)
    starts = {stay.plug_in for vehicle in cars for stay in vehicle.stays}
    recorded = {stay.plug_in for vehicle in cars[:400] for stay in vehicle.stays}
    assert len(starts) > 2 * len(recorded)


@pytest.mark.parametrize("vehicles", [0, -1, 5001])
def test_a_fleet_of_an_impossible_size_is_refused(vehicles: int) -> None:
    with pytest.raises(ValueError, match="1 to 5000"):
        fleet(vehicles, window(), 1)


@pytest.mark.parametrize(
    ("target_pct", "battery_kwh", "usable_kwh", "expected"),
    [(80, 30, 60, 30.0), (90, 7.5, 75, 80.0), (80, 60, 60, 5.0), (80, 45, 60, 5.0)],
)
def test_the_battery_arrives_as_empty_as_the_recorded_energy_says(
    target_pct: float, battery_kwh: float, usable_kwh: float, expected: float
) -> None:
    assert soc_at_plug_in(target_pct, battery_kwh, usable_kwh) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2023-03-25T18:00", "2023-03-25T18:00"),
        ("2023-03-26T00:59", "2023-03-26T00:59"),
        ("2023-03-26T01:30", "2023-03-26T01:00"),
        ("2023-03-26T07:00", "2023-03-26T06:00"),
        ("2023-10-29T01:30", "2023-10-29T00:30"),
    ],
    ids=["winter", "before the gap", "skipped by the clocks", "summer", "happens twice"],
)
def test_wall_times_become_instants_through_the_zone(at: str, expected: str) -> None:
    assert to_utc(wall(at), LONDON) == wall(expected).replace(tzinfo=UTC)


def test_a_night_across_the_clock_change_is_an_hour_shorter_than_the_clock_on_the_wall_says() -> None:
    visit = Visit(wall("2023-03-25T18:00"), wall("2023-03-26T07:00"), 20)
    (stay,) = in_window([visit], window())
    assert stay.plug_out - stay.plug_in == timedelta(hours=12)


def test_visits_outside_the_window_or_swallowed_by_the_clock_change_are_left_out() -> None:
    visits = [
        Visit(wall("2023-03-24T11:00"), wall("2023-03-24T15:00"), 5),
        Visit(wall("2023-03-26T00:50"), wall("2023-03-26T02:10"), 5),
        Visit(wall("2023-03-28T20:00"), wall("2023-03-29T12:01"), 5),
    ]
    assert in_window(visits, window()) == []


@pytest.mark.parametrize(
    ("mornings", "expected"),
    [
        (["07:43"], time(7, 30)),
        (["08:59", "07:05", "09:40"], time(7, 0)),
        (["04:20"], time(5, 0)),
        (["11:10"], time(9, 30)),
        ([], time(7, 0)),
    ],
    ids=["rounded down", "earliest", "not before five", "not after half past nine", "no night"],
)
def test_ready_by_is_the_drivers_own_earliest_morning(mornings: list[str], expected: time) -> None:
    nights = [Visit(wall("2023-03-24T18:00"), wall(f"2023-03-25T{end}"), 5) for end in mornings]
    daytime = Visit(wall("2023-03-26T06:00"), wall("2023-03-26T06:40"), 5)
    assert ready_by([*nights, daytime]) == expected


@given(number=st.integers(1, 80), seed=st.integers())
def test_a_night_that_follows_the_drivers_habit_is_not_left_early(number: int, seed: int) -> None:
    vehicle = fleet(number, window(), seed)[-1]
    for stay in vehicle.stays:
        start, end = (at.astimezone(LONDON) for at in (stay.plug_in, stay.plug_out))
        if start.date() < end.date() and time(5) <= end.time() <= time(12):
            assert end.time() >= vehicle.ready_by
