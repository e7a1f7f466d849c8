"""Every topic as data, in flow order: the contract with platform teams and the only place a topic is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from streams.contracts.account import AccountState
from streams.contracts.answered import Answered
from streams.contracts.base import Contract
from streams.contracts.capacity import RegionAdder, RegionCap, RegionDemand
from streams.contracts.command import CommandEvent
from streams.contracts.dead_letter import DeadLetter
from streams.contracts.driver_status import DriverStatus
from streams.contracts.forecast import Forecast
from streams.contracts.held import HeldCar
from streams.contracts.internal import Standing, Tick
from streams.contracts.lead import LeadTime
from streams.contracts.notification import NotificationEvent
from streams.contracts.plug_event import PlugEvent
from streams.contracts.preference import Preference
from streams.contracts.push_device import PushDevice
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.session import SessionSettled
from streams.contracts.telemetry import Telemetry
from streams.contracts.vehicle import VehicleState

Key = Literal["car", "account", "tariff", "region", "forecast", "partition", "lead", "original", "device", "request"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its name carries the major version; within one, only optional fields are added.

    `owner` is the stage that writes it, or "outside"; `beside` are processes of ours without stages that write it too.
    `retention` is ignored by purely compacted topics.
    """

    name: str
    model: type[Contract]
    key: Key
    owner: str
    purpose: str
    compacted: bool = False
    retention: timedelta = timedelta(days=7)
    public: bool = True
    personal: bool = True
    max_message_bytes: int = 1_048_576
    beside: tuple[str, ...] = ()

    @property
    def writers(self) -> str:
        """All who write it, in words."""
        return ", ".join((self.owner, *self.beside))

    def config(self) -> Mapping[str, str]:
        """Kafka topic configuration."""
        settings = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "max.message.bytes": str(self.max_message_bytes),
        }
        if self.compacted:
            settings["delete.retention.ms"] = _ms(timedelta(days=7))
        else:
            settings["retention.ms"] = _ms(self.retention)
        return MappingProxyType(settings)


