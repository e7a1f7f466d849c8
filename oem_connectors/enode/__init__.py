"""Enode: one token for all drivers, whom we name by ids of ours; commands become actions that it pursues itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from oem_connectors.base import CLIENT_CREDENTIALS, Call, Can, Connector, Kind, Limits, OAuth2, Pace, Reply, Vehicle
from oem_connectors.consent import Consent, Flow
from oem_connectors.enode import hook
from oem_connectors.errors import OemError, OutcomeUnknown, Rejected, Unreadable
from oem_connectors.fields import Raw, flag, instant, number, objects, text, word
from oem_connectors.push import Hook
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

POWER = "powerDeliveryState"
PLUGS = {True: Plug.PLUGGED, False: Plug.UNPLUGGED, None: Plug.UNKNOWN}
CHARGES = {
    "UNPLUGGED": Charge.IDLE,
    "PLUGGED_IN:INITIALIZING": Charge.STARTING,
    "PLUGGED_IN:CHARGING": Charge.CHARGING,
    "PLUGGED_IN:STOPPED": Charge.IDLE,
    "PLUGGED_IN:COMPLETE": Charge.COMPLETE,
    "PLUGGED_IN:NO_POWER": Charge.NO_POWER,
    "PLUGGED_IN:FAULT": Charge.FAULT,
    "PLUGGED_IN:DISCHARGING": Charge.DISCHARGING,
}
PLUGGED = {state: Plug.UNPLUGGED if state == "UNPLUGGED" else Plug.PLUGGED for state in CHARGES}
#: Why an action ended that changed nothing. After any other end the car has to be read: NO_RESPONSE is no refusal.
REFUSALS = frozenset({"FAILED_PRECONDITION", "CONFLICT", "NOT_FOUND", "REQUESTED_CANCELLATION"})
ENDED = frozenset({"FAILED", "CANCELLED"})
#: What a car cannot do is said per car; its model carries it.
NO_START, NO_STOP = " (no start)", " (no stop)"
SCOPES = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")


def state(raw: Raw) -> Mapping[str, Any]:
    """A vehicle, as an answer or in an event; every member of its charge state may be null."""
    charging = Charge.CHARGING if flag(raw, "chargeState", "isCharging") else Charge.UNKNOWN
    plugged = PLUGS[flag(raw, "chargeState", "isPluggedIn")]
    return {
        "soc_pct": number(raw, "chargeState", "batteryLevel"),
        "limit_pct": number(raw, "chargeState", "chargeLimit"),
        "plug": word(raw, PLUGGED, plugged, "chargeState", POWER),
        "charge": word(raw, CHARGES, charging, "chargeState", POWER),
        "power_kw": number(raw, "chargeState", "chargeRate"),
        "range_km": number(raw, "chargeState", "range"),
        "odometer_km": number(raw, "odometer", "distance"),
        "car_time": instant(raw, "chargeState", "lastUpdated"),
    }


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car was seen last."""
    latitude, longitude = number(raw, "location", "latitude"), number(raw, "location", "longitude")
    return None if latitude is None or longitude is None else (latitude, longitude)


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """One page of a driver's cars."""
    return tuple(map(_vehicle, objects(raw, "data")))


def _vehicle(one: Raw) -> Vehicle:
    found = text(one, "id")
    if not found:
        raise Unreadable("data.id must be a text")
    model = " ".join(filter(None, (text(one, "vendor"), text(one, "information", "model"))))
    for name, suffix in (("startCharging", NO_START), ("stopCharging", NO_STOP)):
        model += suffix if flag(one, "capabilities", name, "isCapable") is False else ""
    return Vehicle(found, model)


def capabilities(model: str) -> Can:
    """What the car was capable of when it was listed."""
    start = Can(0) if NO_START in model else Can.START
    stop = Can(0) if NO_STOP in model else Can.STOP
    return Can.READ | Can.LIMIT | start | stop


def outcome(reply: Reply) -> str | OemError | None:
    """An action under way is accepted; one that has ended says why. Errors of other shapes are told by their status."""
    reason = reply.body.get("failureReason")
    why = str(reason.get("type")) if isinstance(reason, Mapping) else ""
    if reply.action is None or not (why or str(reply.body.get("state")) in ENDED):
        return None
    if why == "UNNECESSARY":
        return "already"
    return Rejected(why) if why in REFUSALS else OutcomeUnknown("the action has ended without a known reason")


CONNECTOR = Connector(
    name="enode",
    title="Enode",
    hosts={"api": "https://enode-api.production.enode.io", "auth": "https://oauth.production.enode.io"},
    auth=OAuth2(token_path="/oauth2/token", form=CLIENT_CREDENTIALS, basic=True, shared=True),  # noqa: S106 - a path
    capabilities=capabilities,
    read=Call("GET", "/vehicles/{vehicle}"),
    list_vehicles=Call("GET", "/users/{user_id}/vehicles?pageSize=50"),
    commands={
        action: Call("POST", "/vehicles/{vehicle}/charging", {"action": action.value.upper()})
        for action in (Action.START, Action.STOP)
    },
    kinds=(Kind("state", lambda raw: "chargeState" in raw, state),),
    vehicles=vehicles,
    place=place,
    limits=Limits(),
    pace=Pace(plugged=timedelta(minutes=5), idle=timedelta(minutes=30)),
    outcome=outcome,
    consent=Consent(
        flow=Flow.HOSTED,
        host="api",
        path="/users/{user_id}/link",
        scopes=SCOPES,
        form={"vendorType": "vehicle", "redirectUri": "{redirect_uri}"},
        details=lambda back: {"user_id": back["user_id"]},
    ),
    hook=Hook(genuine=hook.genuine, events=hook.events),
)
