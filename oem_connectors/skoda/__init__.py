"""Škoda: metres, percents, words; what a command did is told by the next readings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from oem_connectors.base import Call, Connector, Kind, Limits, OAuth2, Pace, Quota
from oem_connectors.consent import Consent, Flow
from oem_connectors.fields import Raw
from oem_connectors.skoda.shapes import (
    OTHERS,
    charging,
    climate,
    driving_range,
    event,
    other,
    place,
    recorded,
    vehicles,
)
from oem_connectors.skoda.words import capabilities
from streams.contracts.command import Action

CHARGING = "/api/v1/charging/{vehicle}"
_GENERATIONS = "&".join(f"connectivityGenerations=MOD{number}" for number in range(1, 5))


def inside(raw: Raw, name: str) -> Raw:
    """An object inside an answer, empty where it is of another shape."""
    found = raw.get(name)
    return found if isinstance(found, Mapping) else {}


CONNECTOR = Connector(
    name="skoda",
    title="Škoda",
    hosts={
        "api": "https://mysmob.api.connect.skoda-auto.cz",
        "auth": "https://mysmob.api.connect.skoda-auto.cz",
    },
    auth=OAuth2(
        token_path="/api/v1/authentication/refresh-token?tokenType=CONNECT",  # noqa: S106 - a path, no secret
        form={"token": "{refresh_token}"},
        json=True,
        access="accessToken",
        rotated="refreshToken",
        lost=frozenset({"invalid_token"}),
    ),
    capabilities=capabilities,
    read=Call("GET", CHARGING),
    list_vehicles=Call("GET", "/api/v2/garage?" + _GENERATIONS),
    commands={
        Action.START: Call("POST", CHARGING + "/start"),
        Action.STOP: Call("POST", CHARGING + "/stop"),
        Action.WAKE: Call("POST", "/api/v1/vehicle-wakeup/{vehicle}?applyRequestLimiter=true"),
    },
    kinds=(
        Kind("state", lambda raw: "isVehicleInSavedLocation" in raw or "battery" in inside(raw, "status"), charging),
        Kind("range", lambda raw: "primaryEngineRange" in raw, driving_range),
        Kind("climate", lambda raw: "chargerConnectionState" in raw, climate),
        Kind("event", lambda raw: "producer" in raw and "soc" in inside(raw, "data"), event),
        Kind("recorded", lambda raw: "endpoints" in raw, recorded),
        Kind("other", lambda raw: bool(OTHERS.keys() & raw.keys()), other),
    ),
    vehicles=vehicles,
    limits=Limits(wakes=Quota(3, timedelta(days=1))),
    pace=Pace(plugged=timedelta(minutes=5), idle=timedelta(minutes=30)),
    locate=Call("GET", "/api/v1/maps/positions?vin={vehicle}"),
    describe=Call("GET", "/api/v2/garage/vehicles/{vehicle}"),
    place=place,
    consent=Consent(flow=Flow.TOKEN),
)
