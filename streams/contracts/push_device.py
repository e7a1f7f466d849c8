"""A phone or browser that a driver's pushes go to. Where it is reached is sealed: who knows it can write to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from streams.contracts.base import Contract, Instant

#: `<oem account>.<device>`: beside the account's cars, so that the stage that sends has both.
DeviceKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$", max_length=128)]


class PushDevice(Contract):
    """One device of a driver, once per account of his, keyed by `device`. A tombstone unregisters it."""

    device: DeviceKey
    driver: str = Field(min_length=1, max_length=128)
    kind: Literal["fcm", "webpush"]
    target_sealed: str = Field(description="the FCM token, or the subscription as JSON, sealed for the account")
    since: Instant
