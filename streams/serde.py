"""Models <-> bytes, and the CloudEvents 1.0 binary-mode headers. The value stays bare JSON; a tombstone stays null."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import ValidationError

from streams import hot
from streams.contracts.base import Contract
from streams.topics import TELEMETRY, TOPICS

Headers = tuple[tuple[str, bytes], ...]
Value = Contract | hot.TelemetryRow | hot.VehicleRow


class Undecodable(ValueError):
    """The bytes are not what the topic promises. Do not retry: write a dead letter."""


#: Topics whose readers take the compiled mirror of the contract instead of the contract itself.
_HOT: Mapping[str, Callable[[bytes], Value]] = {TELEMETRY.name: hot.decode_telemetry}
_MODELS = {topic.name: topic.model for topic in TOPICS}


def decode(topic: str, value: bytes) -> Value:
    """The message in `value`. Raises Undecodable with a cause that never quotes the input."""
    try:
        fast = _HOT.get(topic)
        if fast is not None:
            return fast(value)
        return _MODELS[topic].model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        raise Undecodable(f"{where}: {first['msg']}") from None
    except msgspec.MsgspecError as error:
        raise Undecodable(_without_input(str(error))) from None
    except (*hot.BAD_BYTES, OverflowError, RecursionError) as error:
        raise Undecodable(type(error).__name__) from None


def decoder(topic: str) -> Callable[[Any], Value]:
    """The bare decoder of a topic, for many records: raises whatever it raises; `decode` then says what is wrong."""
    return _HOT.get(topic) or _MODELS[topic].model_validate_json


def _without_input(message: str) -> str:
    """What msgspec says, less what it quotes: the input may be personal, and a dead letter's cause is not sealed."""
    said, at, where = message.partition(" - at ")
    return said.partition("'")[0].strip() + at + (where if "'" not in where else "")


def encode(message: Value) -> bytes:
    """The JSON bytes of a message."""
    if isinstance(message, hot.VehicleRow):
        return hot.encode_vehicle(message)
    if isinstance(message, Contract):
        return message.model_dump_json().encode()
    raise TypeError(f"{type(message).__name__} is never written")


def rfc3339(at: datetime) -> str:
    """An instant as RFC 3339 UTC, for example 2023-03-26T01:00:00Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def headers(topic: str, source: str, at: datetime) -> Headers:
    """The CloudEvents attributes that all records of one chunk share; `ce_id` is added per record."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", topic.encode()),
        ("ce_source", f"/d2ev/{source}".encode()),
        ("ce_time", rfc3339(at).encode()),
        ("content-type", b"application/json"),
    )


def identity(value: bytes) -> bytes:
    """A `ce_id` by content: for records that say the same when they are written again, and else another thing."""
    return blake2b(value, digest_size=12).hexdigest().encode()


def event_time(record_headers: Iterable[tuple[str, bytes]], timestamp_ms: int | None) -> datetime:
    """When the event happened by its producer's clock: `ce_time`, else the record's timestamp, else 1970."""
    for name, value in record_headers:
        if name == "ce_time" and value:
            try:
                at = datetime.fromisoformat(value.decode())
                return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
            except (ValueError, OverflowError):
                break
    try:
        return datetime.fromtimestamp((timestamp_ms or 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
