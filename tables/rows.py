"""Rows that are neither a published message nor the state of a rule: custody of grants, outbox, what was last seen."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from streams.contracts.account import Link
from streams.contracts.base import Instant
from streams.contracts.capacity import RegionAdder, RegionCap, RegionDemand
from streams.contracts.command import CommandEvent
from streams.contracts.driver_status import DriverStatus
from streams.contracts.lead import LeadTime
from streams.contracts.notification import NotificationEvent
from streams.contracts.push_device import PushDevice
from streams.contracts.registration import Registration
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.kept import Kept
from streams.domain.notify import Ledger
from streams.domain.settle import OpenSession
from streams.domain.status import StatusState
from streams.domain.told import Told
from streams.domain.watched import Watched


class Row(BaseModel):
    """Frozen; errors never show the content."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class AccountRow(Row):
    """Custody of one OEM account's grant, sealed by its data key. The refresh token changes with every use."""

    account: str
    oem: str
    sealed_token: str | None
    #: Fingerprints of the grants registrations brought: one that was ever used is never used again.
    origins: tuple[str, ...] = ()
    cars: tuple[str, ...] = ()
    rotations: int = 0
    #: Set before the refresh token is spent, and how often that was begun without an answer since.
    refreshing_since: datetime | None = None
    tries: int = 0
    #: The newest access token: good without a refresh after a take-over, and when a refresh is refused.
    sealed_access: str | None = None
    access_issued_at: datetime | None = None
    access_expires_at: datetime | None = None
    link: Link = Link.LINKED
    since: datetime


class KeyRow(Row):
    """The data key of one OEM account, wrapped by a seal key. Without it nothing of the account opens."""

    account: str
    wrapped: str
    since: datetime


class PollRow(Row):
    """A car to read, and what decides when."""

    registration: Registration
    watched: Watched = Watched()
    needs_consent: bool = False


class AnnouncedRow(Row):
    """The plug session as last announced."""

    session: PlugSession | None


class OutboxRow(Row):
    """The last command of a car, as far as its sending has come."""

    registration: Registration | None = None
    command: CommandEvent | None = None
    #: The stop that may hold the car: no start was taken since.
    stopped: CommandEvent | None = None
    #: The last step towards undoing it, taken because the link was lost or in doubt.
    released: CommandEvent | None = None
    #: The start that may stand in the car's own schedule.
    scheduled: CommandEvent | None = None
    #: The car is erased, but for what it is owed: a start, and its schedule as it was.
    leaving: bool = False


class InFlightRow(Row):
    """A command that awaits proof, beside the newest state of its car."""

    command: CommandEvent | None = None
    state: VehicleState | None = None
    #: When the command went out.
    sending_at: datetime | None = None
    #: The session in which a stop was last sent.
    stopped_session: str | None = None
    model: str | None = None


class LessonRow(Row):
    """How long the newest commands of one OEM, model and action took, of how many, and what was last said of it."""

    seconds: tuple[float, ...] = ()
    samples: int = 0
    told: LeadTime | None = None


class VintageRow(Row):
    """The newest vintage seen of a curve."""

    issued_at: datetime


class SettlingRow(Row):
    """A session being metered, with what it is metered by."""

    registration: Registration | None = None
    told: tuple[Told, ...] = ()
    open: OpenSession | None = None
    settled_revision: int = 0


class SettledRow(Row):
    """The sessions of a car that may still be corrected, with their last accounts."""

    kept: tuple[Kept, ...]


class StatusRow(Row):
    """What a driver's read model is made of, and the version last told."""

    state: StatusState
    told: str | None = None


class PendingPush(Row):
    """A notification whose sending is not over: devices that do not have it yet, how many do, and when to go on."""

    event: NotificationEvent
    devices: tuple[str, ...]
    reached: int = 0
    tries: int = 0
    detail: str = ""
    #: The latest instant at which one of those that were asked this time wants to be asked again.
    wait_until: Instant | None = None
    again_at: Instant | None = None


class NotifiedRow(Row):
    """What a driver was told, the status it was told from, and pushes whose sending is not over."""

    ledger: Ledger | None = None
    status: DriverStatus | None = None
    pending: tuple[PendingPush, ...] = ()


class DevicesRow(Row):
    """The devices of an account's drivers."""

    devices: tuple[PushDevice, ...] = ()


class CappedRow(Row):
    """A region whose cars are counted, and what was last said of them: null before the first time."""

    told: RegionDemand | None = None


class CapRow(Row):
    """The cap of a region, when its adders were last looked for, and those in force."""

    cap: RegionCap
    looked_at: datetime | None = None
    issued: RegionAdder | None = None
