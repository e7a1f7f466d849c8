"""A driver's connections: the cars that he has let us at, and what is in the way of charging them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oem_connectors.base import Obstacle, Vehicle
from oem_connectors.fields import Raw, needed, objects, text

CONTROL = "control_charge"
WITHOUT_PLUG = frozenset({"ICE", "HEV", "MHEV"})


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """One page of the connections; each names its car, and what the driver has granted."""
    return tuple(map(_vehicle, objects(raw, "data")))


def _vehicle(one: Raw) -> Vehicle:
    model = " ".join(filter(None, (text(one, "attributes", "vehicle", name) for name in ("make", "model"))))
    return Vehicle(needed(one, "relationships", "vehicle", "data", "id"), model, _obstacle(one))


def _obstacle(one: Raw) -> Obstacle | None:
    if text(one, "attributes", "vehicle", "powertrainType") in WITHOUT_PLUG:
        return Obstacle.COMBUSTION
    attributes = one.get("attributes")
    granted = attributes.get("permissions") if isinstance(attributes, Mapping) else None
    return Obstacle.CONSENT if isinstance(granted, list) and CONTROL not in granted else None
