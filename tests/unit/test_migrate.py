"""Where rows and records go when there are more partitions, and who has the last word on a key."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.stage import Record
from agents.engine.strays import HOMED, parted
from agents.partitions import home_partition
from agents.settings import load
from deploy import topics
from deploy.migrate.log import Raw
from deploy.migrate.moving import MOVED, overtaken, rows, words
from deploy.migrate.placing import PLACES, everywhere, home, region, rewritten, stays
from streams.topics import CAP, CAPPED, HELD, LEAD, REPLAN, TELEMETRY, TOPICS
from tables import TABLES

ACCOUNTS = st.integers(0, 10_000).map(lambda n: f"acct-{n}.veh-{n}")
GROWN = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def raw(key: str, offset: int, value: str | None = "x", partition: int = 0, *, moved: bool = False) -> Raw:
    text = None if value is None else value.encode()
    return Raw(partition, offset, key.encode(), text, (MOVED,) if moved else (), 0)


def test_every_table_has_a_place() -> None:
    assert set(PLACES) == {table.name for table in TABLES}


@given(ACCOUNTS, GROWN)
def test_an_account_s_row_goes_to_the_one_partition_that_serves_it(key: str, grown: tuple[int, int]) -> None:
    before, after = grown
    assert home(key, home_partition(key, before), before, after) == [home_partition(key, after)]


@given(GROWN)
def test_what_all_partitions_hold_is_in_each_once(grown: tuple[int, int]) -> None:
    before, after = grown
    filled = [target for here in range(before) for target in everywhere("price:GB", here, before, after)]
    assert sorted(filled) == list(range(after))


def test_what_partitions_said_of_a_region_lies_with_its_cap() -> None:
    for name in ("GB", "DE/north"):
        assert region(f"{name}/3", 1, 4, 12) == home(name, 1, 4, 12)
    assert stays("tesla/model-3/start", 3, 4, 12) == [3]


def test_only_state_that_has_a_home_is_written_again() -> None:
    found = set(rewritten())
    assert {CAP, HELD} <= found
    assert not {LEAD, REPLAN, CAPPED, TELEMETRY} & found
    assert all(topic.compacted for topic in found)


def test_the_last_row_of_a_key_counts_and_a_deleted_one_does_not() -> None:
    log = [raw("a", 0, "1"), raw("b", 1, "1"), raw("a", 2, "2"), raw("b", 3, None), raw("a", 0, "3", partition=1)]
    assert [(row.partition, row.value) for row in rows(log)] == [(0, b"2"), (1, b"3")]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20), st.integers(0, 20))
def test_words_keep_all_that_was_not_read_and_the_newest_of_what_was(
    said: list[tuple[str, bool]], frontier: int
) -> None:
    log = [raw(key, offset, None if dead else "x") for offset, (key, dead) in enumerate(said)]
    kept = words(log, {0: frontier})
    offsets = [record.offset for record in kept]
    assert offsets == sorted(offsets)
    assert set(offsets) >= set(range(frontier, len(log)))
    newest = {record.key: record.offset for record in log if record.offset < frontier}
    assert set(newest.values()) == {offset for offset in offsets if offset < frontier}


MOVES: dict[str, tuple[list[Raw], list[int]]] = {
    "nobody else spoke": ([raw("a", 0, moved=True)], []),
    "another spoke later": ([raw("a", 0, moved=True), raw("a", 1)], []),
    "another spoke before we wrote": ([raw("a", 0), raw("a", 1, moved=True)], [0]),
    "and was put right": ([raw("a", 0), raw("a", 1, moved=True), raw("a", 2)], []),
    "the last of two counts": ([raw("a", 0), raw("a", 1), raw("a", 2, moved=True)], [1]),
    "keys apart": ([raw("a", 0), raw("b", 1, moved=True)], []),
    "written twice by us": ([raw("a", 0), raw("a", 1, moved=True), raw("a", 2, moved=True)], [0]),
}


@pytest.mark.parametrize(("log", "last"), MOVES.values(), ids=MOVES)
def test_who_spoke_while_we_wrote_has_the_last_word(log: list[Raw], last: list[int]) -> None:
    assert [record.offset for record in overtaken(log)] == last


def record(key: str, offset: int) -> Record:
    headers = (("ce_id", key.encode()),)
    return Record(TELEMETRY.name, key, None, offset, SimpleNamespace(key=key.encode(), value=b"{}", headers=headers))


@given(st.lists(ACCOUNTS, max_size=20), st.integers(1, 24))
def test_a_stray_is_sent_on_as_it_is_and_every_record_is_somebody_s(keys: list[str], partitions: int) -> None:
    ours, strays = parted(TELEMETRY.name, [record(key, n) for n, key in enumerate(keys)], 0, partitions)
    assert sorted([one.key for one in ours] + [one.key.decode() for one in strays if one.key]) == sorted(keys)
    assert all(home_partition(one.key, partitions) == 0 for one in ours)
    for one in strays:
        assert one.key is not None
        assert one.partition == home_partition(one.key.decode(), partitions) != 0
        assert one.headers == (("ce_id", one.key),)


def test_records_that_every_partition_gets_are_no_strays() -> None:
    for topic in (LEAD, REPLAN, CAPPED):
        assert parted(topic.name, [record("GB", 0)], 5, 6)[1] == []
    assert {topic.name for topic in TOPICS if topic.key == "car"} <= HOMED


class Cluster:
    """What an admin client says of topics."""

    def __init__(self, partitions: dict[str, int], config: Callable[[str], dict[str, str]], replicas: int) -> None:
        self._partitions, self._config, self._replicas = partitions, config, replicas

    def list_topics(self, timeout: float) -> Any:
        del timeout
        place = SimpleNamespace(replicas=list(range(self._replicas)))
        return SimpleNamespace(
            topics={n: SimpleNamespace(partitions=dict.fromkeys(range(c), place)) for n, c in self._partitions.items()}
        )

    def describe_configs(self, resources: list[Any]) -> dict[Any, Any]:
        def answer(name: str) -> Any:
            found = {key: SimpleNamespace(value=value) for key, value in self._config(name).items()}
            return SimpleNamespace(result=lambda timeout: found)

        return {resource: answer(resource.name) for resource in resources}


@pytest.mark.parametrize(
    ("change", "counts", "replicas", "said"),
    [
        ({}, {}, 1, []),
        ({}, {HELD.name: 3}, 1, [f"{HELD.name}: partitions 3, not 6; a car's records must meet in one worker"]),
        ({"cleanup.policy": "delete"}, {}, 1, [f"{HELD.name}: cleanup.policy delete, not compact; kafka-configs"]),
        ({"max.message.bytes": "1000"}, {}, 1, [f"{HELD.name}: max.message.bytes 1000, not 1048576; kafka-configs"]),
    ],
)
def test_what_differs_is_told_with_topic_fault_and_remedy(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], counts: dict[str, int], replicas: int, said: list[str]
) -> None:
    settings = load({})
    wanted = {topic.name: topic for topic in topics.wanted(settings)}

    def config(name: str) -> dict[str, str]:
        return wanted[name].config | (change if name == HELD.name else {})

    cluster = Cluster(dict.fromkeys(wanted, settings.partitions) | counts, config, replicas)
    monkeypatch.setattr(topics, "client", lambda settings: cluster)
    found = [str(one) for one in topics.check_all(settings)]
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_production_wants_copies_that_outlive_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load({}).model_copy(update={"env": "production"})
    wanted = {topic.name: topic for topic in topics.wanted(settings)}
    cluster = Cluster(dict.fromkeys(wanted, settings.partitions), lambda name: wanted[name].config, 1)
    monkeypatch.setattr(topics, "client", lambda settings: cluster)
    found = topics.check_all(settings)
    assert {(one.what, one.have, one.want) for one in found} == {("replicas", "1", "3")}
    with pytest.raises(topics.TopicsDiffer, match="replicas 1, not 3; add some with kafka-reassign-partitions"):
        topics.check_worker(settings)
    assert all(topic.config["min.insync.replicas"] == "2" for topic in wanted.values())
