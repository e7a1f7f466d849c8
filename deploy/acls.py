"""Who may do what at Kafka: one principal per process, with no more than it needs. Everything else is denied."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from streams.topics import (
    ACCOUNT,
    ANSWERED,
    CARBON,
    DEVICE,
    HELD,
    NOTIFICATION,
    PREFERENCE,
    PRICE,
    REGISTRATION,
    REPLAN,
    SCHEDULE,
    SESSION,
    STATUS,
    TOPICS,
    Topic,
)
from tables import ACCOUNTS, DEVICES, KEYS, TABLES

Operation = Literal["Read", "Write", "Create", "Delete", "Alter", "Describe", "DescribeConfigs", "AlterConfigs"]
READ: Final[tuple[Operation, ...]] = ("Read", "Describe")
WRITE: Final[tuple[Operation, ...]] = ("Write", "Describe")
#: What `d2ev topics` and `d2ev migrate` do.
MANAGE: Final[tuple[Operation, ...]] = (
    "Create", "Delete", "Alter", "Describe", "DescribeConfigs", "AlterConfigs", "Read", "Write",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """What may be done with a topic or consumer group, or with all whose names begin so."""

    resource: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """One who logs in, by the name of its process."""

    name: str
    purpose: str
    acls: tuple[Acl, ...]


#: Which topics the processes without stages read; their writes are declared with the topics.
READS: Final[dict[str, tuple[Topic, ...]]] = {
    "guardian": (HELD,),
    "feeds": (),
    "ingress": (REGISTRATION,),
    "driver_api": (
        REGISTRATION, PREFERENCE, ACCOUNT, PRICE, CARBON, SCHEDULE, SESSION, STATUS, DEVICE, NOTIFICATION, ANSWERED,
    ),
    "bridge": (REGISTRATION, PREFERENCE, STATUS),
}  # fmt: skip


def principals(app_id: str) -> tuple[Principal, ...]:
    """Everybody, for the application of that id."""
    accounts = [_topic(table.changelog(app_id), READ) for table in (ACCOUNTS, KEYS)]
    asked = [_topic(table.changelog(app_id), READ) for table in TABLES if table not in (ACCOUNTS, KEYS, DEVICES)]
    public = [_topic(topic.name, READ) for topic in TOPICS if topic.public]
    changelogs = f"{app_id}-"
    # An expansion goes from one version of the application to the next: d2ev, d2ev-12, d2ev-24.
    every_version = re.sub(r"-[0-9]+$", "", app_id)
    return (
        _of("worker", "All stages, their tables and their consumer group.", [
            *(_topic(topic.name, _both(topic)) for topic in TOPICS),
            Acl("topic", changelogs, ("Read", "Write", "Describe"), prefix=True),
            Acl("group", app_id, READ),
        ]),
        _of("guardian", "Held cars and the tokens to start them.", [*_small("guardian"), *accounts]),
        _of("feeds", "Prices and carbon.", _small("feeds")),
        _of("ingress", "What makers post.", _small("ingress")),
        _of("api", "The drivers' read model and wishes.", _small("driver_api")),
        _of("bridge", "Statuses to Firestore, wishes from it.", [
            *_small("bridge"), Acl("group", f"{app_id}-bridge", READ),
        ]),
        _of("topics", "Creates, checks and migrates the topics; for people and jobs, not for processes.", [
            Acl("topic", "d2ev.", MANAGE, prefix=True),
                Acl("topic", f"{every_version}-", MANAGE, prefix=True),
                Acl("group", every_version, (*READ, "Delete"), prefix=True),
        ]),
        _of("analyst", "Reads published topics, what replays need, and tables without secrets; no group.", [
            *public, *asked, _topic(REPLAN.name, READ),
        ]),
        _of("subscriber", "A template: reads published topics, in groups of its own name.", [
            *public, Acl("group", "subscriber-", READ, prefix=True),
        ]),
    )  # fmt: skip


def _of(name: str, purpose: str, acls: Iterable[Acl]) -> Principal:
    return Principal(name, purpose, tuple(sorted(acls)))


def _small(process: str) -> list[Acl]:
    """A process without stages: what it reads, and the topics that name it as a writer."""
    found: list[Acl] = []
    for topic in TOPICS:
        reads, writes = topic in READS[process], process in topic.beside
        if reads or writes:
            found.append(
                _topic(topic.name, (*(("Read",) if reads else ()), *(("Write",) if writes else ()), "Describe"))
            )
    return found


def _both(topic: Topic) -> tuple[Operation, ...]:
    """The worker reads all; it writes what a stage or the clock owns."""
    return READ if topic.owner == "outside" else ("Read", "Write", "Describe")


def _topic(name: str, operations: tuple[Operation, ...]) -> Acl:
    return Acl("topic", name, operations)
