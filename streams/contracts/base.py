"""What every contract shares: frozen, units in names, aware UTC instants, no input echoed in errors."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema


def _to_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


#: An aware instant, normalised to UTC.
Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
#: Wall time of a home. JSON Schema's own "time" is another thing: it wants an offset.
WallTime = Annotated[
    time,
    WithJsonSchema(
        {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$", "examples": ["07:00"]}
    ),
]
#: `<oem account>.<vehicle>`: the part before the first dot decides the partition.
CarKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$", max_length=128)]
#: A share of the usable battery, 0 to 100.
Percent = Annotated[float, Field(ge=0, le=100)]
#: A language that drivers are addressed in (ISO 639-1).
Language = Literal["en", "de"]


class Contract(BaseModel):
    """A published message. Errors never show the input, which may hold personal data."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False, ser_json_timedelta="float"
    )


def account_of(car: str) -> str:
    """The OEM account that owns a car: the part of its key before the first dot."""
    return car.split(".", 1)[0]


class _Interval(Protocol):
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...


def check_order(slots: Iterable[_Interval]) -> None:
    """ValueError unless the intervals [start, end) are sorted, not empty and disjoint."""
    end = None
    for slot in slots:
        if slot.end <= slot.start or (end is not None and slot.start < end):
            raise ValueError("slots must be sorted, non-empty and must not overlap")
        end = slot.end
