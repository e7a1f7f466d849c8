"""A driver's evening with marked secrets: afterwards they are searched for in every byte that was kept or told.

Topics (changelogs included), stores, logs, metrics, status pages, Firestore: only the places listed here may hold one
in clear, and there it must be found, or the search would prove nothing.
"""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from agents.bridge.process import Bridge
from agents.engine.log import Outgoing
from agents.settings import load
from deploy.fakes.fcm import Answer as FcmAnswer
from deploy.fakes.firestore import FakeFirestore
from deploy.fakes.issuer import CLIENT_ID
from deploy.fakes.push import PushServices
from deploy.fakes.webpush import Answer as WebAnswer
from oem_connectors.simulator.cloud.car import Stay
from oem_connectors.simulator.cloud.tokens import Issued, TokenBook
from oem_connectors.simulator.cloud.world import World
from streams.topics import DEAD_LETTER, DEVICE, HELD, NOTIFICATION, PREFERENCE, REGISTRATION, STATUS
from tests.bridging import listening
from tests.browser.story import Story

pytestmark = pytest.mark.timeout(300)

SUB: Final = "sub-canary-7f3a91"
VIN: Final = "WVWZZZ7F3A91CANRY"
MAKERS_ACCOUNT: Final = "login-canary-7f3a91"
#: What no place may hold in clear, whatever it is for.
NOWHERE: Final = {
    "coordinates, latitude": "48.137154",
    "coordinates, longitude": "11.576124",
    "address": "Canary Street 7f3a91",
    "login at the maker": MAKERS_ACCOUNT,
    "FCM token": "fcm-canary-7f3a91:" + "A" * 140,
    "Web Push endpoint": "canary-endpoint-7f3a91",
    "Google's access token": "ya29.",
    "Idempotency-Key": "key-canary-7f3a91",
    "query": "query-canary-7f3a91",
}
#: A record that is no preference, as somebody wrote it: it stays where he wrote it, and its dead letter is sealed.
POISON: Final = "poison-canary-7f3a91"
#: The places that hold who a car belongs to, and what its maker calls it. Tables hold both; they are private.
TABLES: Final = {"store", "changelog"}
KNOWN: Final = {
    SUB: {REGISTRATION.name, STATUS.name, NOTIFICATION.name, DEVICE.name, "firestore", *TABLES},
    VIN: {REGISTRATION.name, HELD.name, PREFERENCE.name, *TABLES},  # among the preferences it is in the poison
    POISON: {PREFERENCE.name},
}


class Evening(Story):
    """The maker knows the car by a VIN, and its driver by a login."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir)
        (truth,) = self.world.cars.values()
        self.world = World([replace(truth.car, vehicle=VIN, account=MAKERS_ACCOUNT)], lambda: self.now)
        self.live = self._live()


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every token that the maker gave out, filled while the test runs."""
    found: set[str] = set()
    rotate, consent = TokenBook.rotate, TokenBook.consent

    def rotated(book: TokenBook, refresh_token: str, now: datetime) -> Issued | None:
        issued = rotate(book, refresh_token, now)
        if issued is not None:
            found.update((issued.access_token, issued.refresh_token))
        return issued

    def consented(book: TokenBook, account: str) -> str:
        first = consent(book, account)
        found.add(first)
        return first

    monkeypatch.setattr(TokenBook, "rotate", rotated)
    monkeypatch.setattr(TokenBook, "consent", consented)
    return found


@pytest.fixture
async def push(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PushServices]:
    """Push services with troubles of their own, known to every process that is started."""
    services = PushServices()
    services.fcm.mood = lambda _, number: {1: FcmAnswer.OLD_TOKEN, 2: FcmAnswer.INTERNAL, 3: FcmAnswer.INVALID}.get(
        number
    )
    services.web.mood = lambda _, number: {1: WebAnswer.BROKEN, 2: WebAnswer.OTHER_KEY}.get(number)
    await services.start()
    for name, value in services.settings().items():
        monkeypatch.setenv(name, value)
    yield services
    await services.close()


