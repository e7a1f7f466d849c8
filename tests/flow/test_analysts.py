"""Analysts on a live log: answers equal the fold, files are whole, questions over HTTP are kept within bounds."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from agents.clock import SystemClock
from agents.settings import BadSettings, Settings, load
from deploy.analysis import tables
from deploy.analysis.serving.app import Counter, build
from deploy.analysis.serving.desk import Desk
from deploy.analysis.serving.keys import Keys, hash_of, new_key
from deploy.analysis.serving.metrics import Probed, QueryMetrics
from deploy.brokers.embedded import EmbeddedBroker
from streams.topics import SESSION
from tests.analysts import DAWN, answers_equal_the_fold, broker, erased, evening, told, write
from tests.command_line import run

Capture = pytest.CaptureFixture[str]
CARS = [f"acct{number // 2}.car{number}" for number in range(12)]


@pytest.fixture(scope="module")
def shared() -> Iterator[EmbeddedBroker]:
    """Two nights of twelve cars, one told twice, one car erased since. To be read only."""
    with two_nights() as running:
        yield running


@contextmanager
def two_nights() -> Iterator[EmbeddedBroker]:
    with broker() as running:
        for night in (0, 1, 1):
            write(running.bootstrap, evening(CARS, night))
        write(running.bootstrap, erased(CARS[0]))
        yield running


@pytest.fixture
def kafka(shared: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> EmbeddedBroker:
    monkeypatch.setenv("D2EV_BOOTSTRAP", shared.bootstrap)
    monkeypatch.setenv("D2EV_PSEUDONYM_KEY", "pseudonyms of a test")
    return shared


@pytest.fixture
def settings(kafka: EmbeddedBroker) -> Settings:
    return load()


@pytest.fixture
def own(settings: Settings) -> Iterator[Settings]:
    """Of a log that may be written to."""
    with two_nights() as running:
        yield settings.model_copy(update={"bootstrap": running.bootstrap})


def test_answers_equal_the_fold_of_a_cut_while_writers_go_on(own: Settings) -> None:
    answers_equal_the_fold(own, CARS)


def test_a_snapshot_leaves_out_who_was_erased(settings: Settings) -> None:
    known = tables.pseudonyms(settings)
    for name in ("vehicle-state", "vehicle.state", "registration.state"):
        frame = tables.snapshot(name, settings)
        assert set(frame["car"]) == {known.of(car) for car in CARS[1:]}, name
    assert len(tables.snapshot("session.event", settings)) == 2 * len(CARS)


def test_sql_from_the_command_line(kafka: EmbeddedBroker, capsys: Capture, tmp_path: Path) -> None:
    question = "SELECT count(*) AS cars, sum(soc_pct) AS soc FROM vehicle_state WHERE soc_pct > $least"
    told_as = {form: run(capsys, "sql", question, "--param", "least=3", "--format", form) for form in ("csv", "json")}
    assert told_as["csv"].out == "cars,soc\n8,60.0\n"
    assert json.loads(told_as["json"].out) == {"cars": 8, "soc": 60.0}
    out = tmp_path / "answer.parquet"
    assert run(capsys, "sql", "SELECT * FROM sessions", "--out", str(out)).code == 0
    count = asked(f"SELECT count(*), count(DISTINCT car) FROM '{out}'")
    assert count == [(24, 12)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.parquet"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sql", "SELECT nope FROM plans"], 'd2ev: Binder Error: Referenced column "nope" not found'),
        (["sql", "DROP TABLE plans"], "d2ev: give one SELECT: nothing can be changed here"),
        (["sql", "SELECT 1", "--format", "xml"], "d2ev: --format xml: give one of table, csv, json, parquet"),
        (["sql", "SELECT 1", "--format", "parquet"], "d2ev: --format parquet: say where to with --out"),
        (["sql", "SELECT $x", "--param", "x"], "d2ev: --param x: give NAME=VALUE"),
        (["sql", "--describe", "nothing"], "d2ev: no table or topic 'nothing'; there are tables.accounts"),
        (
            ["export", "plans", "--to", "{tmp}/x", "--since", "2023-03-25"],
            "d2ev: --since: rows of tables.plans have no",
        ),
        (["export", "session.event", "--to", "{tmp}/x", "--since", "soon"], "d2ev: --since soon: give a time"),
    ],
)
def test_bad_input_is_one_line(
    kafka: EmbeddedBroker, capsys: Capture, tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = run(capsys, *[one.replace("{tmp}", str(tmp_path)) for one in arguments])
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(said)
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_names_behind_pseudonyms_are_for_those_who_hold_the_key(kafka: EmbeddedBroker, capsys: Capture) -> None:
    pseudonym = run(capsys, "pseudonym", CARS[3]).out.strip()
    assert run(capsys, "pseudonym", "--find", pseudonym).out == f"car {CARS[3]}\n"
    gone = run(capsys, "pseudonym", CARS[0]).out.strip()
    assert run(capsys, "pseudonym", "--find", gone).code == 2


def asked(query: str) -> list[tuple[Any, ...]]:
    """The answer of a DuckDB of one's own, as a reader of files has it."""
    with duckdb.connect() as mine:
        return mine.execute(query).fetchall()


