"""Issuers' keys: asked for sparingly, renewed when they change, kept while the issuer is down, never from elsewhere."""

import asyncio
import gzip
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agents.driver_api import keys
from agents.driver_api.identity import NotBelieved, Verifier
from agents.driver_api.keys import FIREBASE_KEYS, IssuerDown
from tests.signing import EC, FIREBASE, NOW, OIDC, OTHER_RSA, RSA, Cloud, Still, claims, jwk, signed

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
DISCOVERY = "https://id.example/.well-known/openid-configuration"
LATER: dict[str, Any] = {"exp": int((NOW + timedelta(days=3)).timestamp())}
TOKEN = signed(claims(**LATER))
NEW = signed(claims(**LATER), OTHER_RSA, kid="k2")


def told(found: Any, cache: str | None) -> Callable[[httpx.Request], httpx.Response]:
    headers = {} if cache is None else {"Cache-Control": cache}
    return lambda _request: httpx.Response(200, json=found, headers=headers)


def rotated(cloud: Cloud) -> None:
    cloud.answers[FIREBASE_KEYS] = {"keys": [jwk(RSA, "k1"), jwk(OTHER_RSA, "k2")]}


def down(_request: httpx.Request) -> Exception:
    return httpx.ConnectError("down")


async def believed(verifier: Verifier, token: str) -> str:
    return (await verifier.signed(token)).driver


async def test_many_at_once_ask_once() -> None:
    cloud, clock = Cloud(), Still()
    verifier = cloud.verifier(FIREBASE, clock=clock)
    found = await asyncio.gather(*(believed(verifier, TOKEN) for _ in range(50)))
    assert found == ["anna"] * 50
    assert cloud.asked == [FIREBASE_KEYS]


