"""Why a car is or is not charging: the newest word of every topic up to an instant, and what it leaves open."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.explain import Known, as_object, chains, open_questions
from deploy.explain_text import text
from deploy.reading import Entry
from streams import serde
from streams.contracts.account import Link
from streams.contracts.base import Contract
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Standing, Tick, TickPhase
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.examples import CAR, examples
from streams.topics import (
    ACCOUNT,
    COMMAND,
    PREFERENCE,
    REGISTRATION,
    SCHEDULE,
    STANDING,
    STATUS,
    TICK,
    VEHICLE,
    Topic,
)

EVENING = datetime(2023, 3, 25, 18, 10, tzinfo=UTC)
STAY = "5f0c2d9a"
SAID = (REGISTRATION, PREFERENCE, ACCOUNT, VEHICLE, SCHEDULE, STATUS)


def entry(topic: Topic, message: Contract | None, at: datetime = EVENING, key: str = CAR) -> Entry:
    return Entry(topic, 0, 0, key, at, None if message is None else serde.encode(message))


def said(topic: Topic, **changes: Any) -> Contract:
    return examples()[topic.name].model_copy(update=changes)


def known(*entries: Entry, until: datetime | None = None) -> Known:
    """The example evening, then `entries`."""
    found = Known(CAR, until)
    for topic in SAID:
        found.take(entry(topic, said(topic), key="acct7" if topic is ACCOUNT else CAR))
    for one in entries:
        found.take(one)
    return found


def command(phase: CommandPhase, command_id: str = "c1", action: Action = Action.START) -> CommandEvent:
    made = said(COMMAND, id=command_id, phase=phase, action=action)
    assert isinstance(made, CommandEvent)
    return made


def test_a_complete_chain_leaves_nothing_open() -> None:
    assert open_questions(known(entry(COMMAND, command(CommandPhase.CONFIRMED)))) == []


@pytest.mark.parametrize(
    ("topic", "message", "question"),
    [
        (REGISTRATION, None, "the car is not registered"),
        (REGISTRATION, said(REGISTRATION, consent="withdrawn"), "the driver has withdrawn consent"),
        (
            REGISTRATION,
            said(REGISTRATION, prove_control=True),
            "it is not proven yet that the car starts again after a stop",
        ),
        (
            ACCOUNT,
            said(ACCOUNT, link=Link.NEEDS_CONSENT, reason="refused by the OEM"),
            "the link to the OEM account is needs_consent: refused by the OEM",
        ),
        (VEHICLE, None, "no reading of the car has come yet"),
        (VEHICLE, said(VEHICLE, soc_pct=None), "the state of charge is unknown"),
        (VEHICLE, said(VEHICLE, plug=Plug.UNKNOWN), "whether the cable is in is unknown"),
        (VEHICLE, said(VEHICLE, at_home=None), "whether the car is at home is unknown"),
        (VEHICLE, said(VEHICLE, charge=Charge.UNKNOWN), "whether it charges is unknown"),
        (SCHEDULE, None, "there is no plan yet"),
        (SCHEDULE, said(SCHEDULE, reason=PlanReason.NO_FORECAST), "no price was known when the plan was made"),
        (
            SCHEDULE,
            said(SCHEDULE, provisional=True),
            "the plan is provisional: prices are not known up to ready-by",
        ),
        (
            SCHEDULE,
            said(SCHEDULE, reachable=False, shortfall_kwh=4.5),
            "the target cannot be reached: 4.5 kWh will be missing",
        ),
        (SCHEDULE, said(SCHEDULE, session_id="earlier"), "the plan is for an earlier plug session"),
        (
            STANDING,
            Standing(car=CAR, gave_up_session=STAY, reason="ignored three times", at=EVENING),
            "control has given up for this plug session: ignored three times",
        ),
        (
            STANDING,
            Standing(car=CAR, driver_session=STAY, reason="started at the car", at=EVENING),
            "the driver has taken over for this plug session",
        ),
        (
            COMMAND,
            command(CommandPhase.SENT),
            "the last command, start, is only sent: telemetry has not proved it yet",
        ),
    ],
)
def test_what_is_missing_is_asked_for(topic: Topic, message: Contract | None, question: str) -> None:
    key = "acct7" if topic is ACCOUNT else CAR
    assert open_questions(known(entry(topic, message, key=key))) == [question]


def test_an_old_reading_no_longer_tells_what_the_car_does() -> None:
    tick = Tick(at=EVENING, phase=TickPhase.TELL)
    late = known(entry(TICK, tick, datetime(2023, 3, 25, 19, 34, tzinfo=UTC), key="0"))
    assert open_questions(late) == ["the newest reading is 90 min old: the car may do otherwise by now"]


def test_what_a_session_left_behind_says_nothing_of_the_next() -> None:
    proven = Standing(car=CAR, proven_at=EVENING, reason="-", at=EVENING)
    wanted = entry(REGISTRATION, said(REGISTRATION, prove_control=True))
    assert open_questions(known(wanted, entry(STANDING, proven))) == []
    gone = Standing(car=CAR, gave_up_session="earlier", driver_session="earlier", reason="-", at=EVENING)
    assert open_questions(known(entry(STANDING, gone))) == []


def test_later_records_and_other_cars_change_nothing() -> None:
    plain = known(until=EVENING)
    later = entry(VEHICLE, said(VEHICLE, soc_pct=80), EVENING + timedelta(seconds=1))
    neighbour = entry(VEHICLE, said(VEHICLE, soc_pct=9), key="acct7.car2")
    assert as_object(known(later, neighbour, until=EVENING)) == as_object(plain)


def test_the_newest_word_counts() -> None:
    charging = entry(VEHICLE, said(VEHICLE, charge=Charge.CHARGING, soc_pct=60), EVENING + timedelta(minutes=5))
    told = as_object(known(charging))
    assert told["charging"] is True
    assert told["state"]["soc_pct"] == 60
    assert told["at"] == "2023-03-25T18:15:00Z"


@pytest.mark.parametrize(("charge", "charging"), [(Charge.IDLE, False), (Charge.UNKNOWN, None)])
def test_unknown_is_neither_charging_nor_not(charge: Charge, charging: bool | None) -> None:
    assert as_object(known(entry(VEHICLE, said(VEHICLE, charge=charge))))["charging"] is charging


def test_a_command_is_told_as_the_phases_it_went_through() -> None:
    phases = [CommandPhase.INTENT, CommandPhase.SENDING, CommandPhase.SENT, CommandPhase.CONFIRMED]
    told = as_object(known(*(entry(COMMAND, command(phase)) for phase in phases)))
    (chain,) = told["commands"]
    assert chain["action"] == "start"
    assert [step["phase"] for step in chain["phases"]] == ["intent", "sending", "sent", "confirmed"]


def test_only_the_last_commands_are_told() -> None:
    events = [command(CommandPhase.CONFIRMED, f"c{n}") for n in range(9)]
    assert [chain[0].id for chain in chains(events)] == ["c6", "c7", "c8"]


def test_a_record_that_cannot_be_read_is_counted_and_passed_over() -> None:
    found = known(Entry(SCHEDULE, 0, 9, CAR, EVENING, b"{}"))
    assert found.schedule is not None
    assert open_questions(found) == ["1 records of the car cannot be read: see `d2ev tail dead-letter`"]


def test_a_car_nobody_spoke_of_is_nothing() -> None:
    stranger = Known("acct9.car9", None)
    stranger.take(entry(VEHICLE, said(VEHICLE)))
    stranger.take(entry(TICK, Tick(at=EVENING, phase=TickPhase.ACT), key="0"))
    assert stranger.nothing
    assert not known().nothing


def test_the_text_tells_the_chain_from_reading_to_command() -> None:
    lines = text(known(entry(COMMAND, command(CommandPhase.SENT)))).splitlines()
    assert lines[0] == "acct7.car1 at 2023-03-25 18:10Z"
    assert lines[1] == "  status   waiting_for_cheap: Plugged in; charging starts about 03:00."
    labels = [line[2:11].strip() for line in lines[1:]]
    assert [label for label in labels if label] == ["status", "car", "wish", "plan", "made", "command", "open"]
    assert "prices of 2023-03-25 12:00Z, carbon of 2023-03-25 12:00Z, wish of 2023-03-01 09:00Z" in "\n".join(lines)


def test_the_text_says_so_when_there_is_nothing_yet() -> None:
    bare = Known(CAR, None)
    bare.take(entry(REGISTRATION, said(REGISTRATION)))
    assert [line.split(maxsplit=1)[1] for line in text(bare).splitlines()[1:5]] == [
        "none yet",
        "no reading yet",
        "none yet",
        "none",
    ]


def test_a_plan_without_blocks_has_no_totals() -> None:
    parked = said(SCHEDULE, blocks=(), energy_kwh=0, reason=PlanReason.UNPLUGGED)
    assert "kWh" not in text(known(entry(SCHEDULE, parked)))
    assert "16.11 kWh, 1.14 GBP, 1.51 kg CO2" in text(known())


def test_the_sealed_grant_is_not_told() -> None:
    sealed = entry(REGISTRATION, said(REGISTRATION, grant_sealed="c2VhbGVk"))
    assert "c2VhbGVk" not in str(as_object(known(sealed))) + text(known(sealed))


def test_the_plan_of_a_car_that_only_its_driver_switches_is_not_told_as_ours() -> None:
    plan = said(SCHEDULE)
    assert isinstance(plan, Schedule)
    assert plan.sentence in text(known())
    told = text(known(entry(STATUS, said(STATUS, controllable=False))))
    assert plan.sentence not in told
    assert "advice to the driver" in told