def in_lake(lake: Path) -> dict[str, int]:
    """Rows by day and maker, as readers of the folder see them."""
    files = lake / "topics" / "session_event" / "**" / "*.parquet"
    rows = asked(f"SELECT date, oem, count(*) FROM read_parquet('{files}') GROUP BY ALL ORDER BY ALL")
    return {f"{day} {oem}": count for day, oem, count in rows}


def test_an_export_is_stated_anew_and_never_takes_a_day_away(
    kafka: EmbeddedBroker, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    first = run(capsys, "export", "session.event", "--to", str(lake))
    assert first.out == f"topics.session_event: 24 rows in 6 files under {lake}\n"
    whole = {"2023-03-26 skoda": 6, "2023-03-26 tesla": 5, "2023-03-26 unknown": 1,
             "2023-03-27 skoda": 6, "2023-03-27 tesla": 5, "2023-03-27 unknown": 1}  # fmt: skip
    assert in_lake(lake) == whole
    # What a killed run left goes; a second run states the same.
    (tmp_path / ".lake.parts").mkdir()
    (tmp_path / ".lake.parts" / "half.parquet").write_bytes(b"PAR1")
    run(capsys, "export", "session.event", "--to", str(lake))
    assert in_lake(lake) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake"]
    # A Kafka that has forgotten the first day, and part of the second.
    with broker() as younger:
        write(younger.bootstrap, evening(CARS[:4], 1) + evening(CARS[:1], 2))
        monkeypatch.setenv("D2EV_BOOTSTRAP", younger.bootstrap)
        again = run(capsys, "export", "session.event", "--to", str(lake))
    assert again.out.endswith("; 2 days stay as they were, the log no longer has them whole\n")
    assert in_lake(lake) == whole | {"2023-03-28 tesla": 1}


def test_since_states_whole_days(kafka: EmbeddedBroker, capsys: Capture, tmp_path: Path) -> None:
    lake, late = tmp_path / "lake", (DAWN + timedelta(days=2, minutes=5)).isoformat()
    run(capsys, "export", "session.event", "--to", str(lake), "--since", late)
    assert set(in_lake(lake)) == {"2023-03-27 skoda", "2023-03-27 tesla", "2023-03-27 unknown"}
    one = tmp_path / "one.parquet"
    run(capsys, "export", "session.event", "--to", str(one), "--since", late)
    assert asked(f"SELECT count(*) FROM '{one}'") == [(7,)]


@asynccontextmanager
async def served(settings: Settings, metrics: QueryMetrics | None = None) -> AsyncIterator[httpx.AsyncClient]:
    keys = Keys({"ann": hash_of("ann's key"), "ben": hash_of("ben's key")})
    desk = Desk(settings, seconds=2.0, most_rows=1000)
    counter = Counter(settings, desk, keys, metrics or QueryMetrics(), SystemClock())
    transport = httpx.ASGITransport(build(counter, "http://127.0.0.1:80"))
    shown = {"Authorization": "Bearer ann's key"}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:80", headers=shown) as client:
            yield client
    finally:
        counter.desk.close()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a key, before the application."""
    async with served(settings) as ready:
        yield ready


async def test_pages_tell_all_rows_once_out_of_one_state(own: Settings) -> None:
    async with served(own) as client:
        answer = (await client.get("/v1/tables/session.event/rows?limit=10")).json()
        rows, sizes = list(answer["rows"]), [len(answer["rows"])]
        write(own.bootstrap, [told(SESSION, CARS[5], DAWN, id="late")])
        while answer["next"]:
            answer = (await client.get(f"/v1/pages/{answer['next']}?limit=10")).json()
            rows += answer["rows"]
            sizes.append(len(answer["rows"]))
    assert sizes == [10, 10, 4]
    assert len({row["id"] for row in rows}) == 24
    assert {column["name"] for column in answer["columns"]} == set(rows[0])


async def test_rows_of_one_key_and_files(client: httpx.AsyncClient, settings: Settings) -> None:
    pseudonym = tables.pseudonyms(settings).of(CARS[4])
    one = (await client.get("/v1/tables/vehicle-state/rows", params={"key": pseudonym})).json()
    assert [(row["car"], row["soc_pct"]) for row in one["rows"]] == [(pseudonym, 4.0)]
    question = {"sql": "SELECT count(*) AS n FROM plug_event WHERE session_id = $s", "parameters": {"s": "nobody's"}}
    assert (await client.post("/v1/query?form=csv", json=question)).text == "n\n0\n"
    assert (await client.post("/v1/query?form=parquet", json=question)).content[:4] == b"PAR1"


async def test_a_key_is_required_and_a_cursor_is_its_owners(client: httpx.AsyncClient) -> None:
    for path in ("/v1/tables", "/v1/tables/plans", "/v1/tables/plans/rows", "/v1/pages/x.1"):
        for shown in ("", "Bearer ", "Bearer wrong", "Basic ann's key", f"Bearer {hash_of('ann' + chr(39) + 's key')}"):
            refused = await client.get(path, headers={"Authorization": shown})
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_key"), (path, shown)
    assert (await client.post("/v1/query", json={"sql": "SELECT 1"}, headers={"Authorization": ""})).status_code == 401
    cursor = (await client.get("/v1/tables/session.event/rows?limit=1")).json()["next"]
    others = await client.get(f"/v1/pages/{cursor}", headers={"Authorization": "Bearer ben's key"})
    assert others.status_code == 404
    assert (await client.get(f"/v1/pages/{cursor}")).status_code == 200


@pytest.mark.parametrize(
    ("sql", "status", "said"),
    [
        ("DROP TABLE tables.plans", 422, "nothing can be changed"),
        ("SELECT grant_sealed FROM registration_state", 422, "not found"),
        ("SELECT sealed_token FROM accounts", 422, "not found"),
        ("SELECT vehicle FROM registration_state", 422, "not found"),
        ("SELECT * FROM read_text('/etc/hostname')", 422, "disabled"),
        ("SELECT 1 AS a, 2 AS a", 422, "same name"),
        ("SELECT * FROM range(1001)", 422, "more than 1,000 rows"),
        ("SELECT count(*) FROM range(1000000000) a, range(1000000000) b", 408, "cancelled"),
        ("SELECT" + " " * 17_000 + "1", 413, "at most"),
    ],
)
async def test_questions_are_kept_within_bounds(client: httpx.AsyncClient, sql: str, status: int, said: str) -> None:
    refused = await client.post("/v1/query", json={"sql": sql})
    assert (refused.status_code, said in refused.json()["error"]["message"]) == (status, True), refused.text
    assert (await client.post("/v1/query", json={"sql": "SELECT 1 AS a"})).json()["rows"] == [{"a": 1}]


async def test_it_is_ready_while_kafka_answers_and_hears_by_itself_that_it_is_back(settings: Settings) -> None:
    desk, looked = Desk(settings, seconds=2.0), asyncio.Event()
    probed = Probed(Counter(settings, desk, Keys({"ann": hash_of("a")}), QueryMetrics(), SystemClock()))
    loop, look = asyncio.get_running_loop(), desk.look

    def looks() -> None:
        look()
        loop.call_soon_threadsafe(looked.set)

    with EmbeddedBroker({"another": 1}) as bare:
        desk._settings = settings.model_copy(update={"bootstrap": bare.bootstrap})
        look()
    assert (probed.ready, b"d2ev_queries_ready 0.0" in probed.render()) == (False, True)
    desk._settings, desk.look = settings, looks  # type: ignore[method-assign]
    watching = asyncio.create_task(probed.watch())
    await asyncio.wait_for(looked.wait(), 60)
    assert (probed.ready, b"d2ev_queries_ready 1.0" in probed.render()) == (True, True)
    watching.cancel()
    desk.close()


async def test_questions_are_counted_under_names_of_their_own(settings: Settings) -> None:
    metrics = QueryMetrics()
    async with served(settings, metrics) as client:
        await client.get("/v1/tables")
    told = metrics.render()
    assert b'd2ev_queries_requests_total{method="GET",route="/v1/tables",status="2xx"} 1.0' in told


async def test_who_asks_too_often_waits(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/v1/tables/plans") for _ in range(40)]
    assert [one.status_code for one in answers[:30]] == [200] * 30
    refused = next(one for one in answers if one.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    other = await client.get("/v1/tables/plans", headers={"Authorization": "Bearer ben's key"})
    assert other.status_code == 200


def test_keys_are_kept_as_hashes_only() -> None:
    made = new_key()
    assert hash_of(made) == sha256(made.encode()).hexdigest()
    assert Keys({"ann": hash_of(made)}).whose(made) == "ann"
    for refused in ({}, {"ann": made}, {"ann": hash_of(made).upper()}):
        with pytest.raises(BadSettings, match="D2EV_QUERY_KEYS") as error:
            Keys(refused)
        assert made not in str(error.value)
