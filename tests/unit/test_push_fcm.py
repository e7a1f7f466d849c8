"""FCM by its error codes, over HTTP against a fake that holds every request to Google's own schema."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.clock import SystemClock
from agents.google import service_account
from agents.push import Message, Outcome, Sent, answers
from agents.push.fcm import Fcm, read
from deploy.fakes.fcm import Answer
from deploy.fakes.push import PushServices
from deploy.fakes.schema import complaint
from oem_connectors.http import make_http

MESSAGE = Message(
    "n1", "tag-1", "Compact 58: Plugged in", "Charging starts about 00:30, in the cheapest hours.", "acct.car",
    "plugged_in", urgent=False, lives=timedelta(hours=1),
)  # fmt: skip
URGENT = MESSAGE._replace(kind="link_lost", urgent=True, lives=timedelta(hours=24))


class Bench:
    """FCM's fake and a client of ours."""

    def __init__(self, services: PushServices, http: httpx.AsyncClient) -> None:
        self.services, self.fake, self.http = services, services.fcm, http
        self.fcm = self.client()

    def client(self, field: Literal["token", "fid"] = "token", **key: str) -> Fcm:
        account = service_account(SecretStr(self.fake.key_file(self.services.url))).model_copy(update=key)
        return Fcm(account, self.http, SystemClock(), self.services.url, field)

    def says(self, *told: Answer | None) -> None:
        """To a phone's first message, to its second, and so on."""
        self.fake.mood = lambda _device, number: told[number - 1] if number <= len(told) else None

    def shown(self) -> list[str]:
        return [one.id for one in self.services.screens.shown]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(answers, "TIMEOUT", httpx.Timeout(0.3))
    services, http = PushServices(), make_http()
    await services.start()
    yield Bench(services, http)
    await http.aclose()
    await services.close()


async def test_a_message_is_shown_and_the_request_is_by_googles_schema(bench: Bench) -> None:
    assert await bench.fcm.send("phone", URGENT) == Sent(Outcome.SHOWN)
    assert bench.fake.complaints == []
    (shown,) = bench.services.screens.shown
    assert shown == ("phone", "n1", "link_lost", "tag-1", URGENT.title, URGENT.body, True)


async def test_a_phone_may_be_known_by_its_installation(bench: Bench) -> None:
    assert (await bench.client("fid").send("installation", MESSAGE)).outcome is Outcome.SHOWN
    assert [one.device for one in bench.services.screens.shown] == ["installation"]


S = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("answer", "outcome", "after", "shown"),
    [
        (Answer.UNREGISTERED, Outcome.GONE, None, 0),
        (Answer.BAD_TOKEN, Outcome.GONE, None, 0),
        (Answer.OTHER_SENDER, Outcome.GONE, None, 0),
        (Answer.INVALID, Outcome.REFUSED, None, 0),
        (Answer.THIRD_PARTY, Outcome.REFUSED, None, 0),
        (Answer.WRONG_PROJECT, Outcome.REFUSED, None, 0),
        (Answer.QUOTA, Outcome.LATER, S, 0),
        (Answer.QUOTA_SILENT, Outcome.LATER, 60 * S, 0),
        (Answer.UNAVAILABLE, Outcome.LATER, S, 0),
        (Answer.INTERNAL, Outcome.LATER, None, 0),
        (Answer.PAGE, Outcome.LATER, None, 0),
        (Answer.CUT, Outcome.UNKNOWN, None, 0),
        (Answer.LOST, Outcome.UNKNOWN, None, 1),
        (Answer.SLOW, Outcome.UNKNOWN, None, 1),
    ],
)
async def test_what_is_done_next_is_told_by_the_answer(
    bench: Bench, answer: Answer, outcome: Outcome, after: timedelta | None, shown: int
) -> None:
    bench.says(answer)
    sent = await bench.fcm.send("phone", MESSAGE)
    assert (sent.outcome, sent.after) == (outcome, after), sent
    assert len(bench.shown()) == shown
    assert "phone" not in sent.detail


async def test_every_trouble_of_the_fake_is_in_the_table() -> None:
    table = test_what_is_done_next_is_told_by_the_answer.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {row[0] for row in table} | {Answer.OLD_TOKEN} == set(Answer)


