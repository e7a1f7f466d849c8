"""What subscribers may rely on, topic by topic: the words behind the AsyncAPI document and the pages of the topics."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from streams.examples import CAR
from streams.topics import (
    ACCOUNT,
    CAP,
    COMMAND,
    HELD,
    NOTIFICATION,
    PLUG,
    PREFERENCE,
    REGISTRATION,
    SCHEDULE,
    SESSION,
    STATUS,
    VEHICLE,
    Key,
    Topic,
)  # fmt: skip


class KeyWords(NamedTuple):
    """What the key of a record is. `example` None: the key is null."""

    says: str
    example: str | None
    order: str


_PER_CAR = (
    "Records of a car are in order; those of all cars of an account lie in one partition, in every car-keyed topic."
)
_PER_KEY = "Records of a key are in order."

KEYS: Mapping[Key, KeyWords] = MappingProxyType(
    {
        "car": KeyWords("Car key, `<oem account>.<vehicle>`.", CAR, _PER_CAR),
        "account": KeyWords("OEM account: the part of a car key before the first dot.", "acct7", _PER_KEY),
        "tariff": KeyWords("Tariff, as in a registration.", "gb-day-ahead", _PER_KEY),
        "region": KeyWords("Carbon region, as in a registration.", "GB", _PER_KEY),
        "lead": KeyWords(
            "`<oem>/<model>/<action>/<partition>`: every partition learns by itself.",
            "simulator/Compact 58/start/0",
            _PER_KEY,
        ),
        "original": KeyWords(
            "Null: the key of the refused record is sealed in `sealed_key`.",
            None,
            "Records of a partition are in order.",
        ),
    }
)
#: What a null value says. Other topics never get one.
TOMBSTONES: Mapping[str, str] = MappingProxyType(
    {
        REGISTRATION.name: "The car is to be forgotten: write it to erase a car with all that is kept of it.",
        PREFERENCE.name: "The wishes are withdrawn: the defaults hold again.",
        ACCOUNT.name: "The last car of the account was erased.",
        VEHICLE.name: "The car was erased.",
        SCHEDULE.name: "The car was erased.",
        CAP.name: "The cap is lifted.",
        HELD.name: "No stop of D2EV keeps the car from charging any longer.",
        STATUS.name: "The car was erased.",
    }
)
#: Names inside the message that survive a replay, for effects that must never happen twice.
IDENTITIES: Mapping[str, str] = MappingProxyType(
    {
        PLUG.name: "`id`",
        COMMAND.name: "`id` with `phase`",
        NOTIFICATION.name: "`id` with `phase`",
        SESSION.name: "`session_id` with `revision`",
        SCHEDULE.name: "`session_id` with `revision`",
    }
)

COMPATIBILITY = (
    "Within a major version only optional fields are added and no field changes its type or meaning; a word new to an "
    "enum is announced a release ahead. Ignore fields and words that you do not know. A breaking change is a new topic "
    "with the next major version, written beside the old one for an announced time."
)


def short(topic: Topic) -> str:
    """The name that commands take, for example `plug.event`."""
    return topic.name.removeprefix("d2ev.").rpartition(".v")[0]


def delivery(topic: Topic) -> str:
    """How often a record may come, and how to tell."""
    inside = IDENTITIES.get(topic.name)
    survives = (
        f" For effects that must never happen twice, {inside} in the message survives any replay." if inside else ""
    )
    return f"At least once: deduplicate on the header `ce_id`.{survives}"


def retention(topic: Topic) -> str:
    """How long records are kept, in words."""
    if topic.compacted:
        return "compacted: the newest record of every key is kept"
    hours = topic.retention.total_seconds() / 3600
    return f"kept for {hours / 24:g} days" if hours >= 24 else f"kept for {hours:g} h"


def tombstone(topic: Topic) -> str:
    """What a null value says."""
    return TOMBSTONES.get(topic.name, "Never comes.")


def privacy(topic: Topic) -> str:
    """The privacy class, `personal` or `not personal`."""
    return "personal" if topic.personal else "not personal"


def writers(topic: Topic) -> str:
    """Who writes the topic, in words."""
    return topic.writers.replace("outside", "outside producers")
