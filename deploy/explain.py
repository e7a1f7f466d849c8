"""Why a car is or is not charging: what the topics said of it up to an instant, and what they leave open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agents.kafka import KafkaAccess
from agents.partitions import home_partition
from deploy.brokers.errors import BrokerError
from deploy.reading import Entry, Reader
from streams import serde
from streams.contracts.account import AccountState, Link
from streams.contracts.base import account_of
from streams.contracts.command import FINAL, CommandEvent
from streams.contracts.driver_status import DriverStatus
from streams.contracts.internal import Standing
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import VehicleState
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

#: In the order of the explanation; the clock's ticks only tell how late it is.
READ: tuple[Topic, ...] = (REGISTRATION, PREFERENCE, ACCOUNT, VEHICLE, SCHEDULE, STANDING, COMMAND, STATUS, TICK)
#: A reading older than this no longer says what the car does now.
STALE = timedelta(hours=1)
COMMANDS_SHOWN = 3


@dataclass
class Known:
    """The newest record of every kind at or before `until`; None where there is none, or where it was erased."""

    car: str
    until: datetime | None
    now: datetime | None = None
    registration: Registration | None = None
    preference: Preference | None = None
    account: AccountState | None = None
    state: VehicleState | None = None
    schedule: Schedule | None = None
    standing: Standing | None = None
    status: DriverStatus | None = None
    commands: list[CommandEvent] = field(default_factory=list)
    unreadable: int = 0

    def take(self, entry: Entry) -> None:
        """A record, in the order of its topic. What is about others, or later than asked for, changes nothing."""
        if self.until is not None and entry.at > self.until:
            return
        if entry.topic is not TICK and entry.key not in {self.car, account_of(self.car)}:
            return
        self.now = max(self.now or entry.at, entry.at)
        if entry.topic is TICK:
            return
        try:
            message = None if entry.value is None else serde.decode(entry.topic.name, entry.value)
        except serde.Undecodable:
            self.unreadable += 1
            return
        if isinstance(message, CommandEvent):
            self.commands.append(message)
        elif entry.topic.name in _FIELDS:
            setattr(self, _FIELDS[entry.topic.name], message)

    @property
    def nothing(self) -> bool:
        """Whether no record was about the car."""
        found = [self.registration, self.preference, self.state, self.schedule, self.status, *self.commands]
        return not any(found)


_FIELDS: Mapping[str, str] = {
    REGISTRATION.name: "registration",
    PREFERENCE.name: "preference",
    ACCOUNT.name: "account",
    VEHICLE.name: "state",
    SCHEDULE.name: "schedule",
    STANDING.name: "standing",
    STATUS.name: "status",
}


def look_up(kafka: KafkaAccess, car: str, until: datetime | None) -> Known:
    """Everything the topics know of `car` up to `until`.

    Raises BrokerError when Kafka does not answer or knows nothing of the car.
    """
    known = Known(car, until)
    with Reader(kafka) as reader:
        home = home_partition(car, reader.partitions(REGISTRATION))
        for entry in reader.read([(topic, home) for topic in READ]):
            known.take(entry)
    if known.nothing:
        when = "" if until is None else f" at or before {serde.rfc3339(until)}"
        raise BrokerError(f"no record of car {car}{when}")
    return known


def open_questions(known: Known) -> list[str]:
    """What the records leave open, each in a few words. An empty list means that the chain is complete."""
    return [*_about_the_link(known), *_about_the_car(known), *_about_the_plan(known), *_about_control(known)]


def chains(commands: Iterable[CommandEvent]) -> list[list[CommandEvent]]:
    """The last commands, oldest first, each as its phases in the order they were reached."""
    by_id: dict[str, list[CommandEvent]] = {}
    for event in commands:
        by_id.setdefault(event.id, []).append(event)
    return list(by_id.values())[-COMMANDS_SHOWN:]


def as_object(known: Known) -> dict[str, Any]:
    """The explanation as JSON values; `charging` is null when nobody knows."""
    state = known.state
    charging = None if state is None or state.charge is Charge.UNKNOWN else state.charge is Charge.CHARGING
    parts = {
        name: getattr(known, name) for name in ("status", "state", "schedule", "standing", "preference", "account")
    }
    return {
        "car": known.car,
        "at": None if known.now is None else serde.rfc3339(known.now),
        "charging": charging,
        **{name: None if part is None else part.model_dump(mode="json") for name, part in parts.items()},
        "commands": [_command_object(chain) for chain in chains(known.commands)],
        "open_questions": open_questions(known),
    }


def _command_object(chain: list[CommandEvent]) -> dict[str, Any]:
    first = chain[0]
    return {
        "id": first.id,
        "action": first.action.value,
        "reason": first.reason,
        "session_id": first.session_id,
        "plan_revision": first.plan_revision,
        "phases": [
            {"phase": event.phase.value, "at": serde.rfc3339(event.at), "detail": event.detail} for event in chain
        ],
    }


def _about_the_link(known: Known) -> Iterable[str]:
    if known.unreadable:
        yield f"{known.unreadable} records of the car cannot be read: see `d2ev tail dead-letter`"
    if known.registration is None:
        yield "the car is not registered"
    elif known.registration.consent != "given":
        yield "the driver has withdrawn consent"
    if known.account is not None and known.account.link is not Link.LINKED:
        yield f"the link to the OEM account is {known.account.link.value}: {known.account.reason}"


def _about_the_car(known: Known) -> Iterable[str]:
    state = known.state
    if state is None:
        yield "no reading of the car has come yet"
        return
    if known.now is not None and known.now - state.received_time > STALE:
        age = _minutes(known.now - state.received_time)
        yield f"the newest reading is {age} min old: the car may do otherwise by now"
    if state.soc_pct is None:
        yield "the state of charge is unknown"
    if state.plug is Plug.UNKNOWN:
        yield "whether the cable is in is unknown"
    if state.at_home is None:
        yield "whether the car is at home is unknown"
    if state.charge is Charge.UNKNOWN:
        yield "whether it charges is unknown"


def _about_the_plan(known: Known) -> Iterable[str]:
    plan, state = known.schedule, known.state
    if plan is None:
        yield "there is no plan yet"
        return
    if plan.reason is PlanReason.NO_FORECAST:
        yield "no price was known when the plan was made"
    if plan.provisional:
        yield "the plan is provisional: prices are not known up to ready-by"
    if not plan.reachable:
        yield f"the target cannot be reached: {plan.shortfall_kwh:g} kWh will be missing"
    session = None if state is None or state.session is None else state.session.id
    if session is not None and plan.session_id not in {None, session}:
        yield "the plan is for an earlier plug session"


def _about_control(known: Known) -> Iterable[str]:
    wanted = known.registration is not None and known.registration.prove_control
    if wanted and (known.standing is None or known.standing.proven_at is None):
        yield "it is not proven yet that the car starts again after a stop"
    session = None if known.state is None or known.state.session is None else known.state.session.id
    if known.standing is not None and session is not None:
        if known.standing.gave_up_session == session:
            yield f"control has given up for this plug session: {known.standing.reason}"
        if known.standing.driver_session == session:
            yield "the driver has taken over for this plug session"
        if known.standing.own_schedule_session == session:
            yield "the car follows a schedule of its own"
        if known.standing.at_risk_session == session:
            yield "the car should be charging by now, and no reading shows it"
    if known.commands and known.commands[-1].phase not in FINAL:
        last = known.commands[-1]
        yield f"the last command, {last.action.value}, is only {last.phase.value}: telemetry has not proved it yet"


def _minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)
