"""`d2ev bench herd`: the night of the herd and the night of a long outage, judged.

How evenly starts are spread, the most planned starts in any second, calls before an OEM's Retry-After, starts too late
for the promise, and commands that restarts repeat.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final

from rich.console import Console
from rich.progress import Progress

from deploy.bench.herd import SECOND, STARTS_PER_SECOND, Herd
from deploy.bench.herd_cars import EDGE

CARS: Final = 100_000
#: How long the beats go on, and at which of them all workers are restarted.
BEATS: Final = 16 * 60
RESTARTS: Final = (260, 470)
#: The platform comes back so long after the edge, with every car due at once.
BACK: Final = timedelta(minutes=75)


def herd_night(cars: int, partitions: int = 6, progress: Progress | None = None) -> Herd:
    """All cars due at the edge; all workers restarted twice while they start."""
    return _lived(cars, partitions, EDGE - timedelta(minutes=1), RESTARTS, progress)


def outage_night(cars: int, partitions: int = 6, progress: Progress | None = None) -> Herd:
    """Nothing was sent for hours; then the platform is back."""
    return _lived(cars, partitions, EDGE + BACK, (), progress)


def judged(herd: Herd) -> dict[str, float]:
    """What the night was worth."""
    first: dict[str, float] = {}
    for start in herd.starts:
        first.setdefault(start.car, (start.at - EDGE) / SECOND)
    free = {key: car for key, car in herd.cars.items() if car.account not in herd.retry_at and key in first}
    begin = (herd.begin - EDGE) / SECOND
    planned = {key: max(begin, (car.plan.blocks[0].start - EDGE) / SECOND) for key, car in free.items()}
    waits = sorted(first[key] - planned[key] for key in free)
    paced = Counter(start.at for start in herd.starts if start.reason == "in_block")
    ids = Counter(command.id for command in herd.commands)
    spread = {} if begin > 0 else {"offsets_ks": _distance([first[key] for key in free])}
    return spread | {
        "cars": len(herd.cars),
        "started": len(herd.effective),
        "started_twice": sum(times > 1 for times in herd.effective.values()),
        "same_command_twice": sum(times > 1 for times in ids.values()),
        "urgent_starts": len(herd.starts) - paced.total(),
        "starts_per_second_peak": max(paced.values(), default=0),
        "starts_per_second_cap": STARTS_PER_SECOND,
        "waits_p50_seconds": waits[len(waits) // 2],
        "waits_p99_seconds": waits[len(waits) * 99 // 100],
        "waits_max_seconds": waits[-1],
        "throttled_accounts": len(herd.retry_at),
        "stopped_at_the_gate": herd.at_the_gate,
        "asked_before_retry_after": herd.too_soon,
        "too_late_for_the_promise": herd.too_late,
    }


def herd(cars: int = CARS, *, as_json: bool = False) -> None:
    """Run both nights and print the figures, the last line as one JSON object; only that one with `as_json`."""
    began = perf_counter()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        nights = {"edge": judged(herd_night(cars, progress=progress))}
        nights["outage"] = judged(outage_night(cars, progress=progress))
    if not as_json:
        for name, figures in nights.items():
            for key, value in figures.items():
                print(f"{name:8}{key:28}{value:>12,.6g}")
    print(json.dumps({**nights, "wall_seconds": round(perf_counter() - began, 1)}))


def _lived(cars: int, partitions: int, begin: datetime, restarts: tuple[int, ...], progress: Progress | None) -> Herd:
    bar = Progress(disable=True) if progress is None else progress
    enrolled, lived = bar.add_task("cars", total=cars), bar.add_task("seconds", total=BEATS)
    herd = Herd(cars, partitions, begin, lambda: bar.advance(enrolled))
    for beat in range(BEATS):
        if beat in restarts:
            herd.restart()
        herd.second()
        bar.advance(lived)
    return herd


def _distance(seconds: list[float]) -> float:
    """Kolmogorov-Smirnov: the largest gap to a uniform spread over the 601 whole seconds from 0 to 600."""
    ordered, n = sorted(seconds), len(seconds)
    return max((max((i + 1) / n - (at + 1) / 601, at / 601 - i / n) for i, at in enumerate(ordered)), default=0.0)
