"""Who is enrolled in one partition, and who could not be read: counted as it changes, per OEM."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from agents.metrics import Metrics
from oem_connectors.errors import Asleep, NeedsConsent, OemError, Throttled


class Why(StrEnum):
    """Why a car could not be read."""

    CONSENT = "consent"
    ASLEEP = "asleep"
    THROTTLED = "throttled"
    FAILED = "failed"


def why(error: OemError) -> Why:
    """The kind of a failed reading."""
    match error:
        case NeedsConsent():
            return Why.CONSENT
        case Asleep():
            return Why.ASLEEP
        case Throttled():
            return Why.THROTTLED
        case _:
            return Why.FAILED


class Fleet:
    """The cars of a partition. What one owner has counted ends with it; the next one counts anew."""

    def __init__(self) -> None:
        self._cars: dict[str, str] = {}
        self._unread: dict[str, Why] = {}
        self._by_oem: Counter[str] = Counter()
        self._by_reason: Counter[tuple[str, str]] = Counter()
        self._changed = False

    def enrol(self, car: str, oem: str) -> None:
        """The car is to be read."""
        if self._cars.get(car) != oem:
            self.leave(car)
            self._cars[car] = oem
            self._by_oem[oem] += 1
            self._changed = True

    def leave(self, car: str) -> None:
        """The car is not to be read any more."""
        self.heard(car)
        oem = self._cars.pop(car, None)
        if oem is not None:
            self._by_oem[oem] -= 1
            self._changed = True

    def unread(self, car: str, reason: Why) -> None:
        """Reading the car came to nothing."""
        if car in self._cars and self._unread.get(car) is not reason:
            self.heard(car)
            self._unread[car] = reason
            self._by_reason[self._cars[car], reason.value] += 1
            self._changed = True

    def heard(self, car: str) -> None:
        """The car said something."""
        reason = self._unread.pop(car, None)
        if reason is not None:
            self._by_reason[self._cars[car], reason.value] -= 1
            self._changed = True

    def show(self, metrics: Metrics, partition: int) -> None:
        """Bring this partition's part of the gauges up to date."""
        if self._changed:
            self._changed = False
            for oem, count in self._by_oem.items():
                metrics.from_zero(oem)
                metrics.part(metrics.enrolled.labels(oem), partition, count)
            for labels, count in self._by_reason.items():
                metrics.part(metrics.unreachable.labels(*labels), partition, count)
