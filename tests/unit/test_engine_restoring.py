"""A store after chunks of its changelog is what the changelog says, with the offset it reaches, however it is cut."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rocksdict import Options, Rdict

from agents.engine.chunk import Chunk
from agents.engine.restoring import in_chunks

TOPIC = "d2ev-polls-changelog"
OFFSET = b"__offset"
CHANGES = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.binary(max_size=3)), min_size=1, max_size=12
)


class Bound:
    """What Faust's table is to its recovery."""

    changelog_topic_name = TOPIC
    apply_changelog_batch: Any

    def __init__(self, db: Any) -> None:
        self.data = SimpleNamespace(offset_key=OFFSET, _db_for_partition=lambda partition: db)
        in_chunks(self)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = Rdict(str(tmp_path_factory.mktemp("store") / "db"), Options(raw_mode=True))
    yield store
    store.close()


@pytest.fixture
def bound(db: Any) -> Bound:
    return Bound(db)


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


def test_a_chunk_of_another_table_is_not_taken(bound: Bound, db: Any) -> None:
    """Faust hands what is left of an assignment that is over to whichever table came before."""
    before = dict(db.items())
    bound.apply_changelog_batch([event("d2ev-outbox-changelog", [(b"z", b"1")], 0)])
    assert dict(db.items()) == before
