"""Linking an account: every way of consent to the end."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from agents.linking.enrol import records
from agents.linking.invitation import Invitation, Refusal, car_key, offer
from agents.linking.linker import Waiting, challenge
from oem_connectors.base import Obstacle, Vehicle
from oem_connectors.consent import Flow
from oem_connectors.errors import NeedsConsent, OemError, Rejected
from oem_connectors.linking import DeviceCode
from oem_connectors.registry import load
from tests.consenting import BACK, INVITED, NOW, SEALER, Maker, desk, grant_of

DATA = Path(__file__).parents[1] / "data" / "oem_api"


# Each way to its end


async def test_a_code_with_its_proof_becomes_registrations() -> None:
    at = desk()
    offers = await at.linked()
    assert at.written == offers
    assert [one.registration is not None for one in offers] == [True, True]
    first = offers[0].registration
    assert first is not None
    assert (first.oem, first.vehicle, first.driver) == ("volvo", "YV1SYNTHETIC00001", "d1")
    assert grant_of(offers[0]) == ("rt-1", {"home": "51.5,-0.12"})


async def test_the_address_asks_for_what_the_maker_wants() -> None:
    at = desk()
    address = urlsplit((await at.linker.begin("volvo", BACK, INVITED))[0])
    query = dict(parse_qsl(address.query))
    assert address.netloc == "volvoid.eu.volvocars.com"
    assert query["response_type"] == "code"
    assert query["redirect_uri"] == BACK
    assert query["client_id"] == "made-up-client_id"
    assert query["code_challenge_method"] == "S256"
    assert "energy:state:read" in query["scope"].split()
    assert len(query["state"]) >= 43


async def test_the_region_of_a_tesla_account_is_kept_with_its_token() -> None:
    claims = urlsafe_b64encode(json.dumps({"ou_code": "EU"}).encode()).decode()
    cars = {"response": [{"vin": "5YJ3SYNTHETIC0001", "state": "online"}]}
    at = desk(Maker(cars=cars, token={"access_token": f"x.{claims}.y", "refresh_token": "rt-1", "expires_in": 60}))
    (offer,) = await at.linked("tesla")
    assert grant_of(offer) == ("rt-1", {"home": "51.5,-0.12", "region": "eu"})
    assert at.maker.seen[-1].url.host == "fleet-api.prd.eu.vn.cloud.tesla.com"
    assert offer.registration is not None
    assert offer.registration.prove_control


async def test_a_maker_that_names_the_user_needs_no_code() -> None:
    at = desk(Maker(cars={"data": []}))
    address, carried = await at.linker.begin("smartcar", BACK, INVITED)
    query = dict(parse_qsl(urlsplit(address).query))
    assert at.linker.flow("smartcar") is Flow.CONNECT
    with pytest.raises(Rejected, match="there is no car in the account"):
        await at.back("smartcar", carried, {"state": query["state"], "user_id": "u-9", "code": "c"})
    assert at.maker.seen[-1].headers["sc-user-id"] == "u-9"


async def test_a_page_of_the_makers_own_links_our_name_for_the_account_whatever_the_browser_says() -> None:
    car = {"id": "v-1", "userId": "acct7", "vendor": "BMW", "information": {"brand": "BMW", "model": "i4"}}
    at = desk(Maker(cars={"data": [car], "pagination": {}}))
    address, carried = await at.linker.begin("enode", BACK, INVITED)
    assert address == "https://link.test/x"
    sent = next(request for request in at.maker.seen if request.url.path.endswith("/link"))
    assert sent.url.path == "/users/acct7/link"
    assert json.loads(sent.content)["redirectUri"] == BACK
    (offer,) = await at.back("enode", carried, {"user_id": "somebody-else"})
    assert grant_of(offer)[1]["user_id"] == "acct7"


async def test_a_code_typed_in_elsewhere_is_waited_for_as_slowly_as_the_maker_wants() -> None:
    at = desk(Maker(cars=[{"vin": "WBASYNTHETIC00001", "mappingType": "PRIMARY"}]))
    shown: list[Waiting] = []
    slept: list[float] = []
    at.maker.pending = 2

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    offers = await at.linker.with_code("bmw", INVITED, shown.append, sleep)
    assert [code.user_code for code in shown] == ["AB-12"]
    assert slept == [5, 5, 10]
    assert "dc" not in repr(shown[0]._replace(ticket=""))
    (offer,) = offers
    assert offer.as_json()["control"] == "advice only"
    assert offer.registration is not None
    assert not offer.registration.prove_control


async def test_a_code_that_nobody_types_in_ends() -> None:
    at = desk()
    at.maker.pending = 10**6

    async def sleep(_seconds: float) -> None:
        at.maker.pending = 2  # always pending

    with pytest.raises(NeedsConsent, match="not typed in in time"):
        await at.linker.with_code("bmw", INVITED, lambda _code: None, sleep)


# What must not get through


@pytest.mark.parametrize(
    "token",
    [{}, {"access_token": 7, "refresh_token": "r"}, {"access_token": "a"}, {"access_token": "a", "refresh_token": 7}],
)
async def test_a_token_answer_that_is_broken_links_nothing(token: dict[str, Any]) -> None:
    at = desk(Maker(token=token))
    with pytest.raises(OemError, match="sent no tokens"):
        await at.linked()
    assert at.written == []


@pytest.mark.parametrize("obstacle", Obstacle)
def test_a_car_that_cannot_be_charged_by_us_is_refused_with_a_reason(obstacle: Obstacle) -> None:
    vehicle = Vehicle("v", "m", obstacle)
    refused = offer(load()["skoda"], vehicle, INVITED, SecretStr("rt"), SEALER, NOW)
    assert (refused.registration, refused.refusal) == (None, Refusal(obstacle))
    assert (refused.as_json()["linked"], refused.as_json()["control"]) == (False, None)


async def test_a_combustion_car_in_a_garage_is_found_by_asking_about_it() -> None:
    info = json.loads((DATA / "skoda" / "kamiq_2021_NW44KD_crossover.json").read_text("utf-8"))["endpoints"]["info"]
    electric = {"vin": "TMBSYNTHETIC00001", "specification": {"title": "Enyaq", "systemModelId": "5AZJJ2"}}
    cars = {"TMBSYNTHETIC00001": electric, info["vin"]: info}

    def cloud(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if "refresh-token" in path:
            return httpx.Response(200, json={"accessToken": "at-2", "refreshToken": "rt-2"})
        listed = {"vehicles": [{"vin": vin, "title": "?"} for vin in cars]}
        return httpx.Response(200, json=cars.get(path.rpartition("/")[2], listed))

    at = desk(cloud)
    good, bad = await at.linker.with_token("skoda", SecretStr("rt-1"), INVITED)
    assert grant_of(good)[0] == "rt-2"
    assert bad.refusal is Refusal.COMBUSTION
    assert at.written == [good]


async def test_a_driver_who_links_again_brings_a_new_grant_for_the_same_cars() -> None:
    at = desk()
    first = await at.linked()
    at.maker.token = {**at.maker.token, "refresh_token": "rt-2"}
    second = await at.linked()
    assert [one.car for one in first] == [one.car for one in second]
    assert (grant_of(first[0])[0], grant_of(second[0])[0]) == ("rt-1", "rt-2")


def test_the_key_of_a_car_is_always_the_same_and_never_its_number() -> None:
    key = car_key("acct7", "YV1SYNTHETIC00001")
    assert key == car_key("acct7", "YV1SYNTHETIC00001")
    assert key != car_key("acct8", "YV1SYNTHETIC00001")
    assert key.startswith("acct7.")
    assert "SYNTHETIC" not in key


async def test_no_token_shows_in_what_is_told() -> None:
    at = desk()
    offers = await at.linked()
    told = json.dumps([one.as_json() for one in offers]) + repr(INVITED) + INVITED.model_dump_json()
    assert "rt-1" not in told
    assert "51.5" not in told
    assert "YV1" not in told


async def test_records_go_to_the_partition_of_the_account() -> None:
    at = desk()
    made = records(await at.linked(), 6, NOW)
    assert len({record.partition for record in made}) == 1
    assert [record.key for record in made] == [one.car.encode() for one in at.written]


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("account", "a.b"),
        ("account", "../x"),
        ("home", "91,0"),
        ("home_zone", "Mars"),
        ("usable_kwh", 0),
        ("driver", ""),
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(field_name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Invitation.model_validate(INVITED.model_dump() | {field_name: value})


def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636, appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_device_code_hides_what_is_secret() -> None:
    code = DeviceCode(SecretStr("dc-secret"), "AB", "https://x.test", timedelta(), timedelta())
    assert "dc-secret" not in repr(code)
