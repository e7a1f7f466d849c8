"""What drivers may ask for, as models: nothing unknown is taken, and nothing absurd."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from streams.contracts.base import Language, WallTime
from streams.contracts.preference import Preference, Weekday
from streams.domain.balance import BALANCES, Balance


class Asked(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _text(value: Any) -> Any:
    if not isinstance(value, str | time):
        raise ValueError("give a text such as 07:00")
    return value


def _to_the_minute(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("give a local time of the home, without a zone")
    if value.second or value.microsecond:
        raise ValueError("give a time to the minute")
    return value


Minute = Annotated[WallTime, BeforeValidator(_text), AfterValidator(_to_the_minute)]
Target = Annotated[float, Field(strict=True, ge=20, le=100)]
Minimum = Annotated[float, Field(strict=True, ge=0, le=80)]


class Changes(Asked):
    """Parts of a preference; what is left out stays as it is."""

    ready_by: Minute | None = Field(None, description="local wall time of the home, HH:MM")
    ready_by_days: dict[Weekday, Minute] | None = Field(None, description="other times on some weekdays; replaces all")
    target_soc_pct: Target | None = None
    min_soc_pct: Minimum | None = Field(None, description="reached as soon as possible, whatever it costs")
    balance: Balance | None = Field(None, description="what charging is chosen by")
    language: Language | None = None

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

    ready_by: Minute
    ready_by_days: dict[Weekday, Minute]
    target_soc_pct: Target
    min_soc_pct: Minimum
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
