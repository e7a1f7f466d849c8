"""The cheap plans in force as columns, so that a new curve finds the cars that it matters to in one pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.domain.planner.curve import Curve
from streams.domain.planner.fleet import Cars, plan_many
from streams.domain.planner.problem import Policy

#: Choosing is in whole millionths per kWh; savings this close to the bar are left to the planner of one car.
_ROUNDING: Final = 1e-4
_MINUTE: Final = timedelta(minutes=1)
_SECOND_US: Final = 1_000_000

Ints = NDArray[Any]


class CurveName(NamedTuple):
    """What a car's curve depends on; `carbon_price` in currency per tonne."""

    tariff: str
    region: str
    carbon_price: float


class Row(NamedTuple):
    """The plan in force of one car. Instants in seconds since 1970.

    `ready_s`: ready-by less the margin. `worthwhile`: the least saving, in currency, that is worth a new plan.
    `steady`: power is the same all the way; False also for whatever else makes the car one to be judged alone.
    `blocks`: (start, end, kWh), sorted.
    """

    curve: CurveName
    power_kw: float
    ready_s: int
    worthwhile: float
    charging: bool
    steady: bool
    blocks: tuple[tuple[int, int, float], ...]


class Columns:
    """Rows by car, as a growing struct of arrays."""

    _TYPES: Final[dict[str, Any]] = {
        "curve": np.int32,
        "power_kw": np.float64,
        "ready_s": np.int64,
        "worthwhile": np.float64,
        "charging": np.bool_,
        "alone": np.bool_,
        "parts": np.int8,
        "start_s": np.int64,
        "end_s": np.int64,
        "kwh": np.float64,
        "start2_s": np.int64,
        "end2_s": np.int64,
        "kwh2": np.float64,
    }

    def __init__(self) -> None:
        self._place: dict[str, int] = {}
        self._cars: list[str] = []
        self._curves: dict[CurveName, int] = {}
        self._columns = {name: np.zeros(64, dtype) for name, dtype in self._TYPES.items()}
        self._arrays = tuple(self._columns.values())

    def __len__(self) -> int:
        return len(self._cars)

    @property
    def curves(self) -> tuple[CurveName, ...]:
        """What curves there ever were rows of."""
        return tuple(self._curves)

    def put(self, car: str, row: Row) -> None:
        """The car's row, in place of the one it had."""
        place = self._place.get(car)
        if place is None:
            place = self._place[car] = len(self._cars)
            self._cars.append(car)
            if place == len(self._arrays[0]):
                self._grow()
        curve = self._curves.setdefault(row.curve, len(self._curves))
        blocks = row.blocks
        first = blocks[0] if blocks else (0, 0, 0.0)
        second = blocks[1] if len(blocks) == 2 else (0, 0, 0.0)
        alone = not row.steady or not 0 < len(blocks) <= 2
        values = (curve, *row[1:5], alone, min(len(blocks), 3), *first, *second)
        for array, value in zip(self._arrays, values, strict=True):
            array[place] = value

    def drop(self, car: str) -> None:
        """The car has no such plan any more; nothing if it had none."""
        place = self._place.pop(car, None)
        if place is None:
            return
        last = self._cars.pop()
        if last != car:
            self._cars[place] = last
            self._place[last] = place
            for array in self._arrays:
                array[place] = array[len(self._cars)]

    def reconsider(self, name: CurveName, curve: Curve | None, now_s: int, policy: Policy) -> list[str]:
        """The cars whose plan a new `curve` may beat by what is worth a new plan. Maybe too many, never too few.

        Judged by the energy that the plan still charges: what decides about it (price, carbon, adders) against that of
        the best plan there is. Without a curve no car can be judged.
        A plan that runs is kept to its end if that is its last block. Rows that cannot be judged are answered as well.
        """
        group = self._curves.get(name)
        if group is None:
            return []
        size = len(self)
        rows = np.flatnonzero(self._columns["curve"][:size] == group)
        if curve is None:
            return [self._cars[place] for place in rows.tolist()]
        asked = _Asked(**{field: self._columns[field][rows] for field in _Asked._fields})
        return [self._cars[place] for place in rows[_worth_asking(asked, curve, now_s, policy)].tolist()]

    def _grow(self) -> None:
        for name, array in self._columns.items():
            self._columns[name] = np.concatenate((array, np.zeros_like(array)))
        self._arrays = tuple(self._columns.values())


