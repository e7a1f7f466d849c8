"""Planning problems made up from a seed, as lines of `d2ev plan`: all the awkward kinds, small enough for a solver.

Prices have at most six decimals and carbon weighs whole millionths, so that what the planner rounds is whole already.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from deploy.bench.statement import soc_after

#: Before an ordinary day and before both changes of the clock in Great Britain.
STARTS: Final = (
    datetime(2023, 5, 14, 17, tzinfo=UTC),
    datetime(2023, 3, 26, 0, tzinfo=UTC),
    datetime(2023, 10, 28, 23, tzinfo=UTC),
)
PRICES: Final[dict[str, Callable[[Random], float]]] = {
    "random": lambda r: r.randrange(-2000, 6000) / 1e4,
    "tied": lambda r: r.choice([0.09, 0.18, 0.18, 0.30]),
    "flat": lambda r: 0.25,
    "nearly flat": lambda r: r.choice([0.25, 0.250001, 0.249999]),
    "negative": lambda r: -r.randrange(1, 3000) / 1e4,
    "two-rate": lambda r: r.choice([0.0752, 0.3041]),
}
POWERS: Final = (2.3, 3.7, 7.4, 11.0, 22.0)
Line = dict[str, Any]


def problem(variant: str, seed: int) -> Line:
    """Problem `seed` of a variant: A, B, B', C, D, E or G. The same seed, the same line."""
    return VARIANTS[variant](Random(f"{variant} {seed}"))


def stamp(instant: datetime) -> str:
    """RFC 3339 in UTC."""
    return instant.isoformat().replace("+00:00", "Z")


def _line(r: Random, slots: list[Line], window: tuple[datetime, datetime], hours: float) -> Line:
    """A line whose car needs `hours` of its power; from 0 to 100 %, so that the need is exact."""
    power = r.choice(POWERS)
    return {
        "now": stamp(window[0]),
        "ready_by": stamp(window[1]),
        "slots": slots,
        "vehicle": {
            "soc_pct": 0,
            "target_soc_pct": 100,
            "usable_kwh": max(1e-6, power * hours),
            "efficiency": 1,
            "power_kw": power,
            "charging_now": r.random() < 0.4,
        },
        "policy": {"carbon_price_per_tonne": r.choice([0, 0, 50, 245])},
    }


def _slots(r: Random, start: datetime, lengths: list[int], unit: timedelta = timedelta(minutes=1)) -> list[Line]:
    kind = PRICES[r.choice(sorted(PRICES))]
    pool = [kind(r) for _ in range(8)]
    dirty, capped = r.random() < 0.5, r.random() < 0.25
    slots = []
    for length in lengths:
        slot: Line = {
            "start": stamp(start),
            "end": stamp(start := start + length * unit),
            "price_per_kwh": r.choice(pool),
        }
        if dirty:
            slot["carbon_g_per_kwh"] = r.randrange(0, 400)
        if capped:
            slot["price_adder_per_kwh"] = r.choice([0, 0, 0.01, 0.2])
        slots.append(slot)
    return slots


def _lengths(r: Random) -> list[int]:
    """Minutes of each slot: one grid or several; now and then the 46 or 50 half hours of a day with a clock change."""
    if r.random() < 0.05:
        return [30] * r.choice([46, 50])
    grid = r.choice([[15], [30], [60], [15, 30, 60]])
    return [r.choice(grid) for _ in range(r.randrange(6, 25))]


