"""What is known of a driver and a home before an account is linked, and what becomes of it: one offer per car."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    SerializationInfo,
    field_serializer,
    field_validator,
)

from agents.envelope import seal_context
from agents.sealing import Sealer
from oem_connectors.base import Can, Connector, Obstacle, Vehicle
from oem_connectors.credential import pack, unpack
from oem_connectors.home import parse_place
from streams.contracts.base import Language
from streams.contracts.registration import Registration


class Refusal(StrEnum):
    """Why a car of an account is not linked."""

    COMBUSTION = Obstacle.COMBUSTION
    SUBSCRIPTION = Obstacle.SUBSCRIPTION
    CONSENT = Obstacle.CONSENT
    PAIRING = Obstacle.PAIRING
    TAKEN = "taken"

    @property
    def words(self) -> str:
        """For people."""
        return REFUSALS[self]


REFUSALS: Final = {
    Refusal.COMBUSTION: "it has no battery that is charged with a cable",
    Refusal.SUBSCRIPTION: "the maker's connected service has ended, or was never begun, for this car",
    Refusal.CONSENT: "the driver has not agreed to what is needed: reading the car and charging it",
    Refusal.PAIRING: "the car takes no commands until its driver has paired the key",
    Refusal.TAKEN: "another driver has linked it, and has to unlink it first",
}
#: Context of a dump that is sealed at once: the only one that holds the home.
OPENLY: Final = "sealed at once"
_CONTROL: Final = Can.START | Can.STOP


class Home(BaseModel):
    """Where the cars of an account charge. `details` are what the maker's calls need and only the driver knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    home_zone: str = Field(max_length=60, description="IANA time zone")
    region: str = Field(min_length=1, max_length=60, description="key of the carbon forecast")
    tariff: str = Field(min_length=1, max_length=60, description="key of the price forecast")
    home: SecretStr | None = Field(None, description='"latitude,longitude" in degrees; sealed with the token')
    usable_kwh: float = Field(gt=0, le=300)
    power_kw: float = Field(gt=0, le=50, description="AC power at home, at the wall")
    details: dict[str, str] = Field(default_factory=dict, description="what the maker asks, by name")
    language: Language = Field("en", description="of the sentences and pushes about the cars")

    @field_serializer("home", when_used="json")
    def _hidden(self, value: SecretStr | None, info: SerializationInfo) -> str | None:
        return None if value is None else value.get_secret_value() if info.context == OPENLY else str(value)

    @field_validator("home")
    @classmethod
    def _somewhere(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and parse_place(value.get_secret_value()) is None:
            raise ValueError("give latitude,longitude in degrees, for example 51.5,-0.12")
        return value

    @field_validator("home_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError("give an IANA time zone, for example Europe/London") from None
        return value

    def all_details(self) -> dict[str, str]:
        """The details, with the home among them."""
        home = {} if self.home is None else {"home": self.home.get_secret_value()}
        return self.details | home


class Invitation(Home):
    """Who links, and under which name of ours for the account."""

    account: str = Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")
    driver: str = Field(min_length=1, max_length=128)


class Offer(NamedTuple):
    """A car of the account: its registration, or the reason why it cannot be linked."""

    car: str
    model: str
    can: Can
    registration: Registration | None
    refusal: Refusal | None

    def as_json(self) -> dict[str, object]:
        """For a terminal or a page: no id of the maker's."""
        can = [str(one.name).lower() for one in Can if one in self.can]
        linked = self.registration is not None
        advice = linked and _CONTROL not in self.can
        return {
            "car": self.car, "model": self.model, "linked": linked,
            "refused": None if self.refusal is None else self.refusal.words,
            "capabilities": can, "control": "advice only" if advice else "by plan" if linked else None,
        }  # fmt: skip


def car_key(account: str, vehicle: str) -> str:
    """The key of a car: always the same, and never the maker's own id, which may be its identification number."""
    return f"{account}.{blake2b(f'{account}/{vehicle}'.encode(), digest_size=6, person=b'd2ev car').hexdigest()}"


def with_details(credential: SecretStr, invitation: Invitation) -> SecretStr:
    """A credential that also holds what the invitation knows; what the maker told goes before."""
    held = unpack(credential)
    return pack(held.token, {**invitation.all_details(), **held.details})


def refused(connector: Connector, vehicle: Vehicle, account: str, refusal: Refusal) -> Offer:
    """A listed car that is not linked."""
    return Offer(car_key(account, vehicle.id), vehicle.model, connector.capabilities(vehicle.model), None, refusal)


def offer(
    connector: Connector,
    vehicle: Vehicle,
    invitation: Invitation,
    grant: SecretStr,
    sealer: Sealer,
    now: datetime,
    before: Registration | None = None,
) -> Offer:
    """What becomes of one listed car. `grant` is the packed refresh token that its calls are made with.

    What nobody is asked when a car is linked stays as it was registered `before`.
    """
    if vehicle.obstacle is not None:
        return refused(connector, vehicle, invitation.account, Refusal(vehicle.obstacle))
    car, can = car_key(invitation.account, vehicle.id), connector.capabilities(vehicle.model)
    registration = Registration(
        car=car,
        driver=invitation.driver,
        oem=connector.name,
        vehicle=vehicle.id,
        model=vehicle.model,
        usable_kwh=invitation.usable_kwh,
        power_kw=invitation.power_kw,
        home_zone=invitation.home_zone,
        region=invitation.region,
        tariff=invitation.tariff,
        prove_control=_CONTROL in can,
        grant_sealed=sealer.seal(grant.get_secret_value().encode(), seal_context(invitation.account)),
        registered_at=now,
        **({} if before is None else before.model_dump(include={"efficiency", "taper"})),
    )
    return Offer(car, vehicle.model, can, registration, None)
