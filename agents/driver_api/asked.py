"""What drivers may ask for, as models: nothing unknown is taken, and nothing absurd."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agents.driver_api.views import Weekday
from streams.contracts.base import Language, Percent
from streams.contracts.preference import Preference
from streams.domain.balance import BALANCES, Balance


class Asked(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _to_the_minute(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("give a local time of the home, without a zone")
    if value.second or value.microsecond:
        raise ValueError("give a time to the minute")
    return value


class Changes(Asked):
    """Parts of a preference; what is left out stays as it is."""

    ready_by: time | None = Field(None, description="local wall time of the home, HH:MM")
    ready_by_days: dict[Weekday, time] | None = Field(None, description="other times on some weekdays; replaces all")
    target_soc_pct: Percent | None = Field(None, ge=20, le=100)
    min_soc_pct: Percent | None = Field(None, ge=0, le=80, description="reached as soon as possible, whatever it costs")
    balance: Balance | None = Field(None, description="what charging is chosen by")
    language: Language | None = None

    @field_validator("ready_by")
    @classmethod
    def _minute(cls, value: time | None) -> time | None:
        return None if value is None else _to_the_minute(value)

    @field_validator("ready_by_days")
    @classmethod
    def _minutes(cls, value: dict[Weekday, time] | None) -> dict[Weekday, time] | None:
        return None if value is None else {day: _to_the_minute(at) for day, at in value.items()}

    def apply(self, known: Preference) -> Preference:
        """The preference after these changes. ValueError where they do not fit together."""
        told = self.model_dump(exclude_none=True, exclude={"balance"})
        if self.balance is not None:
            told["carbon_price_per_tonne"] = BALANCES[self.balance]
        changed = known.model_copy(update=told)
        if changed.min_soc_pct > changed.target_soc_pct:
            raise ValueError("the minimum is above the target")
        return changed


class Wanted(Changes):
    """A whole preference."""

    ready_by: time
    ready_by_days: dict[Weekday, time]
    target_soc_pct: Percent = Field(ge=20, le=100)
    min_soc_pct: Percent = Field(ge=0, le=80)
    balance: Balance
    language: Language

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_soc_pct > self.target_soc_pct:
            raise ValueError("the minimum is above the target")
        return self


class FcmDevice(Asked):
    """A phone, by its FCM registration token."""

    kind: Literal["fcm"]
    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.\-]{20,512}$")]


class SubscriptionKeys(Asked):
    """The keys of a Web Push subscription, base64url."""

    p256dh: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{80,100}={0,2}$")]
    auth: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{16,40}={0,2}$")]


class Subscription(Asked):
    """A Web Push subscription as the browser gives it."""

    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,1000}$")]
    keys: SubscriptionKeys
    expiration_time: float | None = Field(None, alias="expirationTime")


class WebPushDevice(Asked):
    """A browser, by its Web Push subscription."""

    kind: Literal["webpush"]
    subscription: Subscription
