"""One line per event, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from heapq import nlargest
from itertools import islice
from typing import Any

from agents.sealing import Sealer
from deploy.choosing import Choice
from deploy.reading import Entry, Reader
from streams import serde, topics
from streams.contracts.dead_letter import DeadLetter
from streams.topics import Topic

#: What is worth seeing of a message at a glance. The rest is in the JSON.
ESSENTIAL: Mapping[str, tuple[str, ...]] = {
    topics.REGISTRATION.name: ("oem", "model", "tariff", "region", "consent"),
    topics.PREFERENCE.name: ("mode", "ready_by", "target_soc_pct", "min_soc_pct"),
    topics.ACCOUNT.name: ("link", "reason"),
    topics.TELEMETRY.name: ("plug", "charge", "soc_pct", "power_kw", "at_home", "car_time"),
    topics.VEHICLE.name: ("plug", "charge", "soc_pct", "power_kw", "at_home"),
    topics.PLUG.name: ("kind", "session_id", "evidence", "confidence", "soc_pct"),
    topics.PRICE.name: ("unit", "issued_at", "known_until", "source"),
    topics.CARBON.name: ("unit", "issued_at", "known_until", "source"),
    topics.REPLAN.name: ("kind", "issued_at", "known_until"),
    topics.CAP.name: ("region", "issued_at"),
    topics.ADDER.name: ("region", "issued_at", "cars", "gap_pct", "over_kwh"),
    topics.CAPPED.name: ("region", "issued_at"),
    topics.DEMAND.name: ("region", "partition", "at"),
    topics.SCHEDULE.name: ("revision", "reason", "energy_kwh", "cost", "currency", "sentence"),
    topics.STANDING.name: ("gave_up_session", "driver_session", "own_schedule_session", "at_risk_session", "reason"),
    topics.HELD.name: ("session_id", "lease_until", "last_safe_start", "backstop_at"),
    topics.LEAD.name: ("oem", "model", "action", "samples", "median_seconds", "p90_seconds"),
    topics.COMMAND.name: ("action", "phase", "attempt", "reason", "detail"),
    topics.SESSION.name: ("promise", "energy_kwh", "reason"),
    topics.STATUS.name: ("reason", "soc_pct", "sentence"),
    topics.DEVICE.name: ("kind", "since"),
    topics.ANSWERED.name: ("status",),
    topics.NOTIFICATION.name: ("kind", "phase", "title", "body"),
    topics.DEAD_LETTER.name: ("stage", "topic", "partition", "offset", "cause"),
    topics.TICK.name: ("phase",),
}


def wanted(
    reader: Reader, topic: Topic, choice: Choice, last: int | None, limit: int | None, *, from_start: bool
) -> Iterator[Entry]:
    """The chosen records as they come, up to `limit`; or the `last` of those that are there, oldest first."""
    if last is None:
        return islice(filter(choice, reader.follow(topic, from_start=from_start)), limit)
    places = [(topic, partition) for partition in range(reader.partitions(topic))]
    return iter(newest(filter(choice, reader.read(places)), last))


def newest(entries: Iterable[Entry], count: int) -> list[Entry]:
    """The newest of these by event time, in order; within a partition, by offset."""
    return sorted(nlargest(count, entries, key=_age), key=_age)


def line(entry: Entry) -> str:
    """Time, key and the essential fields, `name=value`; what is unknown is left out."""
    head = f"{_time(entry.at)}  {entry.key or '-'}  "
    if entry.value is None:
        return head + "deleted"
    try:
        message = serde.decode(entry.topic.name, entry.value)
    except serde.Undecodable as error:
        return head + f"unreadable: {error}"
    fields = ((name, getattr(message, name)) for name in ESSENTIAL[entry.topic.name])
    return head + " ".join(f"{name}={_word(value)}" for name, value in fields if value is not None)


def as_json(entry: Entry, sealer: Sealer | None = None, *, headers: bool = False) -> str:
    """The whole record as one JSON object; with `sealer`, a dead letter also shows the original key and value."""
    row: dict[str, Any] = {
        "topic": entry.topic.name, "partition": entry.partition, "offset": entry.offset, "key": entry.key,
        "time": serde.rfc3339(entry.at), "value": None,
    }  # fmt: skip
    if headers:
        row["headers"] = {name: value.decode(errors="backslashreplace") for name, value in entry.headers}
    if entry.value is not None:
        try:
            row["value"] = json.loads(entry.value)
        except ValueError as error:
            row["unreadable"] = type(error).__name__
    if sealer is not None and entry.topic is topics.DEAD_LETTER and entry.value is not None:
        row |= _opened(DeadLetter.model_validate_json(entry.value), sealer)
    return json.dumps(row, ensure_ascii=False)


def _opened(letter: DeadLetter, sealer: Sealer) -> dict[str, str | None]:
    """The refused record in clear. Raises Unsealable with another key than it was sealed with."""
    context = f"{letter.topic}|{letter.partition}|{letter.offset}"
    sealed = {"original_key": letter.sealed_key, "original_value": letter.sealed_value}
    return {
        name: None if text is None else sealer.open(text, context).decode(errors="backslashreplace")
        for name, text in sealed.items()
    }


def _age(entry: Entry) -> tuple[datetime, int, int]:
    return entry.at, entry.partition, entry.offset


def _time(at: datetime) -> str:
    return serde.rfc3339(at.replace(microsecond=0))


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text
