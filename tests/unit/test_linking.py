"""Linking an account: every way of consent to the end, and everything that must not get through."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr, ValidationError

from agents.clock import LogClock
from agents.envelope import seal_context
from agents.linking import door
from agents.linking.enrol import records
from agents.linking.invitation import REFUSALS, Invitation, Offer, car_key, offer
from agents.linking.linker import Linker, challenge
from agents.sealing import Sealer
from oem_connectors.base import Obstacle, Vehicle
from oem_connectors.consent import Flow
from oem_connectors.credential import unpack
from oem_connectors.errors import NeedsConsent, OemError, Rejected
from oem_connectors.http import OemClient
from oem_connectors.linking import ConsentClient, DeviceCode
from oem_connectors.registry import load

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data" / "oem_api"
SEALER = Sealer(b"k" * 32)
INVITED = Invitation(
    account="acct7", driver="d1", home_zone="Europe/London", region="GB", tariff="GB", usable_kwh=58, power_kw=7.4,
    home=SecretStr("51.5,-0.12"),
)  # fmt: skip
BACK = "https://d2ev.example/link/volvo"
APP = {
    name: SecretStr(f"made-up-{name}")
    for name in ("client_id", "client_secret", "api_key", "application_id", "container_id", "audience", "app_id")
}


@dataclass
class Maker:
    """The maker's side: a login page that gives codes, a token endpoint that checks them, a list of cars."""

    cars: Any = field(default_factory=lambda: {"data": [{"vin": "YV1SYNTHETIC00001"}, {"vin": "YV1SYNTHETIC00002"}]})
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: list[httpx.Request] = field(default_factory=list)
    pending: int = 2
    token: Mapping[str, Any] = field(
        default_factory=lambda: {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 600, "id_token": "it"}
    )

    def login(self, address: str) -> dict[str, str]:
        """The driver agrees: the query that the redirect brings."""
        query = dict(parse_qsl(urlsplit(address).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": str(query["state"])}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        path = request.url.path
        if path.endswith("device/code"):
            grown = {"device_code": "dc", "user_code": "AB-12", "verification_uri": "https://login.test/d"}
            return httpx.Response(200, json=grown | {"interval": 5, "expires_in": 60})
        if "token" in path:
            return self._token(form)
        if path.endswith("/link"):
            return httpx.Response(200, json={"linkUrl": "https://link.test/x", "linkToken": "t"})
        return httpx.Response(200, json=self.cars)

    def _token(self, form: dict[str, str]) -> httpx.Response:
        if form.get("grant_type") == "client_credentials":
            return httpx.Response(200, json={"access_token": "app", "expires_in": 3600})
        if "device_code" in form:
            self.pending -= 1
            words = {1: "authorization_pending", 0: "slow_down"}
            if self.pending in words:
                return httpx.Response(400, json={"error": words[self.pending]})
            return httpx.Response(200, json=self.token)
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None:
            return httpx.Response(400, json={"error": "invalid_grant"})
        proof = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked.get("code_challenge", proof) != proof or form["redirect_uri"] != asked["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        return httpx.Response(200, json=self.token)


@dataclass
class Desk:
    """A linker before a maker, and what it wrote."""

    maker: Any
    clock: LogClock
    linker: Linker
    written: list[Offer]


def desk(maker: Any = None) -> Desk:
    made, clock = maker or Maker(), LogClock()
    clock.seen(NOW)
    http = httpx.AsyncClient(transport=httpx.MockTransport(made))
    connectors = {name: one for name, one in load().items() if one.consent is not None}
    written: list[Offer] = []

    async def publish(offers: Sequence[Offer]) -> None:
        written.extend(offers)

    consents = {name: ConsentClient(one, http, None, APP) for name, one in connectors.items()}
    clients = {name: OemClient(one, http, None, APP) for name, one in connectors.items()}
    return Desk(made, clock, Linker(consents, clients, SEALER, clock, publish), written)


def grant_of(offer: Offer) -> tuple[str, Mapping[str, str]]:
    assert offer.registration is not None
    assert offer.registration.grant_sealed is not None
    opened = SEALER.open(offer.registration.grant_sealed, seal_context("acct7")).decode()
    return unpack(SecretStr(opened))


async def begun(at: Desk, oem: str = "volvo", session: str = "s1") -> dict[str, str]:
    query: dict[str, str] = at.maker.login(await at.linker.begin(oem, session, BACK, INVITED))
    return query


# Each way to its end


async def test_a_code_with_its_proof_becomes_registrations() -> None:
    at = desk()
    offers = await at.linker.finish("volvo", "s1", await begun(at))
    assert at.written == offers
    assert [one.registration is not None for one in offers] == [True, True]
    first = offers[0].registration
    assert first is not None
    assert (first.oem, first.vehicle, first.driver) == ("volvo", "YV1SYNTHETIC00001", "d1")
    assert grant_of(offers[0]) == ("rt-1", {"home": "51.5,-0.12"})


async def test_the_address_asks_for_what_the_maker_wants() -> None:
    at = desk()
    address = urlsplit(await at.linker.begin("volvo", "s1", BACK, INVITED))
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
    (offer,) = await at.linker.finish("tesla", "s1", await begun(at, "tesla"))
    assert grant_of(offer) == ("rt-1", {"home": "51.5,-0.12", "region": "eu"})
    assert at.maker.seen[-1].url.host == "fleet-api.prd.eu.vn.cloud.tesla.com"
    assert offer.registration is not None
    assert offer.registration.prove_control


async def test_a_maker_that_names_the_user_needs_no_code() -> None:
    at = desk(Maker(cars={"data": []}))
    query = dict(parse_qsl(urlsplit(await at.linker.begin("smartcar", "s1", BACK, INVITED)).query))
    assert at.linker.flow("smartcar") is Flow.CONNECT
    with pytest.raises(Rejected, match="there is no car in the account"):
        await at.linker.finish("smartcar", "s1", {"state": query["state"], "user_id": "u-9", "code": "c"})
    assert at.maker.seen[-1].headers["sc-user-id"] == "u-9"


async def test_a_page_of_the_makers_own_links_our_name_for_the_account_whatever_the_browser_says() -> None:
    car = {"id": "v-1", "userId": "acct7", "vendor": "BMW", "information": {"brand": "BMW", "model": "i4"}}
    at = desk(Maker(cars={"data": [car], "pagination": {}}))
    assert await at.linker.begin("enode", "s1", BACK, INVITED) == "https://link.test/x"
    sent = next(request for request in at.maker.seen if request.url.path.endswith("/link"))
    assert sent.url.path == "/users/acct7/link"
    assert json.loads(sent.content)["redirectUri"] == BACK
    (offer,) = await at.linker.finish("enode", "s1", {"user_id": "somebody-else"})
    assert grant_of(offer)[1]["user_id"] == "acct7"


async def test_a_code_typed_in_elsewhere_is_waited_for_as_slowly_as_the_maker_wants() -> None:
    at = desk(Maker(cars=[{"vin": "WBASYNTHETIC00001", "mappingType": "PRIMARY"}]))
    shown: list[DeviceCode] = []
    slept: list[float] = []
    at.maker.pending = 2

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    offers = await at.linker.with_device("bmw", INVITED, shown.append, sleep)
    assert [code.user_code for code in shown] == ["AB-12"]
    assert slept == [5, 5, 10]
    assert "dc" not in repr(shown)
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
        await at.linker.with_device("bmw", INVITED, lambda _code: None, sleep)


# What must not get through


@pytest.mark.parametrize(
    ("oem", "session", "change", "reason"),
    [
        pytest.param("volvo", "s2", {}, "begun in another browser", id="another session"),
        pytest.param("volvo", "", {}, "begun in another browser", id="no session"),
        pytest.param("tesla", "s1", {}, "was not begun here", id="another maker"),
        pytest.param("volvo", "s1", {"state": "guessed"}, "was not begun here", id="a state nobody gave"),
        pytest.param("volvo", "s1", {"state": ""}, "was not begun here", id="no state"),
        pytest.param("volvo", "s1", {"code": ""}, "brings no code", id="no code"),
        pytest.param("volvo", "s1", {"code": "stolen"}, "invalid_grant", id="a code of someone else"),
        pytest.param("volvo", "s1", {"iss": "https://evil.test"}, "another issuer", id="another issuer"),
        pytest.param("volvo", "s1", {"error": "access_denied"}, "the driver did not agree", id="the driver says no"),
        pytest.param("volvo", "s1", {"error": "<script>"}, "the maker gave no reason", id="an odd word"),
    ],
)
async def test_nothing_is_linked(oem: str, session: str, change: dict[str, str], reason: str) -> None:
    at = desk()
    query = await begun(at) | change
    with pytest.raises(OemError, match=reason):
        await at.linker.finish(oem, session, query)
    assert at.written == []


async def test_an_issuer_that_is_the_makers_is_good() -> None:
    at = desk()
    query = await begun(at) | {"iss": "https://volvoid.eu.volvocars.com"}
    assert await at.linker.finish("volvo", "s1", query)


async def test_a_state_is_good_once_even_if_it_failed() -> None:
    at = desk()
    query = await begun(at)
    await at.linker.finish("volvo", "s1", query)
    with pytest.raises(Rejected, match="was used"):
        await at.linker.finish("volvo", "s1", query)
    query = await begun(at)
    with pytest.raises(Rejected):
        await at.linker.finish("volvo", "s2", query)
    with pytest.raises(Rejected, match="was used"):
        await at.linker.finish("volvo", "s1", query)


async def test_a_state_lives_ten_minutes() -> None:
    at = desk()
    query = await begun(at)
    at.clock.seen(NOW + timedelta(minutes=10, seconds=1))
    with pytest.raises(Rejected, match="more than ten minutes"):
        await at.linker.finish("volvo", "s1", query)


async def test_what_was_begun_long_ago_is_forgotten() -> None:
    at = desk()
    for minute in range(0, 60, 5):
        at.clock.seen(NOW + timedelta(minutes=minute))
        await begun(at)
    assert len(at.linker._begun) <= 3


async def test_whoever_begins_without_end_pushes_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.linking.linker._MOST", 3)
    at = desk()
    queries = [await begun(at) for _ in range(5)]
    assert len(at.linker._begun) == 3
    assert await at.linker.finish("volvo", "s1", queries[-1])
    with pytest.raises(Rejected):
        await at.linker.finish("volvo", "s1", queries[0])


async def test_another_verifier_is_refused_by_the_maker() -> None:
    at = desk()
    query = await begun(at)
    at.linker._begun[query["state"]] = at.linker._begun[query["state"]]._replace(verifier="w" * 64)
    with pytest.raises(NeedsConsent, match="invalid_grant"):
        await at.linker.finish("volvo", "s1", query)


@pytest.mark.parametrize(
    "token",
    [{}, {"access_token": 7, "refresh_token": "r"}, {"access_token": "a"}, {"access_token": "a", "refresh_token": 7}],
)
async def test_a_token_answer_that_is_broken_links_nothing(token: dict[str, Any]) -> None:
    at = desk(Maker(token=token))
    with pytest.raises(OemError, match="sent no tokens"):
        await at.linker.finish("volvo", "s1", await begun(at))
    assert at.written == []


@pytest.mark.parametrize("obstacle", Obstacle)
def test_a_car_that_cannot_be_charged_by_us_is_refused_with_a_reason(obstacle: Obstacle) -> None:
    vehicle = Vehicle("v", "m", obstacle)
    refused = offer(load()["skoda"], vehicle, INVITED, SecretStr("rt"), SEALER, NOW)
    assert (refused.registration, refused.refusal) == (None, REFUSALS[obstacle])
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
    assert bad.refusal == REFUSALS[Obstacle.COMBUSTION]
    assert at.written == [good]


async def test_a_driver_who_links_again_brings_a_new_grant_for_the_same_cars() -> None:
    at = desk()
    first = await at.linker.finish("volvo", "s1", await begun(at))
    at.maker.token = {**at.maker.token, "refresh_token": "rt-2"}
    second = await at.linker.finish("volvo", "s3", await begun(at, session="s3"))
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
    offers = await at.linker.finish("volvo", "s1", await begun(at))
    told = json.dumps([one.as_json() for one in offers]) + repr(at.linker._begun) + repr(INVITED)
    assert "rt-1" not in told
    assert "51.5" not in told
    assert "YV1" not in told


async def test_records_go_to_the_partition_of_the_account() -> None:
    at = desk()
    made = records(await at.linker.finish("volvo", "s1", await begun(at)), 6, NOW)
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


# The door


async def test_a_browser_walks_through_and_a_second_one_cannot_take_its_place() -> None:
    at = desk()
    results: list[list[Offer] | str] = []

    async def invite(_request: Any) -> Invitation:
        return INVITED

    app = door.app(at.linker, lambda oem: f"http://127.0.0.1/link/{oem}", invite, results.append)
    async with TestClient(TestServer(app)) as browser, TestClient(TestServer(app)) as other:
        start = await browser.get("/link/volvo/start", allow_redirects=False)
        assert start.status == 303
        cookie = start.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        query = at.maker.login(start.headers["Location"])
        stolen = await other.get("/link/volvo", params=query)
        assert stolen.status == 400
        assert "another browser" in await stolen.text()
        query = at.maker.login((await browser.get("/link/volvo/start", allow_redirects=False)).headers["Location"])
        page = await browser.get("/link/volvo", params=query)
        text = await page.text()
        assert page.status == 200
        assert text.count("linked") == 2
        assert "rt-1" not in text
        assert page.headers["Content-Security-Policy"] == "default-src 'none'"
        unknown = await browser.get("/link/nobody/start", allow_redirects=False)
        assert unknown.status == 502
    assert len(results) == 2


async def test_nobody_begins_without_an_invitation() -> None:
    at = desk()

    async def nobody(_request: Any) -> None:
        return None

    app = door.app(at.linker, lambda oem: oem, nobody, lambda _result: None)
    async with TestClient(TestServer(app)) as browser:
        assert (await browser.get("/link/volvo/start", allow_redirects=False)).status == 403


def test_a_device_code_hides_what_is_secret() -> None:
    code = DeviceCode(SecretStr("dc-secret"), "AB", "https://x.test", timedelta(), timedelta())
    assert "dc-secret" not in repr(code)
