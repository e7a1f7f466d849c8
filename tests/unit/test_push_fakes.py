"""The fake push services keep the real ones' rules, so that what passes them is worth something."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from agents.clock import SystemClock
from agents.google import FIREBASE_MESSAGING, GoogleTokens, service_account
from agents.push.fcm import Fcm
from agents.push.webpush import WebPush, new_vapid_key, public_key, vapid_key
from deploy.fakes.fcm import PROJECT
from deploy.fakes.push import PushServices
from deploy.fakes.screens import Screens
from oem_connectors.http import make_http
from tests.unit.test_push_fcm import MESSAGE

GOOD = {
    "notification": {"title": "t", "body": "b"}, "data": {"notification_id": "n1", "kind": "done"},
    "android": {"priority": "NORMAL", "notification": {"tag": "x"}},
}  # fmt: skip


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[PushServices]:
    made = PushServices(tmp_path / "shown")
    await made.start()
    yield made
    await made.close()


async def asked(services: PushServices, body: Any, project: str = PROJECT, token: str | None = None) -> httpx.Response:
    async with make_http() as http:
        if token is None:
            account = service_account(SecretStr(services.fcm.key_file(services.url)))
            secret = await GoogleTokens(account, FIREBASE_MESSAGING, http, SystemClock()).token()
            token = secret.get_secret_value()
        where = f"{services.url}/v1/projects/{project}/messages:send"
        answer = await http.post(where, json=body, headers={"Authorization": f"Bearer {token}"})
        await answer.aread()
        return answer


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"message": {**GOOD, "token": "a"}}, 200, id="good"),
        pytest.param({"message": GOOD}, 400, id="to nobody"),
        pytest.param({"message": {**GOOD, "token": "a", "fid": "b"}}, 400, id="to two"),
        pytest.param({"message": {**GOOD, "token": "a", "data": {"from": "me"}}}, 400, id="a reserved word"),
        pytest.param({"message": {**GOOD, "token": "a", "data": {"google.x": "me"}}}, 400, id="a reserved beginning"),
        pytest.param({"message": {**GOOD, "token": "a", "data": {"x": "y" * 4096}}}, 400, id="too large"),
        pytest.param({"messages": []}, 400, id="another field"),
        pytest.param([], 400, id="no object"),
    ],
)
async def test_what_fcm_does_not_take(services: PushServices, body: Any, status: int) -> None:
    assert (await asked(services, body)).status_code == status
    assert len(services.fcm.complaints) == (status == 400)


async def test_a_message_that_is_only_to_be_checked_is_not_shown(services: PushServices) -> None:
    answer = await asked(services, {"validateOnly": True, "message": {**GOOD, "token": "a"}})
    assert answer.status_code == 200
    assert services.screens.shown == []


async def test_another_project_and_a_stranger_are_refused_without_a_code_of_fcms(services: PushServices) -> None:
    elsewhere = await asked(services, {"message": {**GOOD, "token": "a"}}, project="another")
    stranger = await asked(services, {"message": {**GOOD, "token": "a"}}, token="ya29.none")
    assert [elsewhere.status_code, stranger.status_code] == [404, 401]
    assert "details" not in elsewhere.json()["error"]


def vapid(key: str, **changed: Any) -> str:
    """The header, with other claims where given."""
    now = datetime.now(UTC)
    claims = {"exp": int((now + timedelta(hours=12)).timestamp()), "sub": "mailto:a@b", **changed}
    signer = vapid_key(SecretStr(key))
    return f"vapid t={jwt.encode(claims, signer, algorithm='ES256')}, k={public_key(signer)}"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        pytest.param({}, 201, id="good"),
        pytest.param({"aud": "https://elsewhere.example"}, 403, id="for another service"),
        pytest.param({"exp": 1}, 403, id="expired"),
        pytest.param({"exp": int((datetime.now(UTC) + timedelta(hours=30)).timestamp())}, 403, id="for too long"),
        pytest.param({"sub": ""}, 403, id="from nobody"),
    ],
)
async def test_who_signs_is_looked_at(services: PushServices, changed: dict[str, Any], status: int) -> None:
    browser = services.web.browser("b")
    subscription = browser.subscription(services.url)
    sealed: list[bytes] = []

    async def keep(request: httpx.Request) -> httpx.Response:
        sealed.append(request.content)
        return httpx.Response(201)

    http = httpx.AsyncClient(transport=httpx.MockTransport(keep))
    key = new_vapid_key()
    push = WebPush(vapid_key(SecretStr(key)), "mailto:a@b", ["127.0.0.1"], http, SystemClock())
    await push.send(json.dumps(subscription), MESSAGE)
    headers = {
        "TTL": "60",
        "Content-Encoding": "aes128gcm",
        "Authorization": vapid(key, **{"aud": services.url} | changed),
    }
    async with make_http() as real:
        answer = await real.post(subscription["endpoint"], content=sealed[0], headers=headers)
        assert answer.status_code == status
        without = await real.post(subscription["endpoint"], content=sealed[0], headers={"TTL": "60"})
        assert without.status_code == 400
    assert len(services.screens.shown) == (status == 201)


async def test_what_is_sealed_for_another_browser_is_not_shown(services: PushServices) -> None:
    one, other = services.web.browser("one"), services.web.browser("other")
    mixed = one.subscription(services.url) | {"endpoint": other.subscription(services.url)["endpoint"]}
    async with make_http() as http:
        push = WebPush(vapid_key(SecretStr(new_vapid_key())), "mailto:a@b", ["127.0.0.1"], http, SystemClock())
        await push.send(json.dumps(mixed), MESSAGE)
    assert services.screens.shown == []
    assert services.web.complaints == ["not for this browser: ValueError"]


async def test_screens_keep_the_last_of_a_tag_and_count_what_came_twice(services: PushServices, tmp_path: Path) -> None:
    async with make_http() as http:
        account = service_account(SecretStr(services.fcm.key_file(services.url)))
        fcm = Fcm(account, http, SystemClock(), services.url)
        for number in ("n1", "n2", "n2"):
            await fcm.send("a", MESSAGE._replace(id=number))
        await fcm.send("b", MESSAGE)
    screens: Screens = services.screens
    assert [one.id for one in screens.on("a")] == ["n2"]
    assert {(one.device, one.id): times for one, times in screens.repeats().items()} == {("a", "n2"): 2}
    lines = (tmp_path / "shown").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["n1", "n2", "n2", "n1"]
