"""What Hyundai's and Kia's numbers and codes mean."""

from __future__ import annotations

from collections.abc import Mapping

from oem_connectors.base import Can, Obstacle
from oem_connectors.errors import (
    NeedsConsent,
    OemError,
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
    Unsupported,
)
from streams.contracts.telemetry import Plug

#: 1 is a fast charger, 2 a portable cable, 3 a wall box.
PLUGS: Mapping[float | None, Plug] = {
    0: Plug.UNPLUGGED,
    1: Plug.PLUGGED,
    2: Plug.PLUGGED,
    3: Plug.PLUGGED,
}
SWITCHED: Mapping[float | None, bool] = {1: True, 0: False}
FASTENED: Mapping[bool | None, Plug] = {True: Plug.PLUGGED, False: Plug.UNPLUGGED}

MILES = 3
#: Kilometres in one unit of distance; 0 is none.
KILOMETRES: Mapping[float | None, float] = {1: 1.0, 2: 1.609344, MILES: 1.609344}
#: `plugType` of a limit: 0 is fast charging.
AC = 1

#: `type` of a car in the list: petrol, and hybrid without a plug.
PLUGLESS = frozenset({"GN", "HV"})
OBSTACLES: Mapping[str | None, Obstacle] = dict.fromkeys(PLUGLESS, Obstacle.COMBUSTION)

#: Codes of refusals after which the car is as it was.
REFUSALS: Mapping[str, type[OemError]] = {
    "4002": NeedsConsent,  # the device that the account was linked with is not known any more
    "4004": Throttled,  # the same was asked before and is still under way
    "4005": Unsupported,
    "5031": Unavailable,
    "5091": Throttled,
    "5921": Unreadable,  # the car has never told anything
    "7501": Unauthorised,
}
#: Endings of the model that `vehicles` gives, by how the car's control unit speaks.
OLD, NEW = " v1", " CCS2"


def capabilities(model: str) -> Can:
    """By the ending of the model. Commands of newer cars need a token that only the driver's PIN gives."""
    if model.endswith(OLD):
        return Can.READ | Can.START | Can.STOP | Can.LIMIT
    return Can.READ | Can.LIMIT if model.endswith(NEW) else Can.READ
