"""The bench's input and the truth about it: readings of many cars, and what folding them one by one gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from streams import hot
from streams.contracts.telemetry import Charge, Plug
from streams.domain.vehicle import fold

DAWN = datetime(2023, 3, 25, 0, 0, tzinfo=UTC)
BETWEEN_READINGS = timedelta(minutes=5)
#: Of a car's readings, how many in a row are taken plugged in, then how many driving.
PLUGGED, DRIVING = 8, 4
_ENCODE = msgspec.json.Encoder().encode


class Reading(NamedTuple):
    """One input record."""

    partition: int
    key: bytes
    value: bytes


def readings(events: int, vehicles: int, partitions: int) -> Iterator[Reading]:
    """`events` readings, car after car, about 350 bytes each; every one says something new about its car."""
    for index in range(events):
        beat, number = divmod(index, vehicles)
        car = f"simulator-account-{number:05}.vehicle-{number:05}"
        yield Reading(number % partitions, car.encode(), _ENCODE(_reading(car, number, beat)))


def _reading(car: str, number: int, beat: int) -> hot.TelemetryRow:
    at = DAWN + BETWEEN_READINGS * beat + timedelta(milliseconds=29 * number)
    phase = (beat + number) % (PLUGGED + DRIVING)
    plugged = phase < PLUGGED
    return hot.TelemetryRow(
        car=car,
        oem="simulator",
        received_time=at + timedelta(seconds=2),
        car_time=at,
        oem_time=at + timedelta(seconds=1),
        soc_pct=float(40 + (phase * 5 if plugged else 35 - phase)),
        limit_pct=80.0,
        plug=Plug.PLUGGED if plugged else Plug.UNPLUGGED,
        charge=Charge.CHARGING if plugged else Charge.IDLE,
        power_kw=7.4 if plugged else 0.0,
        range_km=211.5 + phase,
        odometer_km=20_000.5 + number + beat,
        at_home=plugged,
    )


def states(inputs: Iterable[Reading], partitions: int) -> list[list[bytes]]:
    """The plain fold: per partition, the state written for each reading, in order."""
    known: dict[bytes, hot.VehicleRow] = {}
    written: list[list[bytes]] = [[] for _ in range(partitions)]
    for reading in inputs:
        before = known.get(reading.key)
        after = known[reading.key] = fold(before, hot.decode_telemetry(reading.value))
        if after is before:
            raise ValueError("every reading of the bench must say something new")
        written[reading.partition].append(hot.encode_vehicle(after))
    return written


def digest(values_by_key: Iterable[tuple[bytes, bytes]]) -> str:
    """One word for what was written per key, and in which order; the order between keys does not matter."""
    chains: dict[bytes, bytes] = {}
    for key, value in values_by_key:
        chains[key] = blake2b(chains.get(key, b"") + value, digest_size=16).digest()
    return blake2b(b"".join(key + chains[key] for key in sorted(chains)), digest_size=16).hexdigest()
