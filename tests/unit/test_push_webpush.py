"""Web Push by RFC 8030, 8291 and 8292, over HTTP against a fake that decrypts with code of its own."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.clock import SystemClock
from agents.metrics import Metrics
from agents.push import Outcome, Sent, answers
from agents.push.answers import retry_after
from agents.push.phones import phones
from agents.push.webpush import WebPush, is_known, new_vapid_key, public_key, vapid_key
from agents.settings import PUSH_HOSTS, BadSettings, Settings
from deploy.fakes.push import PushServices
from deploy.fakes.webpush import Answer, opened
from oem_connectors.http import make_http
from tests.unit.test_push_fcm import MESSAGE, URGENT

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)


class Bench:
    """The fake service and a client of ours."""

    def __init__(self, services: PushServices, http: httpx.AsyncClient) -> None:
        self.services, self.fake = services, services.web
        key = vapid_key(SecretStr(new_vapid_key()))
        self.push = WebPush(key, "mailto:ops@example.org", ["127.0.0.1"], http, SystemClock())
        self.target = services.target("browser", "webpush")

    def says(self, *told: Answer | None) -> None:
        self.fake.mood = lambda _device, number: told[number - 1] if number <= len(told) else None


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(answers, "TIMEOUT", httpx.Timeout(0.3))
    services, http = PushServices(), make_http()
    await services.start()
    yield Bench(services, http)
    await http.aclose()
    await services.close()


async def test_a_browser_shows_what_was_sealed_for_it(bench: Bench) -> None:
    assert await bench.push.send(bench.target, URGENT) == Sent(Outcome.SHOWN)
    assert bench.fake.complaints == []
    (shown,) = bench.services.screens.shown
    assert shown == ("browser", "n1", "link_lost", "tag-1", URGENT.title, URGENT.body, True)


def test_the_fake_opens_the_message_of_the_rfc() -> None:
    """RFC 8291, section 5: what it opens is not only what our own library has sealed."""
    key = vapid_key(SecretStr("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
    body = urlsafe_b64decode(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert (
        opened(body, key, urlsafe_b64decode("BTBZMqHH6r4Tts7J_aSIgg==")) == b"When I grow up, I want to be a watermelon"
    )


S = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("answer", "outcome", "after", "shown"),
    [
        (Answer.MISSING, Outcome.GONE, None, 0),
        (Answer.EXPIRED, Outcome.GONE, None, 0),
        (Answer.LARGE, Outcome.REFUSED, None, 0),
        (Answer.OTHER_KEY, Outcome.REFUSED, None, 0),
        (Answer.MOVED, Outcome.REFUSED, None, 0),
        (Answer.BUSY, Outcome.LATER, S, 0),
        (Answer.BUSY_UNTIL, Outcome.LATER, S, 0),
        (Answer.BUSY_SILENT, Outcome.LATER, None, 0),
        (Answer.BROKEN, Outcome.LATER, None, 0),
        (Answer.DOWN, Outcome.LATER, S, 0),
        (Answer.CUT, Outcome.UNKNOWN, None, 0),
        (Answer.LOST, Outcome.UNKNOWN, None, 1),
        (Answer.SLOW, Outcome.UNKNOWN, None, 1),
    ],
)
async def test_what_is_done_next_is_told_by_the_answer(
    bench: Bench, answer: Answer, outcome: Outcome, after: timedelta | None, shown: int
) -> None:
    bench.says(answer)
    sent = await bench.push.send(bench.target, MESSAGE)
    assert sent.outcome is outcome, sent
    assert (sent.after is None) == (after is None)
    assert after is None or abs(sent.after - after) <= S  # type: ignore[operator]
    assert len(bench.services.screens.shown) == shown


def test_every_trouble_of_the_fake_is_in_the_table() -> None:
    table = test_what_is_done_next_is_told_by_the_answer.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {row[0] for row in table} == set(Answer)


@pytest.mark.parametrize("target", ["", "[]", "3", "{}", '{"endpoint":"https://x"}', '{"endpoint":1,"keys":{}}'])
async def test_a_subscription_that_makes_no_sense_is_forgotten(bench: Bench, target: str) -> None:
    assert (await bench.push.send(target, MESSAGE)).outcome is Outcome.GONE


@given(p256dh=st.text(max_size=90) | st.binary(max_size=66).map(lambda raw: raw.hex()), auth=st.text(max_size=30))
async def test_keys_that_are_none_are_forgotten_and_nothing_is_raised(p256dh: str, auth: str) -> None:
    nobody = httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: httpx.Response(503)))
    push = WebPush(vapid_key(SecretStr(new_vapid_key())), "mailto:a@b", PUSH_HOSTS, nobody, SystemClock())
    target = json.dumps({"endpoint": "https://elsewhere.example", "keys": {"p256dh": p256dh, "auth": auth}})
    assert (await push.send(target, MESSAGE)).outcome in {Outcome.GONE, Outcome.REFUSED}


@pytest.mark.parametrize(
    ("endpoint", "known"),
    [
        ("https://fcm.googleapis.com/fcm/send/x", True),
        ("https://fcm.googleapis.com:443/fcm/send/x", True),
        ("https://wns2-by3p.notify.windows.com/w/?token=x", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/x", True),
        ("http://fcm.googleapis.com/fcm/send/x", False),
        ("https://fcm.googleapis.com:8443/x", False),
        ("https://fcm.googleapis.com.evil.example/x", False),
        ("https://evil-notify.windows.com.example/x", False),
        ("https://notify.windows.com/x", False),
        ("https://someone@fcm.googleapis.com/x", False),
        ("https://fcm.googleapis.com@evil.example/x", False),
        ("https://127.0.0.1/x", False),
        ("http://169.254.169.254/latest", False),
        ("https://[::1]/x", False),
        ("https://[fcm.googleapis.com/x", False),
        ("ftp://fcm.googleapis.com/x", False),
        ("", False),
    ],
)
def test_only_push_services_are_written_to(endpoint: str, known: bool) -> None:
    assert is_known(endpoint, PUSH_HOSTS) is known


async def test_another_host_is_our_trouble_and_is_not_asked(bench: Bench) -> None:
    moved = bench.target.replace("127.0.0.1", "localhost")
    assert (await bench.push.send(moved, MESSAGE)).outcome is Outcome.REFUSED
    assert bench.services.screens.shown == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("120", 120), ("0", 0), ("999999", 3600), ("-5", None), ("soon", None), ("", None), ("1.5", None),
        ("9" * 400, None), ("Mon, 23 Nov 2026 20:02:00 GMT", 120), ("Mon, 23 Nov 2026 19:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 21:02:00 +0100", 120), ("Tue, 24 Nov 2026 20:02:00 GMT", 3600), ("²", None),
    ],
)  # fmt: skip
def test_when_to_come_back(told: str, expected: int | None) -> None:
    wait = retry_after(httpx.Headers([(b"Retry-After", told.encode())]), NOW)
    assert (None if wait is None else int(wait.total_seconds())) == expected


@given(st.text(max_size=60))
def test_whatever_stands_there_is_no_harm(told: str) -> None:
    wait = retry_after({"retry-after": told}, NOW)
    assert wait is None or timedelta() <= wait <= timedelta(hours=1)


def test_a_key_is_made_and_read() -> None:
    point = urlsafe_b64decode(public_key(vapid_key(SecretStr(new_vapid_key()))) + "=")
    assert len(point) == 65
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


KEY = new_vapid_key()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"vapid_key": KEY}, "D2EV_VAPID_CONTACT"),
        ({"vapid_contact": "mailto:a@b"}, "D2EV_VAPID_KEY"),
        ({"vapid_key": "AAAA", "vapid_contact": "mailto:a@b"}, "D2EV_VAPID_KEY"),
        ({"vapid_key": "A" * 43, "vapid_contact": "mailto:a@b"}, "D2EV_VAPID_KEY"),
        ({"fcm_key": '{"type": "x"}'}, "D2EV_FCM_KEY"),
        ({"fcm_url": "https://fcm.example"}, "D2EV_FCM_KEY"),
    ],
)
async def test_half_a_setup_stops_the_start_in_one_line(given: dict[str, Any], named: str) -> None:
    with pytest.raises(BadSettings) as caught:
        phones(Settings(**given), httpx.AsyncClient(), SystemClock(), Metrics())
    line = str(caught.value)
    assert line.startswith(named)
    assert "\n" not in line
    assert not any(str(value) in line for name, value in given.items() if name != "fcm_url")
