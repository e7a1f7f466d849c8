"""The driver's status answers from facts alone, and equal content has an equal version."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.driver_status import stage
from oem_connectors import registry
from streams.contracts.account import AccountState, Link
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.internal import Standing, Tick, TickPhase
from streams.contracts.schedule import Block, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.domain import status as rules
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide
from streams.domain.status import StatusState, status
from streams.topics import REGISTRATION, SCHEDULE, TICK, VEHICLE
from tests.desk import Desk
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


def test_a_boost_goes_on_past_the_target_and_says_so() -> None:
    known = StatusState(car=CAR, registration=registration(), schedule=plan_of(target_soc_pct=50))
    known = rules.observe_state(known, state(1, **CHARGING))
    boosted = rules.observe_preference(known, preference(mode="boost", target_soc_pct=50, updated_at=after(1)))
    for known, reason, sentence in (
        (boosted, "charging_boost", "Charging on past 50 % because you asked for it."),
        (rules.observe_state(boosted, state(2, charge=Charge.COMPLETE)), "at_target", "Charged to 50 %."),
        (rules.observe_preference(boosted, preference(updated_at=after(2))), "stopping",
         "Charging for the moment; the car has reached 50 %."),
    ):  # fmt: skip
        said = status(known, after(3))
        assert said is not None
        assert (said.reason.value, said.sentence) == (reason, sentence)


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


@pytest.mark.parametrize(
    ("minutes", "facts", "turn"),
    [
        pytest.param(1, {}, 61, id="the reading grows old"),
        pytest.param(61, {"state": state(1)}, 390, id="the block begins"),
        pytest.param(390, {"state": state(390, **CHARGING)}, 450, id="the reading grows old in the block"),
        pytest.param(450, {"state": state(390, **CHARGING)}, 556, id="the block ends"),
        pytest.param(600, {"state": state(390)}, 780, id="ready-by passes"),
        pytest.param(900, {"state": state(390)}, 390 + 24 * 60, id="yesterday's reading"),
        pytest.param(390 + 24 * 60, {"state": state(390)}, 390 + 6 * 24 * 60, id="last week's reading"),
        pytest.param(9, {"state": state(8, plug=Plug.UNPLUGGED, session=session(ended_at=after(8)))}, None, id="left"),
        pytest.param(1, {"state": None, "schedule": None}, None, id="never heard of"),
    ],
)
def test_when_the_clock_alone_changes_what_is_told(minutes: float, facts: dict[str, Any], turn: float | None) -> None:
    known: dict[str, Any] = {"registration": registration(), "state": state(minutes), "schedule": plan_of()}
    turns_at = rules.next_turn(StatusState(car=CAR, **(known | facts)), after(minutes))
    expected = None if turn is None else after(turn)
    assert turns_at == expected or (turns_at and expected and abs(turns_at - expected) < timedelta(minutes=1))


@given(
    st.integers(0, 900), st.integers(0, 600), st.sampled_from(list(Charge)),
    st.lists(st.integers(1, 900), min_size=2, max_size=6, unique=True), st.floats(0, 1),
)  # fmt: skip
def test_until_then_the_same_is_told(now: int, age: int, charge: Charge, edges: list[int], share: float) -> None:
    pairs = zip(*[iter(sorted(edges))] * 2, strict=False)
    blocks = tuple(Block(start=after(start), end=after(end), energy_kwh=1) for start, end in pairs)
    plan = plan_of().model_copy(update={"blocks": blocks})
    seen = state(now, charge=charge, soc_time=after(now - age))
    known = StatusState(car=CAR, registration=registration(), state=seen, schedule=plan)
    turn = rules.next_turn(known, after(now))
    assert turn is not None
    between = after(now) + (turn - after(now)) * share - timedelta(microseconds=1)
    first, later = status(known, after(now)), status(known, max(after(now), between))
    assert first is not None
    assert later is not None
    assert first.version == later.version


def test_the_stage_tells_a_turn_by_the_clock_once_and_after_a_restart() -> None:
    desk = Desk(stage(registry.load()))

    def tell(minutes: float, *messages: tuple[Any, str, Any]) -> list[str]:
        tick = (TICK, "", Tick(phase=TickPhase.TELL, at=after(minutes)))
        return [send.message.reason.value for send in desk.give(after(minutes), *messages, tick)]

    facts = [(REGISTRATION, CAR, registration(model="sim-one")), (VEHICLE, CAR, state()), (SCHEDULE, CAR, plan_of())]
    assert tell(1, *facts) == ["waiting_for_cheap"]
    assert tell(30) == []
    assert tell(61) == ["waiting_for_cheap"]
    assert tell(389) == []
    desk.restart()
    assert [tell(389), tell(391), tell(392)] == [[], ["starting"], []]
