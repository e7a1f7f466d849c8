"""What is answered: gaps stay gaps, days are as long as they are, and sums never mix what does not add up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.driver_api.answers import AHEAD, history_view, is_stale, outlook_view, savings
from agents.driver_api.views import SessionView
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.registration import Registration
from streams.contracts.session import Promise
from streams.contracts.telemetry import Charge, Plug

HALF, HOUR = timedelta(minutes=30), timedelta(hours=1)
NOW = datetime(2026, 11, 24, 18, 4, tzinfo=UTC)
BEGIN = NOW.replace(minute=0) - HOUR
ANNAS = Registration(
    car="a1.v1", driver="anna", oem="simulator", vehicle="v1", model="Kona", usable_kwh=64, power_kw=7.4,
    home_zone="Europe/London", region="home", tariff="home", registered_at=NOW,
)  # fmt: skip


def curve(kind: ForecastKind, *slots: tuple[datetime, datetime, float]) -> Forecast:
    made = tuple(Slot(start=start, end=end, value=value) for start, end, value in slots)
    unit = "GBP/kWh" if kind is ForecastKind.PRICE else "gCO2/kWh"
    return Forecast(
        kind=kind, key="home", unit=unit, issued_at=NOW, source="made up", known_until=made[-1].end, slots=made
    )


def test_what_is_not_known_is_null_and_not_what_was_before_it() -> None:
    price = curve(ForecastKind.PRICE, (BEGIN, BEGIN + HOUR, 0.1), (BEGIN + 2 * HOUR, BEGIN + 3 * HOUR, 0.0))
    carbon = curve(ForecastKind.CARBON, (BEGIN + HALF, BEGIN + 4 * HOUR, 100))
    told = outlook_view(ANNAS, price, carbon, (), NOW)
    assert [((one.start - BEGIN) / HOUR, one.price_per_kwh, one.carbon_g_per_kwh) for one in told.slots] == [
        (0, 0.1, None), (0.5, 0.1, 100), (1, None, 100), (2, 0.0, 100), (3, None, 100),
    ]  # fmt: skip
    assert (told.currency, told.price_known_until) == ("GBP", BEGIN + 3 * HOUR)


def test_nothing_known_is_nothing_told() -> None:
    told = outlook_view(ANNAS, None, None, (), NOW)
    assert (told.slots, told.currency, told.price_known_until) == ((), None, None)


@given(st.lists(st.integers(-200, 4000), min_size=2, max_size=30, unique=True), st.integers(0, 59))
def test_slots_are_cut_at_the_edges_without_holes(minutes: list[int], minute: int) -> None:
    edges = [BEGIN + timedelta(minutes=n) for n in sorted(minutes)]
    slots = [(a, b, float(n)) for n, (a, b) in enumerate(pairwise(edges)) if n % 3 != 1]
    told = outlook_view(ANNAS, curve(ForecastKind.PRICE, *slots), None, (), NOW.replace(minute=minute))
    for one in told.slots:
        assert BEGIN <= one.start < one.end <= BEGIN + HOUR + AHEAD
        right = next((value for a, b, value in slots if a <= one.start < b), None)
        assert one.price_per_kwh == right
        assert right is None or next(b for a, b, _ in slots if a <= one.start < b) >= one.end
    assert all(a.end == b.start for a, b in pairwise(told.slots))
    assert not told.slots or (told.slots[0].start == BEGIN and told.slots[-1].price_per_kwh is not None)


@pytest.mark.parametrize(("day", "halves"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-11-24", 48)])
@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Berlin"])
def test_a_day_has_as_many_half_hours_as_it_has(day: str, halves: int, zone: str) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    slots = [(midnight + n * HALF, midnight + (n + 1) * HALF, n / 100) for n in range(80)]
    told = outlook_view(ANNAS, curve(ForecastKind.PRICE, *slots), None, (), midnight)
    local = [one for one in told.slots if one.price_per_kwh is not None]
    of_day = [one for one in local if one.start.astimezone(ZoneInfo(zone)).date().isoformat() == day]
    assert len(of_day) == halves
    assert [one.price_per_kwh for one in of_day] == [n / 100 for n in range(halves)]


def session(ended: datetime, saved: float | None = 1.0, currency: str = "GBP", kwh: float = 10) -> SessionView:
    return SessionView(
        session_id=ended.isoformat(), plugged_at=ended - HOUR, ended_at=ended, energy_kwh=kwh, start_soc_pct=None,
        end_soc_pct=None, currency=currency, cost=None, saved=saved, carbon_kg=None, carbon_saved_kg=None,
        promise=Promise.MET,
    )  # fmt: skip


def test_savings_are_by_month_of_the_home_and_by_currency() -> None:
    new_year = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    sessions = [
        session(new_year, -2),
        session(new_year - HOUR, 5),
        session(new_year, None),
        session(new_year, 7, "EUR"),
    ]
    assert [(one.month, one.currency, one.sessions, one.saved, one.unpriced_sessions) for one in
            savings(sessions, "Europe/Berlin")] == [
        (None, "EUR", 1, 7, 0), (None, "GBP", 3, 3, 1),
        ("2027-01", "GBP", 2, -2, 1), ("2027-01", "EUR", 1, 7, 0), ("2026-12", "GBP", 1, 5, 0),
    ]  # fmt: skip
    assert {one.month for one in savings(sessions, "Europe/London")} == {None, "2026-12"}
    assert savings([], "Europe/London") == ()


@given(st.integers(0, 130))
def test_pages_tell_every_session_once_and_savings_of_all(count: int) -> None:
    sessions, before = [session(NOW - n * HOUR) for n in range(count)], None
    seen: list[SessionView] = []
    while True:
        page = history_view(reversed(sessions), "Europe/London", before)
        seen += page.sessions
        assert len(page.sessions) <= 50
        assert sum(one.sessions for one in page.savings if one.month is None) == count
        if page.next is None:
            break
        before = datetime.fromisoformat(page.next)
    assert seen == sessions


@pytest.mark.parametrize(
    ("plug", "hours", "stale"),
    [
        (Plug.PLUGGED, 2, False), (Plug.PLUGGED, 2.01, True), (Plug.UNPLUGGED, 24, False), (Plug.UNPLUGGED, 24.1, True),
        (Plug.UNKNOWN, 3, False), (Plug.PLUGGED, None, False), (Plug.PLUGGED, -1, False),
    ],
)  # fmt: skip
def test_what_is_old_says_so(plug: Plug, hours: float | None, stale: bool) -> None:
    told = DriverStatus(
        car="a1.v1", driver="anna", reason=StatusReason.UNKNOWN, sentence="", plug=plug, charge=Charge.UNKNOWN,
        soc_time=None if hours is None else NOW - hours * HOUR, home_zone="Europe/London", version="", at=NOW,
    )  # fmt: skip
    assert is_stale(told, NOW) is stale
