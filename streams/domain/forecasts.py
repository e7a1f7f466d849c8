"""Vintages into one curve: the newest word on every slot, with the recent past kept for settlement."""

from __future__ import annotations

from datetime import datetime, timedelta

from streams.contracts.forecast import Forecast, Slot

#: How far back a curve reaches: long enough to settle the longest stay.
KEPT = timedelta(days=8)


def forecast_key(forecast: Forecast) -> str:
    """The name under which vintages of the same curve meet, for example price:GB."""
    return f"{forecast.kind.value}:{forecast.key}"


def merge(known: Forecast | None, new: Forecast) -> Forecast:
    """The curve after a vintage: its slots replace what they overlap; all others stay. Idempotent.

    An older vintage only fills what no newer one covers, so the order of arrival does not matter for two vintages.
    Units, and average and marginal carbon, never mix: of two that differ only the newer is left.
    """
    if known is None:
        return new
    newer, older = (new, known) if new.issued_at >= known.issued_at else (known, new)
    if (known.unit, known.basis) != (new.unit, new.basis):
        return newer
    horizon = max(newer.slots[-1].end, older.slots[-1].end) - KEPT - timedelta(days=4)
    kept = [slot for slot in _outside(older.slots, newer.slots) if slot.end > horizon]
    slots = tuple(sorted((*kept, *newer.slots), key=lambda slot: slot.start))
    return newer.model_copy(update={"slots": slots, "known_until": max(newer.known_until, older.known_until)})


def in_force(known: Forecast | None, now: datetime) -> Forecast | None:
    """The curve while plans may count with it: None once it was not renewed in time."""
    return None if known is None or (known.good_until is not None and known.good_until <= now) else known


def _outside(older: tuple[Slot, ...], newer: tuple[Slot, ...]) -> list[Slot]:
    """The parts of `older` that `newer` says nothing about."""
    rest: list[Slot] = []
    pending = list(newer)
    for slot in older:
        start = slot.start
        while pending and pending[0].end <= start:
            pending.pop(0)
        for cover in pending:
            if cover.start >= slot.end:
                break
            if cover.start > start:
                rest.append(Slot(start=start, end=cover.start, value=slot.value))
            start = max(start, cover.end)
        if start < slot.end:
            rest.append(Slot(start=start, end=slot.end, value=slot.value))
    return rest
