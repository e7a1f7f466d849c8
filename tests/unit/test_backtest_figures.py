"""The books: regret that adds up, savings as ratios of sums, intervals over days, and what a missed promise earns."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.backtest.carbon import carbon
from deploy.backtest.evcc import evcc
from deploy.backtest.figures import Days, promises, regret
from deploy.backtest.insight import Outturn, Vintages
from deploy.backtest.job import Job, run
from deploy.backtest.prices import prices
from deploy.backtest.recording import Recording, Vintage
from deploy.backtest.run import Line, Setting, drive
from deploy.backtest.sessions import Recorded, Sessions, sessions
from deploy.backtest.shares import drive_shared
from deploy.backtest.stays import Stay, Wishes, place
from deploy.backtest.visit import Conduct
from deploy.backtest.ways import Bill
from deploy.demo.recorded import DATA
from streams.contracts.forecast import Slot
from streams.contracts.session import Promise
from streams.domain.case import PlanRules

HOUR = timedelta(hours=1)
START = datetime(2023, 3, 1, tzinfo=UTC)


@cache
def books() -> list[Line]:
    """Thirty recorded sessions on recorded prices and carbon."""
    setting, stays = recorded()
    return drive(setting, stays, lambda: None)


@cache
def recorded() -> tuple[Setting, tuple[Stay, ...]]:
    price, grid = prices(DATA / "prices_gb.csv", ZoneInfo("Europe/London"), "EUR"), carbon([DATA / "carbon_gb.csv"])
    found = sessions(DATA / "home_sessions.csv", "Europe/London")
    stays = place(found, Outturn(price, grid), Wishes(), seed=1).stays
    return Setting(price, grid, Conduct(), PlanRules()), stays[:: len(stays) // 30]


def test_regret_by_cause_adds_up_to_the_whole_in_every_session() -> None:
    for line in books():
        assert sum(line.regret.values()) == pytest.approx(line.objective("managed") - line.objective("oracle"))
    assert sum(regret(books()).values()) == pytest.approx(
        sum(line.objective("managed") - line.objective("oracle") for line in books())
    )


def test_nothing_beats_the_oracle_and_more_blocks_never_cost_more() -> None:
    for line in books():
        best = line.objective("oracle")
        bound = set(line.bills) - {"managed", "ideal", "timer"}  # a timer knows no ready-by
        assert all(line.objective(way) >= best - 1e-5 for way in bound)
        assert best <= line.objective("two_blocks") + 1e-5 <= line.objective("one_block") + 2e-5


def test_two_blocks_keep_99_percent_of_the_saving_on_half_hours_of_recorded_cost() -> None:
    assert Days(books(), seed=1).capture("objective", "two_blocks").value == pytest.approx(1, abs=0.01)


def test_shares_of_work_do_not_change_the_books() -> None:
    """Cars are driven apart from one another; what each was seen to draw stays with it."""
    setting, stays = recorded()
    halves = [[one for one in stays if hash(one.registration.car) % 2 == half] for half in (0, 1)]
    apart = {line.stay.id: line for half in halves for line in drive(setting, half, lambda: None)}
    assert [apart[line.stay.id].bills for line in books()] == [line.bills for line in books()]


def test_few_sessions_stay_in_this_process_and_are_counted() -> None:
    setting, stays = recorded()
    told: list[int] = []
    lines = drive_shared(setting, stays[:3], told.append)
    assert (told, [line.stay.id for line in lines]) == ([1, 2, 3], [one.id for one in stays[:3]])


def test_several_processes_give_the_same_lines_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.backtest.shares._WORTH", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    setting, stays = recorded()
    told: list[int] = []
    lines = drive_shared(setting, stays[:6], told.append)
    assert lines == books()[:6]
    assert told[-1] == 6


def line(day: int, managed: float, unmanaged: float = 2.0, oracle: float = 1.0, **changes: Any) -> Line:
    one = books()[0]
    bills = dict.fromkeys(one.bills, Bill(unmanaged)) | {"managed": Bill(managed), "oracle": Bill(oracle)}
    stay = one.stay._replace(day=date(2023, 3, day))
    return replace(one, **({"stay": stay, "bills": bills, "promise": Promise.MET} | changes))


def test_savings_are_ratios_of_sums_never_means_of_ratios() -> None:
    days = Days([line(1, 1.0), line(1, 18.0, unmanaged=20.0, oracle=15.0)], seed=1)
    saving, capture = days.saving("cost"), days.capture("cost")
    assert (saving.part, saving.whole, saving.value) == pytest.approx((3, 22, 3 / 22))
    assert (capture.part, capture.whole, capture.value) == pytest.approx((3, 6, 0.5))


def test_a_missed_promise_earns_nothing_but_loses_in_full() -> None:
    missed = [line(1, 1.2, promise=Promise.MISSED), line(1, 2.5, promise=Promise.MISSED), line(1, 1.5)]
    assert Days(missed, seed=1).saving("cost").part == pytest.approx(0 - 0.5 + 0.5)
    assert promises(missed) == {"met": 1, "missed": 2, "unreachable": 0, "left_early": 0}


def test_a_loss_is_shown_as_one() -> None:
    assert Days([line(1, 2.5)], seed=1).saving("cost").value == pytest.approx(-0.25)


def test_the_interval_comes_of_days_so_more_cars_in_the_same_nights_do_not_narrow_it() -> None:
    nights = [(1, 1.0), (2, 1.9), (3, 1.2), (4, 1.7), (5, 1.1), (6, 1.6)]
    few = Days([line(day, paid) for day, paid in nights], seed=1).saving("cost")
    many = Days([line(day, paid) for day, paid in nights for _ in range(50)], seed=1).saving("cost")
    assert few.low is not None
    assert few.high is not None
    assert (many.low, many.high) == pytest.approx((few.low, few.high))
    assert few.high - few.low > 0.1


def test_a_few_days_give_no_interval() -> None:
    assert Days([line(day, 1.5) for day in range(1, 5)], seed=1).saving("cost").low is None


def test_the_same_seed_gives_the_same_interval() -> None:
    lines = [line(day, 1 + day / 10) for day in range(1, 9)]
    assert Days(lines, seed=3).saving("cost") == Days(lines, seed=3).saving("cost")


def test_nothing_to_save_gives_no_share() -> None:
    assert Days([line(1, 1.0, unmanaged=1.0, oracle=1.0)], seed=1).capture("cost").value is None


def night(values: dict[int, float], published: int = 13) -> tuple[Stay, Vintages]:
    """18:00 to 08:00 of the next day at 0.3 but for the hours given; the next day is published at 21:00 if late."""
    hours = [values.get(hour % 24, 0.3) for hour in range(24 * 4)]
    slots = tuple(Slot(start=START + n * HOUR, end=START + (n + 1) * HOUR, value=v) for n, v in enumerate(hours))
    days = tuple(Vintage(START + (n * 24 - 24 + published) * HOUR, slots[n * 24 : n * 24 + 24]) for n in range(4))
    recording = Recording("night", "EUR/kWh", days, slots, "")
    plugged = datetime(2023, 3, 2, 18)  # noqa: DTZ001 - wall time
    found = Sessions((Recorded("car", plugged, plugged + 14 * HOUR, 7.4),), "UTC", Counter())
    return place(found, Outturn(recording, None), Wishes(power_error=0), seed=1).stays[0], Vintages(recording, None)


def _clock(profile: tuple[tuple[datetime, datetime, float], ...]) -> list[tuple[str, str]]:
    return [(f"{start:%H:%M}", f"{end:%H:%M}") for start, end, _ in profile]


def test_evcc_takes_the_latest_of_equal_quarters_and_trims_the_last_one() -> None:
    stay, insight = night({2: 0.1})
    assert _clock(evcc(stay, 7.4, insight)) == [("02:00", "03:00")]
    assert _clock(evcc(stay, 7.4 * 1.1, insight)) == [("02:00", "03:00"), ("07:54", "08:00")]


def test_evcc_waits_for_prices_when_enough_time_lies_behind_the_known_ones() -> None:
    stay, insight = night({19: 0.2, 22: 0.25, 3: 0.1}, published=21)
    assert _clock(evcc(stay, 7.4, insight)) == [("03:00", "04:00")]


def test_evcc_charges_all_the_time_when_there_is_no_other() -> None:
    stay, insight = night({})
    ((start, end, kwh),) = evcc(stay, 7.4 * 14, insight)
    assert (start, end) == (stay.plugged_at, stay.end)
    assert kwh == pytest.approx(7.4 * 14)


def test_a_job_without_files_runs_on_the_extracts() -> None:
    told: list[tuple[str, int, int]] = []
    summary = run(Job(most=5, days=3), lambda *progress: told.append(progress))
    assert told[-1] == ("prices_gb", 5, 5)
    assert (summary["sessions"], summary["zone"], summary["currency"]) == (5, "Europe/London", "EUR")
    assert summary["more"]["moved_by_whole_weeks"]
