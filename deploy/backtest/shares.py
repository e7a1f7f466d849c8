"""The work shared between processes by car: what a car was seen to draw stays with it, so the books are the same."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from typing import Final

from deploy.backtest.run import Line, Setting, drive
from deploy.backtest.stays import Stay

#: Below this a second process is not worth its start.
_WORTH: Final = 400
_MOST: Final = 8

_done: Synchronized[int] | None = None


def drive_shared(setting: Setting, stays: Sequence[Stay], progress: Callable[[int], None]) -> list[Line]:
    """The lines of all stays, in their order; `progress` is told how many are done, now and then."""
    processes = min(_MOST, os.cpu_count() or 1, 1 + len(stays) // _WORTH)
    if processes == 1:
        count = iter(range(1, len(stays) + 1))
        return drive(setting, stays, lambda: progress(next(count)))
    context = get_context("spawn")
    done = context.Value("i", 0)
    lines: dict[str, Line] = {}
    with ProcessPoolExecutor(processes, context, _begin, (done,)) as pool:
        waiting = {pool.submit(_drive, setting, share) for share in _shares(stays, processes)}
        while waiting:
            finished, waiting = wait(waiting, timeout=0.3)
            progress(done.value)
            for one in finished:
                lines.update((line.stay.id, line) for line in one.result())
    return [lines[stay.id] for stay in stays]


def _shares(stays: Sequence[Stay], processes: int) -> list[list[Stay]]:
    """Whole cars, the busiest first to the share with the least."""
    cars: defaultdict[str, list[Stay]] = defaultdict(list)
    for stay in stays:
        cars[stay.registration.car].append(stay)
    shares: list[list[Stay]] = [[] for _ in range(processes)]
    for car in sorted(cars, key=lambda car: (-len(cars[car]), car)):
        min(shares, key=len).extend(cars[car])
    return [sorted(share, key=lambda stay: (stay.plugged_at, stay.id)) for share in shares]


def _begin(done: Synchronized[int]) -> None:
    global _done  # noqa: PLW0603 - a worker process has no other place for what its parent hands it
    _done = done


def _drive(setting: Setting, stays: Sequence[Stay]) -> list[Line]:
    def count() -> None:
        if _done is not None:
            with _done.get_lock():
                _done.value += 1

    return drive(setting, stays, count)
