"""Evenings of kill -9 until the cycles are done: `python -m tests.faults.long_run --cycles 1000`, or `make faults`.

Ends with one page on the screen and in .d2ev/faults/report.md; exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import time_ns

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.brokers.local import LocalKafka
from deploy.demo.live import Live
from tests.faults.evening import Evening, options
from tests.faults.supervised import kills
from tests.faults.tally import Tally, page
from tests.faults.verdict import judge

Shown = Callable[[Live, Evening], None]
REPORT = Path(".d2ev/faults/report.md")
#: More in one evening, and no evening has time for anything else.
CYCLES_AN_EVENING = 25


def run(cycles: int, vehicles: int, seed: int, console: Console) -> Tally:
    """Live through evenings until `cycles` workers were killed."""
    tally = Tally(vehicles, seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=cycles)
        while len(tally.deaths) < cycles:
            evening_seed = seed + len(tally.verdicts)
            wanted = min(CYCLES_AN_EVENING, cycles - len(tally.deaths))
            done = len(tally.deaths)

            def show(live: Live, night: Evening, done: int = done) -> None:
                tells = f"{live.now:%H:%M} seed {night.options.seed}"
                progress.update(task, completed=done + len(night.workers.deaths), description=tells)

            _evening(tally, wanted, evening_seed, show)
    return tally


def _evening(tally: Tally, cycles: int, seed: int, show: Shown) -> None:
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        place = memory if memory.is_dir() else None
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
        broker = stack.enter_context(LocalKafka(directory / "kafka"))
        chosen = options(directory / "run", broker.bootstrap, vehicles=tally.vehicles, seed=seed)
        night = Evening(chosen, kills(cycles, seed))
        asyncio.run(night.run(lambda live: show(live, night)))
        tally.add(seed, night.workers.deaths, judge(night))


def main() -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long_run", description=__doc__)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--vehicles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="the same seed kills at the same places")
    chosen = parser.parse_args()
    console = Console()
    seed = time_ns() % 1_000_000 if chosen.seed is None else chosen.seed
    console.print(f"{chosen.cycles} kills, {chosen.vehicles} cars, seed {seed}")
    tally = run(chosen.cycles, chosen.vehicles, seed, console)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(page(tally), encoding="utf-8")
    console.print(Markdown(page(tally)))
    console.print(f"also in {REPORT}")
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
