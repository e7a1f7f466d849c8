"""The topics as declared: names that carry their version, settings that Kafka takes, rows for people and programs."""

import re
from datetime import timedelta

import pytest

from agents.settings import Settings, load
from deploy import topics
from streams.topics import BY_NAME, TOPICS, Topic
from tables import TABLES

EACH = pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])


@pytest.fixture
def settings() -> Settings:
    return load({}, partitions=4, app_id="night")


@EACH
def test_a_name_says_domain_kind_and_major_version(topic: Topic) -> None:
    assert re.fullmatch(
        r"d2ev\.([a-z-]+\.(event|state|internal|telemetry|price|carbon|status)|dead-letter)\.v1", topic.name
    )
    assert BY_NAME[topic.name] is topic


@EACH
def test_a_state_is_compacted_and_an_event_is_not(topic: Topic) -> None:
    if ".state." in topic.name:
        assert topic.compacted
    if ".event." in topic.name:
        assert not topic.compacted


@EACH
def test_kafka_gets_one_way_of_forgetting(topic: Topic) -> None:
    config = topic.config()
    assert config["cleanup.policy"] == ("compact" if topic.compacted else "delete")
    assert ("retention.ms" in config) is not topic.compacted
    assert ("delete.retention.ms" in config) is topic.compacted
    assert all(re.fullmatch(r"compact|delete|[1-9]\d*", value) for value in config.values())


def test_retention_is_written_in_milliseconds() -> None:
    short = next(topic for topic in TOPICS if not topic.compacted and topic.retention == timedelta(days=2))
    assert short.config()["retention.ms"] == "172800000"


def test_every_topic_and_changelog_is_wanted_with_the_same_number_of_partitions(settings: Settings) -> None:
    wanted = topics.wanted(settings)
    assert {topic.partitions for topic in wanted} == {4}
    assert {topic.name for topic in wanted} == set(BY_NAME) | {table.changelog("night") for table in TABLES}


def test_rows_list_what_is_wanted_and_mark_what_is_private(settings: Settings) -> None:
    rows = topics.rows(settings)
    assert [row["name"] for row in rows] == [topic.name for topic in topics.wanted(settings)]
    public = {row["name"] for row in rows if row["public"]}
    assert public == {topic.name for topic in TOPICS if topic.public}


def test_personal_topics_end_or_can_be_emptied() -> None:
    """A tombstone or the end of retention removes every trace of a driver."""
    for topic in TOPICS:
        assert topic.compacted or timedelta(0) < topic.retention <= timedelta(days=400)