class Driver:
    """The driver's app. `secrets` are those that came up on the way."""

    def __init__(self, story: Story, http: httpx.AsyncClient, push: PushServices) -> None:
        self.story, self.http, self.push = story, http, push
        token = story.driver_side.issuer.token(SUB, aud=CLIENT_ID)
        self.secrets = {"ID token": token, "ID token's signature": token.rpartition(".")[2]}
        http.headers["Authorization"] = f"Bearer {token}"

    async def ask(self, method: str, path: str, status: int, told: Any = None, **headers: str) -> Any:
        answer = await self.http.request(
            method, f"/api/v1{path}", json=told, headers=headers, params={"note": NOWHERE["query"]}
        )
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def link(self) -> str:
        """By the maker's own page; the car's key."""
        home = {
            "home_zone": "Europe/London", "region": "GB", "tariff": "agile", "usable_kwh": 52, "power_kw": 7.4,
            "home": f"{NOWHERE['coordinates, latitude']},{NOWHERE['coordinates, longitude']}",
        }  # fmt: skip
        async with asyncio.timeout(30):
            while not all((choices := await self.ask("GET", "/links", 200)).values()):  # noqa: ASYNC110 - its process reads at its own pace
                await asyncio.sleep(0.1)
        home |= {"region": choices["regions"][0], "tariff": choices["tariffs"][0]}
        address = (await self.ask("POST", "/links/simulator", 200, home))["address"]
        async with httpx.AsyncClient(trust_env=False) as maker:
            back = await maker.post(address, data={"account": MAKERS_ACCOUNT, "answer": "allow"})
        came = httpx.URL(back.headers["Location"])
        self.secrets |= {f"linking: {name}": came.params[name] for name in ("code", "state")}
        page = await self.http.get(str(came))
        assert page.status_code in {200, 303}, page.text
        self.secrets |= {f"cookie {one.name}": one.value for one in self.http.cookies.jar if one.value}
        signed_in = await self.http.post("/session", headers={"Origin": self.story.url})
        assert signed_in.is_success, signed_in.text
        self.secrets |= {f"cookie {one.name}": one.value for one in self.http.cookies.jar if one.value}
        (car,) = await self.cars()
        return car

    async def listen(self) -> None:
        """One event of the live updates."""
        async with self.http.stream("GET", "/api/v1/events") as events, asyncio.timeout(20):
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    return

    async def cars(self) -> list[str]:
        return [one["car"] for one in await self.ask("GET", "/cars", 200)]

    async def devices(self) -> None:
        await self.ask("POST", "/devices", 201, {"kind": "fcm", "token": NOWHERE["FCM token"]})
        subscription = json.loads(self.push.target(NOWHERE["Web Push endpoint"], "webpush"))
        await self.ask("POST", "/devices", 201, {"kind": "webpush", "subscription": subscription})
        self.secrets |= {f"Web Push {name}": key for name, key in subscription["keys"].items()}
        wrong = {"kind": "fcm", "token": NOWHERE["FCM token"], "address": NOWHERE["address"]}
        await self.ask("POST", "/devices", 422, wrong)

    async def wish(self, car: str) -> None:
        once = {"Idempotency-Key": NOWHERE["Idempotency-Key"]}
        await self.ask("PATCH", f"/cars/{car}/preference", 200, {"target_soc_pct": 90}, **once)
        await self.ask("PATCH", f"/cars/{car}/preference", 200, {"target_soc_pct": 90}, **once)
        await self.ask("PATCH", f"/cars/{car}/preference", 422, {"target_soc_pct": 90, "home": NOWHERE["address"]})


class Found:
    """Where bytes were kept or told, by the name of the place."""

    def __init__(self) -> None:
        self.places: dict[str, list[bytes]] = {}

    def add(self, place: str, *told: bytes) -> None:
        self.places.setdefault(place, []).extend(told)

    def holding(self, secret: str) -> set[str]:
        """Places that hold the secret in clear, in base64, in hex or as part of an address."""
        forms = set(_forms(secret))
        return {place for place, told in self.places.items() if any(form in one for one in told for form in forms)}


def _forms(secret: str) -> Iterator[bytes]:
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield plain.hex().encode()
    for shift in range(3):  # as a part of something longer; the ends depend on what is around
        inner = b64encode(bytes(shift) + plain)[4:-4]
        if len(inner) >= 12:  # less is found anywhere
            yield inner


async def test_after_an_evening_no_secret_is_found_in_clear(
    tmp_path: Path, tokens: set[str], push: PushServices
) -> None:
    run_dir, fake, found = tmp_path / "run", FakeFirestore(), Found()
    async with listening(fake.app()) as url, Evening(run_dir).told() as story, bridged(story, fake, url):
        async with httpx.AsyncClient(base_url=story.url, trust_env=False, timeout=20) as http:
            driver = Driver(story, http, push)
            await lived(story, driver)
            await shown(fake, 1)
            await story.workers.stop("worker-1")  # its stores are on disk then
            found.add("store", *files(run_dir, stores=True))
            await story.workers.start("worker-1")
            await story.settle()
            await driver.ask("DELETE", "/me", 204)
            await story.pass_time(minutes=30)
            assert await driver.cars() == []
            await shown(fake, 0)
        for page in [*(worker.url for worker in story.workers.all), story.driver_side.health]:
            for path in ("/metrics", "/status"):
                found.add(f"probes {path}", await probed(page + path))
        await asyncio.to_thread(read_topics, story.settings.bootstrap, found)
    for document in fake.store.applied:
        found.add("firestore", json.dumps([document.name, document.fields]).encode())
    found.add("log", *files(run_dir, stores=False))
    found.add("store of who is erased", *files(run_dir, stores=True))
    assert {one.device for one in push.screens.shown} == {NOWHERE["FCM token"], NOWHERE["Web Push endpoint"]}
    report(
        found,
        NOWHERE | our_keys() | driver.secrets | {f"maker's token {n}": one for n, one in enumerate(sorted(tokens))},
    )