async def test_many_wait_for_keys_that_take_their_time() -> None:
    arrived = asyncio.Event()

    async def slow(_request: httpx.Request) -> httpx.Response:
        await arrived.wait()
        return httpx.Response(200, json={"keys": [jwk(RSA, "k1")]})

    verifier = Verifier([FIREBASE], httpx.AsyncClient(transport=httpx.MockTransport(slow)), Still())
    waiting = [asyncio.create_task(believed(verifier, TOKEN)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting += [asyncio.create_task(believed(verifier, TOKEN)) for _ in range(5)]
    arrived.set()
    assert await asyncio.gather(*waiting) == ["anna"] * 10


@pytest.mark.parametrize(
    ("cache", "kept"),
    [
        ("public, max-age=21600, must-revalidate", 6 * HOUR),
        ("max-age=7200", 2 * HOUR),
        ("max-age=0", timedelta(minutes=1)),
        ("max-age=9999999", 24 * HOUR),
        ("s-maxage=99999", HOUR),
        ("no-cache", HOUR),
        (None, HOUR),
    ],
)
async def test_keys_are_kept_as_long_as_the_issuer_says(cache: str | None, kept: timedelta) -> None:
    cloud, clock = Cloud(), Still()
    cloud.answers[FIREBASE_KEYS] = told({"keys": [jwk(RSA, "k1")]}, cache)
    verifier = cloud.verifier(FIREBASE, clock=clock)
    await believed(verifier, TOKEN)
    clock.pass_(kept - SECOND)
    await believed(verifier, TOKEN)
    assert len(cloud.asked) == 1
    clock.pass_(SECOND)
    await believed(verifier, TOKEN)
    assert len(cloud.asked) == 2


async def test_a_new_key_is_found_and_strangers_cannot_make_us_ask_often() -> None:
    cloud, clock = Cloud(), Still()
    verifier = cloud.verifier(FIREBASE, clock=clock)
    await believed(verifier, TOKEN)
    rotated(cloud)
    clock.pass_(timedelta(minutes=1))
    assert await believed(verifier, NEW) == "anna"
    for number in range(200):
        with pytest.raises(NotBelieved, match="kid"):
            await believed(verifier, signed(claims(), kid=f"made-up-{number}"))
        assert await believed(verifier, NEW) == "anna"
    assert len(cloud.asked) == 2
    clock.pass_(timedelta(seconds=31))
    with pytest.raises(NotBelieved, match="kid"):
        await believed(verifier, signed(claims(), kid="made-up"))
    assert len(cloud.asked) == 3


async def test_a_key_that_was_withdrawn_proves_nothing_any_more() -> None:
    cloud, clock = Cloud(), Still()
    verifier = cloud.verifier(FIREBASE, clock=clock)
    await believed(verifier, TOKEN)
    cloud.answers[FIREBASE_KEYS] = {"keys": [jwk(OTHER_RSA, "k2")]}
    clock.pass_(HOUR)
    with pytest.raises(NotBelieved, match="kid"):
        await believed(verifier, TOKEN)


async def test_an_issuer_that_is_down_is_no_reason_to_disbelieve() -> None:
    """Somebody whose token is refused signs in anew; somebody who cannot be checked waits."""
    cloud, clock = Cloud(), Still()
    cloud.answers[FIREBASE_KEYS] = down
    verifier = cloud.verifier(FIREBASE, clock=clock)
    for _ in range(3):
        with pytest.raises(IssuerDown):
            await believed(verifier, TOKEN)
    assert len(cloud.asked) == 1
    cloud.answers[FIREBASE_KEYS] = {"keys": [jwk(RSA, "k1")]}
    clock.pass_(timedelta(seconds=31))
    assert await believed(verifier, TOKEN) == "anna"


async def test_known_keys_hold_on_while_the_issuer_is_down_but_not_for_good() -> None:
    cloud, clock = Cloud(), Still()
    verifier = cloud.verifier(FIREBASE, clock=clock)
    await believed(verifier, TOKEN)
    cloud.answers[FIREBASE_KEYS] = down
    clock.pass_(HOUR + timedelta(hours=12))
    assert await believed(verifier, TOKEN) == "anna"
    with pytest.raises(IssuerDown):
        await believed(verifier, NEW)
    clock.pass_(timedelta(seconds=31))
    with pytest.raises(IssuerDown):
        await believed(verifier, TOKEN)


async def test_a_clock_that_is_set_back_stops_nothing() -> None:
    cloud, clock = Cloud(), Still()
    clock.pass_(HOUR)
    verifier = cloud.verifier(FIREBASE, clock=clock)
    cloud.answers[FIREBASE_KEYS] = down
    with pytest.raises(IssuerDown):
        await believed(verifier, TOKEN)
    clock.at = NOW
    cloud.answers[FIREBASE_KEYS] = {"keys": [jwk(RSA, "k1")]}
    assert await believed(verifier, TOKEN) == "anna"


GOOD = {"keys": [jwk(RSA, "k1")]}
ODD: dict[str, Any] = {
    "an error": httpx.Response(500, json=GOOD),
    "nothing there": httpx.Response(404, json=GOOD),
    "a redirect": httpx.Response(302, headers={"Location": "https://evil.example/keys"}),
    "a page": httpx.Response(200, text="<html>"),
    "a list": [1],
    "cut short": httpx.Response(200, content=b'{"keys": ['),
    "too long": {"keys": [jwk(RSA, "k1")], "pad": "x" * 300_000},
    "packed": httpx.Response(200, content=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}),
    "no connection": httpx.ConnectError("no"),
    "no answer": httpx.ReadTimeout("late"),
    "broken off": httpx.RemoteProtocolError("gone"),
}


@pytest.mark.parametrize("case", ODD)
async def test_an_odd_answer_is_an_issuer_that_is_down(case: str) -> None:
    cloud = Cloud()
    cloud.answers[FIREBASE_KEYS] = ODD[case] if isinstance(ODD[case], httpx.Response) else lambda _request: _fresh(case)
    with pytest.raises(IssuerDown):
        await believed(cloud.verifier(FIREBASE), TOKEN)
    assert cloud.asked == [FIREBASE_KEYS]


def _fresh(case: str) -> Any:
    return ODD[case] if isinstance(ODD[case], Exception) else httpx.Response(200, json=ODD[case])


async def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_SECONDS", 0.05)

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                yield b" "
                await asyncio.sleep(0.001)

    async def drip(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Drip())

    verifier = Verifier([FIREBASE], httpx.AsyncClient(transport=httpx.MockTransport(drip)), Still())
    async with asyncio.timeout(5):
        with pytest.raises(IssuerDown):
            await believed(verifier, TOKEN)


WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
UNUSABLE: list[Any] = [
    {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
    {"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "RS256"},
    {"kty": "RSA", "kid": "k1"},
    {"kty": "RSA", "kid": "k1", "n": 5, "e": []},
    {"kty": "RSA", "kid": "k1", "n": "!", "e": "AQAB"},
    {"kty": "new", "kid": "k1"},
    {"kid": "k1"},
    jwk(RSA, "k1", use="enc"),
    jwk(WEAK, "k1"),
    jwk(ec.generate_private_key(ec.SECP384R1()), "k1"),
    {**jwk(RSA, "k1"), "kid": 1},
    "k1",
    None,
]


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("index", range(len(UNUSABLE)))
async def test_a_key_that_cannot_be_used_is_left_out_and_the_others_serve(index: int) -> None:
    cloud = Cloud()
    cloud.answers[FIREBASE_KEYS] = {"keys": [UNUSABLE[index], jwk(OTHER_RSA, "k2")]}
    verifier = cloud.verifier(FIREBASE)
    assert await believed(verifier, NEW) == "anna"
    with pytest.raises(NotBelieved, match="kid"):
        await believed(verifier, signed(claims(**LATER), WEAK) if index == 8 else TOKEN)


@pytest.mark.parametrize("found", [None, {}, "keys", [], 5])
async def test_no_keys_are_no_keys(found: Any) -> None:
    cloud = Cloud()
    cloud.answers[FIREBASE_KEYS] = told({"keys": found}, None)
    with pytest.raises(NotBelieved, match="kid"):
        await believed(cloud.verifier(FIREBASE), TOKEN)


async def test_other_issuers_tell_where_their_keys_are() -> None:
    cloud = Cloud()
    assert await believed(cloud.verifier(OIDC), signed(claims(OIDC), EC, "ES256", kid="e1")) == "anna"
    assert cloud.asked == [DISCOVERY, "https://id.example/keys"]


async def test_an_address_in_the_settings_needs_no_discovery() -> None:
    cloud = Cloud()
    cloud.answers["https://keys.example/"] = GOOD
    issuer = OIDC.model_copy(update={"jwks": "https://keys.example/"})
    assert await believed(cloud.verifier(issuer), signed(claims(OIDC))) == "anna"
    assert cloud.asked == ["https://keys.example/"]


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 5},
        {"jwks_uri": "http://id.example/keys"},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://"},
        {"jwks_uri": "https://["},
        {"jwks_uri": "https://id.example:port/"},
    ],
)
async def test_a_configuration_that_makes_no_sense_is_not_followed(changed: dict[str, Any]) -> None:
    cloud = Cloud()
    cloud.answers[DISCOVERY] = cloud.answers[DISCOVERY] | changed
    with pytest.raises(IssuerDown):
        await believed(cloud.verifier(OIDC), signed(claims(OIDC)))
    assert cloud.asked == [DISCOVERY]


async def test_an_issuer_on_this_machine_needs_no_tls() -> None:
    cloud = Cloud()
    here = OIDC.model_copy(update={"issuer": "http://127.0.0.1:9"})
    cloud.answers["http://127.0.0.1:9/.well-known/openid-configuration"] = {
        "issuer": here.issuer,
        "jwks_uri": "http://127.0.0.1:9/keys",
    }
    cloud.answers["http://127.0.0.1:9/keys"] = GOOD
    assert await believed(cloud.verifier(here), signed(claims(here))) == "anna"
