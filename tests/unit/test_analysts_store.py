"""The store: rows equal the messages they come from, nothing else can be read or done, pseudonyms hold."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from deploy.analysis.output import plain
from deploy.analysis.views import VIEWS, queries
from streams.examples import CAR, examples
from streams.topics import SESSION, TELEMETRY, TOPICS, VEHICLE, Topic
from tables import frames
from tables.columns import Column, Privacy
from tables.projection import Pseudonyms, Records
from tables.relations import Relation, relation, relations
from tables.store import BadQuery, Store, TooSlow

KEY = Pseudonyms(b"a key for tests alone")
PUBLIC = [topic for topic in TOPICS if topic.public]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def store(out: Path) -> Iterator[Store]:
    """One for all: what a test loads replaces what another did."""
    with_views = Store(KEY, queries(), out=out)
    yield with_views
    with_views.close()


def one_row(topic: Topic, value: str | None = None) -> Records:
    told = examples()[topic.name].model_dump_json() if value is None else value
    return Records([CAR], [told], ["2023-03-26T08:07:00Z"], [2], [7])


def expected(column: Column, value: Any) -> Any:
    """What is shown of a field, reckoned without the store."""
    if value is None:
        return None
    if column.is_list:
        one = Column(column.name, column.kind, "", column.privacy, (), column.fields)
        return [expected(one, below) for below in value]
    if column.fields:
        return {below.name: expected(below, value.get(below.name)) for below in column.shown}
    if column.privacy is Privacy.PSEUDONYM:
        return KEY.of(value)
    if column.kind == "TIMESTAMPTZ":
        return plain(datetime.fromisoformat(value).astimezone(UTC))
    return value


@pytest.mark.parametrize("topic", PUBLIC, ids=lambda topic: topic.name)
def test_a_row_equals_the_message_it_comes_from(store: Store, topic: Topic) -> None:
    one = next(one for one in relations().values() if one.source == topic.name)
    store.load(one, one_row(topic))
    message = json.loads(examples()[topic.name].model_dump_json()) | {one.key.name: CAR}
    place = {"_time": "2023-03-26T08:07:00Z", "_partition": 2, "_offset": 7}
    told = {column.name: expected(column, message.get(column.name)) for column in one.shown} | (
        {} if one.folded else place
    )
    with store.ask(f'SELECT * FROM {one.schema}."{one.name}"') as found:
        rows = [dict(zip(found.columns, map(plain, row), strict=True)) for row in found.fetchall()]
    assert rows == [told]


@pytest.mark.parametrize("one", relations().values(), ids=lambda one: one.full_name)
def test_records_that_make_no_sense_are_counted_and_left_out(store: Store, one: Relation) -> None:
    values = ['{"car"', "", "\\udcff", "{}"]
    store.load(one, Records([CAR] * 4, values, ["no time"] * 4, [0] * 4, [0, 1, 2, 3]))
    assert store.unreadable[one.full_name] == 3


def test_what_is_loaded_again_replaces_what_was(store: Store) -> None:
    one = relation("vehicle.state")
    store.load(one, one_row(VEHICLE))
    store.load(one, Records())
    with store.ask("SELECT count(*) FROM topics.vehicle_state") as found:
        assert found.fetchall() == [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE tables.plans",
        "INSERT INTO tables.vintages VALUES (1, 2, 3)",
        "DELETE FROM tables.plans",
        "CREATE TABLE mine AS SELECT 1",
        "COPY (SELECT 1) TO '/tmp/d2ev-out.csv'",
        "ATTACH '/tmp/d2ev.db'",
        "SET lock_configuration = false",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SELECT 1; DROP TABLE tables.plans",
        "BEGIN TRANSACTION",
        "",
        "no SQL at all",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM '/etc/hostname.csv'",
        "SELECT * FROM read_parquet('https://127.0.0.1/x.parquet')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM frame",
        "SELECT getenv('HOME')",
        "SELECT nope FROM plans",
        "SELECT $missing",
    ],
)
def test_nothing_can_be_done_but_to_look(store: Store, query: str) -> None:
    frame = pd.DataFrame({"secret": [1]})
    with pytest.raises(BadQuery) as refused, store.ask(query) as found:
        found.fetchall()
    assert "\n" not in str(refused.value)
    assert len(frame) == 1


def test_the_key_of_pseudonyms_is_nowhere_in_the_store(store: Store) -> None:
    store.load(relation("vehicle.state"), one_row(VEHICLE))
    told = ""
    for table in ("settings", "views", "tables", "columns", "variables", "functions"):
        with store.ask(f"SELECT * FROM duckdb_{table}()") as found:
            told += str(found.fetchall())
    assert "vehicle_state" in told
    assert KEY.salt not in told
    assert CAR not in told


def test_a_question_that_takes_too_long_is_cancelled_and_the_next_is_answered(store: Store) -> None:
    forever = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
    with pytest.raises(TooSlow, match=r"longer than 0\.2 s"), store.ask(forever, seconds=0.2) as found:
        found.fetchall()
    with store.ask("SELECT 1", seconds=30) as found:
        assert found.fetchall() == [(1,)]


@pytest.mark.parametrize("name", VIEWS)
def test_views_answer_from_the_examples(store: Store, name: str) -> None:
    for topic in PUBLIC:
        one = next(one for one in relations().values() if one.source == topic.name)
        store.load(one, one_row(topic))
    store.load(relation("vehicle-state"), one_row(VEHICLE))
    with store.ask(f"SELECT * FROM {name}") as found:
        assert len(found.fetchall()) >= 1
    assert store.needs(f"SELECT * FROM {name}")


def test_a_question_names_what_it_needs(store: Store) -> None:
    needed = {one.full_name for one in store.needs("select * from Savings_By_Day join topics.PLUG_EVENT using (car)")}
    assert needed == {"topics.session_event", "topics.registration_state", "topics.plug_event"}


def test_a_corrected_account_counts_once(store: Store) -> None:
    first = json.loads(examples()[SESSION.name].model_dump_json())
    values = [json.dumps(first | {"revision": revision, "saving": revision}) for revision in (2, 1)]
    store.load(relation("session.event"), Records([CAR] * 2, values, ["2023-03-26T08:07:00Z"] * 2, [0, 0], [5, 6]))
    with store.ask("SELECT sessions, saving FROM savings_by_day") as found:
        assert found.fetchall() == [(1, 2.0)]


def test_frames_have_instants_words_and_units(store: Store) -> None:
    one = relation("vehicle.telemetry")
    full = json.loads(examples()[TELEMETRY.name].model_dump_json())
    bare = {"car": CAR, "oem": "simulator", "received_time": "2023-03-25T19:04:00+01:00"}
    values = [json.dumps(full), json.dumps(bare)]
    store.load(one, Records([CAR] * 2, values, ["2023-03-25T18:04:00Z"] * 2, [0, 0], [0, 1]))
    frame = frames.snapshot(store, one)
    assert str(frame["received_time"].dtype) == "datetime64[us, UTC]"
    assert frame["received_time"].tolist() == [pd.Timestamp("2023-03-25T18:04:00Z")] * 2
    assert frame["plug"].dtype == pd.CategoricalDtype(["plugged", "unplugged", "unknown"])
    assert frame["plug"].isna().tolist() == [False, True]
    assert frame["soc_pct"].isna().tolist() == [False, True]
    assert str(frame["at_home"].dtype) == "boolean"
    assert frame["at_home"].isna().tolist() == [False, True]
    assert frame.attrs["units"]["soc_pct"] == "%"
    assert frame.attrs["pseudonyms"] == ["car"]


def test_structs_come_apart_and_equal_names_are_told_apart(store: Store) -> None:
    with store.ask("SELECT {'x': 1, 'y': {'z': 2}} AS a, 3 AS b, 4 AS b") as found:
        told = frames.flat(found)
        assert (told.columns, told.fetchall()) == (["a.x", "a.y.z", "b", "b_1"], [(1, 2, 3, 4)])


def test_results_are_written_where_allowed_and_nowhere_else(store: Store, out: Path) -> None:
    with store.ask("SELECT 1 AS one") as found:
        found.write_parquet(str(out / "x.parquet"))
        with pytest.raises(duckdb.Error):
            found.write_parquet(str(out.parent / "x.parquet"))
    assert not (out.parent / "x.parquet").exists()


def test_pseudonyms_follow_from_the_key_alone() -> None:
    assert KEY.of(CAR) == Pseudonyms(b"a key for tests alone").of(CAR)
    assert KEY.of(CAR) != Pseudonyms(b"another key").of(CAR)
    assert CAR not in KEY.of(CAR)
