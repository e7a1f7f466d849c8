"""Over HTTP: only what a maker signed is read, 200 only for what is on the log, and no answer helps a forger."""

import asyncio
import copy
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.ingress import hooks
from agents.ingress.hooks import GREETING_BYTES, MOST_BYTES, Hooks, doors, opened
from oem_connectors import registry
from oem_connectors.push import Delivery
from oem_connectors.signatures import hmac_hex
from tests.deliveries import NOW, SEALER, SECRET, Desk, by_enode, by_smartcar, enode, registration, smartcar

CONNECTORS = registry.load()
APPS = {"enode": {"hook_secret": SECRET}, "smartcar": {"hook_secret": SECRET}, "simulator": {"hook_secret": SECRET}}


def signs_anything(body: Any, secret: SecretStr) -> Mapping[str, str] | None:
    """A greeting that looks at nothing."""
    return {"challenge": hmac_hex(secret, body["data"]["challenge"].encode(), "sha256")}


SMARTCAR = CONNECTORS["smartcar"]
assert SMARTCAR.hook is not None
NAIVE = replace(SMARTCAR, name="naive", hook=replace(SMARTCAR.hook, greeting=signs_anything))


class Door:
    """The hooks on loopback, before a desk of our own."""

    def __init__(self, desk: Desk, http: httpx.AsyncClient) -> None:
        self.desk = desk
        self.http = http
        self.open = True

    async def post(self, oem: str, delivery: Delivery, **headers: str) -> httpx.Response:
        given = {name.encode(): value.encode("latin-1") for name, value in {**delivery.headers, **headers}.items()}
        return await self.http.post(f"/hooks/{oem}", content=delivery.body, headers=given)

    async def status(self, oem: str, delivery: Delivery) -> int:
        return (await self.post(oem, delivery)).status_code


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    desk = Desk([registration("a.b", "enode", "v-1"), registration("c.d", "smartcar", "v-1")])
    given = doors({**CONNECTORS, "naive": NAIVE}, {**APPS, "naive": APPS["smartcar"]})
    found: list[Door] = []
    posted = Hooks(given, desk.intake, desk.metrics, lambda: found[0].open)
    runner, port = await hooks.serve(posted, "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        found.append(Door(desk, http))
        yield found[0]
    await runner.cleanup()


def test_a_hook_needs_a_connector_that_has_one_and_a_secret() -> None:
    assert set(doors(CONNECTORS, APPS)) == {"enode", "smartcar"}
    assert doors(CONNECTORS, {}) == {}
    assert doors(CONNECTORS, {"enode": {"hook_secret": SecretStr("")}, "smartcar": {"client_id": SECRET}}) == {}


def test_no_door_shows_its_secret() -> None:
    assert SECRET.get_secret_value() not in repr(doors(CONNECTORS, APPS))


@pytest.mark.parametrize(
    ("oem", "delivery", "car"),
    [
        pytest.param("enode", by_enode([enode()]), "a.b", id="enode"),
        pytest.param("smartcar", by_smartcar(smartcar()), "c.d", id="smartcar"),
    ],
)
async def test_a_signed_delivery_becomes_telemetry(door: Door, oem: str, delivery: Delivery, car: str) -> None:
    assert await door.status(oem, delivery) == 200
    assert [(one.car, one.soc_pct) for one in door.desk.log.telemetry()] == [(car, 40)]
    assert door.desk.deliveries() == {"taken": 1}


def altered(delivery: Delivery) -> Delivery:
    """One byte is another."""
    at = delivery.body.index(b"40")
    return Delivery(delivery.headers, delivery.body[:at] + b"9" + delivery.body[at + 1 :])


@pytest.mark.parametrize(
    ("oem", "delivery"),
    [
        pytest.param("enode", altered(by_enode([enode()])), id="enode: one byte changed"),
        pytest.param("smartcar", altered(by_smartcar(smartcar())), id="smartcar: one byte changed"),
        pytest.param("enode", Delivery({}, by_enode([enode()]).body), id="no signature"),
        pytest.param("enode", by_enode([enode()], SecretStr("another")), id="another secret"),
        pytest.param("enode", by_enode([enode()], SecretStr("")), id="no secret"),
        pytest.param("smartcar", by_smartcar(smartcar(), SecretStr("another")), id="smartcar: another secret"),
        pytest.param("smartcar", by_enode([enode()]), id="signed for another maker"),
        pytest.param("enode", Delivery({"x-enode-signature": "sha1=\xe9"}, b"[]"), id="a signature of no letters"),
        pytest.param("enode", Delivery({}, b"\xff{"), id="neither signed nor JSON"),
        pytest.param("enode", Delivery({}, b"[" * 3000), id="deep"),
    ],
)
async def test_what_no_maker_signed_leaves_no_trace_but_a_count(door: Door, oem: str, delivery: Delivery) -> None:
    answer = await door.post(oem, delivery)
    assert answer.status_code == 401
    assert answer.text == "the signature is not the maker's"
    assert door.desk.log.written == []
    assert door.desk.deliveries() == {"forged": 1}
    assert door.desk.events() == {}


async def test_spacing_of_the_body_is_part_of_what_is_signed(door: Door) -> None:
    signed = by_enode([enode()])
    respaced = Delivery(signed.headers, json.dumps(json.loads(signed.body), indent=1).encode())
    assert await door.status("enode", respaced) == 401


async def test_the_bytes_are_those_that_came_compressed_or_not(door: Door) -> None:
    packed = by_enode(gzip.compress(json.dumps([enode()]).encode()))
    assert (await door.post("enode", packed, **{"content-encoding": "gzip"})).status_code == 400
    assert door.desk.log.telemetry() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/hooks/tesla", 404),
        ("POST", "/hooks/simulator", 404),
        ("POST", "/hooks/", 404),
        ("POST", "/hooks/enode/more", 404),
        ("GET", "/hooks/enode", 405),
        ("GET", "/metrics", 404),
        ("GET", "/status", 404),
    ],
)
async def test_there_is_nothing_else(door: Door, method: str, path: str, status: int) -> None:
    assert (await door.http.request(method, path)).status_code == status
    assert door.desk.deliveries() == {}


