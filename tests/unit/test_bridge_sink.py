"""Statuses in Firestore: in order, each once, whoever writes them and whatever becomes of the answers."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.bridge import firestore as client
from agents.bridge.firestore import Firestore, FirestoreError, Later, Moved, Refused
from agents.bridge.metrics import BridgeMetrics
from agents.bridge.sink import MOST_CHANGES, Sink
from agents.engine.log import NotDurable
from deploy.fakes.firestore import ROOT, FakeFirestore, Trouble
from tests.bridging import COLLECTION, Record, record, spoken_to

#: A document's id that Firestore keeps for itself, though it is a car's key.
RESERVED = "__a.b__"


class Bridge:
    """A sink with what it set aside."""

    def __init__(self, firestore: Firestore) -> None:
        self.aside: list[tuple[int, str]] = []
        self.fails = False
        self.metrics = BridgeMetrics()
        self.sink = Sink(firestore, COLLECTION, self._keep, self.metrics)

    async def _keep(self, refused: Record, cause: str) -> None:
        if self.fails:
            raise NotDurable("no Kafka")
        self.aside.append((refused.offset, cause))

    async def take(self, *records: Record, end: int = 1000) -> int:
        return await self.sink.take(0, records, end)

    def count(self, name: str, outcome: str) -> float:
        return self.metrics.registry.get_sample_value(f"d2ev_bridge_{name}_total", {"outcome": outcome}) or 0


def sentences(fake: FakeFirestore) -> dict[str, str]:
    """What the documents of cars say."""
    prefix = f"{ROOT}/{COLLECTION}/"
    return {
        name.removeprefix(prefix): stored.fields["sentence"]["stringValue"]
        for name, stored in fake.store.documents.items()
        if name.startswith(prefix)
    }


def mark(fake: FakeFirestore, partition: int = 0) -> int | None:
    told = fake.told(f"{COLLECTION}-log/{partition}")
    return None if told is None else told["offset"]


def once(*troubles: Trouble | None) -> Callable[[int], Trouble | None]:
    """The first commits end so, the others well."""
    return dict(enumerate(troubles, 1)).get


async def test_a_document_is_the_status_typed_with_the_time_of_writing() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        assert await Bridge(firestore).take(record(4, "a.b", 7)) == 1
    stored = fake.store.documents[f"{ROOT}/{COLLECTION}/a.b"].fields
    assert stored["driver"] == {"stringValue": "anna"}
    assert stored["plan_revision"] == {"integerValue": "7"}
    assert stored["soc_pct"] == {"doubleValue": 55.0}
    assert stored["at_home"] == {"booleanValue": True}
    assert stored["next_start"] == {"nullValue": None}
    assert stored["reason"] == {"stringValue": "waiting_for_cheap"}
    assert stored["at"] == {"timestampValue": "2026-11-23T20:07:00Z"}
    assert stored["written_at"].keys() == {"timestampValue"}
    assert mark(fake) == 4


async def test_the_newest_of_a_car_is_written_once_and_a_tombstone_deletes() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        bridge = Bridge(firestore)
        await bridge.take(*(record(n, f"a.{n % 2}", n) for n in range(10)))
        assert sentences(fake) == {"a.0": "status 8", "a.1": "status 9"}
        assert len(fake.store.applied) == 3
        await bridge.take(record(10, "a.0", 10), record(11, "a.0", None), record(12, "a.2", None))
    assert sentences(fake) == {"a.1": "status 9"}
    assert (bridge.count("statuses", "written"), bridge.count("statuses", "deleted")) == (2, 2)


async def test_fields_that_are_no_more_go() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        fake.store.commit(
            {
                "writes": [
                    {"update": {"name": firestore.name(f"{COLLECTION}/a.b"), "fields": {"old": {"nullValue": None}}}}
                ]
            }
        )
        await Bridge(firestore).take(record(0, "a.b"))
    told = fake.told(f"{COLLECTION}/a.b")
    assert told is not None
    assert "old" not in told


async def test_more_than_a_commit_takes_are_several() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        await Bridge(firestore).take(*(record(n, f"a.{n}", n) for n in range(2 * MOST_CHANGES + 1)))
    assert fake.commits == 3
    assert len(sentences(fake)) == 2 * MOST_CHANGES + 1
    assert mark(fake) == 2 * MOST_CHANGES


async def test_an_older_status_replaces_nothing_after_a_restart() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        old, new = record(1, "a.b", 1), record(2, "a.b", 2)
        await Bridge(firestore).take(old, new)
        again = Bridge(firestore)
        assert await again.take(old) == 0
        assert await again.take(old, new) == 0
        assert sentences(fake) == {"a.b": "status 2"}
        await again.take(record(3, "a.b", 3))
    assert sentences(fake) == {"a.b": "status 3"}


async def test_one_that_was_replaced_overwrites_nothing_and_brings_nothing_back() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        frozen, heir = Bridge(firestore), Bridge(firestore)
        await frozen.take(record(1, "a.b", 1), record(2, "c.d", 2))
        await heir.take(record(3, "a.b", 3), record(4, "c.d", None))
        with pytest.raises(Moved):
            await frozen.take(record(3, "a.b", 33))
        assert await frozen.take(record(3, "a.b", 33)) == 0
    assert sentences(fake) == {"a.b": "status 3"}
    assert frozen.count("commits", "moved") == 1


async def test_two_who_begin_at_once_do_not_undo_each_other() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        one, two = Bridge(firestore), Bridge(firestore)
        fake.trouble = once(Trouble.ABORTED)
        with pytest.raises(Later):
            await one.take(record(0, "a.b", 0))
        one.sink._marks[0] = await two.sink._read_mark(0, 1000)  # read before the other writes
        await two.take(record(0, "a.b", 0), record(1, "a.b", 1))
        with pytest.raises(Moved):
            await one.take(record(0, "a.b", 0))
    assert sentences(fake) == {"a.b": "status 1"}


@pytest.mark.parametrize("trouble", Trouble)
async def test_whatever_became_of_a_commit_it_is_done_once(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", {"connect": 1, "write": 1, "pool": 1, "read": 0.2})
    fake = FakeFirestore(trouble=once(trouble))
    async with spoken_to(fake) as firestore:
        bridge, taken = Bridge(firestore), (record(0, "a.b", 0), record(1, "c.d", 1))
        if trouble is Trouble.UNKNOWN_TOKEN:
            await bridge.take(*taken)
            assert fake.exchanges == 2
        else:
            with pytest.raises(Later) as caught:
                await bridge.take(*taken)
            assert caught.value.wait == (1 if trouble is Trouble.EXHAUSTED else 0)
            await bridge.take(*taken)
    assert sentences(fake) == {"a.b": "status 0", "c.d": "status 1"}
    assert len(fake.store.applied) == 3
    assert mark(fake) == 1


async def test_a_key_that_is_known_no_more_is_tried_once_and_waits() -> None:
    fake = FakeFirestore(trouble=lambda _: Trouble.UNKNOWN_TOKEN)
    async with spoken_to(fake) as firestore:
        with pytest.raises(Later, match="401"):
            await Bridge(firestore).take(record(0, "a.b"))
    assert fake.commits == 2


@pytest.mark.parametrize("place", [0, 1, 7, 100, 199])
async def test_one_that_firestore_refuses_keeps_no_other(place: int) -> None:
    fake = FakeFirestore()
    cars = [f"a.{n}" for n in range(199)]
    cars.insert(place, RESERVED)
    async with spoken_to(fake) as firestore:
        bridge = Bridge(firestore)
        await bridge.take(*(record(n, car, n) for n, car in enumerate(cars)))
        assert bridge.aside == [(place, "400 INVALID_ARGUMENT")]
        assert sentences(fake).keys() == set(cars) - {RESERVED}
        assert mark(fake) == 199
        assert await bridge.take(record(199, RESERVED)) == 0
    assert fake.commits < 30
    assert bridge.count("statuses", "refused") == 1


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (Record(1, b"a.b", b"\xff"), "the record: Invalid JSON"),
        (Record(1, b"c.d", b"{}"), "car: Field required"),
        (Record(1, None, b"{}"), "the key is no car"),
        (Record(1, b"../x", None), "the key is no car"),
        (Record(1, b"x.y", record(0, "a.b").value), "the key is another car's"),
    ],
)
async def test_what_is_no_status_is_set_aside(bad: Record, cause: str) -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        bridge = Bridge(firestore)
        await bridge.take(record(0, "a.b", 0), bad)
        assert sentences(fake) == {"a.b": "status 0"}
        ((offset, said),) = bridge.aside
        assert (offset, said.startswith(cause)) == (1, True), said
        await bridge.take(record(2, "a.b", 2))
    assert sentences(fake) == {"a.b": "status 2"}


async def test_nothing_is_passed_that_could_not_be_set_aside() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        bridge = Bridge(firestore)
        bridge.fails = True
        with pytest.raises(NotDurable):
            await bridge.take(record(0, "a.b"), record(1, RESERVED))
        assert mark(fake) == 0
        bridge.fails = False
        await bridge.take(record(0, "a.b"), record(1, RESERVED))
    assert bridge.aside == [(1, "400 INVALID_ARGUMENT")]
    assert mark(fake) == 1


async def test_what_is_tried_again_is_not_set_aside_again() -> None:
    fake = FakeFirestore(trouble=once(Trouble.UNAVAILABLE, Trouble.UNAVAILABLE))
    async with spoken_to(fake) as firestore:
        bridge = Bridge(firestore)
        for _ in range(2):
            with pytest.raises(Later):
                await bridge.take(record(0, RESERVED), Record(1, b"a.b", b"{"), record(2, "a.b"))
        await bridge.take(record(0, RESERVED), Record(1, b"a.b", b"{"), record(2, "a.b"))
    assert sorted(offset for offset, _ in bridge.aside) == [0, 1]


async def test_where_not_even_the_mark_is_taken_no_status_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        bridge = Bridge(firestore)
        monkeypatch.setattr(Sink, "_mark_path", lambda *_: "__reserved__/0")
        with pytest.raises(Refused):
            await bridge.take(record(0, "a.b"), record(1, "c.d"))
    assert bridge.aside == []
    assert fake.store.documents == {}


async def test_a_log_that_began_anew_is_written_anew() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        await Bridge(firestore).take(record(80, "a.b", 80))
        bridge = Bridge(firestore)
        await bridge.take(record(3, "a.b", 3), end=4)
        assert sentences(fake) == {"a.b": "status 3"}
        assert mark(fake) == 3
        assert await bridge.take(record(3, "a.b", 4), end=4) == 0


async def test_a_mark_that_makes_no_sense_is_waited_for() -> None:
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        name = firestore.name(f"{COLLECTION}-log/0")
        fake.store.commit({"writes": [{"update": {"name": name, "fields": {"offset": {"stringValue": "x"}}}}]})
        with pytest.raises(Later, match="makes no sense"):
            await Bridge(firestore).take(record(0, "a.b"))


async def _lived(steps: Sequence[tuple[int, int, Trouble | None]], log: Sequence[Record]) -> FakeFirestore:
    """Two sinks take pieces of the log from anywhere, as members of a group do after restarts and take-overs."""
    fake = FakeFirestore()
    async with spoken_to(fake) as firestore:
        bridges = [Bridge(firestore), Bridge(firestore)]
        for who, start, trouble in steps:
            fake.trouble = once(*[None] * fake.commits, trouble)
            reached = mark(fake)
            begin = min(start, 0 if reached is None else reached + 1)  # committed only once Firestore has it
            with suppress(FirestoreError):
                await bridges[who].take(*log[begin : begin + 4], end=len(log))
        fake.trouble = once()
        for _ in range(2):
            with suppress(FirestoreError):
                await bridges[0].take(*log, end=len(log))
    return fake


FAST = [None, None, Trouble.ABORTED, Trouble.UNAVAILABLE, Trouble.LOST, Trouble.INTERNAL, Trouble.CUT]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    told=st.lists(st.tuples(st.sampled_from(["a.1", "a.2", "b.1"]), st.booleans()), min_size=4, max_size=16),
    steps=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 15), st.sampled_from(FAST)), max_size=10),
)
async def test_documents_never_go_back_and_end_as_the_log_does(
    told: list[tuple[str, bool]], steps: list[tuple[int, int, Trouble | None]]
) -> None:
    log = [record(n, car, None if erased else n) for n, (car, erased) in enumerate(told)]
    fake = await _lived(steps, log)
    last = {car: (n, erased) for n, (car, erased) in enumerate(told)}
    assert sentences(fake) == {car: f"status {n}" for car, (n, erased) in last.items() if not erased}
    assert mark(fake) == len(log) - 1
    for car in last:
        name = f"{ROOT}/{COLLECTION}/{car}"
        applied = [one.fields for one in fake.store.applied if one.name == name]
        lived = [None if fields is None else fields["sentence"]["stringValue"] for fields in applied]
        ordered = iter([None if erased else f"status {n}" for n, (whose, erased) in enumerate(told) if whose == car])
        assert all(any(step == one for one in ordered) for step in lived), "a part of what the log says, in its order"
