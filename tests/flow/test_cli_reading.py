"""`d2ev tail` and `d2ev explain` on a broker: they read what is there, and leave no trace on it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from agents.kafka import KafkaAccess
from agents.partitions import home_partition
from deploy.brokers.embedded import EmbeddedBroker
from deploy.brokers.errors import BrokerError
from deploy.reading import Reader
from streams import serde
from streams.contracts.base import Contract, account_of
from streams.contracts.command import CommandEvent, CommandPhase
from streams.examples import CAR, examples
from streams.topics import ACCOUNT, COMMAND, PLUG, PREFERENCE, REGISTRATION, SCHEDULE, STATUS, TOPICS, VEHICLE, Topic
from tests.command_line import run

Capture = pytest.CaptureFixture[str]
PARTITIONS = 3
EVENING = datetime(2023, 3, 25, 18, 10, tzinfo=UTC)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedBroker]:
    """A broker with our topics, and the command line pointed at it."""
    with EmbeddedBroker({topic.name: PARTITIONS for topic in TOPICS}) as running:
        monkeypatch.setenv("D2EV_BOOTSTRAP", running.bootstrap)
        monkeypatch.setenv("D2EV_PARTITIONS", str(PARTITIONS))
        yield running


def write(broker: EmbeddedBroker, *records: tuple[Topic, str, Contract | None, datetime]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for topic, key, message, at in records:
        producer.produce(
            topic.name,
            key=key.encode(),
            value=None if message is None else serde.encode(message),
            partition=home_partition(key, PARTITIONS),
            headers=list(serde.headers(topic.name, "test", at)),
        )
    assert producer.flush(10) == 0


def command(phase: CommandPhase, minutes: int) -> tuple[Topic, str, Contract, datetime]:
    event = examples()[COMMAND.name]
    assert isinstance(event, CommandEvent)
    at = EVENING + timedelta(minutes=minutes)
    return COMMAND, CAR, event.model_copy(update={"phase": phase, "at": at}), at


def evening(broker: EmbeddedBroker) -> None:
    said = [
        (topic, CAR, examples()[topic.name], EVENING) for topic in (REGISTRATION, PREFERENCE, VEHICLE, SCHEDULE, STATUS)
    ]
    write(
        broker, *said, (ACCOUNT, account_of(CAR), examples()[ACCOUNT.name], EVENING),
        command(CommandPhase.INTENT, 10), command(CommandPhase.SENT, 11), command(CommandPhase.CONFIRMED, 14),
    )  # fmt: skip


def test_tail_prints_a_line_per_event_of_one_car(broker: EmbeddedBroker, capsys: Capture) -> None:
    plug = examples()[PLUG.name]
    write(broker, *[(PLUG, key, plug, EVENING) for key in (CAR, "acct9.car1", CAR)])
    ended = run(capsys, "tail", "plug.event", "--from-start", "--car", CAR, "--count", "2")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"2023-03-25T18:10:00Z  {CAR}  kind=plugged_in ") for line in lines)


def test_tail_prints_whole_records_tombstones_and_poison_as_json(broker: EmbeddedBroker, capsys: Capture) -> None:
    write(broker, (STATUS, CAR, examples()[STATUS.name], EVENING), (STATUS, CAR, None, EVENING))
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    producer.produce(STATUS.name, key=CAR.encode(), value=b"\xff{", partition=home_partition(CAR, PARTITIONS))
    assert producer.flush(10) == 0
    ended = run(capsys, "tail", STATUS.name, "--from-start", "--json", "--count", "3")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert rows[0]["value"] == json.loads(serde.encode(examples()[STATUS.name]))
    assert rows[1]["value"] is None
    assert rows[2]["unreadable"]
    assert [row["offset"] for row in rows] == [0, 1, 2]


def test_explain_tells_the_chain(broker: EmbeddedBroker, capsys: Capture) -> None:
    evening(broker)
    ended = run(capsys, "explain", CAR, "--json")
    told = json.loads(ended.out)
    assert ended.code == 0
    assert told["status"]["sentence"] == "Plugged in; charging starts about 03:00."
    assert told["schedule"]["inputs"]["price_issued_at"] == "2023-03-25T12:00:00Z"
    assert [step["phase"] for step in told["commands"][0]["phases"]] == ["intent", "sent", "confirmed"]
    assert told["open_questions"] == []
    assert "  open     nothing" in run(capsys, "explain", CAR).out


def test_explain_goes_back_to_an_earlier_instant(broker: EmbeddedBroker, capsys: Capture) -> None:
    evening(broker)
    told = json.loads(run(capsys, "explain", CAR, "--at", "2023-03-25T19:21:00+01:00", "--json").out)
    assert [step["phase"] for step in told["commands"][0]["phases"]] == ["intent", "sent"]
    assert told["open_questions"] == ["the last command, start, is only sent: telemetry has not proved it yet"]


def test_a_car_without_records_is_one_line(broker: EmbeddedBroker, capsys: Capture) -> None:
    evening(broker)
    for arguments in (["explain", "acct7.car2"], ["explain", CAR, "--at", "2020-01-01T00:00:00Z"]):
        ended = run(capsys, *arguments)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("d2ev: no record of car ")
        assert ended.err.count("\n") == 1


def test_a_topic_that_is_not_there_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    with EmbeddedBroker({"another": 1}) as bare:
        address = bare.bootstrap
        monkeypatch.setenv("D2EV_BOOTSTRAP", address)
        ended = run(capsys, "tail", "plug.event")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"d2ev: {PLUG.name} is not on {address}; run `d2ev topics apply`\n"


def test_reading_ends_where_the_log_ends(broker: EmbeddedBroker) -> None:
    evening(broker)
    with Reader(KafkaAccess(bootstrap=broker.bootstrap)) as reader:
        places = [(COMMAND, partition) for partition in range(reader.partitions(COMMAND))]
        assert [entry.offset for entry in reader.read(places)] == [0, 1, 2]


def test_a_broker_that_goes_away_ends_the_watching_in_one_line(broker: EmbeddedBroker) -> None:
    evening(broker)
    address = broker.bootstrap
    with Reader(KafkaAccess(bootstrap=address)) as reader:
        entries = reader.follow(STATUS, from_start=True)
        assert next(entries).key == CAR
        broker.stop()
        with pytest.raises(BrokerError, match=rf"^Kafka at {address} no longer answers$"):
            next(entries)
