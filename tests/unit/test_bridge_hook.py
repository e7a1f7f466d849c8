"""Events of documents over HTTP: from whom they are, and that the answer is good only once the log has them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from agents.bridge import hook as door
from agents.bridge.hook import Caller, Hook
from agents.bridge.known import Known
from agents.bridge.metrics import BridgeMetrics
from agents.clock import SystemClock
from agents.driver_api.identity import Verifier
from agents.engine.log import NotDurable, Outgoing
from agents.issuer import Issuer as Trusted
from agents.partitions import home_partition
from agents.settings import load
from deploy.fakes.firestore import Event, FakeFirestore
from deploy.fakes.issuer import Issuer
from streams import serde
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.topics import DEAD_LETTER, PREFERENCE, REGISTRATION
from tests.bridging import NOW, listening
from tests.unit.test_bridge_changes import CAR, enrolled

SETTINGS = load({})
AUDIENCE = "https://bridge.example/hooks/firestore"
EMAIL = "eventarc@d2ev-test.iam.gserviceaccount.com"
CLAIMS: dict[str, Any] = {"aud": AUDIENCE, "email": EMAIL, "email_verified": True}
WISH = "drivers/anna/preferences/a.b"


class Log:
    """A journal that takes what it is given, unless it cannot."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.down = False

    async def write(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise NotDurable("no Kafka")
        self.records += records

    def said(self, topic: str) -> list[Any]:
        return [None if r.value is None else serde.decode(topic, r.value) for r in self.records if r.topic == topic]


class Running:
    """A hook that listens, an issuer of tokens, and an app's Firestore."""

    def __init__(self, http: httpx.AsyncClient, issuer: Issuer, known: Known) -> None:
        self.http, self.issuer = http, issuer
        self.known: Known | None = known
        self.log, self.metrics, self.firestore = Log(), BridgeMetrics(), FakeFirestore()

    async def post(self, event: Event, token: str | None = "", **headers: str) -> int:
        token = self.issuer.token("112233", **CLAIMS) if token == "" else token
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        sent = {**event.headers, **bearer, **headers}
        return (await self.http.post("/hooks/firestore", content=event.body, headers=sent)).status_code

    def counted(self) -> Mapping[str, float]:
        return counted(self.metrics.registry)


def counted(registry: CollectorRegistry) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in registry.collect():
        for one in family.samples:
            if one.name == "d2ev_bridge_events_total":
                found[one.labels["outcome"]] = found.get(one.labels["outcome"], 0) + one.value
    return found


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    issuer, known = Issuer({"anna": "Anna"}), Known()
    known.hear([enrolled(registered_at=NOW - timedelta(days=1))])
    async with listening(issuer.app()) as url, httpx.AsyncClient(trust_env=False) as keys:
        issuer.url = url
        verifier = Verifier([Trusted(issuer=url, audience=AUDIENCE)], keys, SystemClock())
        run = Running(httpx.AsyncClient(), issuer, known)
        hook = Hook(Caller(verifier, EMAIL), lambda: run.known, run.log, SETTINGS, SystemClock(), run.metrics)
        runner, port = await door.serve(hook, "127.0.0.1", 0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as run.http:
            yield run
        await runner.cleanup()


async def test_a_wish_is_on_the_log_before_it_is_answered() -> None:
    async with running() as run:
        assert await run.post(run.firestore.written(WISH, {"target_soc_pct": 90})) == 204
        (record,) = run.log.records
        (wish,) = run.log.said(PREFERENCE.name)
        assert isinstance(wish, Preference)
        assert (wish.car, wish.target_soc_pct) == ("a.b", 90)
        assert wish.updated_at == run.firestore.store.applied[-1].at
        assert (record.key, record.partition) == (b"a.b", home_partition("a.b", SETTINGS.partitions))
        names = [name for name, _ in record.headers]
        assert {"ce_id", "ce_time", "ce_type"} <= set(names)


async def test_a_car_is_enrolled_wished_for_and_erased() -> None:
    async with running() as run:
        path = "drivers/anna/registrations/c.d"
        late = run.firestore.written(path, CAR | {"vehicle": "car2"})
        assert await run.post(run.firestore.written("drivers/anna/preferences/c.d", {})) == 404
        assert await run.post(late) == 204
        assert await run.post(run.firestore.written("drivers/anna/preferences/c.d", {"mode": "boost"})) == 204
        assert await run.post(run.firestore.written(path, None)) == 204
        late.headers["ce-id"] = "another"  # type: ignore[index]
        assert await run.post(late) == 204
        registration, erased = run.log.said(REGISTRATION.name)
        assert isinstance(registration, Registration)
        assert erased is None
        assert len(run.log.said(PREFERENCE.name)) == 1
        assert run.counted() == {"taken": 3, "unknown_car": 1, "old": 1}


async def test_what_comes_again_is_taken_once_in_any_order() -> None:
    async with running() as run:
        events = [run.firestore.written(WISH, {"target_soc_pct": percent}) for percent in (60, 70, 80)]
        first, second, third = events
        assert [await run.post(one) for one in (second, first, second, third, first, third)] == [204] * 6
        assert [one.target_soc_pct for one in run.log.said(PREFERENCE.name)] == [70, 80]
        assert run.counted() == {"taken": 2, "old": 1, "duplicate": 3}


async def test_many_at_once_end_with_the_newest() -> None:
    async with running() as run:
        events = [run.firestore.written(WISH, {"target_soc_pct": percent}) for percent in range(20, 60)]
        events += events[::-1]
        assert set(await asyncio.gather(*(run.post(one) for one in events))) == {204}
        percents = [one.target_soc_pct for one in run.log.said(PREFERENCE.name)]
        assert percents == sorted(set(percents))
        assert percents[-1] == 59


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        ("drivers/anna/preferences/a.b", {"target_soc_pct": 900, "note": "SECRET"}, 422),
        ("drivers/bert/preferences/a.b", {"target_soc_pct": 90}, 403),
        ("drivers/bert/registrations/a.b", CAR, 403),
        ("drivers/anna/registrations/a.b", {"token": "SECRET"}, 422),
    ],
)
async def test_a_bad_document_is_refused_once_and_kept_sealed(path: str, told: Any, status: int) -> None:
    async with running() as run:
        event = run.firestore.written(path, told)
        assert await run.post(event) == status
        assert await run.post(event) == 204
        (record,) = run.log.records
        (letter,) = run.log.said(DEAD_LETTER.name)
        assert letter.stage == "bridge"
        assert b"SECRET" not in (record.value or b"")
        opened = SETTINGS.sealer().open(letter.sealed_value, f"{letter.topic}|0|-1")
        assert opened == event.body