@pytest.mark.parametrize(("size", "status"), [(MOST_BYTES, 400), (MOST_BYTES + 1, 413), (4 * MOST_BYTES, 413)])
async def test_large_bodies_are_refused(door: Door, size: int, status: int) -> None:
    assert await door.status("enode", by_enode(b"x" * size)) == status


async def test_a_body_that_does_not_come_is_not_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "BODY_SECONDS", 0.1)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.sleep(0.5)
        yield b"]"

    answer = await door.http.post("/hooks/enode", content=slowly())
    assert answer.status_code == 408


@pytest.mark.parametrize("body", [b"{", b"\xff", b"", b"[NaN]", b"[" * 100_000], ids=repr)
async def test_a_signed_body_that_is_not_json_is_kept_sealed(door: Door, body: bytes) -> None:
    assert await door.status("enode", by_enode(body)) == 400
    assert await door.status("enode", by_enode(body)) == 400
    (letter,) = door.desk.log.letters()
    assert letter.cause == "not JSON"
    assert SEALER.open(letter.sealed_value or "", "hooks/enode|0|-1") == body
    assert door.desk.deliveries() == {"broken": 2}


@pytest.mark.parametrize("body", [{"no": "list"}, "text", 7, None], ids=repr)
async def test_a_signed_shape_that_nobody_knows_is_kept_and_not_asked_for_again(door: Door, body: Any) -> None:
    assert await door.status("enode", by_enode(body)) == 200
    assert len(door.desk.log.letters()) == 1
    assert door.desk.events() == {"refused": 1}


async def test_one_bad_event_does_not_stop_its_batch(door: Door) -> None:
    nameless = enode() | {"vehicle": {}}
    batch = [enode(soc=40), nameless, "no event", enode(soc="bad"), enode("stranger"), enode(soc=50), enode(soc=40)]
    assert await door.status("enode", by_enode(batch)) == 200
    assert [one.soc_pct for one in door.desk.log.telemetry()] == [40, 50]
    assert len(door.desk.log.letters()) == 3
    assert door.desk.events() == {"telemetry": 2, "refused": 3, "unknown_vehicle": 1, "duplicate": 1}


async def test_a_heartbeat_is_no_news_and_answered(door: Door) -> None:
    assert await door.status("enode", by_enode([{"event": "system:heartbeat", "pendingEvents": 0}])) == 200
    assert door.desk.log.written == []
    assert door.desk.events() == {}


async def test_a_duplicate_is_answered_like_the_first(door: Door) -> None:
    for _ in range(3):
        assert await door.status("smartcar", by_smartcar(smartcar("e-1"))) == 200
    assert len(door.desk.log.telemetry()) == 1
    assert door.desk.events() == {"telemetry": 1, "duplicate": 2}


