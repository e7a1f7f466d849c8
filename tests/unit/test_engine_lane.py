"""A lane: outputs before changelog before store before acknowledgement; a bad record stops only itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.engine.log import NotDurable
from agents.engine.stage import DAWN, Lane, Revoked, Stage, Work
from streams.contracts.account import AccountState, Link
from streams.topics import ACCOUNT, VEHICLE
from tables.rows import VintageRow
from tables.table import model_table
from tests.lanes import Rig, raw, raws

AT = datetime(2023, 3, 25, tzinfo=UTC)
LAST = model_table("last", VintageRow, "numbers", "The newest time per account.", key="account")
CHANGELOG = "test-last-changelog"


def state(reason: str = "linked") -> AccountState:
    return AccountState(account="a", oem="simulator", link=Link.LINKED, reason=reason, since=AT)


def step(work: Work) -> None:
    """Copy what is linked; fail on `poison`; pass over `quiet`; call out for `call`; forget on a tombstone."""
    for record in work:
        match record.value:
            case None:
                work.delete(LAST, record.key)
            case AccountState(reason="poison"):
                raise RuntimeError("cannot take this")
            case AccountState(reason="quiet"):
                pass
            case AccountState(reason="call"):
                work.spawn(record.key, call)
            case other:
                work.put(LAST, record.key, VintageRow(issued_at=other.since))
                work.send(VEHICLE, record.key, other)


async def call(lane: Lane) -> None:
    await lane.commit(lambda work: work.send(VEHICLE, "called", state()))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(Stage("numbers", (ACCOUNT,), (VEHICLE,), step, (LAST,)), tmp_path)
    yield made
    made.epoch += 1
    await made.runtime.finish()


async def test_what_must_be_known_first_is_durable_before_the_rest_is_written(tmp_path: Path) -> None:
    def both(work: Work) -> None:
        for record in work:
            work.send(VEHICLE, record.key, record.value)
            work.send(ACCOUNT, record.key, record.value)

    rig = Rig(Stage("two", (ACCOUNT,), (VEHICLE, ACCOUNT), both, first=(ACCOUNT,)), tmp_path)
    rig.log.refused.add(ACCOUNT.name)
    await rig.give(*raws(ACCOUNT.name, [("a", state())]))
    assert (rig.log.written, [type(crash) for crash in rig.crashes]) == ([], [NotDurable])
    rig.epoch += 1
    await rig.runtime.finish()


async def test_outputs_are_durable_before_the_changelog_and_the_changelog_before_the_store(rig: Rig) -> None:
    chunk = await rig.give(*raws(ACCOUNT.name, [("a", state()), ("b", state())]))
    assert [r.topic for r in rig.log.written] == [VEHICLE.name] * 2 + [CHANGELOG] * 2
    store = rig.stores["last"].db
    assert store.get(b"a") == rig.log.of(CHANGELOG)[0].value
    assert store.get(b"__offset") == b"1", "the offset of the last changelog record, in the same batch"
    assert chunk.done


async def test_only_the_last_row_of_a_key_reaches_the_changelog(rig: Rig) -> None:
    await rig.give(*raws(ACCOUNT.name, [("a", state("one")), ("a", state("two"))]))
    assert len(rig.log.of(CHANGELOG)) == 1
    assert len(rig.log.of(VEHICLE.name)) == 2


@pytest.mark.parametrize("refused", [VEHICLE.name, CHANGELOG])
async def test_what_the_broker_does_not_take_stops_the_worker_and_leaves_store_and_chunk_undone(
    rig: Rig, refused: str
) -> None:
    rig.log.refused = {refused}
    chunk = await rig.give(*raws(ACCOUNT.name, [("a", state())]))
    assert [type(error) for error in rig.crashes] == [NotDurable]
    assert not chunk.done
    assert list(rig.stores["last"].db.items()) == []


async def test_a_record_the_rule_cannot_take_becomes_a_dead_letter_and_its_neighbours_go_on(rig: Rig) -> None:
    records = raws(ACCOUNT.name, [("a", state()), ("b", state("poison")), ("c", state()), ("d", state("quiet"))])
    chunk = await rig.give(*records)
    (letter,) = rig.log.dead_letters()
    assert (letter.offset, letter.stage, letter.cause) == (1, "numbers", "numbers: RuntimeError")
    assert letter.sealed_value is not None
    assert rig.sealer.open(letter.sealed_value, f"{ACCOUNT.name}|0|1") == records[1].value
    assert [r.key for r in rig.log.of(VEHICLE.name)] == [b"a", b"c"]
    assert rig.ledger == {"in": 4, "out": 2, "dead_letters": 1, "filtered": 1}
    assert chunk.done


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        (b"a", b"not json", "the record: Invalid JSON: expected ident at line 1 column 2"),
        (b"a", b"{}", "account: Field required"),
        (b"a", b"\xff", "the record: Invalid JSON: expected value at line 1 column 1"),
        (None, b"{}", "the key is null"),
        (b"\xff", b"{}", "the key is not UTF-8"),
    ],
)
async def test_undecodable_bytes_become_a_sealed_dead_letter(
    rig: Rig, key: bytes | None, value: bytes, cause: str
) -> None:
    good = raws(ACCOUNT.name, [("a", state())])
    await rig.give(*good, raw(ACCOUNT.name, 1, key, value))
    (letter,) = rig.log.dead_letters()
    assert letter.cause == cause
    assert letter.sealed_value is not None
    assert rig.sealer.open(letter.sealed_value, f"{ACCOUNT.name}|0|1") == value
    assert (letter.sealed_key is None) == (key is None)
    assert rig.ledger == {"in": 2, "out": 1, "dead_letters": 1, "filtered": 0}


async def test_a_tombstone_removes_the_row_and_its_changelog_record(rig: Rig) -> None:
    await rig.give(*raws(ACCOUNT.name, [("a", state())]))
    await rig.give(raw(ACCOUNT.name, 1, b"a", None))
    assert rig.log.of(CHANGELOG)[-1].value is None
    assert rig.stores["last"].db.get(b"a") is None
    assert rig.lane.get(LAST, "a") is None


async def test_a_lane_of_an_older_epoch_drops_what_it_is_given(rig: Rig) -> None:
    assert rig.lane.busy() is False
    rig.epoch = 2
    chunk = await rig.give(*raws(ACCOUNT.name, [("a", state())]))
    assert chunk.dropped
    assert not chunk.done
    assert rig.log.written == []


async def test_after_the_end_of_an_assignment_a_new_lane_takes_the_next_epoch(rig: Rig) -> None:
    old = rig.lane
    await rig.runtime.finish()
    rig.epoch = 2
    rig.runtime.begin({(ACCOUNT.name, 0)})
    chunk = await rig.give(*raws(ACCOUNT.name, [("a", state())]))
    assert rig.lane is not old
    assert chunk.done


async def test_a_call_commits_its_result_and_one_of_an_older_epoch_is_told_to_drop_it(rig: Rig) -> None:
    await rig.give(*raws(ACCOUNT.name, [("a", state("call"))]))
    await asyncio.wait(set(rig.lane.jobs._tasks))
    assert [r.key for r in rig.log.of(VEHICLE.name)] == [b"called"]
    rig.epoch = 2
    with pytest.raises(Revoked):
        await call(rig.lane)


def remind(work: Work) -> None:
    """Put every account on the list; attend to it with the next record that says `now`. `bad` cannot be attended to."""

    def attend(key: str) -> None:
        if key == "bad":
            raise RuntimeError("not this one")
        work.send(VEHICLE, key, state())

    for record in work:
        if record.value.reason == "now":
            work.attend(attend)
        else:
            work.due.set(record.key, DAWN)


async def test_a_car_whose_rule_fails_costs_the_others_nothing_and_is_looked_at_again(tmp_path: Path) -> None:
    rig = Rig(Stage("numbers", (ACCOUNT,), (VEHICLE,), remind), tmp_path)
    await rig.give(*raws(ACCOUNT.name, [("a", state()), ("bad", state()), ("c", state()), ("x", state("now"))]))
    assert [record.key for record in rig.log.of(VEHICLE.name)] == [b"a", b"c"]
    assert rig.log.dead_letters() == []
    assert len(rig.lane.memory.due) == 1
    rig.epoch += 1
    await rig.runtime.finish()


async def test_a_null_ce_time_header_is_no_reason_to_stop(rig: Rig) -> None:
    (record,) = raws(ACCOUNT.name, [("a", state())])
    record.headers = [("ce_time", None)]
    chunk = await rig.give(record)
    assert chunk.done
    assert rig.crashes == []


async def test_messages_of_one_record_have_ids_of_their_own_that_a_replay_gives_again(tmp_path: Path) -> None:
    def twice(work: Work) -> None:
        for record in work:
            work.send(VEHICLE, record.key, record.value)
            work.send(VEHICLE, "other", record.value)
            work.send(VEHICLE, record.key, record.value)

    def ids(rig: Rig) -> list[bytes]:
        return [dict(r.headers)["ce_id"] for r in rig.log.of(VEHICLE.name)]

    rigs = [Rig(Stage("numbers", (ACCOUNT,), (VEHICLE,), twice), tmp_path) for _ in range(2)]
    records = raws(ACCOUNT.name, [("a", state()), ("b", state())])
    await rigs[0].give(*records)
    for record in records:
        await rigs[1].give(record)
    assert ids(rigs[0]) == ids(rigs[1])
    assert len(set(ids(rigs[0]))) == 6
    for rig in rigs:
        rig.epoch += 1
        await rig.runtime.finish()