class _Asked(NamedTuple):
    """The columns of the cars that a curve concerns."""

    power_kw: NDArray[np.float64]
    ready_s: NDArray[np.int64]
    worthwhile: NDArray[np.float64]
    charging: NDArray[np.bool_]
    alone: NDArray[np.bool_]
    parts: NDArray[np.int8]
    start_s: NDArray[np.int64]
    end_s: NDArray[np.int64]
    kwh: NDArray[np.float64]
    start2_s: NDArray[np.int64]
    end2_s: NDArray[np.int64]
    kwh2: NDArray[np.float64]

    def of(self, places: Ints) -> _Asked:
        """Some of the cars."""
        return _Asked(**{name: column[places] for name, column in self._asdict().items()})


def _worth_asking(rows: _Asked, curve: Curve, now_s: int, policy: Policy) -> NDArray[np.bool_]:
    ends = np.maximum(rows.end_s, rows.end2_s)
    runs_last = (ends > now_s) & (np.where(rows.parts == 2, rows.start2_s, rows.start_s) <= now_s)
    waits = (rows.start_s > now_s) & ~rows.charging
    alone = rows.alone | (rows.ready_s <= now_s) | ~(runs_last | waits)
    judged = np.flatnonzero(~alone & ~runs_last)
    if not len(judged):
        return alone
    if policy.max_blocks not in {1, 2}:
        alone[judged] = True
        return alone
    waiting = rows.of(judged)
    alone[judged] = ~(_saving(waiting, curve, now_s, policy) <= waiting.worthwhile - _ROUNDING)
    return alone


def _saving(rows: _Asked, curve: Curve, now_s: int, policy: Policy) -> NDArray[np.float64]:
    """At most what a new plan saves, in currency; nan where it cannot be said.

    The new plan is not to be dearer than any that a car may get: no start penalties, whole minutes of time on with the
    rest at the least rate, and blocks that may be a minute shorter.
    """
    value = _Value(curve)
    old = value.of(rows.start_s, rows.end_s, rows.kwh)
    old += np.where(rows.parts == 2, value.of(rows.start2_s, rows.end2_s, rows.kwh2), 0.0)
    minutes = (rows.kwh + rows.kwh2) / rows.power_kw * 60
    whole = np.floor(minutes + 1e-6).astype(np.int64)
    now, ready = now_s // 60, -(-rows.ready_s // 60)
    cars = Cars(np.zeros(len(whole), dtype=np.int32), ready, whole, np.zeros(len(whole), dtype=np.bool_), rows.power_kw)
    loose = replace(policy, min_block=max(policy.min_block - _MINUTE, timedelta(0)), start_penalty=0.0)
    edges = plan_many([curve], now, loose, cars)
    new = np.maximum(minutes - whole, 0) * value.least
    for start, end in ((edges[:, 0], edges[:, 1]), (edges[:, 2], edges[:, 3])):
        new += value.of(start * np.int64(60), end * np.int64(60), end - start)
    fits = (edges[:, 0] >= 0) & (np.ceil(minutes - 1e-6) <= ready - now)
    return np.where(fits, old - new * rows.power_kw / 60, np.nan)


class _Value:
    """What energy weighs over time, in currency per kWh."""

    def __init__(self, curve: Curve) -> None:
        values = [rate * 1e-6 for rate in curve.rates]
        lengths = (np.array(curve.ends) - np.array(curve.starts)) / _SECOND_US
        self.least = min(values)
        self._edges = np.column_stack((curve.starts, curve.ends)).ravel() / _SECOND_US
        self._known, self._sums = (
            np.column_stack((np.cumsum(parts) - parts, np.cumsum(parts))).ravel()
            for parts in (lengths, lengths * values)
        )

    def of(self, start_s: Ints, end_s: Ints, amount: NDArray[Any]) -> NDArray[np.float64]:
        """The worth of what is charged evenly from start to end; nan if a price is missing; nothing from nothing."""
        seconds = end_s - start_s
        known, worth = (
            np.interp(end_s, self._edges, sums) - np.interp(start_s, self._edges, sums)
            for sums in (self._known, self._sums)
        )
        mean = np.where(known > seconds - 0.5, worth / np.maximum(seconds, 1), np.nan)
        return np.where(seconds > 0, mean * amount, 0.0)
