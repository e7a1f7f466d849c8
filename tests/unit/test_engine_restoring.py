"""A store after chunks of its changelog is what the changelog says, with the offset it reaches, however it is cut."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from rocksdict import Options, Rdict

from agents.engine.chunk import Chunk
from agents.engine.restoring import in_chunks
from agents.engine.stage import StoreDamaged

TOPIC = "d2ev-polls-changelog"
OFFSET = b"__offset"
CHANGES = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.binary(max_size=3)), min_size=1, max_size=12
)


class Bound:
    """What Faust's table is to its recovery."""

    changelog_topic_name = TOPIC
    apply_changelog_batch: Any
    recovery_buffer_size = standby_buffer_size = 1000

    def __init__(self, db: Any, *, assigned: bool = True) -> None:
        self.data = SimpleNamespace(offset_key=OFFSET, _db_for_partition=lambda partition: db)
        self.failures: list[BaseException] = []
        recovery = SimpleNamespace(active_tps={TP(TOPIC, 1)} if assigned else set(), standby_tps=set())
        self.app = SimpleNamespace(fatal=self.failures.append, tables=SimpleNamespace(recovery=recovery))
        in_chunks(self)


class Full:
    """A store on a disk without room."""

    def write(self, batch: Any) -> None:
        raise OSError("no space left on device")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = Rdict(str(tmp_path_factory.mktemp("store") / "db"), Options(raw_mode=True))
    yield store
    store.close()


def event(topic: str, changes: list[tuple[bytes, bytes | None]], first: int) -> Any:
    records = [SimpleNamespace(key=k, value=v, offset=first + n) for n, (k, v) in enumerate(changes)]
    return SimpleNamespace(value=Chunk(topic, 1, records, 1))


@given(CHANGES, st.integers(0, 12))
def test_a_store_is_what_its_changelog_says(db: Any, changes: list[tuple[bytes, bytes | None]], cut: int) -> None:
    for key in list(db.keys()):
        db.delete(key)
    parts = [(changes[:cut], 0), (changes[cut:], min(cut, len(changes)))]
    Bound(db).apply_changelog_batch([event(TOPIC, part, first) for part, first in parts if part])
    expected: dict[bytes, bytes] = {}
    for key, value in changes:
        expected.pop(key, None)
        if value is not None:
            expected[key] = value
    assert dict(db.items()) == expected | {OFFSET: str(len(changes) - 1).encode()}


@pytest.mark.parametrize(("topic", "assigned"), [("d2ev-outbox-changelog", True), (TOPIC, False)])
def test_what_is_left_of_an_assignment_that_is_over_is_not_taken(db: Any, topic: str, assigned: bool) -> None:
    """Faust hands it to whichever table came before."""
    before = dict(db.items())
    bound = Bound(db, assigned=assigned)
    bound.apply_changelog_batch([event(topic, [(b"z", b"1")], 0)])
    assert dict(db.items()) == before
    assert bound.failures == []


def test_a_chunk_that_the_store_does_not_take_ends_the_worker() -> None:
    """Faust warns, counts it as restored and goes on."""
    bound = Bound(Full())
    bound.apply_changelog_batch([event(TOPIC, [(b"z", b"1")], 0)])
    assert [type(failure) for failure in bound.failures] == [StoreDamaged]


def test_a_table_is_not_global(db: Any) -> None:
    """Faust goes on reading the changelogs of tables that buffer one record: a worker would undo its newer rows."""
    bound = Bound(db)
    assert bound.recovery_buffer_size != 1
    assert bound.standby_buffer_size != 1