def _open_problem(r: Random, step: timedelta) -> tuple[Line, timedelta]:
    """A line with window and need on multiples of `step`, and its window's length."""
    start, lengths = r.choice(STARTS), _lengths(r)
    whole = sum(lengths) * timedelta(minutes=1) // step
    begin = r.randrange(0, whole // 2)
    end = r.randrange(begin + 2, whole + 1)
    need = r.randrange(1, end - begin + 1) * step
    window = start + begin * step, start + end * step
    line = _line(r, _slots(r, start, lengths), window, need / timedelta(hours=1))
    return line, window[1] - window[0]


def _sort(r: Random) -> Line:
    line, _ = _open_problem(r, timedelta(seconds=1))
    line["policy"]["margin_minutes"] = r.choice([0, 0, 0, 10, 30])
    return line


def _minimum(r: Random) -> Line:
    line = _sort(r)
    line["vehicle"]["min_soc_pct"] = r.choice([r.uniform(0, 100), 20, 100])
    return line


def _goals(r: Random) -> Line:
    line, length = _open_problem(r, timedelta(seconds=1))
    now = datetime.fromisoformat(line["now"])
    line["goals"] = [
        {
            "by": stamp(now + timedelta(seconds=round(r.random() * length.total_seconds()))),
            "soc_pct": r.randrange(5, 101),
        }
        for _ in range(r.randrange(1, 4))
    ]
    if r.random() < 0.3:
        line["vehicle"]["min_soc_pct"] = r.randrange(1, 40)
    return line


def _blocks(r: Random) -> Line:
    most = r.choice([1, 2, 2, 3, None])
    penalty = r.choice([0, 0.01, 0.05, 0.3, 1.0])
    step = r.choice([timedelta(seconds=1), timedelta(minutes=1)])
    line, _ = _open_problem(r, step)
    line["policy"] |= {"max_blocks": most, "start_penalty": penalty}
    if r.random() < 0.25:
        minutes = round(line["vehicle"]["usable_kwh"] / line["vehicle"]["power_kw"] * 60)
        line["vehicle"]["min_soc_pct"] = 100 * r.randrange(0, minutes + 1) / minutes if minutes else 0
    return line


def _least_lengths(r: Random) -> Line:
    """On a grid of five minutes, or of one. As all that is given lies on it, so does some best plan."""
    step = r.choice([1, 5, 5])
    start = r.choice(STARTS)
    lengths = [r.choice([3, 4, 6]) * step for _ in range(r.randrange(3, 10))]
    whole = sum(lengths) // step
    begin = r.randrange(0, whole // 3)
    end = r.randrange(begin + 3, whole + 1)
    need = r.randrange(1, end - begin + 1)
    unit = timedelta(minutes=step)
    window = start + begin * unit, start + end * unit
    line = _line(r, _slots(r, start, lengths), window, need * step / 60)
    line["policy"] |= {
        "min_block_minutes": r.choice([0, 1, 2, 3, 5]) * step,
        "min_pause_minutes": r.choice([0, 1, 2, 4]) * step,
        "max_blocks": r.choice([1, 2, 2, 3, None]),
        "start_penalty": r.choice([0, 0, 0.02, 0.3]),
    }
    return line


def _taper(r: Random) -> Line:
    """A dozen minutes, so that every way to charge can be tried; the target takes a whole number of them."""
    start = r.choice(STARTS)
    lengths = [r.choice([1, 2, 3]) for _ in range(r.randrange(4, 7))]
    begin = r.randrange(0, 2)
    end = min(sum(lengths), begin + 12)
    window = start + timedelta(minutes=begin), start + timedelta(minutes=end)
    line = _line(r, _slots(r, start, lengths), window, r.uniform(1, 3) * (end - begin) / 60)
    power = line["vehicle"]["power_kw"]
    points = sorted(r.sample(range(5, 100, 5), r.randrange(1, 4)))
    levels = sorted((round(power * r.uniform(0.1, 1.2), 2) for _ in points), reverse=True)
    line["vehicle"]["taper"] = [list(point) for point in zip(points, levels, strict=True)]
    minutes = r.randrange(1, end - begin + 1)
    # A hair below what so many minutes give, so that the need is no minute more.
    line["vehicle"]["target_soc_pct"] = soc_after(line["vehicle"], minutes) * (1 - 1e-9)
    if r.random() < 0.5:
        line["policy"] |= {"max_blocks": r.choice([1, 2, 3]), "start_penalty": r.choice([0, 0.001, 0.02])}
    return line


def _unreachable(r: Random) -> Line:
    line = _sort(r)
    line["vehicle"]["usable_kwh"] = min(1000.0, line["vehicle"]["usable_kwh"] * r.uniform(1.0, 3.0))
    return line


VARIANTS: Final[dict[str, Callable[[Random], Line]]] = {
    "A": _sort,
    "B": _minimum,
    "B'": _goals,
    "C": _blocks,
    "D": _least_lengths,
    "E": _taper,
    "G": _unreachable,
}
