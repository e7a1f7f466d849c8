"""The fold: newest value of every key before the cut, and the nearest word where Kafka compacted that away."""

from typing import NamedTuple

import pytest

from deploy.analysis.log import _Events, _Fold


class Said(NamedTuple):
    """A record as the client gives it."""

    k: bytes
    v: bytes | None
    ce_id: bytes | None = None
    p: int = 0

    def key(self) -> bytes:
        return self.k

    def value(self) -> bytes | None:
        return self.v

    def partition(self) -> int:
        return self.p

    def offset(self) -> int:
        return 0

    def headers(self) -> list[tuple[str, bytes]] | None:
        return None if self.ce_id is None else [("ce_id", self.ce_id), ("ce_time", b"2023-03-25T18:00:00Z")]


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ([(b"a", b"1"), (b"a", b"2")], [], {"a": "2"}),
        ([(b"a", b"1"), (b"a", None)], [], {}),
        ([(b"a", b"1")], [(b"a", b"2")], {"a": "1"}),  # after the cut
        ([(b"a", b"1")], [(b"a", None)], {"a": "1"}),
        ([(b"a", None)], [(b"a", b"2")], {}),
        ([], [(b"a", b"2"), (b"a", b"3")], {"a": "2"}),  # compacted away, or new
        ([], [(b"a", None), (b"a", b"3")], {}),
    ],
)
def test_the_fold_at_the_cut(
    before: list[tuple[bytes, bytes | None]], after: list[tuple[bytes, bytes | None]], rows: dict[str, str]
) -> None:
    fold = _Fold(apart=False)
    fold.take([Said(*one) for one in before])
    fold.fill([Said(*one) for one in after])
    found = fold.records()
    assert dict(zip(found.keys, found.values, strict=True)) == rows


def test_tables_that_every_partition_has_stay_apart() -> None:
    fold = _Fold(apart=True)
    fold.take([Said(b"gb", b"1", p=0), Said(b"gb", b"2", p=3), Said(b"gb", None, p=0)])
    found = fold.records()
    assert (found.keys, found.values, found.partitions) == (["gb"], ["2"], [3])


def test_events_count_once_and_those_without_an_id_each() -> None:
    events = _Events()
    events.take([Said(b"a", b"1", b"x"), Said(b"a", b"1", b"x"), Said(b"b", b"2"), Said(b"b", b"2"), Said(b"c", None)])
    assert events.records().values == ["1", "2", "2"]
    assert events.records().times == ["2023-03-25T18:00:00Z", "", ""]
