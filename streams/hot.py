"""The hot path's rows: the same messages as the contracts, field for field, decoded in about a microsecond.

A row never accepts what its contract refuses. It is stricter in one way, and every message D2EV writes
passes: values of another JSON type (numbers or booleans as strings, booleans as numbers, Unix times, times
without seconds) are refused, where the contract would coerce them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence

Car = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z", max_length=128)]
Instant = Annotated[datetime, Meta(tz=True)]
Percent = Annotated[float, Meta(ge=0, le=100)]
PowerKw = Annotated[float, Meta(ge=-400, le=400)]
RangeKm = Annotated[float, Meta(ge=0, le=2000)]
OdometerKm = Annotated[float, Meta(ge=0, le=5_000_000)]
Revision = Annotated[int, Meta(ge=1)]


def _to_utc(row: Struct) -> None:
    """The slow path, for times written with another offset than UTC's."""
    for name in row.__struct_fields__:
        at = getattr(row, name)
        if isinstance(at, datetime) and at.tzinfo is not UTC:
            try:
                msgspec.structs.force_setattr(row, name, at.astimezone(UTC))
            except OverflowError as error:
                raise ValueError(f"{name} has no UTC equivalent") from error


class TelemetryRow(Struct, frozen=True, gc=False):
    """One reading: `contracts.telemetry.Telemetry`."""

    car: Car
    oem: str
    received_time: Instant
    soc_pct: Percent | None = None
    limit_pct: Percent | None = None
    plug: Plug = Plug.UNKNOWN
    charge: Charge = Charge.UNKNOWN
    power_kw: PowerKw | None = None
    range_km: RangeKm | None = None
    odometer_km: OdometerKm | None = None
    at_home: bool | None = None
    scheduled_start: Instant | None = None
    car_time: Instant | None = None
    oem_time: Instant | None = None

    def __post_init__(self) -> None:
        if (
            self.received_time.tzinfo is not UTC
            or (self.car_time is not None and self.car_time.tzinfo is not UTC)
            or (self.oem_time is not None and self.oem_time.tzinfo is not UTC)
            or (self.scheduled_start is not None and self.scheduled_start.tzinfo is not UTC)
        ):
            _to_utc(self)


class SessionRow(Struct, frozen=True, gc=False):
    """One stay of the cable in the car: `contracts.vehicle.PlugSession`."""

    id: str
    plugged_at: Instant
    seen_at: Instant
    revision: Revision
    evidence: Evidence
    soc_pct: Percent | None = None
    ended_at: Instant | None = None
    end_evidence: Evidence | None = None

    def __post_init__(self) -> None:
        if (
            self.plugged_at.tzinfo is not UTC
            or self.seen_at.tzinfo is not UTC
            or (self.ended_at is not None and self.ended_at.tzinfo is not UTC)
        ):
            _to_utc(self)


class VehicleRow(Struct, frozen=True, gc=False):
    """Folded state of a car: `contracts.vehicle.VehicleState`."""

    car: Car
    oem: str
    car_time: Instant
    received_time: Instant
    soc_pct: Percent | None = None
    soc_time: Instant | None = None
    limit_pct: Percent | None = None
    plug: Plug = Plug.UNKNOWN
    charge: Charge = Charge.UNKNOWN
    power_kw: float | None = None
    odometer_km: float | None = None
    at_home: bool | None = None
    scheduled_start: Instant | None = None
    unplug_suspected_at: Instant | None = None
    session: SessionRow | None = None
    charge_time: Instant | None = None

    def __post_init__(self) -> None:
        if (
            self.car_time.tzinfo is not UTC
            or self.received_time.tzinfo is not UTC
            or (self.charge_time is not None and self.charge_time.tzinfo is not UTC)
            or (self.soc_time is not None and self.soc_time.tzinfo is not UTC)
            or (self.unplug_suspected_at is not None and self.unplug_suspected_at.tzinfo is not UTC)
            or (self.scheduled_start is not None and self.scheduled_start.tzinfo is not UTC)
        ):
            _to_utc(self)


#: What bad bytes raise: not the JSON of the row, not UTF-8, or nested too deeply.
BAD_BYTES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Bytes of a telemetry record to a row; raises one of BAD_BYTES.
decode_telemetry: Callable[[bytes], TelemetryRow] = msgspec.json.Decoder(TelemetryRow).decode
#: A folded state to the JSON of its contract, times in UTC with `Z`.
encode_vehicle: Callable[[VehicleRow], bytes] = msgspec.json.Encoder().encode
#: Bytes of a vehicle state to a row; raises one of BAD_BYTES.
decode_vehicle: Callable[[bytes], VehicleRow] = msgspec.json.Decoder(VehicleRow).decode
