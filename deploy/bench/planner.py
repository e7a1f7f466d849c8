"""`d2ev bench planner`: exact and fast beside HiGHS and copied memory, and what blocks and caps cost; with the bars."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from deploy.bench import blocks, caps, fleet, one_car
from deploy.bench.one_car import NOT_INSTALLED

CARS: Final = 1_000_000
CAP_CARS: Final = 100_000
PROBLEMS: Final = 100
FEWEST_CARS: Final = 1_000


class Bar(NamedTuple):
    """A figure, what it must keep to, and what it is measured beside."""

    key: str
    says: str
    at_most: float | None = None
    at_least: float | None = None
    beside: str = ""

    def met(self, value: Any) -> bool | None:
        """None where there is no bar, or nothing was measured."""
        if isinstance(value, str) or (self.at_most is None and self.at_least is None):
            return None
        high = self.at_most is None or value <= self.at_most
        return high and (self.at_least is None or value >= self.at_least)

    @property
    def wanted(self) -> str:
        """The bar, in words."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"


BARS: Final = (
    Bar("exact_mismatches", "plans dearer or cheaper than the judges' by 1e-6", 0, beside="exact_problems"),
    Bar("planner_us_p50", "one car, any blocks: us, median"),
    Bar("planner_us_p99", "one car, any blocks: us, 99th percentile", 20),
    Bar("planner_blocks_us_p50", "one car, two blocks, least lengths: us, median"),
    Bar("planner_blocks_us_p99", "one car, two blocks, least lengths: us, 99th percentile"),
    Bar("highs_over_planner_ratio", "HiGHS over one car, by the median", at_least=200, beside="highs_us"),
    Bar("fleet_us_per_car", "fleet of one region, two blocks: us per car", 50, beside="fleet_cars"),
    Bar("fleet_over_copy_ratio", "fleet over copying the same bytes", 12, beside="fleet_copy_ms"),
    Bar("fleet_mismatches", "fleet's plans that are not the one car's", 0),
    Bar("blocks_half_hour_two_kept_pct", "saving kept by two blocks, half hours: %", at_least=99),
    Bar("blocks_agile_two_kept_pct", "saving kept by two blocks, half-hourly tariff: %", at_least=99),
    Bar("blocks_quarter_hour_two_kept_pct", "saving kept by two blocks, quarter hours: %", at_least=98),
    Bar("cap_seconds", "regional cap, three tariffs: s", 1, beside="cap_cars"),
    Bar("cap_gap_pct_of_saving", "regional cap: certified gap, % of the saving", 1),
    Bar("cap_worst_minute_over_pct", "regional cap: worst minute over it, %", 1),
    Bar("cap_unmet_kwh", "regional cap: kWh short that need not be", 0),
)


def run(cars: int = CARS, problems: int = PROBLEMS) -> dict[str, Any]:
    """Every figure, with what it is measured beside. ValueError: too little to measure."""
    if cars < FEWEST_CARS or problems < 1:
        raise ValueError(f"give at least {FEWEST_CARS} cars and one problem")
    parts: tuple[Callable[[], dict[str, Any]], ...] = (
        one_car.measure,
        lambda: exactness(problems),
        lambda: fleet.measure(cars),
        lambda: caps.measure(min(cars, CAP_CARS)),
        blocks.measure,
    )
    found: dict[str, Any] = {}
    for part in parts:
        found |= part()
    bars = {bar.key: bar.met(found[bar.key]) for bar in BARS}
    return {**found, "bars_met": {key: met for key, met in bars.items() if met is not None}, **_where()}


def exactness(problems: int) -> dict[str, Any]:
    """Plans beside their judges: so many problems of every variant."""
    if find_spec("scipy") is None:
        return dict.fromkeys(("exact_problems", "exact_mismatches", "exact_worst"), NOT_INSTALLED)
    from deploy.bench.exactness import verdict
    from deploy.bench.problems import VARIANTS

    found = [verdict(variant, range(problems)) for variant in VARIANTS]
    return {
        "exact_problems": sum(one.problems for one in found),
        "exact_mismatches": sum(len(one.mismatches) for one in found),
        "exact_worst": max(one.worst for one in found),
        "exact_examples": [line for one in found for line in one.mismatches[:1]],
    }


def text(result: dict[str, Any]) -> str:
    """The result for people: a line per figure, with its bar and what it is measured beside."""
    lines = [f"{'':58}{'':>12}  {'bar':14}"]
    for bar in BARS:
        value = result[bar.key]
        met = {True: "met", False: "MISSED", None: ""}[bar.met(value)]
        beside = f"  {bar.beside} {_shown(result[bar.beside])}" if bar.beside and bar.beside in result else ""
        lines.append(f"{bar.says:58}{_shown(value):>12}  {bar.wanted:14}{met:6}{beside}".rstrip())
    return "\n".join(lines)


def _shown(value: float | str) -> str:
    """Three digits behind the point at the most; or why there is no figure."""
    if isinstance(value, str):
        return value
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _where() -> dict[str, Any]:
    wheels = [wheel for wheel in ("numpy", "scipy") if find_spec(wheel)]
    return {
        "versions": {"python": platform.python_version(), **{wheel: metadata.version(wheel) for wheel in wheels}},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def planner(cars: int = CARS, problems: int = PROBLEMS, *, as_json: bool = False) -> None:
    """Run the bench and print its lines, the last of them one JSON object; only that one with `as_json`."""
    result = run(cars, problems)
    if not as_json:
        print(text(result))
    print(json.dumps(result))
