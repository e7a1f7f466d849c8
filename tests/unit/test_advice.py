"""A car that can only be read is planned, but nothing said of it claims that we act: its driver is advised."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from agents.driver_status import controllable, stage
from deploy.demo.live import Car
from deploy.demo.showing import CarState, state_of
from oem_connectors import registry
from streams.contracts.account import AccountState, Link
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.internal import Standing, Tick, TickPhase
from streams.contracts.notification import NotificationEvent
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.notify import Ledger, notices
from streams.domain.planning import PlanningState, decide
from streams.domain.status import StatusState, status
from streams.domain.words.en import TEXT
from streams.topics import REGISTRATION, SCHEDULE, TICK, VEHICLE
from tests.desk import Desk
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, session, state

LATER = [0.30] * 15 + [0.10] * 8 + [0.20] * 25
BROKEN_UP = [0.3, 0.1, 0.3, 0.3, 0.3, 0.1, *[0.3] * 20]
CONNECTORS = registry.load()


def plan(prices: list[float] | None = None, now: float = 0, revision: int = 1, **wishes: Any) -> Schedule:
    known = PlanningState(car=CAR, registration=registration(), preference=preference(**wishes), state=state(now))
    market = Market(forecast(TWO_RATES if prices is None else prices), None) if prices != [] else None
    schedule = decide(known, market, after(now), PlanRules(edge_spread=timedelta(0)))
    assert schedule is not None
    return schedule.model_copy(update={"revision": revision})


def advised(minutes: float = 1, *, can: bool = False, **changes: Any) -> DriverStatus:
    facts: dict[str, Any] = {
        "registration": registration(), "preference": preference(), "state": state(minutes), "schedule": plan()
    }  # fmt: skip
    made = status(StatusState(car=CAR, **(facts | changes)), after(minutes), controllable=can)
    assert made is not None
    return made


def showing(charge: Charge, minutes: float = 1) -> dict[str, Any]:
    return {"state": state(minutes, charge=charge)}


def stands(**sessions: str) -> dict[str, Any]:
    return {"standing": Standing(car=CAR, reason="test", at=PLUGGED, **sessions)}


@pytest.mark.parametrize(
    ("oem", "model", "expected"),
    [
        pytest.param("simulator", "sim-one", True, id="both"),
        pytest.param("simulator", "readonly", False, id="neither"),
        pytest.param("volvo", "EX30", False, id="volvo"),
        pytest.param("bmw", "i4", False, id="bmw"),
        pytest.param("renault", "XCB1VE", False, id="starts only"),
        pytest.param("nobody", "any", False, id="a maker that nobody knows"),
    ],
)
def test_control_takes_both_a_start_and_a_stop(oem: str, model: str, expected: bool) -> None:
    assert controllable(CONNECTORS, oem, model) is expected


@pytest.mark.parametrize(
    ("minutes", "facts", "reason", "sentence"),
    [
        pytest.param(
            1, {}, "advice_only", "Charge after about 00:30: it is cheapest then, done about 03:15.", id="later"
        ),
        pytest.param(
            1, showing(Charge.CHARGING), "advice_only",
            "Charge after about 00:30: it is cheapest then, done about 03:15.", id="charges though it is dear",
        ),
        pytest.param(
            400, showing(Charge.IDLE, 400), "advice_only", "Charge now: it is cheapest, done about 03:15.", id="now"
        ),
        pytest.param(
            400, showing(Charge.CHARGING, 400), "advice_only", "Charging now, done about 03:15.", id="as advised"
        ),
        pytest.param(700, showing(Charge.IDLE, 700), "advice_only", "No more charging is advised.", id="over"),
        pytest.param(
            1, {"schedule": plan(BROKEN_UP, target_soc_pct=60)}, "advice_only",
            "Charge after about 18:30 in the cheapest hours, with breaks between; done about 20:55.", id="in parts",
        ),
        pytest.param(
            31, showing(Charge.CHARGING, 31) | {"schedule": plan(BROKEN_UP, target_soc_pct=60)}, "advice_only",
            "Charge now, then again in the cheapest hours; done about 20:55.", id="the break is the driver's",
        ),
        pytest.param(
            1, {"schedule": plan(TWO_RATES[:20])}, "advice_only",
            "Charge after about 00:30: it is cheapest then, done about 03:15."
            " Prices are known until 04:00, so this may change.", id="provisional",
        ),
        pytest.param(
            1, {"schedule": plan(ready_by="19:00")}, "cannot_be_ready",
            "Charge now. 80 % by 19:00 is out of reach: about 61 % then, about 11.5 kWh short. 80 % about 20:45.",
            id="out of reach",
        ),
        pytest.param(
            1, {"schedule": plan(mode="boost")}, "advice_only", "Charge now, as you asked for; done about 20:45.",
            id="boost",
        ),
        pytest.param(
            1, {"schedule": plan([])}, "advice_only",
            "Prices are not known at present, so charge now, done about 20:45.", id="no prices",
        ),
        pytest.param(
            1, {"schedule": plan(mode="paused")}, "paused", "Smart charging is paused because you asked for it.",
            id="paused",
        ),
        pytest.param(1, showing(Charge.COMPLETE), "at_target", "The car has finished charging.", id="complete"),
        pytest.param(1, {"schedule": None}, "planning", "Plugged in. The plan is being made.", id="no plan yet"),
        pytest.param(
            1, showing(Charge.NO_POWER), "cannot_control",
            "The socket gives no power. Please check the cable and the fuse.", id="dead socket",
        ),
        pytest.param(
            1, stands(at_risk_session="s1"), "at_risk",
            "The car should be charging by now, and nothing shows that it does. Please check it.", id="at risk",
        ),
        pytest.param(
            400, showing(Charge.CHARGING, 400) | stands(at_risk_session="s1"), "advice_only",
            "Charging now, done about 03:15.", id="power was seen",
        ),
        pytest.param(
            1, {"account": AccountState(account="acct", oem="volvo", link=Link.REVOKED, reason="r", since=PLUGGED)},
            "link_lost", "The link to the car is lost. Please link it again; nothing is advised until then.",
            id="link lost",
        ),
    ],
)  # fmt: skip
def test_why_and_what_is_advised(minutes: float, facts: dict[str, Any], reason: str, sentence: str) -> None:
    told = advised(minutes, **facts)
    assert (told.reason, told.sentence, told.controllable) == (StatusReason(reason), sentence, False)


@pytest.mark.parametrize("name", ["gave_up_session", "driver_session", "own_schedule_session"])
def test_what_only_an_acting_hand_would_say_is_not_said(name: str) -> None:
    known: dict[str, Any] = stands(**{name: "s1"})
    assert advised(**known) == advised()
    assert advised(can=True, **known).reason is not StatusReason.ADVICE_ONLY


PLANS = [
    None, plan(), plan(BROKEN_UP, target_soc_pct=60), plan(ready_by="19:00"), plan(mode="boost"), plan([]),
    plan(mode="paused"), plan(target_soc_pct=50), plan(TWO_RATES[:20]),
]  # fmt: skip
STANDINGS = ["gave_up_session", "driver_session", "own_schedule_session", "at_risk_session"]
OURS = {
    StatusReason.WAITING_FOR_CHEAP, StatusReason.CHARGING_AS_PLANNED, StatusReason.CHARGING_BOOST,
    StatusReason.CHARGING_BY_DRIVER, StatusReason.STOPPED_BY_DRIVER, StatusReason.OWN_SCHEDULE,
    StatusReason.STARTING, StatusReason.STOPPING,
}  # fmt: skip
CLAIMS = re.compile(
    r"Asking|\b[Oo]ur\b|\b[Ww]e\b|commands|Charging (starts|in|now, then)|(car|it) charges now|now because|left alone"
)


@pytest.mark.parametrize("schedule", PLANS)
@pytest.mark.parametrize("standing", STANDINGS)
def test_nothing_claims_that_we_act(schedule: Schedule | None, standing: str) -> None:
    for charge, minutes in product(Charge, (0, 1, 31, 100, 400, 700, 790, 900)):
        told = advised(minutes, schedule=schedule, **showing(charge, minutes), **stands(**{standing: "s1"}))
        assert told.reason not in OURS
        said = [told.sentence, *(f"{event.title} {event.body}" for event in pushes((minutes, told)))]
        assert not [text for text in said if CLAIMS.search(text)]


def pushes(*statuses: tuple[float, DriverStatus]) -> list[NotificationEvent]:
    ledger, events = Ledger(), list[NotificationEvent]()
    for minutes, told in statuses:
        ledger, new = notices(ledger, told, after(minutes))
        events += new
    return events


def test_the_advice_is_pushed_at_plug_in_once_and_again_when_it_moves() -> None:
    first, moved = advised(1), advised(5, schedule=plan(LATER, revision=2))
    shortly = advised(3, schedule=plan(revision=2))
    said = pushes((1, first), (2, first), (3, shortly), (5, moved), (6, moved), (7, moved))
    assert [(event.title, event.body) for event in said] == [
        ("Test: Plugged in", "Charge after about 00:30: it is cheapest then, done about 03:15."),
        ("Test: New charging time", "Charge after about 01:30 instead, ready by 07:00."),
    ]


def test_a_car_in_our_hands_is_still_promised() -> None:
    said = pushes((1, advised(1, can=True)), (5, advised(5, can=True, schedule=plan(LATER, revision=2))))
    assert [event.body for event in said] == [
        "Charging starts about 00:30, in the cheapest hours; done about 03:15.",
        "Charging starts about 01:30 instead, ready by 07:00.",
    ]


def test_a_hand_at_the_car_is_no_news_and_a_promise_out_of_reach_is() -> None:
    assert [event.kind for event in pushes((1, advised(1, **stands(driver_session="s1"))))] == ["plugged_in"]
    assert [event.kind for event in pushes((1, advised(1, schedule=plan(ready_by="19:00"))))] == ["cannot_be_ready"]


def test_every_advice_has_a_plan_that_it_is_for() -> None:
    for name in (name for name in TEXT if name.startswith("advice.")):
        assert name.replace("advice.", "plan.") in TEXT


def statuses_of(desk: Desk, oem: str, model: str) -> list[DriverStatus]:
    sent = desk.give(
        after(1),
        (REGISTRATION, CAR, registration(oem=oem, model=model)),
        (VEHICLE, CAR, state(1, session=session())),
        (SCHEDULE, CAR, plan()),
        (TICK, "", Tick(phase=TickPhase.TELL, at=after(1))),
    )
    return [send.message for send in sent]


@pytest.mark.parametrize(
    ("oem", "model", "reason"),
    [
        ("simulator", "sim-one", "waiting_for_cheap"),
        ("simulator", "readonly", "advice_only"),
        ("nobody", "any", "advice_only"),
    ],
)
def test_the_stage_asks_the_connector_of_the_car(oem: str, model: str, reason: str) -> None:
    desk = Desk(stage(CONNECTORS))
    (told,) = statuses_of(desk, oem, model)
    assert told.reason is StatusReason(reason)
    desk.restart()
    assert statuses_of(desk, oem, model) == []


def test_the_demo_shows_an_advised_car_as_it_is() -> None:
    for charge, shown in ((Charge.IDLE, CarState.WAITING), (Charge.CHARGING, CarState.CHARGING)):
        told = advised(400, **showing(charge, 400))
        assert state_of(Car(CAR, "EX30", "Europe/London", status=told)) is shown
