"""The pretend maker: its own quirky wire format, for the demo, for tests and as the connector to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from oem_connectors.base import Ask, Call, Can, Connector, Kind, Limits, OAuth2, Pace, Quota, Reply, Vehicle
from oem_connectors.consent import Consent, Flow
from oem_connectors.errors import Asleep, OemError, Rejected, Unavailable
from oem_connectors.fields import Raw, flag, instant, needed, number, objects, text, word
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

PLUGS = {"LOCKED": Plug.PLUGGED, "LOOSE": Plug.PLUGGED, "OUT": Plug.UNPLUGGED}
CHARGES = {
    "IDLE": Charge.IDLE,
    "PREPARING": Charge.STARTING,
    "ACTIVE": Charge.CHARGING,
    "FULL": Charge.COMPLETE,
    "TIMER": Charge.SCHEDULED,
    "DEAD_SOCKET": Charge.NO_POWER,
    "FAULT": Charge.FAULT,
}
REFUSALS = {"not_plugged", "not_supported", "start_at_must_be_future", "unknown_vehicle"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "{refresh_token}", "client_id": "d2ev"}
_COMMANDS = Can.START | Can.STOP | Can.WAKE


def state(raw: Raw) -> Mapping[str, Any]:
    """Translate one answer of the state endpoint; percents are whole numbers, power is in kW at the wall."""
    return {
        "soc_pct": number(raw, "battery", "percent"),
        "limit_pct": number(raw, "battery", "limit"),
        "range_km": number(raw, "battery", "range_km"),
        "plug": word(raw, PLUGS, Plug.UNKNOWN, "cable"),
        "charge": word(raw, CHARGES, Charge.UNKNOWN, "charger", "mode"),
        "power_kw": number(raw, "charger", "kw"),
        "odometer_km": number(raw, "odometer_km"),
        "at_home": flag(raw, "at_home"),
        "scheduled_start": instant(raw, "timer", "start_at"),
        "car_time": instant(raw, "sampled_at"),
        "oem_time": instant(raw, "synced_at"),
    }


def schedule(ask: Ask) -> Mapping[str, Any]:
    """The body that makes the car start by itself, once."""
    return {"start_at": ask.start_at.isoformat()}


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate one answer of the vehicle list."""
    return tuple(Vehicle(needed(one, "id"), text(one, "model") or "") for one in objects(raw, "vehicles"))


def outcome(reply: Reply) -> str | OemError | None:
    """The cloud names the outcome in `result` and the trouble in `error`; `applied: false` is its oath."""
    status, body = reply.status, reply.body
    error = body.get("error")
    if status < 300:
        return "already" if body.get("result") == "already" else None
    if error == "asleep":
        return Asleep("the car sleeps")
    if error in REFUSALS:
        return Rejected(str(error))
    if body.get("applied") is False and status not in {401, 429}:
        return Unavailable(f"HTTP {status}, not applied")
    return None


def capabilities(model: str) -> Can:
    """The plainest model has no schedule of its own; one can only be read."""
    if model == "readonly":
        return Can.READ | Can.LIMIT
    commands = _COMMANDS if model.endswith("-basic") else _COMMANDS | Can.SCHEDULE
    return Can.READ | Can.LIMIT | commands


CONNECTOR = Connector(
    name="simulator",
    title="D2EV simulator",
    hosts={"api": "http://127.0.0.1:8770", "auth": "http://127.0.0.1:8770"},
    auth=OAuth2(token_path="/oauth/token", form=REFRESH),  # noqa: S106 - a path, no secret
    capabilities=capabilities,
    read=Call("GET", "/v1/vehicles/{vehicle}/state"),
    list_vehicles=Call("GET", "/v1/vehicles"),
    commands={
        action: Call("POST", f"/v1/vehicles/{{vehicle}}/{action.value}")
        for action in (Action.START, Action.STOP, Action.WAKE, Action.UNSCHEDULE)
    }
    | {Action.SCHEDULE: Call("POST", "/v1/vehicles/{vehicle}/schedule", schedule)},
    kinds=(Kind("state", lambda raw: "charger" in raw, state),),
    vehicles=vehicles,
    limits=Limits(reads=Quota(60, timedelta(minutes=1)), commands=Quota(30, timedelta(minutes=1))),
    pace=Pace(plugged=timedelta(seconds=30), idle=timedelta(minutes=10)),
    outcome=outcome,
    consent=Consent(
        flow=Flow.CODE,
        path="/oauth/authorize",
        scopes=("vehicles", "charging"),
        query={"client_id": "d2ev"},
        form={"client_id": "d2ev"},
        token_path="/oauth/token",  # noqa: S106 - a path, no secret
        pkce=True,
    ),
)
