"""Recorded sessions on days with prices: weekday and wall time stay, on clock changes too."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest

from deploy.backtest.insight import Outturn
from deploy.backtest.recording import Recording, Vintage
from deploy.backtest.sessions import Recorded, Sessions
from deploy.backtest.stays import Placed, Wishes, place
from streams.contracts.forecast import Slot

HOUR = timedelta(hours=1)
ZONE = "Europe/London"


def outturn(first: datetime, days: int) -> Outturn:
    """Prices without a gap."""
    slots = tuple(Slot(start=first + n * HOUR, end=first + (n + 1) * HOUR, value=0.2) for n in range(24 * days))
    return Outturn(Recording("test", "EUR/kWh", (Vintage(first, slots),), slots, ""), None)


def placed(*sessions: Recorded, prices: Outturn, days: int | None = None, wishes: Wishes | None = None) -> Placed:
    return place(Sessions(sessions, ZONE, Counter()), prices, wishes or Wishes(), 1, days)


def session(plugged: str, hours: float = 12, energy_kwh: float = 10.0) -> Recorded:
    at = datetime.fromisoformat(plugged)
    return Recorded("car", at, at + hours * HOUR, energy_kwh)


MARCH = outturn(datetime(2023, 3, 1, tzinfo=UTC), 31)


def test_sessions_of_the_same_time_stay_where_they_are() -> None:
    found = placed(session("2023-03-09T18:10"), prices=MARCH)
    assert not found.moved
    assert found.stays[0].plugged_at == datetime(2023, 3, 9, 18, 10, tzinfo=UTC)


def test_other_years_move_by_whole_years_of_weeks_so_the_season_stays() -> None:
    found = placed(session("2019-03-14T18:10"), prices=MARCH)
    assert found.moved
    moved = found.stays[0].day
    assert (moved.year, moved.month, moved.weekday()) == (2023, 3, 3)
    assert (moved - datetime(2019, 3, 14, tzinfo=UTC).date()).days % 364 == 0


def test_other_seasons_move_by_weeks_in_turn_and_each_turn_has_its_own_cars() -> None:
    found = placed(*(session(f"2019-{month:02}-10T18:10") for month in range(6, 13)), prices=MARCH)
    assert len(found.stays) == 7
    weekdays = sorted(datetime(2019, month, 10, tzinfo=UTC).weekday() for month in range(6, 13))
    assert sorted(stay.day.weekday() for stay in found.stays) == weekdays
    assert len({stay.registration.car for stay in found.stays}) > 1


def test_local_clock_time_stays_over_the_clock_change() -> None:
    found = placed(session("2023-03-25T22:00", hours=10), prices=MARCH)
    stay = found.stays[0]
    assert (stay.plugged_at, stay.end) == (
        datetime(2023, 3, 25, 22, tzinfo=UTC),
        datetime(2023, 3, 26, 7, tzinfo=UTC),
    )
    assert stay.ready_by == stay.end


def test_days_without_prices_are_left_out_and_counted() -> None:
    found = placed(session("2023-03-09T18:10"), session("2023-05-09T18:10"), prices=MARCH)
    assert len(found.stays) == 1
    assert found.left_out == {"no prices or carbon for its time": 1}


def test_only_the_first_days_when_asked() -> None:
    found = placed(session("2023-03-03T18:10"), session("2023-03-20T18:10"), prices=MARCH, days=5)
    assert [stay.day.day for stay in found.stays] == [3]
    assert found.left_out == {"outside the days asked for": 1}


def test_the_recorded_energy_always_fits_into_battery_and_power() -> None:
    small, large = placed(
        session("2023-03-03T18:10", energy_kwh=5), session("2023-03-05T18:10", hours=4, energy_kwh=88), prices=MARCH
    ).stays
    assert (small.registration.usable_kwh, small.preference.target_soc_pct) == (60, 80)
    assert small.soc_pct == pytest.approx(80 - 7.5)
    assert large.soc_pct == pytest.approx(5)
    assert large.preference.target_soc_pct == 100
    assert large.power_kw == pytest.approx(22)
    assert large.feasible


def test_a_stated_ready_by_goes_before_the_departure_and_leaving_before_it_is_told() -> None:
    found = placed(session("2023-03-03T18:10", hours=5), prices=MARCH, wishes=Wishes(ready_at=time(7)))
    assert found.stays[0].ready_by == datetime(2023, 3, 4, 7, tzinfo=UTC)
    assert found.stays[0].left_early
