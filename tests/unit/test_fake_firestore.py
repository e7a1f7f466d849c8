"""The fake Firestore keeps the real one's rules: atomic commits, preconditions, typed values, limits, tokens."""

from typing import Any

import httpx
import pytest

from agents.bridge.firestore import Later, Moved, Refused
from deploy.fakes.firestore import EMAIL, ROOT, FakeFirestore
from deploy.fakes.firestore_store import MOST_WRITES, Status
from tests.bridging import listening, spoken_to

NAME = f"{ROOT}/things/one"
TEXT = {"said": {"stringValue": "x"}}


def put(name: str = NAME, fields: Any = None, **more: Any) -> dict[str, Any]:
    return {"update": {"name": name, "fields": TEXT if fields is None else fields}, **more}


def refused(*writes: Any) -> Status:
    store = FakeFirestore().store
    store.commit({"writes": [put()]})
    before = dict(store.documents)
    with pytest.raises(Status) as caught:
        store.commit({"writes": [put(f"{ROOT}/things/first"), *writes]})
    assert store.documents == before, "all or nothing"
    assert len(store.applied) == 1
    return caught.value


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(put(strange=1), id="unknown field of a write"),
        pytest.param({"update": {"name": NAME, "fields": TEXT, "strange": 1}}, id="unknown field of a document"),
        pytest.param({}, id="neither update nor delete"),
        pytest.param({**put(), "delete": NAME}, id="both"),
        pytest.param({"delete": "things/one"}, id="not in the database"),
        pytest.param({"delete": f"{ROOT}/things"}, id="a collection"),
        pytest.param({"delete": f"{ROOT}/things/__x__"}, id="a reserved id"),
        pytest.param({"delete": f"{ROOT}/things/.."}, id="dots"),
        pytest.param({"delete": f"{ROOT}/things/{'x' * 1501}"}, id="too long an id"),
        pytest.param(put(fields={"a": "x"}), id="an untyped value"),
        pytest.param(put(fields={"a": {"stringValue": "x", "nullValue": None}}), id="two kinds"),
        pytest.param(put(fields={"a": {"integerValue": 3}}), id="a bare integer"),
        pytest.param(put(fields={"a": {"integerValue": str(2**63)}}), id="too large an integer"),
        pytest.param(put(fields={"a": {"doubleValue": "3"}}), id="a double as text"),
        pytest.param(put(fields={"a": {"booleanValue": "true"}}), id="a truth as text"),
        pytest.param(put(fields={"a": {"timestampValue": "2026-11-23 20:00"}}), id="not RFC 3339"),
        pytest.param(put(fields={"a": {"timestampValue": "2026-13-23T20:00:00Z"}}), id="no such month"),
        pytest.param(put(fields={"a": {"arrayValue": {"values": [{"arrayValue": {}}]}}}), id="array in array"),
        pytest.param(put(fields={"a": {"mapValue": {"a": 1}}}), id="a map without fields"),
        pytest.param(put(fields={"a": {"text": "x"}}), id="no kind"),
        pytest.param(put(fields={"a": {"stringValue": "x" * 1_048_577}}), id="too large"),
        pytest.param(put(currentDocument={"version": 3}), id="no such precondition"),
        pytest.param(put(updateTransforms=[{"fieldPath": "a", "strange": 1}]), id="no such transform"),
    ],
)
def test_what_the_api_does_not_know_is_refused_whole(write: Any) -> None:
    status = refused(write)
    assert (status.code, status.word) == (400, "INVALID_ARGUMENT")


def test_a_commit_has_a_limit_and_transforms_count() -> None:
    assert refused(*[put(f"{ROOT}/things/{n}") for n in range(MOST_WRITES)]).word == "INVALID_ARGUMENT"
    stamped = {"updateTransforms": [{"fieldPath": "at", "setToServerValue": "REQUEST_TIME"}]}
    assert refused(*[put(f"{ROOT}/things/{n}", **stamped) for n in range(250)]).word == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("name", "precondition", "code", "word"),
    [
        (NAME, {"exists": False}, 409, "ALREADY_EXISTS"),
        (f"{ROOT}/things/two", {"exists": True}, 404, "NOT_FOUND"),
        (f"{ROOT}/things/two", {"updateTime": "2026-11-23T20:00:00Z"}, 404, "NOT_FOUND"),
        (NAME, {"updateTime": "2026-11-23T20:00:00.000001Z"}, 400, "FAILED_PRECONDITION"),
    ],
)
def test_a_precondition_that_does_not_hold(name: str, precondition: Any, code: int, word: str) -> None:
    for write in (put(name, currentDocument=precondition), {"delete": name, "currentDocument": precondition}):
        status = refused(write)
        assert (status.code, status.word) == (code, word)


def test_a_write_that_changes_nothing_moves_no_time() -> None:
    store = FakeFirestore().store
    first = store.commit({"writes": [put()]})["writeResults"][0]["updateTime"]
    again = store.commit({"writes": [put(currentDocument={"updateTime": first})]})["writeResults"][0]["updateTime"]
    assert again == first
    other = store.commit({"writes": [put(fields={})]})["writeResults"][0]["updateTime"]
    assert other > first
    assert store.documents[NAME].fields == {}, "without a mask the whole document is replaced"


async def test_the_client_tells_its_answers_apart() -> None:
    async with spoken_to(FakeFirestore()) as firestore:
        assert await firestore.read("things/one") is None
        (time,) = await firestore.commit([put()])
        found = await firestore.read("things/one")
        assert found is not None
        assert (found.fields, found.update_time) == (TEXT, time)
        with pytest.raises(Moved):
            await firestore.commit([put(currentDocument={"exists": False})])
        with pytest.raises(Refused):
            await firestore.commit([put(strange=1)])
        with pytest.raises(Later, match="404 NOT_FOUND"):
            await firestore.commit([{"delete": f"{ROOT}/things/two", "currentDocument": {"exists": True}}])
        assert await firestore.commit([{"delete": NAME}]) == [None]


async def test_nobody_without_a_token_is_answered() -> None:
    fake = FakeFirestore()
    async with listening(fake.app()) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.get(f"/v1/{NAME}")).status_code == 401
        assert (await http.post(f"/v1/{ROOT}:commit", json={"writes": []})).status_code == 401
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": f"x.{EMAIL}.y"}
        assert (await http.post("/token", data=form)).json() == {"error": "invalid_grant"}
