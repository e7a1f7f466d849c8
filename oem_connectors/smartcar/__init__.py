"""Smartcar, API v3: one token for all drivers and a user id per account; a car is told in signals.

What a reading says comes from a store that a verified webhook of the operator's fills: without one it stays empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from oem_connectors.base import (
    BEARER,
    CLIENT_CREDENTIALS,
    Call,
    Can,
    Connector,
    Kind,
    Limits,
    OAuth2,
    Pace,
    Quota,
    for_all,
)
from oem_connectors.consent import Consent, Flow
from oem_connectors.fields import Raw
from oem_connectors.push import Hook
from oem_connectors.smartcar import hook, signals, v2
from oem_connectors.smartcar.connections import CONTROL, vehicles
from oem_connectors.smartcar.outcomes import outcome
from streams.contracts.command import Action

SCOPES = ("read_vehicle_info", "read_battery", "read_charge", CONTROL, "read_location", "read_odometer")
#: A command may be held open for minutes, until the car has answered.
HELD_OPEN_SECONDS = 300.0


def _has_signals(raw: Raw) -> bool:
    data = raw.get("data")
    return isinstance(data, list) and any(isinstance(one, Mapping) and one.get("type") == "signal" for one in data)


def _is_signal(raw: Raw) -> bool:
    data = raw.get("data", raw)
    return isinstance(data, Mapping) and data.get("type") == "signal"


CONNECTOR = Connector(
    name="smartcar",
    title="Smartcar",
    hosts={
        "api": "https://vehicle.api.smartcar.com",
        "auth": "https://iam.smartcar.com",
        "connect": "https://connect.smartcar.com",
    },
    auth=OAuth2(
        token_path="/oauth2/token",  # noqa: S106 - a path, no secret
        form={**CLIENT_CREDENTIALS, "client_id": "{client_id}", "client_secret": "{client_secret}"},
        shared=True,
    ),
    headers={**BEARER, "sc-user-id": "{user_id}"},
    capabilities=for_all(Can.READ | Can.START | Can.STOP | Can.LIMIT),
    read=Call("GET", "/v3/vehicles/{vehicle}/signals"),
    list_vehicles=Call("GET", "/v3/connections?filter%5BuserId%5D={user_id}&page%5Bsize%5D=100"),
    commands={
        action: Call("POST", f"/v3/vehicles/{{vehicle}}/commands/charge/{action.value}", seconds=HELD_OPEN_SECONDS)
        for action in (Action.START, Action.STOP)
    },
    kinds=(
        Kind("state", _has_signals, signals.state),
        Kind("signal", _is_signal, signals.state),
        Kind("event", lambda raw: raw.get("eventType") == "VEHICLE_STATE", signals.state),
        Kind("charge", lambda raw: "isPluggedIn" in raw, v2.charge),
        Kind("battery", lambda raw: "percentRemaining" in raw and "amountRemaining" not in raw, v2.battery),
        Kind("limit", lambda raw: set(raw) == {"limit"}, v2.limit),
        Kind("odometer", lambda raw: set(raw) == {"distance"}, v2.odometer),
        Kind("batch", lambda raw: "responses" in raw, v2.batch),
    ),
    vehicles=vehicles,
    place=signals.place,
    limits=Limits(reads=Quota(30, timedelta(hours=1))),
    pace=Pace(plugged=timedelta(minutes=5), idle=timedelta(minutes=30)),
    outcome=outcome,
    consent=Consent(
        flow=Flow.CONNECT,
        host="connect",
        path="/oauth/authorize",
        scopes=SCOPES,
        query={"response_type": "code", "client_id": "{application_id}", "mode": "live"},
        details=lambda back: {"user_id": back["user_id"]},
    ),
    hook=Hook(genuine=hook.genuine, events=hook.events, greeting=hook.greeting),
)
