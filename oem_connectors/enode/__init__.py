"""Enode: one token for all drivers, whom we name by ids of ours; commands become actions that it pursues itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from oem_connectors.base import CLIENT_CREDENTIALS, Call, Connector, Kind, Limits, OAuth2, Pace, Reply
from oem_connectors.consent import Consent, Flow
from oem_connectors.enode import hook
from oem_connectors.enode.vehicle import capabilities, place, state, vehicles
from oem_connectors.errors import OemError, OutcomeUnknown, Rejected
from oem_connectors.push import Hook
from streams.contracts.command import Action

#: Why an action ended that changed nothing. After any other end the car has to be read: NO_RESPONSE is no refusal.
REFUSALS = frozenset({"FAILED_PRECONDITION", "CONFLICT", "NOT_FOUND", "REQUESTED_CANCELLATION"})
ENDED = frozenset({"FAILED", "CANCELLED"})
SCOPES = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")


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
