"""What a Tesla account tells: its region and its cars, and how it is linked."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from pydantic import SecretStr

from oem_connectors.base import Can
from oem_connectors.credential import unpack
from oem_connectors.errors import Unreadable
from oem_connectors.linking import ConsentClient
from oem_connectors.tesla import CONNECTOR, vehicles
from oem_connectors.tesla.account import details

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_the_list_gives_each_car_by_its_vin_with_its_model() -> None:
    listed = [{"vin": "5YJ3E" + "X" * 12, "id": 1, "in_service": True}, {"vin": "XP7YG" + "X" * 12}, {"vin": "QQQQ"}]
    assert [(one.model, one.obstacle) for one in vehicles({"response": listed})] == [
        ("Model 3", None),
        ("Model Y", None),
        ("", None),
    ]


@pytest.mark.parametrize("response", [{}, "", [{"id": 1}], [{"vin": ""}], [5]])
def test_what_is_no_list_of_cars_is_refused(response: Any) -> None:
    with pytest.raises(Unreadable, match=r"vin must be a text|response must be a list"):
        vehicles({"response": response})


def token(**claims: object) -> str:
    middle = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"head.{middle}.signature"


@pytest.mark.parametrize(
    ("back", "region"),
    [
        ({"access_token": token(ou_code="EU"), "code": "NA_x"}, "eu"),
        ({"access_token": token(ou_code="CN")}, "cn"),
        ({"access_token": token(aud=[]), "code": "EU_0123"}, "eu"),
        ({"access_token": "opaque", "code": "na_0123"}, "na"),
        ({"access_token": token(ou_code="MARS"), "code": "EU_0123"}, None),
        ({"access_token": "a.%%%.c", "code": "0123"}, None),
        ({"access_token": "a.W10.c"}, None),
        ({}, None),
    ],
)
def test_the_region_of_an_account_comes_from_its_token_or_its_code(back: dict[str, str], region: str | None) -> None:
    assert details(back) == ({} if region is None else {"region": region})


def test_only_an_operator_who_streams_is_spared_the_reading() -> None:
    assert Can.STREAM not in CONNECTOR.capabilities("Model 3")
    assert Can.STREAM in CONNECTOR.capabilities("Model 3+stream")
    assert Can.SCHEDULE in CONNECTOR.capabilities("Model 3+stream")


def test_the_driver_is_asked_for_every_scope_that_a_call_needs() -> None:
    consent = CONNECTOR.consent
    assert consent is not None
    assert {"offline_access", "vehicle_device_data", "vehicle_location", "vehicle_charging_cmds"} <= set(consent.scopes)
    assert CONNECTOR.hosts[consent.host] == "https://auth.tesla.com"


async def test_a_code_is_exchanged_for_a_grant_that_knows_its_region() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        tokens = {"access_token": token(ou_code="EU"), "refresh_token": "next", "expires_in": 28800}
        return httpx.Response(200, json=tokens)

    app = {name: SecretStr(name) for name in ("client_id", "client_secret", "audience")}
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        linking = ConsentClient(CONNECTOR, http, None, app)
        names = {"redirect_uri": "https://us.example/tesla", "state": "a-state"}
        address = httpx.URL(linking.address(names))
        grant = await linking.came_back({"code": "EU_0123", "state": "a-state"}, names, NOW)
    assert (address.host, address.path) == ("auth.tesla.com", "/oauth2/v3/authorize")
    assert address.params["nonce"] == address.params["state"] == "a-state"
    (exchange,) = asked
    assert str(exchange.url) == "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token"
    assert dict(parse_qsl(exchange.content.decode())) == {
        "grant_type": "authorization_code",
        "client_id": "client_id",
        "client_secret": "client_secret",
        "code": "EU_0123",
        "audience": "audience",
        "redirect_uri": "https://us.example/tesla",
    }
    assert unpack(grant.refresh_token) == ("next", {"region": "eu"})
    assert grant.expires_at == NOW + timedelta(hours=8)
