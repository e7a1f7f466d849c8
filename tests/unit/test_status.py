"""The driver's status answers from facts alone, and equal content has an equal version."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.contracts.account import AccountState, Link
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.internal import Standing
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.domain import status as rules
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide
from streams.domain.status import StatusState, status
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, session, state

MARKET = Market(forecast(TWO_RATES), None)
NO_OFFSET = PlanRules(edge_spread=timedelta(0))
CHARGING: dict[str, Any] = {"charge": Charge.CHARGING}


def plan_of(now: float = 0, **wishes: Any) -> Schedule:
    facts = {"registration": registration(), "preference": preference(**wishes), "state": state(now)}
    schedule = decide(PlanningState(car=CAR, **facts), MARKET, after(now), NO_OFFSET)
    assert schedule is not None
    return schedule


def told(minutes: float = 1, **changes: Any) -> DriverStatus:
    facts: dict[str, Any] = {
        "registration": registration(), "preference": preference(), "state": state(minutes), "schedule": plan_of()
    }  # fmt: skip
    made = status(StatusState(car=CAR, **(facts | changes)), after(minutes))
    assert made is not None
    return made


def handed(minutes: float = 0, *, charging: bool = False, **sessions: str) -> dict[str, Any]:
    seen = state(minutes, **(CHARGING if charging else {}))
    return {"state": seen, "standing": stands(**sessions)}


def stands(**sessions: str) -> Standing:
    return Standing(car=CAR, reason="test", at=PLUGGED, **sessions)


LOST = AccountState(account="acct", oem="simulator", link=Link.REVOKED, reason="revoked", since=PLUGGED)


@pytest.mark.parametrize(
    ("minutes", "facts", "reason"),
    [
        pytest.param(1, {"state": None}, "unknown", id="never heard of"),
        pytest.param(1, {"state": state(session=None, plug=Plug.UNKNOWN)}, "unknown", id="plug unknown"),
        pytest.param(1, {"state": state(session=None, plug=Plug.UNPLUGGED)}, "unplugged", id="unplugged"),
        pytest.param(
            9, {"state": state(8, plug=Plug.UNPLUGGED, session=session(ended_at=after(8)))}, "unplugged", id="left"
        ),
        pytest.param(1, {"state": state(at_home=False)}, "away", id="away"),
        pytest.param(1, {"schedule": None}, "planning", id="no plan yet"),
        pytest.param(1, {"schedule": plan_of().model_copy(update={"session_id": "s0"})}, "planning", id="old plan"),
        pytest.param(1, {}, "waiting_for_cheap", id="waiting"),
        pytest.param(1, {"state": state(**CHARGING)}, "stopping", id="plug-in blip"),
        pytest.param(
            9,
            handed(9, driver_session="s1") | {"state": state(9, soc_pct=80, limit_pct=80)},
            "waiting_for_cheap",
            id="at the car's own limit",
        ),
        pytest.param(
            9, handed(9, charging=True, driver_session="s1"), "charging_by_driver", id="driver's wish"
        ),
        pytest.param(9, {"standing": stands(driver_session="s1")}, "stopped_by_driver", id="stopped at the car"),
        pytest.param(9, {"standing": stands(driver_session="s0")}, "waiting_for_cheap", id="by hand, last time"),
        pytest.param(9, {"standing": stands(own_schedule_session="s1")}, "own_schedule", id="its own timer"),
        pytest.param(9, handed(9, charging=True, own_schedule_session="s1"), "stopping", id="its own timer began"),
        pytest.param(700, handed(690, at_risk_session="s1"), "at_risk", id="no power seen"),
        pytest.param(
            400, handed(400, charging=True, at_risk_session="s1"), "charging_as_planned", id="power was seen"
        ),

        pytest.param(400, {"state": state(400)}, "starting", id="in a block, not charging yet"),
        pytest.param(400, {"state": state(400, **CHARGING)}, "charging_as_planned", id="as planned"),
        pytest.param(
            1, {"state": state(**CHARGING), "schedule": plan_of(mode="boost")}, "charging_boost", id="boost"
        ),
        pytest.param(1, {"schedule": plan_of(mode="paused")}, "paused", id="paused"),
        pytest.param(1, {"schedule": plan_of(ready_by="19:00")}, "cannot_be_ready", id="out of reach"),
        pytest.param(1, {"schedule": plan_of(target_soc_pct=50)}, "at_target", id="at target"),
        pytest.param(400, {"state": state(400, charge=Charge.COMPLETE)}, "at_target", id="complete"),
        pytest.param(1, {"state": state(charge=Charge.NO_POWER)}, "cannot_control", id="dead socket"),
        pytest.param(1, {"standing": stands(gave_up_session="s1")}, "cannot_control", id="does not obey"),
        pytest.param(1, {"standing": stands(gave_up_session="s0")}, "waiting_for_cheap", id="did not obey last time"),
        pytest.param(1, {"account": LOST}, "link_lost", id="link lost"),
        pytest.param(
            1, {"account": LOST.model_copy(update={"link": Link.EXPIRING})}, "waiting_for_cheap", id="link expiring"
        ),
    ],
)  # fmt: skip
def test_the_reason_follows_from_the_facts(minutes: float, facts: dict[str, Any], reason: str) -> None:
    assert told(minutes, **facts).reason is StatusReason(reason)


def test_without_enrolment_there_is_no_status() -> None:
    assert status(StatusState(car=CAR, state=state()), PLUGGED) is None
    withdrawn = StatusState(car=CAR, state=state(), registration=registration(consent="withdrawn"))
    assert status(withdrawn, PLUGGED) is None


def test_the_plan_is_shown_as_it_stands() -> None:
    seen = told()
    assert (seen.next_start, seen.ready_by, seen.plan_revision) == (after(390), after(780), 1)
    assert (seen.target_soc_pct, seen.session_id, seen.shortfall_kwh) == (80, "s1", 0)
    assert told(400, state=state(400, **CHARGING)).next_start is None


def test_the_version_is_a_hash_of_the_content_not_of_the_time() -> None:
    assert told(1).version != told(1, state=state(1, soc_pct=51)).version
    known = StatusState(car=CAR, registration=registration(), state=state(), schedule=plan_of())
    first, second = status(known, after(1)), status(known, after(2))
    assert first is not None
    assert second is not None
    assert first.version == second.version
    assert first.at != second.at


def test_an_older_message_never_undoes_a_newer_one() -> None:
    known = StatusState(
        car=CAR, registration=registration(), preference=preference(), state=state(5), schedule=plan_of(5)
    )
    day: timedelta = timedelta(days=30)
    earlier: datetime = PLUGGED - day
    assert rules.observe_registration(known, registration(registered_at=earlier)) == known
    assert rules.observe_preference(known, preference(updated_at=earlier)) == known
    assert rules.observe_state(known, state(1)) == known
    assert rules.observe_schedule(known, plan_of(0)) == known
    assert rules.observe_account(rules.observe_account(known, LOST), LOST.model_copy(update={"since": earlier})) == (
        rules.observe_account(known, LOST)
    )
