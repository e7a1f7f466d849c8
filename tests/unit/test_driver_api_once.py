"""Wishes are done once, seen at once, and never said to be done when they are not; what is erased is gone."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from pydantic import SecretStr

from agents.engine.log import NotDurable, Outgoing
from agents.push.webpush import new_vapid_key
from agents.said import Said
from streams.topics import ANSWERED, PREFERENCE, REGISTRATION
from tests.browser.made_up_driver import MadeUpDriver, MadeUpJournal

BASE, CAR = "http://127.0.0.1:8303", "a1.v1"
WISHES, BOOST = f"/api/v1/cars/{CAR}/preference", f"/api/v1/cars/{CAR}/boost"
KEYS = {"p256dh": "B" * 87, "auth": "A" * 22}
KEY = {"Idempotency-Key": "k-1"}
DEVICE = {
    "kind": "webpush",
    "subscription": {
        "endpoint": "https://fcm.googleapis.com/fcm/send/x",
        "keys": {"p256dh": "B" * 87, "auth": "A" * 22},
    },
}


class FailingJournal(MadeUpJournal):
    """Slow, and fails for the topics it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()

    async def write(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0.001)
        if self.refused & {one.topic for one in records}:
            raise NotDurable("made up")
        await super().write(records)

    def said(self) -> list[Said]:
        return [Said(one.topic, (one.key or b"").decode(), one.value) for one in self.records]

    def count(self, topic: str) -> int:
        return sum(one.topic == topic for one in self.records)


def a_driver() -> MadeUpDriver:
    made = MadeUpDriver(vapid_key=SecretStr(new_vapid_key()))
    made.journal = FailingJournal()
    made.car(CAR)
    return made


@pytest.fixture
def anna() -> MadeUpDriver:
    return a_driver()


def client(driver: MadeUpDriver) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(driver.api(BASE))
    headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    http = httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)
    cookie = driver.cookie(BASE)
    http.cookies.set(cookie["name"], cookie["value"])
    return http


@pytest.fixture
async def http(anna: MadeUpDriver) -> AsyncIterator[httpx.AsyncClient]:
    async with client(anna) as asking:
        yield asking


@pytest.fixture
def journal(anna: MadeUpDriver) -> FailingJournal:
    assert isinstance(anna.journal, FailingJournal)
    return anna.journal


# Written, and seen


