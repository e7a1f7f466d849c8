"""A fleet planned anew on new curves, beside copying the bytes that this reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from statistics import median
from time import perf_counter
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from deploy.demo.recorded import WINDOWS, carbon, prices
from streams.contracts.forecast import Forecast, Slot
from streams.domain.forecasts import merge
from streams.domain.planner import Curve, PlanRequest, Policy, combine, plan
from streams.domain.planner.curve import MINUTE_US, instant, us
from streams.domain.planner.fleet import EDGES, Cars, Ints, plan_many

_ROUNDS: Final = 5
_SAMPLE: Final = 2_000
_CARBON_PRICE: Final = 50.0
#: A vintage of carbon arrives while the cars wait for the night.
_NOW: Final = datetime(2023, 3, 24, 18, tzinfo=UTC)
_MARGIN_MIN: Final = 20
_POLICY: Final = Policy(max_blocks=2, min_block=timedelta(minutes=10), min_pause=timedelta(minutes=10))


def measure(cars: int = 1_000_000) -> dict[str, float]:
    """All `cars` planned anew on three tariffs, tables included, in turn with copies; medians of five rounds.

    Read are 13 bytes per car (curve, deadline and time on as int32, and a byte whether it charges), written are 16
    (start and end of two blocks as int32). Copied are these same arrays: what is read to where a copy was before, what
    is written into a new array, as the plans are. The cars wait for their blocks. `fleet_table_ms` is the part that
    does not grow with the fleet. Cars drawn at random, once waiting and once charging, are compared with the planner of
    one car, byte for byte.
    """
    now, rng = us(_NOW) // MINUTE_US, np.random.default_rng(20)
    curves = _curves()
    fleet = _fleet(cars, len(curves), rng)
    few = _with_the_same_tables(fleet)
    edges = plan_many(curves, now, _POLICY, fleet)
    read = [column.copy() for column in fleet]
    planned, copied, tables = [], [], []
    for _ in range(_ROUNDS):
        planned.append(_seconds(lambda: plan_many(curves, now, _POLICY, fleet)))
        copied.append(_seconds(lambda: _copy(fleet, read, edges)))
        tables.append(_seconds(lambda: plan_many(curves, now, _POLICY, few)))
    drawn = rng.choice(cars, min(cars, _SAMPLE), replace=False)
    waiting = Cars(**{name: column[drawn] for name, column in fleet._asdict().items()})
    charging = waiting._replace(charging=np.ones(len(drawn), dtype=np.bool_))
    wrong = _mismatches(curves, waiting, edges[drawn])
    wrong += _mismatches(curves, charging, plan_many(curves, now, _POLICY, charging))
    return {
        "fleet_cars": float(cars),
        "fleet_ms": median(planned) * 1e3,
        "fleet_copy_ms": median(copied) * 1e3,
        "fleet_over_copy_ratio": median(planned) / median(copied),
        "fleet_us_per_car": median(planned) / cars * 1e6,
        "fleet_table_ms": median(tables) * 1e3,
        "fleet_compared": 2.0 * len(drawn),
        "fleet_mismatches": float(wrong),
    }


def _copy(fleet: Cars, read: list[Ints], edges: Ints) -> Ints:
    for column, into in zip(fleet[:4], read, strict=False):
        np.copyto(into, column)
    return edges.copy()


def _seconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _curves() -> list[Curve]:
    """Hourly prices of the day-ahead auction, a tariff of two rates, a flat one; half-hourly carbon with each."""
    window = WINDOWS["default"]
    hourly, grams = _known(prices(window)), _known(carbon(window))
    rates = (lambda slot: slot.value, lambda slot: 0.075 if slot.start.hour < 5 else 0.304, lambda slot: 0.289)
    until = _NOW + timedelta(hours=16)
    return [Curve.of(combine(_priced(hourly, rate), grams, _NOW, until), _CARBON_PRICE) for rate in rates]


def _known(vintages: list[Forecast]) -> Forecast:
    """What the vintages issued by now say together."""
    return reduce(merge, [vintage for vintage in vintages if vintage.issued_at <= _NOW])


def _priced(forecast: Forecast, rate: Callable[[Slot], float]) -> Forecast:
    slots = tuple(slot.model_copy(update={"value": rate(slot)}) for slot in forecast.slots)
    return forecast.model_copy(update={"slots": slots})


def _fleet(cars: int, curves: int, rng: np.random.Generator) -> Cars:
    """Ready at the quarters from 05:30 to 09:00 local time, less the margin; some 10 kWh, log-normal, 2 to 45."""
    first = datetime(2023, 3, 25, 5, 30, tzinfo=ZoneInfo("Europe/London"))
    powers = rng.choice([3.7, 7.4, 11.0], cars, p=[0.1, 0.7, 0.2])
    energies = np.clip(np.exp(rng.normal(np.log(10), 0.6, cars)), 2, 45)
    deadlines = us(first) // MINUTE_US - _MARGIN_MIN + 15 * rng.integers(0, 15, cars)
    needs = np.minimum(np.ceil(energies / powers * 60), deadlines - us(_NOW) // MINUTE_US)  # all can be served
    return Cars(
        curve=rng.integers(0, curves, cars).astype(np.int32),
        deadline=deadlines.astype(np.int32),
        need=needs.astype(np.int32),
        charging=np.zeros(cars, dtype=np.bool_),
        power_kw=powers,
    )


def _with_the_same_tables(fleet: Cars) -> Cars:
    """One car for every curve and deadline of the fleet, with the greatest need."""
    pairs = np.unique(np.stack((fleet.curve, fleet.deadline)), axis=1)
    count = pairs.shape[1]
    need = np.full(count, fleet.need.max(), dtype=np.int32)
    return Cars(pairs[0], pairs[1], need, np.zeros(count, dtype=np.bool_), np.ones(count))


def _mismatches(curves: list[Curve], cars: Cars, edges: Ints) -> int:
    """How many rows differ from what the planner of one car says."""
    wrong = 0
    for row, curve, deadline, need, charging, power_kw in zip(edges, *(c.tolist() for c in cars), strict=True):
        request = PlanRequest(
            now=_NOW,
            ready_by=instant(deadline * MINUTE_US),
            curve=curves[curve],
            need_kwh=need * power_kw / 60,
            power_kw=power_kw,
            charging_now=charging,
            policy=_POLICY,
        )
        found = [us(at) // MINUTE_US for start, end, _ in plan(request).blocks for at in (start, end)]
        wrong += row.tobytes() != np.array(found + [-1] * (EDGES - len(found)), dtype=row.dtype).tobytes()
    return wrong
