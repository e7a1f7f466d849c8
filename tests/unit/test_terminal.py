"""The terminal shows the demo as it stands, draws no more often than needed, and ends with the books."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from deploy.demo.live import Car, Live, WorkerInfo
from deploy.demo.terminal import Terminal, summary_table
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.telemetry import Charge, Plug

START = datetime(2023, 3, 25, 12, tzinfo=UTC)


def waiting(car: str, start: datetime) -> DriverStatus:
    return DriverStatus(
        car=car,
        driver="d",
        reason=StatusReason.WAITING_FOR_CHEAP,
        sentence="Charging starts about 02:10.",
        plug=Plug.PLUGGED,
        charge=Charge.IDLE,
        next_start=start,
        home_zone="Europe/London",
        version="1",
        at=START,
    )


def sent(title: str, at: datetime) -> NotificationEvent:
    return NotificationEvent(
        id=title,
        car="a.1",
        driver="d",
        session_id="s",
        kind=NotificationKind.PLUGGED_IN,
        title=title,
        phase=NotificationPhase.SENT,
        body=f"body of {title}",
        at=at,
    )


@pytest.fixture
def live() -> Live:
    live = Live(START, START + timedelta(hours=24), "Europe/London", "EUR", START, scenario="oem-outage", lag=7)
    live.cars = {f"a.{n}": Car(f"a.{n}", f"Model {n}", "Europe/London") for n in range(1, 4)}
    live.workers = [WorkerInfo("worker-1", 1, True, [0, 1]), WorkerInfo("worker-2", 2, False, [])]
    return live


def console(*, terminal: bool) -> Console:
    return Console(
        file=StringIO(), force_terminal=terminal, width=120, height=40, color_system=None, legacy_windows=False
    )


def text(target: Console) -> str:
    assert isinstance(target.file, StringIO)
    return target.file.getvalue()


def test_a_log_gets_one_line_per_virtual_hour(live: Live) -> None:
    target = console(terminal=False)
    with Terminal(live, target) as terminal:
        for minutes in range(0, 180, 5):
            live.now = START + timedelta(minutes=minutes)
            terminal.refresh()
    lines = text(target).splitlines()
    assert [line[:20] for line in lines] == ["Sat 25 Mar 12:00 GMT", "Sat 25 Mar 13:00 GMT", "Sat 25 Mar 14:00 GMT"]
    assert "3 not heard yet" in lines[0]
    assert "lag 7" in lines[0]


def test_the_clock_shows_summer_time_once_it_began(live: Live) -> None:
    target = console(terminal=False)
    live.now = datetime(2023, 3, 26, 1, tzinfo=UTC)
    Terminal(live, target).refresh()
    assert text(target).startswith("Sun 26 Mar 02:00 BST")


def test_the_picture_tells_states_starts_pushes_commands_and_workers(live: Live) -> None:
    live.take("a.1", waiting("a.1", datetime(2023, 3, 26, 1, 8, tzinfo=UTC)))
    live.take("a.1", sent("Older", START))
    live.take("a.1", sent("Newer", START))
    live.counts["command.confirmed"] = 12
    target = console(terminal=True)
    with Terminal(live, target):
        pass
    shown = text(target)
    for words in (
        "oem-outage",
        "about 02:10",
        "Model 1",
        "body of Newer",
        "12 confirmed",
        "7 records",
        "worker-1: 0 1",
        "worker-2: no partitions",
    ):
        assert words in shown
    assert shown.index("Older") < shown.index("Newer")


def test_drawing_waits_until_a_person_could_see_the_difference(live: Live) -> None:
    seconds = 0.0
    target = console(terminal=True)
    terminal = Terminal(live, target, elapsed=lambda: seconds)
    terminal.start()
    drawn = len(text(target))
    terminal.refresh()
    assert len(text(target)) == drawn
    seconds = 0.3
    terminal.refresh()
    assert len(text(target)) > drawn
    terminal.stop()
    terminal.stop()


def summary(**changed: Any) -> dict[str, Any]:
    four = {"managed": 40.0, "unmanaged": 50.0, "timer": 45.0, "oracle": 38.0}
    return {
        "vehicles": 20,
        "sessions": 31,
        "plug_events": {"plugged_in": 31, "unplugged": 30},
        "schedules": 60,
        "commands": {"sent": 50, "confirmed": 48, "failed": 1, "unknown": 1, "duplicate_effective": 0},
        "control": {
            "plug_in_to_seen_seconds": {"median": 120.0, "p95": 600.0, "sessions": 31},
            "seen_to_stop_seconds": {"median": 7.0, "p95": None, "sessions": 0},
        },
        "notifications": {"sent": 60, "duplicate": 0},
        "ready_by": {"met": 28, "missed": 0, "unreachable": 2, "left_early": 1},
        "energy_kwh": 400.0,
        "currency": "EUR",
        "cost": four,
        "carbon_kg": four,
        "events": {"in": 100, "out": 60, "filtered": 39, "dead_letters": 1, "lost": 0},
        "announced_start_changes_per_session": 0.1,
        "blocks_per_session": 1.25,
        "wall_seconds": 93.4,
        **changed,
    }


def rendered(told: dict[str, Any]) -> str:
    target = console(terminal=False)
    target.print(summary_table(told))
    return text(target)


@pytest.mark.parametrize(
    "words",
    [
        "40.00 EUR",
        "-20.0 %",
        "-10.0 %",
        "10.00",
        "12.50",
        "28 met, 0 missed, 2 unreachable, 1 left early",
        "31 plugged in",
        "100 in = 60 out + 39 filtered + 1 dead letters; 0 lost",
        "0 duplicate effective",
        "1.25 blocks",
        "93 s",
        "plug-in seen after 120 s (95 %: 600 s), stop sent 7 s later (95 %: –)",
    ],
)
def test_the_books_stand_beside_the_other_ways(words: str) -> None:
    assert words in rendered(summary())


def test_nothing_charged_is_no_unit_price_and_no_saving() -> None:
    nothing = dict.fromkeys(("managed", "unmanaged", "timer", "oracle"), 0.0)
    told = rendered(summary(energy_kwh=0.0, cost=nothing, carbon_kg=nothing, blocks_per_session=None))
    assert "nan" not in told
    assert "– blocks" in told
    assert "ct/kWh" in told


def test_pounds_are_told_in_pence() -> None:
    assert "p/kWh" in rendered(summary(currency="GBP"))


def test_counts_may_be_plain_numbers() -> None:
    assert "61" in rendered(summary(plug_events=61))
