"""BMW CarData: what a customer lets us read of his car, fifty times a day; nothing can be commanded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from oem_connectors.base import BEARER, Call, Can, Connector, Kind, Limits, OAuth2, Pace, Quota, Reply, Vehicle, for_all
from oem_connectors.bmw import mybmw, telematics
from oem_connectors.consent import Consent, Flow
from oem_connectors.errors import OemError, Throttled, Unauthorised
from oem_connectors.fields import Raw, needed, objects

TOKEN_PATH = "/gcdm/oauth/token"  # noqa: S105 - a path, no secret
SCOPES = ("authenticate_user", "openid", "cardata:api:read", "cardata:streaming:read")
#: Fifty calls a day, of which two are left for linking.
READS = Quota(48, timedelta(days=1))


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """The customer's mappings; the maker names no models here. The older app called them mappingInfos."""
    listed = (*objects(raw, "items"), *objects(raw, "mappingInfos"))
    return tuple(Vehicle(needed(one, "vin"), "") for one in listed)


def outcome(reply: Reply) -> str | OemError | None:
    """A spent quota comes as 403: it takes no consent back."""
    error = reply.body.get("exveErrorId")
    if error == "CU-429":
        return Throttled("CU-429", None if "retry-after" in reply.headers else timedelta(hours=1))
    return Unauthorised("CU-102") if error == "CU-102" else None


def place(raw: Raw) -> tuple[float, float] | None:
    """Where the car is, in either generation's answer."""
    return mybmw.place(raw) if "state" in raw else telematics.place(raw)


CONNECTOR = Connector(
    name="bmw",
    title="BMW CarData",
    hosts={"api": "https://api-cardata.bmwgroup.com", "auth": "https://customer.bmwgroup.com"},
    auth=OAuth2(token_path=TOKEN_PATH),
    headers={**BEARER, "x-version": "v1"},
    capabilities=for_all(Can.READ | Can.LIMIT),
    read=Call("GET", "/customers/vehicles/{vehicle}/telematicData?containerId={container_id}"),
    list_vehicles=Call("GET", "/customers/vehicles/mappings"),
    commands={},
    kinds=(
        Kind("state", lambda raw: "telematicData" in raw, telematics.state),
        Kind("stream", lambda raw: "entityId" in raw and "data" in raw, telematics.stream),
        Kind("mybmw", lambda raw: "state" in raw and "capabilities" in raw, mybmw.state),
    ),
    vehicles=vehicles,
    place=place,
    limits=Limits(reads=READS),
    pace=Pace(plugged=timedelta(minutes=30), idle=timedelta(hours=2)),
    outcome=outcome,
    consent=Consent(
        flow=Flow.DEVICE,
        path="/gcdm/oauth/device/code",
        token_path=TOKEN_PATH,
        scopes=SCOPES,
        query={"client_id": "{client_id}", "response_type": "device_code"},
        form={
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": "{device_code}",
            "client_id": "{client_id}",
            "code_verifier": "{verifier}",
        },
        pkce=True,
        details=lambda back: {"gcid": back["gcid"]} if "gcid" in back else {},
    ),
)
