"""The topics on a real cluster: list, create, and check that nothing was changed behind the application's back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any, NamedTuple

from agents.kafka import for_librdkafka
from agents.settings import Settings
from streams.topics import TOPICS
from tables import TABLES

CONNECT_SECONDS = 10.0
#: A topic that was created shows in the brokers' metadata a little later.
LISTED_WITHIN_SECONDS = 15
#: What is confirmed is on so many brokers, of so many that hold it.
SAFE_IN_SYNC = 2
SAFE_REPLICAS = 3


class Wanted(NamedTuple):
    """A topic as the declarations want it."""

    name: str
    partitions: int
    config: dict[str, str]


class Difference(NamedTuple):
    """What about a topic is not as declared, and how to mend it."""

    topic: str
    what: str
    have: str
    want: str
    mend: str

    def __str__(self) -> str:
        return _words([self.topic], *self[1:])


class TopicsDiffer(Exception):
    """The cluster's topics are not as declared."""


def wanted(settings: Settings) -> list[Wanted]:
    """Every topic of the application, published and private, changelogs included."""
    safe = {"min.insync.replicas": str(SAFE_IN_SYNC)} if settings.env == "production" else {}
    declared = {topic.name: topic.config() for topic in TOPICS}
    changelogs = {table.changelog(settings.app_id): table.config() for table in TABLES}
    return [Wanted(name, settings.partitions, {**config, **safe}) for name, config in (declared | changelogs).items()]


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

    admin = client(settings)
    existing = partitions_of(admin, settings)
    missing = [topic for topic in wanted(settings) if topic.name not in existing]
    create(admin, [NewTopic(t.name, t.partitions, settings.replication, config=t.config) for t in missing])
    check(settings)
    return [topic.name for topic in missing]


def create(admin: Any, new: list[Any]) -> None:
    """Create topics and return when the cluster lists them."""
    for future in (admin.create_topics(new) if new else {}).values():
        future.result(30)
    give_up = monotonic() + LISTED_WITHIN_SECONDS
    while not {topic.topic for topic in new} <= admin.list_topics(timeout=CONNECT_SECONDS).topics.keys():
        if monotonic() > give_up:
            break
        sleep(0.05)


def check(settings: Settings) -> None:
    """Raises TopicsDiffer naming every topic that is missing or has another partition count."""
    _refuse(uneven(settings, partitions_of(client(settings), settings)))


def check_all(settings: Settings) -> list[Difference]:
    """Everything about the cluster's topics that is not as declared, partitions, replicas and settings."""
    admin = client(settings)
    existing = partitions_of(admin, settings)
    differing = uneven(settings, existing)
    there = [topic for topic in wanted(settings) if topic.name in existing]
    return differing + _unlike(settings, there, _configs(admin, there), _replicas(admin))


def check_worker(settings: Settings) -> bool:
    """Refuse to start where a car's records would not meet, and in production where a broker could take them along.

    Returns whether there were fewer partitions until lately. Raises TopicsDiffer.
    """
    from deploy.migrate.journal import is_done

    admin = client(settings)
    existing = partitions_of(admin, settings)
    _refuse(uneven(settings, existing))
    if settings.env == "production":
        _refuse(_too_few([topic.name for topic in wanted(settings)], _replicas(admin)))
    journals = [name for name in existing if journal_of(settings.app_id, name)]
    if not all(is_done(settings, name) for name in journals):
        raise TopicsDiffer(f"{settings.app_id} is being made by `d2ev migrate`; let it end, or run it again")
    return bool(journals)


def journal(app_id: str, before: int) -> str:
    """The topic that says that `app_id` had another number of partitions, and how far its expansion is."""
    return f"{app_id}-was-{before}-migration"


def journal_of(app_id: str, name: str) -> int | None:
    """The former number of partitions, if `name` is the journal of an expansion of `app_id`."""
    found = re.fullmatch(rf"{re.escape(app_id)}-was-(\d+)-migration", name)
    return None if found is None else int(found[1])


def uneven(settings: Settings, existing: Mapping[str, int]) -> list[Difference]:
    """Topics that are missing or have another partition count."""
    found = []
    for topic in wanted(settings):
        have = existing.get(topic.name)
        if have is None:
            found.append(Difference(topic.name, "topic", "missing", "there", "run `d2ev topics apply`"))
        elif have != topic.partitions:
            mend = "a car's records must meet in one worker: set D2EV_PARTITIONS as it was, or run `d2ev migrate`"
            found.append(Difference(topic.name, "partitions", str(have), str(topic.partitions), mend))
    return found


def _refuse(found: list[Difference]) -> None:
    """Raises TopicsDiffer: one line for each kind of difference."""
    kinds: dict[tuple[str, str, str, str], list[str]] = {}
    for one in found:
        kinds.setdefault(one[1:], []).append(one.topic)
    if kinds:
        raise TopicsDiffer("; ".join(_words(names, *kind) for kind, names in kinds.items()))


def _words(names: list[str], what: str, have: str, want: str, mend: str) -> str:
    which = names[0] if len(names) == 1 else f"{len(names)} topics ({names[0]}, …)"
    fault = have if what == "topic" else f"{what} {have}, not {want}"
    return f"{which}: {fault}; {mend}"


def _unlike(
    settings: Settings, there: list[Wanted], configs: Mapping[str, Mapping[str, str]], replicas: Mapping[str, int]
) -> list[Difference]:
    """Topics with other settings than declared, or with too few copies for production."""
    found = []
    for topic in there:
        for name, want in topic.config.items():
            if (have := configs[topic.name].get(name)) != want:
                mend = f"kafka-configs --alter --topic {topic.name} --add-config {name}={want}"
                found.append(Difference(topic.name, name, str(have), want, mend))
    if settings.env == "production":
        found += _too_few([topic.name for topic in there], replicas)
    return found


def _too_few(names: list[str], replicas: Mapping[str, int]) -> list[Difference]:
    mend = "add some with kafka-reassign-partitions: what is confirmed must outlive a broker"
    return [
        Difference(name, "replicas", str(replicas[name]), str(SAFE_REPLICAS), mend)
        for name in names
        if replicas[name] < SAFE_REPLICAS
    ]


def _configs(admin: Any, there: list[Wanted]) -> dict[str, dict[str, str]]:
    from confluent_kafka.admin import ConfigResource, ResourceType

    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name) for topic in there]) if there else {}
    return {
        resource.name: {name: entry.value for name, entry in future.result(30).items()}
        for resource, future in asked.items()
    }


def _replicas(admin: Any) -> dict[str, int]:
    """The fewest copies of any partition, by topic."""
    topics = admin.list_topics(timeout=CONNECT_SECONDS).topics
    return {
        name: min((len(p.replicas) for p in topic.partitions.values()), default=0) for name, topic in topics.items()
    }


def client(settings: Settings) -> Any:
    """What asks the cluster about its topics and groups."""
    from confluent_kafka.admin import AdminClient

    # What goes wrong is said once, by us.
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
    return AdminClient({**for_librdkafka(settings), "socket.timeout.ms": 10_000, **quiet})


def partitions_of(admin: Any, settings: Settings) -> dict[str, int]:
    """The number of partitions of every topic there is. Raises TopicsDiffer when no Kafka answers."""
    from confluent_kafka import KafkaException

    from deploy.brokers.silence import why_silent

    try:
        metadata = admin.list_topics(timeout=CONNECT_SECONDS)
    except KafkaException:
        raise TopicsDiffer(why_silent(settings)) from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}
