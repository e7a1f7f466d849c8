"""Sums and shares of a backtest. Every share is a ratio of sums, with an interval from drawing days."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

import numpy as np

from deploy.backtest.regret import CAUSES
from deploy.backtest.run import Line
from deploy.backtest.ways import OTHERS
from deploy.resampling import Floats, Share, share, weights
from streams.contracts.session import Promise

WAYS: Final = ("managed", *OTHERS)


class Days:
    """Amounts of each way by day of plug-in, and how uncertain their ratios are."""

    def __init__(self, lines: Sequence[Line], seed: int) -> None:
        self.days = sorted({line.stay.day for line in lines})
        place = {day: n for n, day in enumerate(self.days)}
        self._sums = {name: np.zeros((len(self.days), len(WAYS) + 1)) for name in ("cost", "carbon_g", "objective")}
        for line in lines:
            for name, sums in self._sums.items():
                row = sums[place[line.stay.day]]
                row[:-1] += [_amount(line, way, name) for way in WAYS]
                row[-1] += credited(line, name)
        self._weights = weights(len(self.days), seed)

    def total(self, name: str, way: str) -> float:
        """The sum of an amount (cost, carbon_g, objective) of a way."""
        return float(self._sums[name][:, WAYS.index(way)].sum())

    def saving(self, name: str, way: str = "managed") -> Share:
        """Saved against unmanaged, over what unmanaged cost or emitted."""
        return self._ratio(self._saved(name, way), self._of(name, "unmanaged"))

    def capture(self, name: str, way: str = "managed") -> Share:
        """Saved against unmanaged, over what the oracle saves."""
        return self._ratio(self._saved(name, way), self._of(name, "unmanaged") - self._of(name, "oracle"))

    def by_day(self, name: str) -> list[tuple[date, float, float]]:
        """Per day: what managed charging saved and what the oracle would have."""
        saved, possible = self._saved(name, "managed"), self._saved(name, "oracle")
        return list(zip(self.days, saved.tolist(), possible.tolist(), strict=True))

    def _of(self, name: str, way: str) -> Floats:
        return self._sums[name][:, WAYS.index(way)]

    def _saved(self, name: str, way: str) -> Floats:
        if way == "managed":
            return self._sums[name][:, -1]
        return self._of(name, "unmanaged") - self._of(name, way)

    def _ratio(self, part: Floats, whole: Floats) -> Share:
        return share(part, whole, self._weights)


def _amount(line: Line, way: str, name: str) -> float:
    return line.objective(way) if name == "objective" else float(getattr(line.bills[way], name))


def credited(line: Line, name: str) -> float:
    """What a stay saved against unmanaged; a missed promise that was in reach earns nothing, but loses in full."""
    saved = _amount(line, "unmanaged", name) - _amount(line, "managed", name)
    return min(saved, 0.0) if line.promise is Promise.MISSED else saved


def regret(lines: Sequence[Line]) -> dict[str, float]:
    """The objective of managed over that of the oracle by cause."""
    return {cause: sum(line.regret[cause] for line in lines) for cause in CAUSES}


def promises(lines: Sequence[Line]) -> dict[str, int]:
    """How many promises were met, missed, unreachable from the start, or ended by an early departure."""
    kept = Counter(line.promise for line in lines)
    return {str(kind): kept[kind] for kind in (Promise.MET, Promise.MISSED, Promise.UNREACHABLE, Promise.LEFT_EARLY)}


def blocks(line: Line) -> int:
    """Blocks of charging, without the minutes before the car could be stopped."""
    first = line.outcome.profile[:1]
    leaked = any(end - start <= line.leak and start == line.stay.plugged_at for start, end, _ in first)
    count = len(line.outcome.profile)
    return count - 1 if leaked and count > 1 else count


def distribution(lines: Sequence[Line], count: Callable[[Line], int], most: int) -> dict[str, int]:
    """How many stays have 0, 1, 2 … of something; the last class holds all that have more."""
    found = Counter(min(count(line), most) for line in lines)
    return {f"{n}" if n < most else f"{n}+": found[n] for n in range(most + 1)}


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def shortfall(lines: Sequence[Line]) -> tuple[float, float]:
    """kWh at the wall and percent points of the battery that were missing at ready-by, over all promises not met."""
    short = [
        (max(0.0, line.stay.energy_kwh - line.outcome.ready_kwh), line.stay.registration)
        for line in lines
        if line.promise is not Promise.MET
    ]
    points = sum(kwh * car.efficiency / car.usable_kwh * 100 for kwh, car in short)
    return sum(kwh for kwh, _ in short), points


def by_class(lines: Sequence[Line]) -> dict[str, Any]:
    """Blocks and start changes per stay, as means and distributions."""
    announced = [line for line in lines if line.outcome.announced]
    charged = [line for line in lines if line.outcome.profile]
    totals: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        totals["commands"] += line.outcome.commands
        totals["schedules"] += line.outcome.schedules
        totals["decisions"] += line.outcome.decisions
    return {
        "announced": len(announced),
        "start_changes": mean([line.outcome.start_changes for line in announced]),
        "start_change_classes": distribution(announced, lambda line: line.outcome.start_changes, 3),
        "blocks": mean([blocks(line) for line in charged]),
        "block_classes": distribution(charged, blocks, 4),
        "optimal_blocks": mean([line.bills["oracle"].blocks for line in charged]),
        **totals,
    }
