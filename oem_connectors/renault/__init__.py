"""Renault, Dacia and Alpine: errors inside answers, and a way to start and stop that hangs on the model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from oem_connectors.base import Call, Can, Connector, Kind, Limits, OAuth2, Pace, Quota, Reply
from oem_connectors.consent import Consent, Flow
from oem_connectors.errors import NeedsConsent, OemError, OutcomeUnknown, Unavailable, Unsupported
from oem_connectors.renault.shapes import attributes, cockpit, other, place, soc_levels, state, vehicles
from oem_connectors.renault.words import CONTROL, LOST, NO_OPERATION, REFUSALS
from streams.contracts.command import Action

ACCOUNT = "/commerce/v1/accounts/{account_id}"
KCA = ACCOUNT + "/kamereon/kca/car-adapter"
KCM = ACCOUNT + "/kamereon/kcm/v1/vehicles/{vehicle}"
STATE_MARKS = {"batteryLevel", "batteryAutonomy", "plugStatus", "chargingStatus"}


def outcome(reply: Reply) -> str | OemError | None:
    """The first of `errors`, in a 200 too, or the login's own. What it leaves open may have reached the car."""
    errors = reply.body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else reply.body
    if not isinstance(first, Mapping) or not first.get("errorCode"):
        return None
    code = str(first["errorCode"])
    if code in LOST:
        return NeedsConsent(f"the login has ended ({code})")
    if NO_OPERATION in str(first.get("errorMessage")):
        return Unsupported(f"{code}: not supported by this car")
    if code in REFUSALS:
        return REFUSALS[code](code)
    if 400 <= reply.status < 500 and not code.startswith("err.tech"):
        return None
    return OutcomeUnknown("an error that leaves it open") if reply.action else Unavailable("an error of the maker's")


def code_of(model: str) -> str:
    """The maker's code, which ends the model."""
    return model.rpartition(" ")[2]


def capabilities(model: str) -> Can:
    """What a car of this model can do."""
    return Can.READ | CONTROL.get(code_of(model), Can(0))


def act(path: str, kind: str, action: str) -> Call:
    """A call that does something to a car."""
    return Call("POST", path + "?country={country}", {"data": {"type": kind, "attributes": {"action": action}}})


#: Ways to start that some models need instead.
STARTS: Mapping[str, Mapping[Action | None, Call]] = {
    "XBG1VE": {Action.START: act(KCM + "/charge/pause-resume", "ChargePauseResume", "resume")},
    "XCB1VE": {Action.START: act(KCM + "/charge/start", "ChargingStart", "start")},
}

CONNECTOR = Connector(
    name="renault",
    title="Renault",
    hosts={"api": "https://api-wired-prod-1-euw1.wrd-aws.com", "auth": "https://accounts.eu1.gigya.com"},
    auth=OAuth2(
        token_path="/accounts.getJWT",  # noqa: S106 - a path, no secret
        form={
            "ApiKey": "{login_key}",
            "login_token": "{refresh_token}",
            "fields": "data.personId,data.gigyaDataCenter",
            "expiration": "900",
        },
        access="id_token",
        lasts=timedelta(seconds=900),
        lost=LOST,
    ),
    headers={"apikey": "{api_key}", "x-gigya-id_token": "{token}", "Content-Type": "application/vnd.api+json"},
    capabilities=capabilities,
    read=Call("GET", KCA + "/v2/cars/{vehicle}/battery-status?country={country}"),
    list_vehicles=Call("GET", ACCOUNT + "/vehicles?country={country}"),
    commands={
        Action.START: act(KCA + "/v1/cars/{vehicle}/actions/charging-start", "ChargingStart", "start"),
        Action.STOP: act(KCM + "/charge/pause-resume", "ChargePauseResume", "pause"),
    },
    by_model=lambda model: STARTS.get(code_of(model), {}),
    kinds=(
        Kind("state", lambda raw: bool(STATE_MARKS & attributes(raw).keys()), state),
        Kind("cockpit", lambda raw: "totalMileage" in attributes(raw), cockpit),
        Kind("soc_levels", lambda raw: "socTarget" in raw, soc_levels),
        Kind("other", lambda raw: bool({"data", "chargeModeRq", "commandId"} & raw.keys()), other),
    ),
    vehicles=vehicles,
    limits=Limits(reads=Quota(50, timedelta(hours=1)), commands=Quota(10, timedelta(hours=1))),
    pace=Pace(plugged=timedelta(minutes=5), idle=timedelta(minutes=30)),
    outcome=outcome,
    locate=Call("GET", KCA + "/v1/cars/{vehicle}/location?country={country}"),
    place=place,
    consent=Consent(flow=Flow.TOKEN, asks=("account_id", "country")),
)
