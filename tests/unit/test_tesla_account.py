"""What a Tesla account tells: its region and its cars, and how it is linked."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from oem_connectors.base import Can
from oem_connectors.errors import Unreadable
from oem_connectors.tesla import CONNECTOR, vehicles
from oem_connectors.tesla.account import details


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
