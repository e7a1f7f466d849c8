"""The topics on a real cluster: list, create, and check that nothing was changed behind the application's back."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any, NamedTuple

from agents.settings import Settings
from streams.topics import TOPICS
from tables import TABLES

CONNECT_SECONDS = 10.0
#: A topic that was created shows in the brokers' metadata a little later.
LISTED_WITHIN_SECONDS = 15


class Wanted(NamedTuple):
    """A topic as the declarations want it."""

    name: str
    partitions: int
    config: dict[str, str]


class TopicsDiffer(Exception):
    """The cluster's topics are not as declared."""


def wanted(settings: Settings) -> list[Wanted]:
    """Every topic of the application, published and private, changelogs included."""
    declared = [Wanted(topic.name, settings.partitions, dict(topic.config())) for topic in TOPICS]
    changelogs = [Wanted(table.changelog(settings.app_id), settings.partitions, table.config()) for table in TABLES]
    return declared + changelogs


def rows(settings: Settings) -> list[dict[str, Any]]:
    """The topics as rows for people and programs."""
    declared = [
        {
            "name": topic.name,
            "public": topic.public,
            "key": topic.key,
            "compacted": topic.compacted,
            "retention_hours": None if topic.compacted else topic.retention.total_seconds() / 3600,
            "owner": topic.writers,
            "personal": topic.personal,
            "partitions": settings.partitions,
            "purpose": topic.purpose,
        }
        for topic in TOPICS
    ]
    changelogs = [
        {
            "name": table.changelog(settings.app_id),
            "public": False,
            "key": table.key,
            "compacted": True,
            "retention_hours": None,
            "owner": table.written_by,
            "personal": table.personal,
            "partitions": settings.partitions,
            "purpose": f"Changelog of the table {table.name}.",
        }
        for table in TABLES
    ]
    return declared + changelogs


def apply(settings: Settings) -> list[str]:
    """Create what is missing; returns the names created. Raises TopicsDiffer when existing ones differ."""
    from confluent_kafka.admin import NewTopic

    admin = _admin(settings)
    existing = _existing(admin, settings)
    missing = [topic for topic in wanted(settings) if topic.name not in existing]
    futures = (
        admin.create_topics([NewTopic(t.name, t.partitions, settings.replication, config=t.config) for t in missing])
        if missing
        else {}
    )
    for future in futures.values():
        future.result(30)
    give_up = monotonic() + LISTED_WITHIN_SECONDS
    while not {topic.name for topic in missing} <= _existing(admin, settings).keys() and monotonic() < give_up:
        sleep(0.05)
    check(settings)
    return [topic.name for topic in missing]


def check(settings: Settings) -> None:
    """Raises TopicsDiffer naming every topic that is missing or has another partition count."""
    admin = _admin(settings)
    existing = _existing(admin, settings)
    missing = [topic.name for topic in wanted(settings) if topic.name not in existing]
    if missing:
        raise TopicsDiffer(f"missing: {', '.join(missing)}; run `d2ev topics apply`")
    uneven = [f"{t.name} has {existing[t.name]}" for t in wanted(settings) if existing[t.name] != t.partitions]
    if uneven:
        raise TopicsDiffer(
            f"all topics need {settings.partitions} partitions (D2EV_PARTITIONS), because a car's records must meet in "
            f"one worker, but {'; '.join(uneven)}"
        )


def _admin(settings: Settings) -> Any:
    from confluent_kafka.admin import AdminClient

    # What goes wrong is said once, by us.
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
    return AdminClient({"bootstrap.servers": settings.bootstrap, "socket.timeout.ms": 10_000, **quiet})


def _existing(admin: Any, settings: Settings) -> dict[str, int]:
    from confluent_kafka import KafkaException

    try:
        metadata = admin.list_topics(timeout=CONNECT_SECONDS)
    except KafkaException as error:
        raise TopicsDiffer(f"no Kafka answers at {settings.bootstrap}: {error.args[0].str()}") from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}
