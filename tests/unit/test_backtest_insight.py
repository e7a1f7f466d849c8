"""No decision ever sees a forecast that was issued after it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deploy.backtest.insight import Outturn, Vintages
from deploy.backtest.recording import Recording, Vintage
from deploy.backtest.sessions import Recorded, Sessions
from deploy.backtest.stays import Stay, Wishes, place
from deploy.backtest.visit import Conduct, visit
from streams.contracts.forecast import Slot
from streams.domain.case import PlanRules

START = datetime(2023, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: Cheap at 02:00 and 03:00 of every night, dear in the evening.
DAY = [0.20, 0.20, 0.05, 0.06, *[0.20] * 12, *[0.40] * 8]


def slots(start: datetime, values: Sequence[float]) -> tuple[Slot, ...]:
    return tuple(Slot(start=start + n * HOUR, end=start + (n + 1) * HOUR, value=v) for n, v in enumerate(values))


def recorded(*more: Vintage) -> Recording:
    """Four days, each known at 13:00 of the day before, and `more`; the truth stays the same."""
    days = [(START + n * 24 * HOUR, slots(START + n * 24 * HOUR, DAY)) for n in range(4)]
    vintages = [Vintage(day - 11 * HOUR, known) for day, known in days]
    outturn = tuple(slot for _, known in days for slot in known)
    return Recording("test", "EUR/kWh", tuple(sorted((*vintages, *more))), outturn, "")


def evening(price: Recording) -> Stay:
    """Plugged in at 18:00 of the second day until 07:00, 15 kWh."""
    plugged = datetime(2023, 3, 2, 18)  # noqa: DTZ001 - wall time
    one = Recorded("car", plugged, plugged + 13 * HOUR, 15.0)
    return place(Sessions((one,), "UTC", Counter()), Outturn(price, None), Wishes(), seed=1).stays[0]


def test_a_poisoned_vintage_issued_later_changes_no_decision() -> None:
    """Dear where it is cheap and cheap where it is dear, issued the minute after the car left."""
    stay = evening(recorded())
    poison = Vintage(stay.end + timedelta(minutes=1), slots(START, [0.45 - v for v in DAY * 4]))
    assert _drive(stay, recorded()) == _drive(stay, recorded(poison))


def test_the_same_vintage_in_time_does_change_them() -> None:
    stay = evening(recorded())
    known = Vintage(stay.plugged_at - timedelta(minutes=1), slots(START, [0.45 - v for v in DAY * 4]))
    assert _drive(stay, recorded()) != _drive(stay, recorded(known))


def test_a_vintage_within_the_stay_changes_only_what_comes_after() -> None:
    """At 02:30 the car charges; then the rest of the night is said to be for free."""
    stay = evening(recorded())
    told = datetime(2023, 3, 3, 2, 30, tzinfo=UTC)
    before, after = _drive(stay, recorded()), _drive(stay, recorded(Vintage(told, slots(told + HOUR, [-1.0] * 3))))
    assert before != after
    assert _until(before, told) == _until(after, told)


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), min_size=1, max_size=8, unique_by=lambda i: i[0]),
    st.integers(-3, 120),
)
def test_the_market_at_an_instant_holds_words_said_until_then_and_the_newest_of_them(
    issues: list[tuple[int, int]], hour: int
) -> None:
    """Each vintage says its own number about a stretch of hours."""
    vintages = [
        Vintage(START + issued * HOUR, slots(START + (issued + ahead) * HOUR, [n + 0.5] * 4))
        for n, (issued, ahead) in enumerate(sorted(issues))
    ]
    now = START + hour * HOUR
    said: dict[datetime, float] = {}
    for vintage in vintages:
        if vintage.issued_at <= now:
            said |= {slot.start: slot.value for slot in vintage.slots}
    market = Vintages(Recording("test", "EUR/kWh", tuple(vintages), vintages[-1].slots, ""), None).market(now)
    known = {slot.start: slot.value for slot in market.price.slots} if market else {}
    assert known == said
    assert market is None or market.price.issued_at <= now


def test_carbon_is_held_back_as_prices_are() -> None:
    later = Vintage(START + 30 * HOUR, slots(START, [999.0] * 96))
    carbon = Recording("grid", "gCO2/kWh", (Vintage(START, slots(START, [100.0] * 96)), later), later.slots, "")
    insight = Vintages(recorded(), carbon)
    for hours, expected in ((29, 100.0), (30, 999.0)):
        market = insight.market(START + hours * HOUR)
        assert market is not None
        assert market.carbon is not None
        assert {slot.value for slot in market.carbon.slots} == {expected}


def test_there_is_no_market_before_the_first_word() -> None:
    assert Vintages(recorded(), None).market(START - 12 * HOUR) is None


def _drive(stay: Stay, price: Recording) -> tuple[tuple[datetime, datetime, float], ...]:
    return visit(stay, Conduct(), Vintages(price, None), PlanRules(), None).profile


def _until(profile: tuple[tuple[datetime, datetime, float], ...], at: datetime) -> list[tuple[datetime, datetime]]:
    return [(start, min(end, at)) for start, end, _ in profile if start < at]
