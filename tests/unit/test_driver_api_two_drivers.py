"""Two drivers before every route of the API: neither sees, learns of or changes anything of the other's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agents.driver_api.app import document
from agents.push.webpush import new_vapid_key
from agents.said import Said
from streams.contracts.notification import NotificationKind
from streams.topics import SCHEDULE, STATUS
from tests.browser.made_up_driver import HOUR, MadeUpDriver

BASE = "http://127.0.0.1:8302"
ANNAS, BENS, NOBODYS = "a1.v1", "b2.v2", "c3.v3"
KEYS = {"p256dh": "B" * 87, "auth": "A" * 22}
#: A body for each route that wants one. A route that is new says here how it is asked.
BODIES: dict[str, Any] = {
    "PUT /api/v1/cars/{car}/preference": {
        "ready_by": "06:30",
        "ready_by_days": {},
        "target_soc_pct": 90,
        "min_soc_pct": 20,
        "balance": "both",
        "language": "en",
    },
    "PATCH /api/v1/cars/{car}/preference": {"ready_by": "06:30"},
    "POST /api/v1/devices": {
        "kind": "webpush",
        "subscription": {"endpoint": "https://fcm.googleapis.com/fcm/send/bens", "keys": KEYS},
    },
    "POST /api/v1/links/{oem}": {
        "home_zone": "Europe/London",
        "region": "home",
        "tariff": "home",
        "usable_kwh": 64,
        "power_kw": 7.4,
    },
    "POST /api/v1/links/{oem}/code": {"ticket": "none"},
}
ROUTES = [
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods
    if path != "/api/v1/events"  # never ends: below
]
OF_A_CAR = [route for route in ROUTES if "{car}" in route]


@pytest.fixture
def drivers() -> MadeUpDriver:
    """Anna with all there can be, and Ben, whose car is another."""
    made = MadeUpDriver(vapid_key=SecretStr(new_vapid_key()))
    made.car(ANNAS, model="Secret Kona")
    made.charged(ANNAS, count=3)
    made.told(NotificationKind.PLUGGED_IN, HOUR, ANNAS)
    made.name = "ben"
    made.car(BENS, model="Bens Zoe")
    return made


@pytest.fixture
async def app(drivers: MadeUpDriver) -> Any:
    return drivers.api(BASE)


@pytest.fixture
async def http(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=headers) as client:
        yield client


def as_driver(http: httpx.AsyncClient, drivers: MadeUpDriver, name: str) -> None:
    cookie = drivers.cookie(BASE, name)
    http.cookies.set(cookie["name"], cookie["value"])


async def ask(http: httpx.AsyncClient, route: str, car: str = ANNAS, device: str = "d1") -> httpx.Response:
    method, path = route.split(" ")
    assert method in {"GET", "DELETE"} or route in BODIES or path.endswith(("/boost", "/pause")), "how is it asked?"
    return await http.request(
        method, path.format(car=car, device=device, oem="simulator"), json=BODIES.get(route), follow_redirects=False
    )


def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    return answer.status_code, answer.content, sorted(answer.headers.items())


@pytest.mark.parametrize("route", ROUTES)
async def test_who_is_not_signed_in_is_told_the_same_everywhere(
    http: httpx.AsyncClient, drivers: MadeUpDriver, route: str
) -> None:
    answer = await ask(http, route)
    assert answer.status_code == 401
    assert told(answer) == told(await ask(http, ROUTES[0]))
    assert drivers.journal.records == []


@pytest.mark.parametrize("route", OF_A_CAR)
async def test_anothers_car_is_as_one_that_does_not_exist(
    http: httpx.AsyncClient, drivers: MadeUpDriver, route: str
) -> None:
    as_driver(http, drivers, "ben")
    foreign, absent = await ask(http, route, ANNAS), await ask(http, route, NOBODYS)
    assert foreign.status_code == 404
    assert told(foreign) == told(absent)
    assert drivers.journal.records == []
    assert (await ask(http, route, BENS)).status_code < 300, "the route itself works"


@pytest.mark.parametrize("route", ROUTES)
async def test_nothing_that_is_answered_or_written_is_about_the_other(
    http: httpx.AsyncClient, drivers: MadeUpDriver, route: str
) -> None:
    as_driver(http, drivers, "ben")
    answer = await ask(http, route, BENS)
    assert answer.status_code < 500
    for of_anna in ("a1.", "Secret Kona", "anna"):
        assert of_anna not in answer.text
    for record in drivers.journal.records:
        assert b"a1." not in (record.key or b"")
        assert b"anna" not in (record.value or b"")


async def test_a_device_is_dropped_by_its_driver_only(http: httpx.AsyncClient, drivers: MadeUpDriver) -> None:
    as_driver(http, drivers, "anna")
    device = (await ask(http, "POST /api/v1/devices")).json()["id"]
    as_driver(http, drivers, "ben")
    before = len(drivers.journal.records)
    drop = "DELETE /api/v1/devices/{device}"
    assert told(await ask(http, drop, device=device)) == told(await ask(http, drop, device="none"))
    assert (await ask(http, drop, device=device)).status_code == 404
    assert len(drivers.journal.records) == before
    as_driver(http, drivers, "anna")
    assert (await ask(http, drop, device=device)).status_code == 204


async def test_no_device_is_taken_that_nobody_could_push_to(http: httpx.AsyncClient, drivers: MadeUpDriver) -> None:
    as_driver(http, drivers, "anna")
    answer = await http.post("/api/v1/devices", json={"kind": "fcm", "token": "t" * 100})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_set_up")
    assert drivers.journal.records == []


async def test_who_erases_himself_leaves_the_other_all(http: httpx.AsyncClient, drivers: MadeUpDriver) -> None:
    as_driver(http, drivers, "anna")
    whole = (await http.get("/api/v1/me/export")).content
    as_driver(http, drivers, "ben")
    assert (await http.delete("/api/v1/me")).status_code == 204
    assert (await http.get("/api/v1/cars")).json() == []
    as_driver(http, drivers, "anna")
    assert (await http.get("/api/v1/me/export")).content == whole


async def test_the_same_idempotency_key_is_another_of_another_driver(
    http: httpx.AsyncClient, drivers: MadeUpDriver
) -> None:
    for name, car in (("anna", ANNAS), ("ben", BENS)):
        as_driver(http, drivers, name)
        answer = await http.post(f"/api/v1/cars/{car}/boost", headers={"Idempotency-Key": "same"})
        assert answer.status_code == 200
        assert "Idempotent-Replayed" not in answer.headers


async def test_events_are_of_ones_own_cars(app: Any, drivers: MadeUpDriver) -> None:
    cookie = drivers.cookie(BASE, "ben")
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pieces.put_nowait(message.get("body", b""))

    headers = [(b"host", BASE.partition("//")[2].encode()), (b"cookie", f"{cookie['name']}={cookie['value']}".encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/v1/events", "raw_path": b"/api/v1/events", "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8302), "root_path": "",
    }  # fmt: skip
    following = asyncio.create_task(app(scope, receive, send))
    seen = b""
    async with asyncio.timeout(30):
        while BENS.encode() not in seen:
            seen += await pieces.get()
        drivers.name = "anna"
        drivers.car(ANNAS, soc=51, model="Secret Kona")
        drivers.told(NotificationKind.LINK_LOST, HOUR / 2, ANNAS)
        drivers.name = "ben"
        drivers.car(BENS, soc=61, model="Bens Zoe")
        while b'"soc_pct":61' not in seen:
            seen += await pieces.get()
    gone.set()
    await following
    assert b"a1." not in seen
    assert b"Secret" not in seen


async def test_a_record_without_sense_takes_nothing_else_from_its_driver(
    http: httpx.AsyncClient, drivers: MadeUpDriver
) -> None:
    for topic in (STATUS, SCHEDULE):
        drivers.read.heard_ourselves([Said(topic.name, BENS, b'{"car": 4711}')])
    as_driver(http, drivers, "ben")
    for route in ROUTES:
        if route.startswith("GET"):
            assert (await ask(http, route, BENS)).status_code < 500, route