def report(found: Found, secrets: Mapping[str, str]) -> None:
    assert {"log", "probes /metrics", "probes /status", DEAD_LETTER.name} <= found.places.keys()
    assert len(secrets) > len(NOWHERE) + 8, "tokens, code, state and cookies came up on the way"
    hits = {name: places for name, secret in secrets.items() if (places := found.holding(secret))}
    assert hits == {}
    assert any(b"a push was refused" in log for log in found.places["log"]), "logs of an evening with troubles"
    assert {secret: found.holding(secret) - {"store of who is erased"} for secret in KNOWN} == KNOWN


def files(run_dir: Path, *, stores: bool) -> list[bytes]:
    """The bytes of all stores, or of all logs."""
    return [one.read_bytes() for one in run_dir.rglob("*") if one.is_file() and (one.suffix == ".log") is not stores]


def our_keys() -> dict[str, str]:
    """Parts of the keys that our processes were given."""
    return {
        "FCM key": json.loads(os.environ["D2EV_FCM_KEY"])["private_key"].splitlines()[5],
        "VAPID key": os.environ["D2EV_VAPID_KEY"],
    }


async def lived(story: Story, driver: Driver) -> None:
    """Link, plug in, wish, boost, charge through the night, leave; and what goes wrong on the way."""
    car = await driver.link()
    await driver.devices()
    await driver.listen()
    await story.pass_time(hours=6)
    home = story.now + timedelta(minutes=5)
    story.car.come_back(Stay(home, home + timedelta(hours=16), 38))
    await story.pass_time(minutes=15)
    await driver.wish(car)
    await driver.ask("POST", f"/cars/{car}/boost", 200)
    await story.pass_time(minutes=15)
    await driver.ask("DELETE", f"/cars/{car}/boost", 200)
    await driver.ask("GET", f"/cars/{VIN}.{MAKERS_ACCOUNT}", 404)
    await driver.ask("GET", "/me/export", 200)
    for bearer in (driver.secrets["ID token"][:-4], driver.secrets["ID token"] * 20):
        await driver.ask("GET", "/cars", 401, Authorization=f"Bearer {bearer}")
    poison = json.dumps({"vehicle": VIN, "grant": POISON}).encode()
    await story.writer.write([Outgoing(PREFERENCE.name, 0, car.encode(), poison)])
    await story.pass_time(hours=11)
    assert story.car.soc_at(story.now) > 60, "a night in which nothing was charged proves nothing"
    story.car.unplug(story.now)
    await story.pass_time(hours=1)


@asynccontextmanager
async def bridged(story: Story, fake: FakeFirestore, url: str) -> AsyncIterator[Bridge]:
    """Statuses go to Firestore as well."""
    given = {"bootstrap": story.settings.bootstrap, "partitions": story.settings.partitions}
    bridge = Bridge(load({}, firestore=fake.key_file(url), firestore_url=url, session_timeout_seconds=2, **given))
    task = asyncio.create_task(bridge.run())
    try:
        yield bridge
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def shown(fake: FakeFirestore, cars: int) -> None:
    """So many cars have a document."""
    async with asyncio.timeout(30):
        while sum("/d2ev-status/" in name for name in fake.store.documents) != cars:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)


async def probed(url: str) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(url)).content


def read_topics(bootstrap: str, found: Found) -> None:
    """Every record of every topic there is, with its key and headers."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "canary", "enable.partition.eof": True})
    try:
        listed = consumer.list_topics(timeout=10).topics
        places = [TopicPartition(name, p, OFFSET_BEGINNING) for name, topic in listed.items() for p in topic.partitions]
        consumer.assign(places)
        left = {(place.topic, place.partition) for place in places}
        while left:
            record = consumer.poll(20)
            assert record is not None, f"never read to the end: {left}"
            if record.error() is not None:
                left.discard((record.topic(), record.partition()))
                continue
            parts = [record.key(), record.value(), *(value for _, value in record.headers() or ())]
            name = record.topic() or ""
            found.add("changelog" if name.endswith("-changelog") else name, *(part for part in parts if part))
    finally:
        consumer.close()