async def test_who_wishes_sees_it_at_once_and_so_does_the_log(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    told = await http.patch(WISHES, json={"target_soc_pct": 90})
    assert told.json()["target_soc_pct"] == 90
    assert told.json() == (await http.get(WISHES)).json()
    assert [one.topic for one in journal.records] == [PREFERENCE.name]


@pytest.mark.parametrize("headers", [{}, KEY])
async def test_what_kafka_does_not_confirm_is_503_and_changes_nothing(
    http: httpx.AsyncClient, anna: MadeUpDriver, headers: dict[str, str]
) -> None:
    before = (await http.get("/api/v1/me/export")).json()
    anna.journal.away = True
    for method, path, body in (
        ("PATCH", WISHES, {"target_soc_pct": 90}),
        ("POST", BOOST, None),
        ("POST", "/api/v1/devices", DEVICE),
        ("DELETE", f"/api/v1/cars/{CAR}", None),
        ("DELETE", "/api/v1/me", None),
    ):
        refused = await http.request(method, path, json=body, headers=headers)
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert (await http.get("/api/v1/me/export")).json() == before
    anna.journal.away = False
    done = await http.patch(WISHES, json={"target_soc_pct": 90}, headers=headers)
    assert (done.status_code, "Idempotent-Replayed" in done.headers) == (200, False), "a failure is not remembered"


async def test_later_wishes_win_though_time_stands_still(http: httpx.AsyncClient) -> None:
    times = [(await http.patch(WISHES, json={"target_soc_pct": n})).json()["updated_at"] for n in (70, 80, 90)]
    assert times == sorted(set(times))


async def test_changes_at_once_are_all_done(http: httpx.AsyncClient) -> None:
    changes = [{"target_soc_pct": 95}, {"min_soc_pct": 33}, {"ready_by": "05:45"}, {"balance": "carbon"}]
    await asyncio.gather(http.post(BOOST), *(http.patch(WISHES, json=one) for one in changes))
    told = (await http.get(WISHES)).json()
    assert (told["target_soc_pct"], told["min_soc_pct"], told["ready_by"]) == (95, 33, "05:45:00")
    assert (told["balance"], told["mode"]) == ("carbon", "boost")


# Once


async def test_the_same_again_is_answered_again_and_done_once(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    first, again = [await http.post(BOOST, headers=KEY) for _ in range(2)]
    assert again.content == first.content
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert journal.count(PREFERENCE.name) == 1


async def test_another_request_under_the_key_is_409(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    await http.patch(WISHES, json={"target_soc_pct": 90}, headers=KEY)
    for other in (
        await http.patch(WISHES, json={"target_soc_pct": 91}, headers=KEY),
        await http.post(BOOST, headers=KEY),
        await http.patch(f"{WISHES}?a=b", json={"target_soc_pct": 90}, headers=KEY),
    ):
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert journal.count(PREFERENCE.name) == 1


async def test_twins_at_once_are_one(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    answers = await asyncio.gather(*(http.post(BOOST, headers=KEY) for _ in range(8)))
    assert len({one.content for one in answers}) == 1
    assert sum("Idempotent-Replayed" in one.headers for one in answers) == 7
    assert (journal.count(PREFERENCE.name), journal.count(ANSWERED.name)) == (1, 1)


async def test_another_instance_knows_the_answer_by_the_log(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    first = await http.post(BOOST, headers=KEY)
    elsewhere = a_driver()
    elsewhere.read.took(journal.said())
    async with client(elsewhere) as other:
        again = await other.post(BOOST, headers=KEY)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert elsewhere.journal.records == []


async def test_after_a_restart_the_answer_is_read_from_the_log(
    http: httpx.AsyncClient, anna: MadeUpDriver, journal: FailingJournal
) -> None:
    first = await http.post(BOOST, headers=KEY)
    anna.read.began()
    anna.read.took([Said(ANSWERED.name, "torn", b"{"), *journal.said()])
    anna.read.reached()
    anna.car(CAR)
    assert (await http.post(BOOST, headers=KEY)).content == first.content
    assert journal.count(PREFERENCE.name) == 1


async def test_a_wish_that_is_durable_is_answered_so_though_its_answer_is_not(
    http: httpx.AsyncClient, journal: FailingJournal
) -> None:
    journal.refused = {ANSWERED.name}
    first, again = [await http.post(BOOST, headers=KEY) for _ in range(2)]
    assert (first.status_code, again.content, journal.count(PREFERENCE.name)) == (200, first.content, 1)


async def test_a_refusal_is_not_remembered(http: httpx.AsyncClient) -> None:
    assert (await http.patch(WISHES, json={"min_soc_pct": 80, "target_soc_pct": 30}, headers=KEY)).status_code == 422
    assert (await http.patch(WISHES, json={"target_soc_pct": 90}, headers=KEY)).status_code == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "\u00e4"])
async def test_a_key_that_is_none_is_refused(http: httpx.AsyncClient, journal: FailingJournal, key: str) -> None:
    answer = await http.post(BOOST, headers={b"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_invalid")
    assert journal.records == []


async def test_what_was_erased_is_not_told_again(http: httpx.AsyncClient) -> None:
    assert (await http.post(BOOST, headers=KEY)).status_code == 200
    assert (await http.delete(f"/api/v1/cars/{CAR}")).status_code == 204
    assert (await http.post(BOOST, headers=KEY)).status_code == 404


async def test_answers_lie_sealed_on_the_log(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    await http.post(BOOST, headers=KEY)
    value = next(one.value for one in journal.records if one.topic == ANSWERED.name) or b""
    for secret in (b"k-1", b"boost", b"ready_by", b"anna"):
        assert secret not in value


# Told, and forgotten


async def test_the_export_holds_everything_but_what_is_sealed(http: httpx.AsyncClient, anna: MadeUpDriver) -> None:
    anna.charged(CAR, count=2)
    await http.post("/api/v1/devices", json=DEVICE)
    text = (await http.get("/api/v1/me/export")).text
    told = httpx.Response(200, text=text).json()
    (car,) = told["cars"]
    assert (told["driver"], len(car["sessions"]), len(told["devices"])) == ("anna", 2, 1)
    assert car["registration"]["vehicle"]
    assert car["account"]["link"] == "linked"
    assert car["status"]["plan"]["blocks"]
    assert car["status"]["preference"]["target_soc_pct"] == 80
    assert "sealed" not in text
    assert "fcm.googleapis" not in text


async def test_erased_means_gone_everywhere_and_the_log_is_told(
    http: httpx.AsyncClient, anna: MadeUpDriver, journal: FailingJournal
) -> None:
    anna.charged(CAR, count=2)
    await http.patch(WISHES, json={"target_soc_pct": 90})
    await http.post("/api/v1/devices", json=DEVICE)
    journal.records.clear()
    assert (await http.delete("/api/v1/me")).status_code == 204
    told = (await http.get("/api/v1/me/export")).json()
    assert told == {"driver": "anna", "cars": [], "messages": [], "devices": []}
    for path in ("", "/outlook", "/sessions", "/preference"):
        assert (await http.get(f"/api/v1/cars/{CAR}{path}")).status_code == 404
    assert all(one.value is None for one in journal.records)
    assert [one.topic for one in journal.records][-1] == REGISTRATION.name, "they name what is to be forgotten"
    assert len({one.topic for one in journal.records}) == 3


async def test_an_erasure_that_failed_half_way_is_tried_again(http: httpx.AsyncClient, journal: FailingJournal) -> None:
    journal.refused = {REGISTRATION.name}
    assert (await http.delete("/api/v1/me")).status_code == 503
    journal.refused = set()
    assert (await http.delete("/api/v1/me")).status_code == 204
    assert (journal.count(PREFERENCE.name), journal.count(REGISTRATION.name)) == (2, 1)
    assert (await http.get("/api/v1/cars")).json() == []


async def test_a_device_needs_a_car_and_goes_with_the_last_one(http: httpx.AsyncClient, anna: MadeUpDriver) -> None:
    one = (await http.post("/api/v1/devices", json=DEVICE)).json()["id"]
    assert (await http.post("/api/v1/devices", json=DEVICE)).json()["id"] == one
    assert len(anna.read.book.devices_of("anna")) == 1
    await http.delete(f"/api/v1/cars/{CAR}")
    assert anna.read.book.devices_of("anna") == []
    assert (await http.post("/api/v1/devices", json=DEVICE)).json()["error"]["code"] == "no_car_linked"
