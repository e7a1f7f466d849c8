"""A line per event: what a person wants to see of it, or all of it for a program."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from agents.partitions import home_partition
from agents.sealing import Sealer, Unsealable, new_key
from deploy.reading import Entry, topic_named
from deploy.tail import ESSENTIAL, as_json, line
from streams import serde
from streams.examples import CAR, examples
from streams.topics import DEAD_LETTER, PLUG, REGISTRATION, STATUS, TELEMETRY, TOPICS, Topic
from tests.command_line import run

AT = datetime(2023, 3, 25, 18, 4, 5, 678_000, tzinfo=UTC)


def entry(topic: Topic, value: bytes | None, key: str | None = CAR) -> Entry:
    return Entry(topic, 2, 17, key, AT, value)


def example(topic: Topic) -> bytes:
    return serde.encode(examples()[topic.name])


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (PLUG, "kind=plugged_in session_id=5f0c2d9a evidence=plug_reading confidence=0.95 soc_pct=55"),
        (TELEMETRY, "plug=plugged charge=idle soc_pct=55 power_kw=0 at_home=yes car_time=2023-03-25T18:02:00Z"),
        (STATUS, 'reason=waiting_for_cheap soc_pct=55 sentence="Plugged in; charging starts about 03:00."'),
    ],
    ids=["plug", "telemetry", "status"],
)
def test_a_line_has_time_key_and_the_essential_fields(topic: Topic, expected: str) -> None:
    assert line(entry(topic, example(topic))) == f"2023-03-25T18:04:05Z  acct7.car1  {expected}"


@pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])
def test_the_essential_fields_of_every_topic_are_fields_of_its_message(topic: Topic) -> None:
    assert ESSENTIAL[topic.name]
    assert set(ESSENTIAL[topic.name]) <= set(topic.model.model_fields)


@pytest.mark.parametrize("name", examples())
def test_an_event_is_one_line_either_way(name: str) -> None:
    topic = topic_named(name)
    assert "\n" not in line(entry(topic, example(topic)))
    assert json.loads(as_json(entry(topic, example(topic))))["value"] == json.loads(example(topic))


def test_what_is_unknown_is_left_out_of_the_line() -> None:
    unknown = examples()[TELEMETRY.name].model_copy(update={"soc_pct": None, "at_home": None})
    assert "soc_pct" not in line(entry(TELEMETRY, serde.encode(unknown)))


def test_the_grant_in_a_registration_is_not_on_the_line() -> None:
    sealed = examples()[REGISTRATION.name].model_copy(update={"grant_sealed": "c2VhbGVk"})
    assert "c2VhbGVk" not in line(entry(REGISTRATION, serde.encode(sealed)))


def test_a_tombstone_says_that_the_key_is_gone() -> None:
    assert line(entry(STATUS, None)).endswith(f"{CAR}  deleted")
    assert json.loads(as_json(entry(STATUS, None)))["value"] is None


def test_what_cannot_be_read_says_why_and_stays_on_its_line() -> None:
    assert "  unreadable: " in line(entry(PLUG, b"{\n}"))
    assert json.loads(as_json(entry(PLUG, b"\n{")))["unreadable"]


def test_json_says_where_and_when_the_record_is() -> None:
    row = json.loads(as_json(entry(PLUG, example(PLUG))))
    assert {name: row[name] for name in ("topic", "partition", "offset", "key", "time")} == {
        "topic": PLUG.name, "partition": 2, "offset": 17, "key": CAR, "time": "2023-03-25T18:04:05.678000Z",
    }  # fmt: skip


@pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])
def test_a_topic_is_found_by_its_full_and_by_its_short_name(topic: Topic) -> None:
    assert topic_named(topic.name) is topic
    assert topic_named(topic.name.removeprefix("d2ev.").removesuffix(".v1")) is topic


def test_an_unknown_topic_is_answered_with_the_names() -> None:
    with pytest.raises(ValueError, match=r"^no topic 'plugs'; there are .*plug\.event"):
        topic_named("plugs")


def test_a_dead_letter_opens_with_the_key_it_was_sealed_with_and_no_other() -> None:
    sealer = Sealer(new_key())
    letter = examples()[DEAD_LETTER.name].model_copy(
        update={
            "sealed_key": None,
            "sealed_value": sealer.seal(b'{"soc_pct": "full\xff"}', f"{TELEMETRY.name}|0|4711"),
        }
    )
    record = entry(DEAD_LETTER, serde.encode(letter), key=None)
    row = json.loads(as_json(record, sealer))
    assert row["original_key"] is None
    assert row["original_value"] == '{"soc_pct": "full\\xff"}'
    with pytest.raises(Unsealable):
        as_json(record, Sealer(new_key()))
    assert "original_value" not in json.loads(as_json(record))


def test_all_cars_of_an_account_live_in_one_partition() -> None:
    assert {home_partition(f"acct7.car{n}", 12) for n in range(30)} == {home_partition(CAR, 12)}
    assert len({home_partition(f"acct{n}.car", 12) for n in range(300)}) == 12


def test_the_time_of_a_line_is_utc() -> None:
    later = entry(STATUS, None)._replace(at=AT.astimezone(timezone(timedelta(hours=2))) + timedelta(hours=1))
    assert line(later).startswith("2023-03-25T19:04:05Z")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("plug.event", "--last", "2", "--limit", "3"), "--last and --limit: one of them says how many"),
        (("plug.event", "--since", "soon"), "'soon' is no time; write 2h, 30m, 1d or 2023-03-25T18:00:00Z"),
        (("lead.state", "--account", "acct7"), "--account: the key of lead.state is the lead, not of an account"),
    ],
)
def test_what_cannot_be_asked_is_said_before_any_broker_is(
    asked: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "tail", *asked)
    assert (ended.code, ended.out, ended.err) == (2, "", f"d2ev: {said}\n")
