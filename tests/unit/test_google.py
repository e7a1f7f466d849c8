"""Tokens of a service account: signed as Google wants it, fetched once for all, and no error tells a secret."""

import asyncio
import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from agents.google import DATASTORE, GoogleTokens, NoToken, ServiceAccount, service_account

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
URI = "https://oauth2.example/token"
GIVEN = {
    "type": "service_account", "project_id": "p-1", "private_key_id": "k1", "private_key": PEM,
    "client_email": "bridge@p-1.example", "token_uri": URI,
}  # fmt: skip


class Still:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


def secret(**changed: object) -> SecretStr:
    return SecretStr(json.dumps({name: value for name, value in (GIVEN | changed).items() if value is not None}))


def tokens(
    answer: Callable[[httpx.Request], httpx.Response], clock: Still | None = None
) -> tuple[GoogleTokens, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def heard(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    http = httpx.AsyncClient(transport=httpx.MockTransport(heard))
    return GoogleTokens(service_account(secret()), DATASTORE, http, clock or Still()), asked


def good(request: httpx.Request, seconds: int = 3599) -> httpx.Response:
    number = id(request)
    return httpx.Response(200, json={"access_token": f"t-{number}", "expires_in": seconds, "token_type": "Bearer"})


async def test_the_assertion_is_what_google_wants() -> None:
    got, asked = tokens(good)
    assert (await got.token()).get_secret_value().startswith("t-")
    form = {name: one for name, (one,) in parse_qs(asked[0].content.decode()).items()}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims = jwt.decode(
        form["assertion"],
        KEY.public_key(),
        algorithms=["RS256"],
        audience=URI,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "iss": GIVEN["client_email"], "sub": GIVEN["client_email"], "aud": URI, "scope": DATASTORE,
        "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 3600,
    }  # fmt: skip


async def test_many_who_ask_at_once_share_one_request_and_it_is_kept() -> None:
    got, asked = tokens(good)
    first = await asyncio.gather(*(got.token() for _ in range(20)))
    assert {one.get_secret_value() for one in first} == {(await got.token()).get_secret_value()}
    assert len(asked) == 1


@pytest.mark.parametrize(("seconds", "kept_for"), [(3600, 3300), (400, 200), (1, 0.5)])
async def test_it_is_renewed_before_it_ends(seconds: int, kept_for: float) -> None:
    clock = Still()
    got, asked = tokens(lambda request: good(request, seconds), clock)
    await got.token()
    clock.at = NOW + timedelta(seconds=kept_for * 0.99)
    await got.token()
    assert len(asked) == 1
    clock.at = NOW + timedelta(seconds=kept_for)
    await got.token()
    assert len(asked) == 2


async def test_a_token_that_google_refused_is_asked_for_anew_once() -> None:
    got, asked = tokens(good)
    old = await got.token()
    got.refuse(old)
    new = await got.token()
    got.refuse(old)  # said late, of the one before
    assert await got.token() == new
    assert len(asked) == 2


async def test_who_is_cancelled_does_not_take_it_from_the_others() -> None:
    gate = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return good(request)

    got = GoogleTokens(
        service_account(secret()), DATASTORE, httpx.AsyncClient(transport=httpx.MockTransport(slow)), Still()
    )
    one, two = asyncio.create_task(got.token()), asyncio.create_task(got.token())
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert (await two).get_secret_value()


@pytest.mark.parametrize(
    ("answer", "denied"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "SECRET"}), True),
        (httpx.Response(401, json={"error": "invalid_client"}), True),
        (httpx.Response(400, text="<html>SECRET</html>"), False),
        (httpx.Response(429, json={"error": "rate"}), False),
        (httpx.Response(503, text="SECRET"), False),
        (httpx.Response(200, text="SECRET"), False),
        (httpx.Response(200, json=["SECRET"]), False),
        (httpx.Response(200, json={"access_token": "SECRET", "expires_in": "soon"}), False),
        (httpx.Response(200, json={"access_token": "SECRET\n", "expires_in": 0}), False),
        (httpx.Response(200, content=b"[" * 70_000), False),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example/SECRET"}), False),
    ],
)
async def test_a_bad_answer_is_told_without_what_it_said(answer: httpx.Response, denied: bool) -> None:
    got, asked = tokens(lambda _: answer)
    with pytest.raises(NoToken) as caught:
        await got.token()
    assert caught.value.denied is denied
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    assert len(asked) == 1


async def test_no_answer_clings_to_no_request() -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("SECRET", request=request)

    got, _ = tokens(fails)
    with pytest.raises(NoToken, match=r"^no answer: ConnectError$") as caught:
        await got.token()
    assert caught.value.__context__ is None
    assert not caught.value.denied


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (SecretStr("SECRET"), "the key file: not JSON"),
        (secret(type="authorized_user"), "type: Input should be 'service_account'"),
        (secret(private_key=None), "private_key: Field required"),
        (secret(private_key="SECRET"), "private_key: not a private RSA key in PEM"),
        (secret(token_uri="http://oauth2.example/SECRET"), "token_uri: Value error, give an https address"),
        (secret(project_id="../SECRET"), "project_id: String should match pattern"),
    ],
)
def test_a_key_that_is_none_is_told_in_one_line(key: SecretStr, cause: str) -> None:
    with pytest.raises(ValueError, match=f"^{cause}") as caught:
        service_account(key)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_the_account_shows_no_key() -> None:
    account = service_account(secret())
    assert isinstance(account, ServiceAccount)
    assert "PRIVATE" not in repr(account)
