"""Which records are shown: what is asked of a topic is answered, and what it cannot be asked is said at once."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deploy.choosing import choice, condition, instant
from deploy.reading import Entry
from deploy.tail import as_json, newest
from streams import serde
from streams.examples import CAR, examples
from streams.topics import ACCOUNT, COMMAND, LEAD, PLUG, STATUS, TELEMETRY, VEHICLE, Topic

AT = datetime(2023, 3, 25, 18, 4, tzinfo=UTC)


def entry(topic: Topic, *, key: str = CAR, at: datetime = AT, offset: int = 0) -> Entry:
    return Entry(topic, 0, offset, key, at, serde.encode(examples()[topic.name]))


@pytest.mark.parametrize(
    ("topic", "text", "holds"),
    [
        (PLUG, "kind=plugged_in", True),
        (PLUG, "kind = unplugged", False),
        (PLUG, "kind!=unplugged", True),
        (PLUG, "soc_pct=55", True),
        (PLUG, "soc_pct>=55", True),
        (PLUG, "soc_pct>55", False),
        (PLUG, "soc_pct<7", False),  # as numbers: as words 55 would be less than 7
        (PLUG, "at_home=true", True),
        (PLUG, "at>=2023-03-25T18:00:00Z", True),
        (PLUG, "at<2023-03-25T18:00:00Z", False),
        (VEHICLE, "session.id=5f0c2d9a", True),
        (VEHICLE, "session.nothing=1", False),
        (COMMAND, "detail=null", True),
        (COMMAND, "detail<3", False),
        (COMMAND, "id=c1b7e0", True),
    ],
)  # fmt: skip
def test_a_condition_is_met_by_what_the_message_says(topic: Topic, text: str, holds: bool) -> None:
    assert condition(topic, text)(entry(topic)) is holds


def test_a_word_that_looks_like_a_number_is_still_that_word() -> None:
    numbered = examples()[COMMAND.name].model_copy(update={"id": "4711"})
    record = entry(COMMAND)._replace(value=serde.encode(numbered))
    assert condition(COMMAND, "id=4711")(record)


@pytest.mark.parametrize("value", [None, b"\xff{", b"[1]", b"7"])
def test_a_tombstone_and_what_cannot_be_read_meet_no_condition(value: bytes | None) -> None:
    assert not condition(STATUS, "reason=waiting_for_cheap")(entry(STATUS)._replace(value=value))


def test_all_that_is_asked_must_hold() -> None:
    chosen = choice(PLUG, car=CAR, account="acct7", since=AT, where=["kind=plugged_in", "soc_pct<60"])
    assert chosen(entry(PLUG))
    assert not chosen(entry(PLUG, key="acct7.car2"))
    assert not chosen(entry(PLUG, at=AT - timedelta(seconds=1)))


def test_an_account_has_its_cars_and_not_those_of_one_that_begins_alike() -> None:
    chosen = choice(PLUG, car=None, account="acct7", since=None, where=())
    assert chosen(entry(PLUG, key="acct7.car2"))
    assert not chosen(entry(PLUG, key="acct70.car2"))
    assert choice(ACCOUNT, car=None, account="acct7", since=None, where=())(entry(ACCOUNT, key="acct7"))


@pytest.mark.parametrize(
    ("topic", "asked", "said"),
    [
        (LEAD, {"car": CAR}, r"^--car: the key of lead\.state is the lead, not the car$"),
        (LEAD, {"account": "acct7"}, r"^--account: the key of lead\.state is the lead, not of an account$"),
        (PLUG, {"where": ["sok=3"]}, r"^--where sok=3: plug\.event has no sok; it has .*soc_pct"),
        (PLUG, {"where": ["soc_pct"]}, r"^--where soc_pct: write field=value, for example id=…$"),
    ],
)
def test_what_a_topic_cannot_be_asked_is_said(topic: Topic, asked: dict[str, object], said: str) -> None:
    nothing: dict[str, object] = {"car": None, "account": None, "since": None, "where": ()}
    with pytest.raises(ValueError, match=said):
        choice(topic, **(nothing | asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2h", AT - timedelta(hours=2)),
        ("90s", AT - timedelta(seconds=90)),
        ("1d", AT - timedelta(days=1)),
        ("2023-03-25T18:00:00Z", AT - timedelta(minutes=4)),
        ("2023-03-25T19:00:00+01:00", AT - timedelta(minutes=4)),
        ("2023-03-25T18:00", AT - timedelta(minutes=4)),
    ],
)
def test_a_time_is_an_instant_or_so_long_ago(text: str, at: datetime) -> None:
    assert instant(text, AT) == at


@pytest.mark.parametrize("text", ["yesterday", "2 h", "-2h", "18:00", "99999999999d", "999999d"])
def test_another_time_is_answered_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write 2h"):
        instant(text, AT)


def test_the_newest_come_in_the_order_in_which_they_happened() -> None:
    entries = [entry(TELEMETRY, at=AT + timedelta(minutes=m), offset=o) for o, m in enumerate((5, 1, 9, 9, 0))]
    assert [one.offset for one in newest(iter(entries), 3)] == [0, 2, 3]
    assert newest(iter(()), 3) == []


def test_headers_are_shown_when_they_are_asked_for_whatever_their_bytes() -> None:
    record = entry(PLUG)._replace(headers=(("ce_id", b"a-1"), ("odd", b"\xff")))
    assert json.loads(as_json(record, headers=True))["headers"] == {"ce_id": "a-1", "odd": "\\xff"}
    assert "headers" not in json.loads(as_json(record))