async def test_other_documents_and_what_is_no_event() -> None:
    async with running() as run:
        assert await run.post(run.firestore.written("other/x", {})) == 204
        broken = Event(run.firestore.written(WISH, {}).headers, b"not json")
        assert await run.post(broken) == 422
        assert [letter.cause for letter in run.log.said(DEAD_LETTER.name)] == ["not the JSON of a document's event"]
        assert run.counted() == {"ignored": 1, "refused": 1}


async def test_no_good_answer_without_kafka() -> None:
    async with running() as run:
        event = run.firestore.written(WISH, {})
        bad = run.firestore.written(WISH, {"x": 1})
        run.log.down = True
        assert [await run.post(one) for one in (event, bad, event)] == [503, 503, 503]
        run.log.down = False
        assert [await run.post(one) for one in (event, bad)] == [204, 422]
        run.known = None
        assert await run.post(run.firestore.written(WISH, {})) == 503


def ago(**span: int) -> int:
    return int((datetime.now(UTC) - timedelta(**span)).timestamp())


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "https://elsewhere.example"}, 401),
        ({"exp": ago(minutes=5)}, 401),
        ({"iss": "https://accounts.google.com"}, 401),
        ({"email": "somebody@d2ev-test.iam.gserviceaccount.com"}, 403),
        ({"email": None}, 403),
        ({"email_verified": False}, 403),
        ({"email_verified": None}, 403),
        ({"email_verified": "true"}, 403),
    ],
)
async def test_only_the_service_account_is_listened_to(claims: Mapping[str, Any], status: int) -> None:
    async with running() as run:
        token = run.issuer.token("112233", **(CLAIMS | dict(claims)))
        assert await run.post(run.firestore.written(WISH, {}), token) == status
        assert run.log.records == []
        assert run.counted() == {"not_believed": 1}


async def test_many_at_first_wait_for_the_same_keys() -> None:
    async with running() as run:
        events = [run.firestore.written(WISH, {}) for _ in range(20)]
        assert set(await asyncio.gather(*(run.post(one) for one in events))) == {204}
        assert run.issuer.keys_asked == 1


@pytest.mark.parametrize("token", [None, "x", "a.b.c", "e" * 8150])
async def test_without_a_token_nothing_is_read(token: str | None) -> None:
    async with running() as run:
        assert await run.post(run.firestore.written(WISH, {}), token) == 401
        assert run.log.records == []


async def test_an_issuer_that_is_down_is_waited_for() -> None:
    async with running() as run:
        token = run.issuer.token("112233", **CLAIMS)
        run.issuer.url = "elsewhere"  # its configuration names another now
        event = run.firestore.written(WISH, {})
        assert [await run.post(event, token) for _ in range(2)] == [503, 503]


async def test_the_form_of_a_request_is_held_to() -> None:
    async with running() as run:
        event = run.firestore.written(WISH, {})
        assert await run.post(event, **{"Content-Type": "application/protobuf"}) == 415
        assert await run.post(Event(event.headers, b" " * (door.MOST_BYTES + 1))) == 413
        assert (await run.http.get("/hooks/firestore")).status_code == 405
        assert (await run.http.post("/hooks/enode")).status_code == 404
        assert run.log.records == []


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "BODY_SECONDS", 0.2)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)

    async with running() as run:
        headers = {
            **run.firestore.written(WISH, {}).headers, "Authorization": f"Bearer {run.issuer.token('1', **CLAIMS)}"
        }  # fmt: skip
        answer = await run.http.post("/hooks/firestore", content=never(), headers=headers)
        assert answer.status_code == 408


async def test_a_header_that_is_too_long_is_quoted_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as run:
        assert await run.post(run.firestore.written(WISH, {}), "secret" * 2000) == 400
    assert "secret" not in caplog.text
