"""The schedule that we write into a Tesla: when it starts, for whoever reads it there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oem_connectors.base import Ask
from oem_connectors.errors import Unsupported
from oem_connectors.tesla import SCHEDULE_ID, schedule

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "zone", "day", "minutes"),
    [
        ("2026-01-05T01:30:59+00:00", "Europe/London", "Monday", 90),
        ("2026-01-05T23:30:00+00:00", "Europe/Berlin", "Tuesday", 30),
        ("2026-07-05T23:30:00+00:00", "Europe/London", "Monday", 30),
        ("2026-01-05T01:30:00+00:00", "America/Los_Angeles", "Sunday", 17 * 60 + 30),
        ("2026-03-29T01:00:00+00:00", "Europe/Berlin", "Sunday", 180),
    ],
)
def test_a_schedule_is_once_at_home_in_the_homes_own_time(at: str, zone: str, day: str, minutes: int) -> None:
    ask = Ask(datetime.fromisoformat(at), ZoneInfo(zone), {"home": "10.0,-20.5"})
    assert schedule(ask) == {
        "id": SCHEDULE_ID,
        "lat": 10.0,
        "lon": -20.5,
        "start_time": minutes,
        "start_enabled": True,
        "end_enabled": False,
        "days_of_week": day,
        "one_time": True,
        "enabled": True,
    }


@given(st.integers(0, 200_000_000), st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata"]))
def test_the_car_never_starts_late_nor_a_minute_early(seconds: int, name: str) -> None:
    zone, start = ZoneInfo(name), NOW + timedelta(seconds=seconds)
    body = schedule(Ask(start, zone, {"home": "1.0,2.0"}))
    local = start.astimezone(zone).replace(tzinfo=None)
    set_to = local.replace(hour=body["start_time"] // 60, minute=body["start_time"] % 60, second=0, microsecond=0)
    assert timedelta(0) <= local - set_to < timedelta(minutes=1)
    assert body["days_of_week"] == set_to.strftime("%A")


@pytest.mark.parametrize("about", [{}, {"home": "nowhere"}, {"home": "1,2,3"}])
def test_without_a_home_there_is_no_schedule(about: Mapping[str, str]) -> None:
    with pytest.raises(Unsupported, match="home"):
        schedule(Ask(NOW, UTC, about))
