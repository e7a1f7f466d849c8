"""`python -m tests.scaling`: more partitions, and another version forth and back, while readings stream in.

Three workers on a real Kafka live through an evening. The ledger at the end is the simulator's, not the workers' own;
exit code 1 when anything was lost, late, or done twice.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

from deploy.brokers.local import LocalKafka
from deploy.demo import feed
from deploy.demo.world import preference
from deploy.migrate.log import RawLog
from streams.domain.ids import stable_id
from streams.topics import PREFERENCE
from tests.faults.evening import Evening, options
from tests.faults.supervised import PROGRAM
from tests.faults.verdict import judge
from tests.integration.expanding import expansion, new_version
from tests.scaling.load import Load

NEWER = ("tests.integration.newer_worker",)
#: Of streaming before and after what an operator does.
CALM_SECONDS = 10
#: Hours after the evening's start: half of the cars are plugged in; and all of them, some charging.
EXPANDED, UPGRADED = 35 / 60, 1.5


class Operator:
    """Does both in the middle of an evening, and keeps the books."""

    def __init__(self, rate: float, after: int) -> None:
        self._rate, self._after = rate, after
        self.lines: list[str] = []

    async def more_workers(self, night: Evening) -> None:
        """Three, as the night begins."""
        for name in ("worker-2", "worker-3"):
            await night.workers.start(name)

    async def expand(self, night: Evening) -> None:
        """As docs/scaling.md says; the writer of readings is the last to hear of it."""

        async def steps(load: Load) -> None:
            await boost(night, 0)
            for name in ("worker-1", "worker-2", "worker-3"):
                await night.workers.stop(name)
            await boost(night, 1)
            with RawLog(night.settings) as log:
                expanded = expansion(night.settings, self._after, log)
                await asyncio.to_thread(expanded.run, 60)
            await new_version(night, expanded, "worker-4")
            for name in ("worker-5", "worker-6"):
                await night.workers.start(name)
            await asyncio.sleep(CALM_SECONDS)
            await load.switch()

        await self._under_load(f"{night.options.partitions} to {self._after} partitions", night, steps)

    async def upgrade(self, night: Evening) -> None:
        """One worker after the other is of the later version, then of the one before again."""

        async def steps(load: Load) -> None:
            for number, program in ((7, NEWER), (10, PROGRAM)):
                night.workers._program = program
                for one in range(number, number + 3):
                    await boost(night, one % 3)
                    await night.workers.stop(f"worker-{one - 3}")
                    await night.workers.start(f"worker-{one}")

        await self._under_load("rolling upgrade, forth and back", night, steps)

    async def _under_load(self, what: str, night: Evening, steps: Callable[[Load], Awaitable[None]]) -> None:
        async with Load(night, self._rate) as load:
            await asyncio.sleep(CALM_SECONDS)
            began = monotonic()
            await steps(load)
            took = monotonic() - began
            await asyncio.sleep(CALM_SECONDS)
        self.lines.append(
            f"{what}: {took:.0f} s, {load.written:,} readings at {load.written / load.seconds:.0f} a second; "
            f"nothing new was known of a car for {load.served.longest_seconds:.1f} s at most"
        )


async def boost(night: Evening, third: int) -> None:
    """Drivers of a third of the cars that are there want to charge at once: commands are under way meanwhile."""
    here = [v for v in night.fleet if v.stays[0].plug_in < night.now and int(stable_id(v.car), 16) % 3 == third]
    wishes = [preference(v, night.now).model_copy(update={"mode": "boost"}) for v in here]
    await night.writer.write([feed.record(PREFERENCE, w.car, w, night.now, night.options.partitions) for w in wishes])


def main() -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.scaling", description=__doc__)
    parser.add_argument("--vehicles", type=int, default=100)
    parser.add_argument("--rate", type=float, default=500, help="readings a second, on the wall clock")
    parser.add_argument("--before", type=int, default=4, help="partitions")
    parser.add_argument("--after", type=int, default=12, help="partitions")
    chosen = parser.parse_args()
    operator = Operator(chosen.rate, chosen.after)
    with tempfile.TemporaryDirectory() as directory, LocalKafka(Path(directory) / "kafka") as broker:
        facts = options(Path(directory) / "run", broker.bootstrap, vehicles=chosen.vehicles, partitions=chosen.before)
        hooks = {0.1: operator.more_workers, EXPANDED: operator.expand, UPGRADED: operator.upgrade}
        night = Evening(facts, (), hooks)
        asyncio.run(night.run())
        verdict = judge(night)
    complaints = verdict.complaints()
    ledger = f"{verdict.effective} commands had an effect; lost, late, twice, unfinished: {len(complaints) or 'none'}"
    sys.stdout.write("\n".join([*operator.lines, ledger, *complaints]) + "\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