async def test_a_token_of_ours_that_is_refused_is_replaced_once(bench: Bench) -> None:
    bench.says(None, Answer.OLD_TOKEN)
    await bench.fcm.send("phone", MESSAGE)
    assert (await bench.fcm.send("phone", MESSAGE)).outcome is Outcome.SHOWN
    assert bench.fake.desk.exchanges == 2


async def test_a_token_that_is_always_refused_is_tried_again_later(bench: Bench) -> None:
    bench.says(*[Answer.OLD_TOKEN] * 9)
    assert (await bench.fcm.send("phone", MESSAGE)).outcome is Outcome.LATER
    assert bench.fake.desk.exchanges == 2, "not again and again"


async def test_a_key_that_google_does_not_know_is_our_trouble_and_no_phones(bench: Bench) -> None:
    sent = await bench.client(private_key_id="another").send("phone", MESSAGE)
    assert sent == Sent(Outcome.REFUSED, "token: 400, invalid_grant")


async def test_nobody_there_is_tried_later(bench: Bench) -> None:
    account = service_account(SecretStr(bench.fake.key_file(bench.services.url)))
    nobody = Fcm(account, bench.http, SystemClock(), "http://127.0.0.1:9")
    assert (await nobody.send("phone", MESSAGE)).outcome is Outcome.LATER
    assert bench.fake.desk.exchanges == 1
    await bench.services.close()
    assert (await bench.client().send("phone", MESSAGE)).outcome is Outcome.LATER, "not even a token"


async def test_many_at_once_share_one_token(bench: Bench) -> None:
    sent = await asyncio.gather(*(bench.fcm.send(f"phone-{n}", MESSAGE) for n in range(20)))
    assert {one.outcome for one in sent} == {Outcome.SHOWN}
    assert bench.fake.desk.exchanges == 1


def test_one_car_fills_two_of_the_four_places_that_fcm_has_for_a_phone_that_is_off() -> None:
    fcm: Any = object.__new__(Fcm)
    fcm._wall, fcm._field = SystemClock(), "token"
    kinds = [MESSAGE._replace(kind=kind) for kind in ("plugged_in", "done")]
    kinds += [URGENT._replace(kind=kind) for kind in ("cannot_be_ready", "link_lost", "at_risk", "cannot_control")]
    bodies = [fcm._body("phone", message)["message"]["android"] for message in kinds]
    assert len({body["collapseKey"] for body in bodies}) == 2
    assert [body["priority"] for body in bodies] == ["NORMAL"] * 2 + ["HIGH"] * 4


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        ({"message": {"token": "x", "strange": 1}}, "message: no field strange"),
        ({"message": {"token": 3}}, "message.token: not of type string"),
        ({"message": {"android": {"priority": "high"}}}, "message.android.priority: not one of NORMAL, HIGH"),
        ({"message": {"android": {"ttl": "1 h"}}}, "message.android.ttl: not a duration"),
        ({"message": {"data": {"n": 1}}}, "message.data.n: not of type string"),
        ({"message": {"token": "x", "data": {"n": "1"}}, "validateOnly": True}, None),
    ],
)
def test_the_schema_sees_what_is_wrong(request_: Any, wrong: str | None) -> None:
    assert complaint("SendMessageRequest", request_) == wrong


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
DETAILS = st.lists(
    st.fixed_dictionaries({}, optional={"@type": st.just("type.googleapis.com/google.firebase.fcm.v1.FcmError"),
                                        "errorCode": JSON | st.sampled_from(["UNREGISTERED", "INTERNAL"])})
    | JSON, max_size=3,
)  # fmt: skip
BODIES = JSON | st.fixed_dictionaries(
    {"error": JSON | st.fixed_dictionaries({}, optional={"details": DETAILS | JSON, "message": JSON, "status": JSON})}
)


@given(status=st.sampled_from([201, 301, 400, 401, 403, 404, 413, 429, 500, 502, 503]), body=BODIES)
def test_whatever_is_answered_is_read_and_only_a_code_of_fcms_forgets_a_phone(status: int, body: Any) -> None:
    sent = read(httpx.Response(status, json=body), None)
    if sent is None:
        assert status == 401
    elif sent.outcome is Outcome.GONE:
        assert "UNREGISTERED" in str(body)
    else:
        assert sent.outcome in {Outcome.LATER, Outcome.REFUSED}
