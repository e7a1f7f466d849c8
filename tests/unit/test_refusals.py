"""A refusal says where and what is wanted, and nothing of what was sent."""

from datetime import datetime
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI, Path, Query
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from agents.driver_api.app import routes
from agents.driver_api.asked import Changes, FcmDevice, Wanted, WebPushDevice
from agents.driver_api.errors import HANDLERS, Refusal, no_car
from agents.driver_api.keys import IssuerDown
from agents.driver_api.links import LinkAsked, TicketAsked
from agents.engine.log import NotDurable

CANARY = "canary7f3a"


def app() -> FastAPI:
    made = FastAPI()

    async def change(asked: Changes) -> None: ...

    async def want(asked: Wanted) -> None: ...

    async def link(asked: LinkAsked) -> None: ...

    async def ticket(asked: TicketAsked) -> None: ...

    async def device(asked: Annotated[FcmDevice | WebPushDevice, Field(discriminator="kind")]) -> None: ...

    async def several(one: Annotated[int, Body()], two: Annotated[int, Body()]) -> None: ...

    async def when(number: Annotated[int, Path()], before: Annotated[datetime | None, Query()] = None) -> None: ...

    for name, endpoint in (
        ("change", change), ("want", want), ("link", link), ("ticket", ticket), ("device", device),
        ("several", several),
    ):  # fmt: skip
        made.add_api_route(f"/{name}", endpoint, methods=["POST"])
    made.add_api_route("/when/{number}", when)
    for kind, handler in HANDLERS.items():
        made.add_exception_handler(kind, handler)
    return made


APP = app()


async def answer(method: str, path: str, **sent: Any) -> httpx.Response:
    transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        return await http.request(method, path, **sent)


def is_plain(found: httpx.Response, *canaries: str) -> None:
    error = found.json()["error"]
    assert set(found.json()) == {"error"}
    assert set(error) == {"code", "message"}
    assert len(found.content) < 500
    assert not any(canary in found.text for canary in canaries)


GOOD: dict[str, dict[str, Any]] = {
    "want": {
        "ready_by": "07:00", "ready_by_days": {}, "target_soc_pct": 80, "min_soc_pct": 20, "balance": "both",
        "language": "en",
    },
    "change": {"ready_by": "07:00"},
    "device": {"kind": "fcm", "token": "x" * 30},
}  # fmt: skip
BAD: list[tuple[str, Any]] = [
    ("change", {CANARY: 1}),
    ("change", {"ready_by": CANARY}),
    ("change", {"ready_by_days": {CANARY: "07:00"}}),
    ("change", {"ready_by_days": {CANARY: CANARY}}),
    ("change", {"ready_by_days": {"mon": CANARY}}),
    ("change", {"target_soc_pct": CANARY}),
    ("change", {"target_soc_pct": 8_642_975_310}),
    ("change", {"balance": CANARY}),
    ("change", {"language": CANARY}),
    ("change", [CANARY]),
    ("change", CANARY),
    ("change", None),
    ("want", {"ready_by": "07:00", CANARY: CANARY}),
    ("device", {"kind": CANARY}),
    ("device", {CANARY: "fcm"}),
    ("device", {"kind": "fcm", "token": CANARY}),
    ("device", {"kind": "webpush", "subscription": {"endpoint": CANARY, "keys": {CANARY: CANARY}}}),
    ("link", {CANARY: CANARY}),
    ("link", {"home": CANARY, "home_zone": CANARY}),
    ("ticket", {"ticket": [CANARY]}),
    ("several", {"one": CANARY}),
]


@pytest.mark.parametrize(("path", "sent"), BAD)
async def test_what_does_not_fit_is_refused_without_its_words(path: str, sent: Any) -> None:
    found = await answer("POST", f"/{path}", json=sent)
    assert found.status_code == 422
    assert found.json()["error"]["code"] == "invalid"
    is_plain(found, CANARY, "8642975310")


@pytest.mark.parametrize("content", [b"{", b'{"canary7f3a":', b"\xff\xfe", b"[" * 5000, b"canary7f3a", b'"\\ud800"'])
async def test_what_is_no_json_is_refused_without_its_words(content: bytes) -> None:
    found = await answer("POST", "/change", content=content, headers={"Content-Type": "application/json"})
    assert found.status_code in {400, 422}
    is_plain(found, CANARY)


@pytest.mark.parametrize("path", [f"/when/{CANARY}", f"/when/1?before={CANARY}"])
async def test_an_address_that_does_not_fit_is_refused_without_its_words(path: str) -> None:
    found = await answer("GET", path)
    assert found.status_code == 422
    is_plain(found, CANARY)


anything = st.recursive(
    st.sampled_from([CANARY, None, True, 0, -1, 1e300, "07:00", "fcm", 50]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([CANARY, "kind", "keys"]), inner),
    max_leaves=6,
)


@given(path=st.sampled_from(sorted(GOOD)), where=st.integers(0, 5), value=anything, key=st.sampled_from([None, CANARY]))
async def test_no_body_is_a_defect_or_comes_back(path: str, where: int, value: Any, key: str | None) -> None:
    body = dict(GOOD[path])
    body[key or list(body)[where % len(body)]] = value
    found = await answer("POST", f"/{path}", json=body)
    assert found.status_code in {200, 422}
    if found.status_code == 422:
        is_plain(found, CANARY)


async def test_what_fits_is_taken() -> None:
    for path, body in GOOD.items():
        assert (await answer("POST", f"/{path}", json=body)).status_code == 200, path


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (no_car(), 404, "not_found", None),
        (Refusal(409, "no", "own_word"), 409, "own_word", None),
        (Refusal(429, "no", Retry_After="7"), 429, "too_many_requests", "7"),
        (NotDurable(CANARY), 503, "not_available", "5"),
        (IssuerDown(CANARY), 503, "not_available", "10"),
        (ValueError(CANARY), 500, "defect", None),
    ],
)
async def test_errors_have_one_shape(error: Exception, status: int, code: str, retry: str | None) -> None:
    async def fail() -> None:
        raise error

    made = app()
    made.add_api_route("/fail", fail)
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        found = await http.get("/fail")
    assert found.status_code == status
    assert found.json()["error"]["code"] == code
    assert found.headers.get("Retry-After") == retry
    is_plain(found, CANARY)


@pytest.mark.parametrize(
    ("method", "path", "accept", "status", "page"),
    [
        ("GET", "/nowhere", "text/html,*/*", 404, True),
        ("GET", "/nowhere", "*/*", 404, False),
        ("GET", "/api/v1/nowhere", "text/html", 404, False),
        ("POST", "/openapi.json", "text/html", 405, True),
        ("POST", "/openapi.json", "application/json", 405, False),
    ],
)
async def test_whoever_looks_at_a_page_gets_a_page(
    method: str, path: str, accept: str, status: int, page: bool
) -> None:
    transport = httpx.ASGITransport(routes(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        found = await http.request(method, path, headers={"Accept": accept})
    assert found.status_code == status
    assert found.headers["Content-Type"].startswith("text/html" if page else "application/json")
    assert ("Allow" in found.headers) == (status == 405)
