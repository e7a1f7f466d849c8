"""Nothing is pushed twice, nothing that failed is hushed, and nights are quiet otherwise."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.account import Link
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.telemetry import Charge, Plug
from streams.domain.notify import Ledger, ask_again, is_quiet, notices
from tests.night import CAR, after

#: Minutes after 18:00 local: 23:00 and 08:00.
NIGHT, MORNING = 300, 840


def seen(reason: StatusReason = StatusReason.WAITING_FOR_CHEAP, **changes: Any) -> DriverStatus:
    facts: dict[str, Any] = {
        "car": CAR, "driver": "driver-1", "reason": reason, "sentence": "The plan.", "plug": Plug.PLUGGED,
        "charge": Charge.IDLE, "session_id": "s1", "plan_revision": 1, "next_start": after(390),
        "ready_by": after(780), "target_soc_pct": 80, "home_zone": "Europe/London", "link": Link.LINKED,
        "version": "v", "at": after(1),
    }  # fmt: skip
    return DriverStatus(**(facts | changes))


def told(
    statuses: list[tuple[float, DriverStatus]], ledger: Ledger | None = None
) -> tuple[Ledger, list[NotificationEvent]]:
    events: list[NotificationEvent] = []
    for minutes, status in statuses:
        ledger, new = notices(ledger, status, after(minutes))
        events += new
    assert ledger is not None
    return ledger, events


def kinds(*statuses: tuple[float, DriverStatus]) -> list[str]:
    return [event.kind.value for event in told(list(statuses))[1]]


SETTLED: dict[str, Any] = {
    "settled_session_id": "s1", "saved": 1.5, "saved_carbon_g": 900.0, "cost": 3, "charged_kwh": 20, "currency": "GBP"
}  # fmt: skip
GONE: dict[str, Any] = {"session_id": None, "plan_revision": None, "next_start": None, "plug": Plug.UNPLUGGED}
R = StatusReason
NOW: dict[str, Any] = {"next_start": None, "planned_until": after(800)}
CHARGES: dict[str, Any] = {"charge": Charge.CHARGING}
BOOSTED = seen(R.CHARGING_BOOST, **NOW, **CHARGES)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param([(1, seen())], ["plugged_in"], id="plugged in with a plan"),
        pytest.param([(1, seen(R.PLANNING, plan_revision=None))], [], id="no plan, no push"),
        pytest.param([(1, seen(R.AWAY))], [], id="away"),
        pytest.param([(1, seen()), (2, seen(plan_revision=2))], ["plugged_in"], id="once per session"),
        pytest.param([(1, seen()), (2, seen(session_id="s2"))], ["plugged_in"] * 2, id="again next session"),
        pytest.param([(1, seen()), (2, seen(next_start=after(420)))], ["plugged_in"], id="moved by 30 minutes"),
        pytest.param(
            [(1, seen()), (2, seen(next_start=after(421)))], ["plugged_in", "plan_moved"], id="moved by more"
        ),
        pytest.param(
            [(1, seen()), (2, seen(next_start=after(410))), (3, seen(next_start=after(425)))],
            ["plugged_in", "plan_moved"], id="many small moves are measured from what was said",
        ),
        pytest.param(
            [(1, seen(next_start=after(60))), (70, seen(next_start=after(390)))], ["plugged_in"],
            id="the second part is no move of the first",
        ),
        pytest.param(
            [(1, seen()), (2, seen(next_start=after(480))), (3, seen(next_start=after(480)))],
            ["plugged_in", "plan_moved"], id="moved once, said once",
        ),
        pytest.param([(1, seen(R.CANNOT_BE_READY))] * 2, ["cannot_be_ready"], id="the warning stands for both"),
        pytest.param(
            [(1, seen(R.CANNOT_BE_READY)), (2, seen(R.CANNOT_BE_READY, ready_by=after(900)))],
            ["cannot_be_ready"] * 2, id="a new promise is a new warning",
        ),
        pytest.param([(1, seen(R.CANNOT_CONTROL))] * 2, ["cannot_control"], id="does not obey"),
        pytest.param([(1, BOOSTED)] * 2, ["boosted"], id="plugged in and boosted is one piece of news"),
        pytest.param([(1, seen()), (2, BOOSTED), (3, BOOSTED)], ["plugged_in", "boosted"], id="boosted"),
        pytest.param(
            [(1, seen()), (2, BOOSTED), (3, seen(R.STARTING, **NOW)), (4, BOOSTED)], ["plugged_in", "boosted"],
            id="a boosted car that stops for a moment",
        ),
        pytest.param(
            [(1, seen()), (2, BOOSTED), (3, seen()), (4, BOOSTED)], ["plugged_in", "boosted", "boosted"],
            id="boosted again; that the old plan holds again is no news",
        ),
        pytest.param(
            [(1, seen()), (2, BOOSTED), (3, seen(next_start=after(480)))], ["plugged_in", "boosted", "plan_moved"],
            id="another plan after a boost",
        ),
        pytest.param(
            [(1, seen()), (2, seen(R.STARTING, **NOW)), *[(n, seen(R.CHARGING_AS_PLANNED, **NOW)) for n in (3, 4)]],
            ["plugged_in", "plan_moved"], id="moved to now, said once it charges",
        ),
        pytest.param(
            [(1, seen(R.STARTING, **NOW)), (3, seen(R.CHARGING_AS_PLANNED, **NOW)), (9, seen())], ["plugged_in"],
            id="charged at once, the rest later",
        ),
        pytest.param(
            [(1, seen()), (370, seen(R.CHARGING_AS_PLANNED, **NOW))], ["plugged_in"], id="begins a little early"
        ),
        pytest.param(
            [(n, seen(next_start=after(at))) for n, at in enumerate((390, 450, 390, 450))],
            ["plugged_in", *["plan_moved"] * 3], id="there and back again, each time",
        ),
        pytest.param(
            [(1, seen()), (2, seen(next_start=after(420))), (3, seen())], ["plugged_in"], id="a little and back"
        ),
        pytest.param(
            [(1, seen()), (2, seen(R.CANNOT_CONTROL)), (3, seen()), (4, seen(R.CANNOT_CONTROL))],
            ["plugged_in", "cannot_control"], id="the same trouble still",
        ),
        pytest.param(
            [(1, seen(R.CANNOT_CONTROL)), (3, seen(**CHARGES)), (4, seen(R.CANNOT_CONTROL))],
            ["cannot_control", "plugged_in", "cannot_control"], id="trouble that was over comes again",
        ),
        pytest.param(
            [(1, seen()), *[(n, seen(one)) for n in range(2, 9) for one in (R.AT_RISK, R.STARTING)]],
            ["plugged_in", "at_risk"], id="at risk until it is seen to charge",
        ),
        pytest.param(
            [(1, seen()), *[(n, one) for n in range(2, 9) for one in (seen(R.AT_RISK), seen(**CHARGES))]],
            ["plugged_in", *["at_risk"] * 3], id="trouble that comes and goes is not told for ever",
        ),
        pytest.param(
            [(1, seen(R.PAUSED, next_start=None))] * 2, ["plugged_in"], id="paused: told at plug-in, else no news"
        ),
        pytest.param([(1, seen()), (2, seen(R.PAUSED, next_start=None))], ["plugged_in"], id="paused by the driver"),
        pytest.param([(1, seen(R.LINK_LOST))] * 2, ["link_lost"], id="link lost"),
        pytest.param(
            [(1, seen(R.LINK_LOST)), (2, seen(R.PLANNING)), (3, seen(R.LINK_LOST))], ["link_lost"] * 2,
            id="link lost again",
        ),
        pytest.param([(MORNING, seen(R.UNPLUGGED, **GONE, **SETTLED))] * 2, ["done"], id="done"),
        pytest.param(
            [(MORNING, seen(R.UNPLUGGED, **GONE, **(SETTLED | {"charged_kwh": 0})))], [],
            id="a session without energy is not worth a push",
        ),
        pytest.param(
            [(MORNING, seen(R.UNPLUGGED, **GONE, **(SETTLED | {"saved": 0, "saved_carbon_g": 0})))], ["done"],
            id="one that saved nothing is",
        ),
        pytest.param(
            [(MORNING, seen(R.UNPLUGGED, **GONE, **SETTLED)), (MORNING + 9, seen(session_id="s2", **SETTLED))],
            ["done", "plugged_in"], id="plugged in again",
        ),
    ],
)  # fmt: skip
def test_what_is_pushed(statuses: list[tuple[float, DriverStatus]], expected: list[str]) -> None:
    assert kinds(*statuses) == expected


@pytest.mark.parametrize(
    ("minutes", "quiet"),
    [
        pytest.param(269, False, id="22:29"),
        pytest.param(270, True, id="22:30"),
        pytest.param(749, True, id="06:29"),
        pytest.param(750, False, id="06:30"),
    ],
)
def test_quiet_hours_are_local(minutes: float, quiet: bool) -> None:
    assert is_quiet(after(minutes), "Europe/London") is quiet
    assert not is_quiet(datetime(2023, 1, 15, 12, tzinfo=UTC), "Europe/London")


def test_done_waits_for_the_morning() -> None:
    done = seen(R.UNPLUGGED, **GONE, **SETTLED)
    assert kinds((NIGHT, done)) == []
    assert kinds((NIGHT, done), (MORNING, done), (MORNING + 5, done)) == ["done"]


def test_who_held_something_back_asks_again_when_the_night_is_over() -> None:
    done = seen(R.UNPLUGGED, **GONE, **SETTLED)
    ledger, _ = told([(NIGHT, done)])
    assert ask_again(ledger, done, after(NIGHT)) == after(750)
    assert ask_again(ledger, done, after(MORNING)) is None
    said, _ = told([(MORNING, done)])
    assert ask_again(said, done, after(NIGHT)) is None


def test_a_move_at_night_is_dropped_once_it_is_outdated() -> None:
    moved = seen(next_start=after(480))
    assert kinds((1, seen()), (NIGHT, moved)) == ["plugged_in"]
    assert kinds((1, seen()), (NIGHT, moved), (MORNING, moved)) == ["plugged_in"]


def test_a_move_at_night_that_still_matters_is_said_in_the_morning() -> None:
    first, moved = seen(next_start=after(900)), seen(next_start=after(960))
    assert kinds((1, first), (NIGHT, moved), (MORNING, moved)) == ["plugged_in", "plan_moved"]


@pytest.mark.parametrize("reason", [R.CANNOT_BE_READY, R.CANNOT_CONTROL, R.LINK_LOST])
def test_failures_are_never_hushed(reason: StatusReason) -> None:
    assert kinds((NIGHT, seen(reason))) == [reason.value]


def test_a_push_is_an_intent_with_the_plan_in_it() -> None:
    _, (event,) = told([(1, seen())])
    assert (event.phase, event.kind) == (NotificationPhase.INTENT, NotificationKind.PLUGGED_IN)
    assert (event.title, event.body, event.session_id) == ("Plugged in", "The plan.", "s1")


def test_a_moved_start_is_named() -> None:
    _, (_, event) = told([(1, seen()), (2, seen(next_start=after(480)))])
    assert event.body == "Charging starts about 02:00 instead, ready by 07:00."


REASONS = st.sampled_from(list(StatusReason))


@given(
    st.lists(
        st.tuples(REASONS, st.sampled_from(["s1", "s2"]), st.integers(0, 24).map(lambda n: after(30 * n))), max_size=40
    )
)
def test_no_push_twice_and_a_replay_says_the_same(facts: list[tuple[StatusReason, str, datetime]]) -> None:
    statuses = [
        (10.0 * i, seen(reason, session_id=session_id, next_start=start, **SETTLED))
        for i, (reason, session_id, start) in enumerate(facts)
    ]
    if not statuses:
        return
    ledger, events = told(statuses)
    ids = [event.id for event in events]
    assert len(ids) == len(set(ids))
    assert told(statuses) == (ledger, events)
    again, repeated = notices(ledger, statuses[-1][1], after(statuses[-1][0]))
    assert (again, repeated) == (ledger, ())
    assert len(ledger.said) <= 64


def test_the_ledger_stays_small() -> None:
    statuses = [(float(i), seen(session_id=f"s{i}")) for i in range(200)]
    ledger, events = told(statuses)
    assert len(events) == 200
    assert len(ledger.said) == 64
    assert told([(300, statuses[-1][1])], ledger)[1] == []


def test_a_restart_between_two_statuses_changes_nothing() -> None:
    ledger, _ = told([(1, seen())])
    assert Ledger.model_validate_json(ledger.model_dump_json()) == ledger
    assert ledger.announced_start == after(390)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (R.CHARGING_BY_DRIVER, NotificationKind.STOOD_DOWN),
        (R.STOPPED_BY_DRIVER, NotificationKind.STOOD_DOWN),
        (R.OWN_SCHEDULE, NotificationKind.OWN_SCHEDULE),
        (R.AT_RISK, NotificationKind.AT_RISK),
        (R.CANNOT_CONTROL, NotificationKind.CANNOT_CONTROL),
    ],
)
def test_what_takes_the_plan_out_of_our_hands_is_told_once_a_session(reason: R, kind: NotificationKind) -> None:
    again = seen(reason, session_id="s2")
    _, said = told([(30, seen(reason)), (31, seen()), (40, seen(reason)), (50, again)])
    assert [event.session_id for event in said if event.kind is kind] == ["s1", "s2"]


def test_a_car_at_risk_is_told_at_night_too_and_a_hand_at_the_car_waits_for_the_morning() -> None:
    assert kinds((NIGHT, seen(R.AT_RISK))) == ["at_risk"]
    assert kinds((NIGHT, seen(R.STOPPED_BY_DRIVER))) == []
    assert kinds((NIGHT, seen(R.STOPPED_BY_DRIVER)), (MORNING, seen(R.STOPPED_BY_DRIVER))) == ["stood_down"]
