"""Hyundai and Kia: errors in answers that succeed, units beside the values, limits by kind of plug.

The account's region is its brand: "kia" where it names none, or "hyundai".
"""

from __future__ import annotations

from datetime import timedelta

from oem_connectors.base import BEARER, Call, Connector, Kind, Limits, OAuth2, Pace, Quota, Reply
from oem_connectors.consent import Consent, Flow
from oem_connectors.errors import OemError, OutcomeUnknown, Unavailable
from oem_connectors.fields import Raw
from oem_connectors.hyundai_kia.shapes import (
    WRAPPERS,
    australia_canada,
    europe,
    hyundai_us,
    inside,
    kia_us,
    place,
    vehicles,
)
from oem_connectors.hyundai_kia.words import NEW, REFUSALS, capabilities
from streams.contracts.command import Action

CARS = "/api/v1/spa/vehicles"
NEWER = {"ccuCCS2ProtocolSupport": "1"}


def outcome(reply: Reply) -> str | OemError | None:
    """`retCode` "F" is a failure whatever the status. What `resCode` leaves open may have reached the car."""
    code = reply.body.get("resCode")
    if reply.body.get("retCode") != "F":
        return None
    if isinstance(code, str) and code in REFUSALS:
        return REFUSALS[code](f"resCode {code}")
    return OutcomeUnknown("a failure that leaves it open") if reply.action else Unavailable("a failure of the maker's")


def european(raw: Raw) -> bool:
    """Whether it is a state of the European cloud; one asked of the car itself has no wrapper but `resMsg`."""
    marks = inside(raw, *WRAPPERS).keys()
    return bool({"Green", "vehicleStatus"} & marks) or ("resMsg" in raw and "evStatus" in marks)


def charge(action: str) -> Call:
    """Start or stop of an older car."""
    return Call("POST", CARS + "/{vehicle}/control/charge", {"action": action, "deviceId": "{device_id}"})


CONNECTOR = Connector(
    name="hyundai_kia",
    title="Hyundai and Kia",
    hosts={
        "api": "https://prd.eu-ccapi.kia.com:8080",
        "auth": "https://idpconnect-eu.kia.com",
        "api.hyundai": "https://prd.eu-ccapi.hyundai.com:8080",
        "auth.hyundai": "https://idpconnect-eu.hyundai.com",
    },
    auth=OAuth2(
        token_path="/auth/api/v2/user/oauth2/token",  # noqa: S106 - a path, no secret
        form={
            "grant_type": "refresh_token",
            "refresh_token": "{refresh_token}",
            "client_id": "{client_id}",
            "client_secret": "{client_secret}",
        },
    ),
    headers={
        **BEARER,
        "ccsp-service-id": "{client_id}",
        "ccsp-application-id": "{app_id}",
        "ccsp-device-id": "{device_id}",
        "Stamp": "{stamp}",
        "ccuCCS2ProtocolSupport": "0",
    },
    capabilities=capabilities,
    read=Call("GET", CARS + "/{vehicle}/status/latest"),
    list_vehicles=Call("GET", CARS),
    commands={Action.START: charge("start"), Action.STOP: charge("stop")},
    by_model=lambda model: (
        {None: Call("GET", CARS + "/{vehicle}/ccs2/carstatus/latest", headers=NEWER)} if model.endswith(NEW) else {}
    ),
    kinds=(
        Kind("state", european, europe),
        Kind("kia_us", lambda raw: "lastVehicleInfo" in raw, kia_us),
        Kind("hyundai_us", lambda raw: "evStatus" in raw, hyundai_us),
        Kind("status", lambda raw: "evStatus" in inside(raw, "result", "status"), australia_canada),
    ),
    vehicles=vehicles,
    limits=Limits(reads=Quota(150, timedelta(days=1)), commands=Quota(30, timedelta(days=1))),
    pace=Pace(plugged=timedelta(minutes=10), idle=timedelta(minutes=30)),
    outcome=outcome,
    locate=Call("GET", CARS + "/{vehicle}/location/park"),
    place=place,
    consent=Consent(flow=Flow.TOKEN, asks=("device_id",)),
)