def _ms(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


REGISTRATION = Topic(
    "d2ev.registration.state.v1",
    Registration,
    "car",
    "outside",
    "Enrolment of a car; a tombstone erases it.",
    compacted=True,
    beside=("driver_api", "bridge"),
)
PREFERENCE = Topic(
    "d2ev.preference.state.v1",
    Preference,
    "car",
    "outside",
    "Ready-by, target, policy, boost and pause.",
    compacted=True,
    beside=("driver_api", "bridge"),
)
ACCOUNT = Topic(
    "d2ev.account.state.v1", AccountState, "account", "accounts", "Link health of an OEM account.", compacted=True
)
TELEMETRY = Topic(
    "d2ev.vehicle.telemetry.v1",
    Telemetry,
    "car",
    "polling",
    "Normalised readings with the car's time, the OEM's and ours.",
    retention=timedelta(days=2),
    beside=("ingress",),
)
VEHICLE = Topic(
    "d2ev.vehicle.state.v1",
    VehicleState,
    "car",
    "vehicle_state",
    "Folded state per car, with its plug session.",
    compacted=True,
)
PLUG = Topic(
    "d2ev.plug.event.v1",
    PlugEvent,
    "car",
    "plug_events",
    "Plugged in, unplugged, session corrected.",
    retention=timedelta(days=30),
)
PRICE = Topic(
    "d2ev.forecast.price.v1",
    Forecast,
    "tariff",
    "outside",
    "Price vintages per tariff.",
    retention=timedelta(days=60),
    personal=False,
    beside=("feeds",),
)
CARBON = Topic(
    "d2ev.forecast.carbon.v1",
    Forecast,
    "region",
    "outside",
    "Carbon intensity vintages per region.",
    retention=timedelta(days=60),
    personal=False,
    beside=("feeds",),
)
SCHEDULE = Topic(
    "d2ev.schedule.state.v1", Schedule, "car", "planning", "The plan in force, with reason and inputs.", compacted=True
)
CAP = Topic(
    "d2ev.cap.state.v1",
    RegionCap,
    "region",
    "outside",
    "Power cap of a region; optional. A tombstone lifts it.",
    compacted=True,
    personal=False,
)
ADDER = Topic(
    "d2ev.adder.state.v1",
    RegionAdder,
    "region",
    "capacity",
    "Slot adders that hold a region's cap, with the certified gap.",
    compacted=True,
    personal=False,
)
COMMAND = Topic(
    "d2ev.command.event.v1",
    CommandEvent,
    "car",
    "dispatch",
    "Audit trail: intent, sending, sent, confirmed or failed or unknown or expired.",
    retention=timedelta(days=400),
)
HELD = Topic(
    "d2ev.held.state.v1",
    HeldCar,
    "car",
    "dispatch",
    "Cars that a stop of ours keeps from charging, with the lease after which anyone may start them.",
    compacted=True,
)
LEAD = Topic(
    "d2ev.lead.state.v1",
    LeadTime,
    "lead",
    "confirmation",
    "How long cars take to obey, per OEM, model and action, learned from confirmations.",
    compacted=True,
    personal=False,
)
SESSION = Topic(
    "d2ev.session.event.v1",
    SessionSettled,
    "car",
    "settlement",
    "Settled sessions beside unmanaged, timer and oracle.",
    retention=timedelta(days=400),
)
STATUS = Topic(
    "d2ev.driver.status.v1", DriverStatus, "car", "driver_status", "The driver's read model.", compacted=True
)
NOTIFICATION = Topic(
    "d2ev.notification.event.v1",
    NotificationEvent,
    "car",
    "notifications",
    "What was pushed, when, with which outcome.",
    retention=timedelta(days=90),
)
DEVICE = Topic(
    "d2ev.push-device.internal.v1",
    PushDevice,
    "device",
    "notifications",
    "Phones and browsers that pushes go to, their addresses sealed; a tombstone unregisters one.",
    compacted=True,
    public=False,
    beside=("driver_api",),
)
ANSWERED = Topic(
    "d2ev.answered.internal.v1",
    Answered,
    "request",
    "outside",
    "Answers to drivers' writes, by idempotency key.",
    retention=timedelta(days=2),
    public=False,
    beside=("driver_api",),
)
DEAD_LETTER = Topic(
    "d2ev.dead-letter.v1",
    DeadLetter,
    "original",
    "every stage",
    "Refused records: where, why, and the sealed bytes.",
    retention=timedelta(days=30),
    max_message_bytes=8 * 1_048_576,
    beside=("ingress", "bridge"),
)

#: The clock as events: one record per partition and beat.
TICK = Topic(
    "d2ev.tick.internal.v1",
    Tick,
    "partition",
    "clock",
    "The time, as an event in every partition.",
    retention=timedelta(hours=1),
    public=False,
    personal=False,
)
#: Forecasts copied into every partition, so that planning is a function of its own partition's log.
REPLAN = Topic(
    "d2ev.replan.internal.v1",
    Forecast,
    "forecast",
    "forecasts",
    "A forecast vintage, once per partition: the request to re-plan.",
    compacted=True,
    public=False,
    personal=False,
)

#: Caps copied into every partition: whose cars are counted.
CAPPED = Topic(
    "d2ev.capped.internal.v1",
    RegionCap,
    "region",
    "demand",
    "A region's cap, once per partition: the request to say what its cars need.",
    compacted=True,
    public=False,
    personal=False,
)
DEMAND = Topic(
    "d2ev.demand.internal.v1",
    RegionDemand,
    "region",
    "demand",
    "What each partition's cars in a capped region need: sums, no names.",
    retention=timedelta(hours=1),
    public=False,
    personal=False,
    max_message_bytes=8 * 1_048_576,
)
STANDING = Topic(
    "d2ev.standing.internal.v1",
    Standing,
    "car",
    "dispatch",
    "How control stands with a car.",
    compacted=True,
    public=False,
)

TOPICS: tuple[Topic, ...] = (
    REGISTRATION, PREFERENCE, ACCOUNT, TELEMETRY, VEHICLE, PLUG, PRICE, CARBON, REPLAN, SCHEDULE, CAP, CAPPED, DEMAND,
    ADDER, STANDING, HELD, COMMAND, LEAD, SESSION, STATUS, DEVICE, NOTIFICATION, ANSWERED, DEAD_LETTER, TICK,
)  # fmt: skip
BY_NAME: Mapping[str, Topic] = MappingProxyType({topic.name: topic for topic in TOPICS})
