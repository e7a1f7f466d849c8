"""Reads protobuf's wire format: as much of it as the records of fleet-telemetry need, without its compiler."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from oem_connectors.errors import Unreadable

#: A number that was written as a varint; the bytes of everything else.
Scalar = int | bytes
_FIXED = {1: 8, 5: 4}
_VARINT, _SIZED = 0, 2
_MOST_BITS = 63


def fields(message: bytes) -> Iterator[tuple[int, Scalar]]:
    """Every field of a message, by number, in order. Raises `Unreadable`."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        size, at = _varint(message, at) if wire == _SIZED else (_FIXED.get(wire, -1), at)
        if not 0 <= size <= len(message) - at:
            raise Unreadable("the record is no protobuf message, or is cut off")
        yield number, message[at : at + size]
        at += size


def whole(value: Scalar) -> int:
    """A signed number, as int32, int64, bool and enum are written."""
    if not isinstance(value, int):
        raise Unreadable("the record has bytes where a number must be")
    return value - (1 << 64) if value >> _MOST_BITS else value


def real(value: Scalar) -> float:
    """A double, or a float by its size."""
    if isinstance(value, int) or len(value) not in _FIXED.values():
        raise Unreadable("the record has something else where a real number must be")
    return float(struct.unpack("<d" if len(value) == _FIXED[1] else "<f", value)[0])


def inner(value: Scalar) -> bytes:
    """The bytes of a message inside."""
    if isinstance(value, int):
        raise Unreadable("the record has a number where bytes must be")
    return value


def text(value: Scalar) -> str:
    """A string."""
    try:
        return inner(value).decode()
    except UnicodeDecodeError:
        raise Unreadable("the record has a text that is no UTF-8") from None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _MOST_BITS + 1, 7):
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise Unreadable("the record is no protobuf message, or is cut off")