async def test_lost_consent_is_counted(door: Door) -> None:
    gone = enode(told="user:vehicle:deleted")
    assert await door.status("enode", by_enode([gone])) == 200
    assert door.desk.log.written == []
    assert door.desk.events() == {"consent_lost": 1}


async def test_no_200_while_kafka_does_not_confirm(door: Door) -> None:
    door.desk.log.down = True
    for _ in range(2):
        answer = await door.post("enode", by_enode([enode()]))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert await door.status("enode", by_enode(b"{")) == 503
    door.desk.log.down = False
    assert await door.status("enode", by_enode([enode()])) == 200
    assert len(door.desk.log.telemetry()) == 1
    assert door.desk.deliveries() == {"unavailable": 3, "taken": 1}


async def test_no_delivery_is_taken_before_it_is_known_who_is_enrolled(door: Door) -> None:
    door.open = False
    assert await door.status("enode", by_enode([enode()])) == 503
    assert await door.status("enode", by_enode([enode()], SecretStr("another"))) == 401
    assert door.desk.events() == {}


async def greeted(door: Door, challenge: str, oem: str = "smartcar") -> httpx.Response:
    body = {"eventType": "VERIFY", "data": {"challenge": challenge}}
    return await door.http.post(f"/hooks/{oem}", content=json.dumps(body))


async def test_a_greeting_is_answered_though_nobody_signs_it_and_though_kafka_is_down(door: Door) -> None:
    door.desk.log.down, door.open = True, False
    answer = await greeted(door, "abc-123")
    assert answer.status_code == 200
    assert answer.json() == {"challenge": hmac_hex(SECRET, b"abc-123", "sha256")}
    assert door.desk.deliveries() == {"greeted": 1}


@pytest.mark.parametrize("oem", ["smartcar", "naive"])
async def test_no_greeting_signs_a_forged_delivery(door: Door, oem: str) -> None:
    forged = json.dumps(smartcar())
    assert (await greeted(door, forged, oem)).status_code == 401
    escaped = forged.replace('"', "\\u0022")
    raw = '{"eventType": "VERIFY", "data": {"challenge": "' + escaped + '"}}'
    assert json.loads(raw)["data"]["challenge"] == forged
    assert (await door.http.post(f"/hooks/{oem}", content=raw)).status_code == 401


async def test_a_long_greeting_is_none(door: Door) -> None:
    assert (await greeted(door, "a" * 200, "naive")).status_code == 200
    assert (await greeted(door, "a" * GREETING_BYTES, "naive")).status_code == 401


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.datetimes().map(str)
ANY_JSON = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """A delivery of which one part, however deep, is anything."""
    oem, told = draw(st.sampled_from([("enode", [enode(), enode("v-2")]), ("smartcar", smartcar())]))
    told, steps = copy.deepcopy(told), draw(st.integers(0, 8))
    held: Any = {"": told}
    at: Any = ""
    for _ in range(steps):
        inner = held[at]
        if not isinstance(inner, dict | list) or not inner:
            break
        held, at = inner, draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
    held[at] = draw(ANY_JSON)
    return oem, json.dumps(told if steps else held[""]).encode()


@given(spoiled() | st.tuples(st.sampled_from(["enode", "smartcar"]), st.binary()))
@settings(max_examples=200)
def test_whatever_is_signed_is_taken_or_kept(delivery: tuple[str, bytes]) -> None:
    """No delivery raises, and every one of its events is accounted for."""
    oem, body = delivery
    desk = Desk([registration("a.b", "enode", "v-1"), registration("c.d", "smartcar", "v-1")])
    door = doors(CONNECTORS, APPS)[oem]
    parcels = opened(door, body)
    asyncio.run(desk.intake.take(door.connector, parcels))
    asked = sum(len(parcel.events) + bool(parcel.cause) for parcel in parcels)
    counts = desk.events()
    assert sum(counts.values()) == asked
    assert counts.get("telemetry", 0) == len(desk.log.telemetry())
    assert counts.get("refused", 0) == len(desk.log.letters())


async def test_nothing_that_names_a_car_is_answered_or_counted(door: Door) -> None:
    answers = [
        await door.post("enode", by_enode([enode("v-1"), enode("stranger")])),
        await door.post("enode", by_enode(b"{v-1")),
    ]
    told = " ".join([*(one.text for one in answers), door.desk.metrics.render().decode()])
    for name in ("v-1", "a.b", "stranger", "52.5", SECRET.get_secret_value(), str(NOW.year)):
        assert name not in told
