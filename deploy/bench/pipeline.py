"""`d2ev bench pipeline`: the hot path on real Kafka beside its peers, interleaved in one run, as ratios of medians.

Every variant is a process of its own that reads the same telemetry and writes the same states. What each wrote is
counted, and compared by digest with a plain fold of the same readings.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from deploy.bench import telemetry
from deploy.bench.cluster import Cluster
from deploy.bench.variants.job import Job
from deploy.bench.variants.table import BARE, COPY, D2EV, FAUST, QUIX, ROOT, VARIANTS, Variant
from deploy.brokers.errors import BrokerError
from deploy.brokers.jars import kafka_version
from deploy.brokers.local import LocalKafka
from streams.topics import TELEMETRY, VEHICLE

RUN_SECONDS = 300
FEWEST_EVENTS = 1_000
NOT_INSTALLED = "not installed: make bench-setup"
#: Whom D2EV is compared with, by the name of the ratio.
PEERS = {"bare_client": BARE, "copying_client": COPY, "idiomatic_faust": FAUST, "quix": QUIX}
Measured = dict[str, list[dict[str, float]]]


class VariantFailed(RuntimeError):
    """A variant ended without a measurement, or wrote something else than the plain fold."""


class Bench:
    """One run of the bench on one cluster."""

    def __init__(self, cluster: Cluster, directory: Path, events: int, vehicles: int, partitions: int) -> None:
        self._cluster = cluster
        self._directory = directory
        self._partitions = partitions
        self._events = events
        self._vehicles = vehicles
        self._states = directory / "states.pickle"
        #: In the name of every consumer group and changelog of this run.
        self.mark = f"d2ev-bench-{os.getpid()}-"
        self._names = (f"{self.mark}{number}" for number in count())
        self._expected: dict[int, str] = {}

    def prepare(self, variants: list[Variant]) -> None:
        """Fill one input topic per share, and work out what must be written for it."""
        self._cluster.create([VEHICLE.name, *(_target(v) for v in variants if v is not D2EV)])
        for share in sorted({variant.share for variant in variants}):
            inputs = self._inputs(share)
            self._cluster.create([_source(share)])
            self._cluster.feed(_source(share), inputs)
            states = telemetry.states(inputs, self._partitions)
            if share == 1:
                self._states.write_bytes(pickle.dumps(states))
            at = [iter(of_partition) for of_partition in states]
            self._expected[share] = telemetry.digest((r.key, next(at[r.partition])) for r in inputs)

    def measure(self, variant: Variant) -> dict[str, float]:
        """Run a variant once. Raises VariantFailed unless it wrote exactly what the plain fold gives."""
        name = next(self._names)
        changelog = f"{name}-vehicle-state-changelog"
        target, events = _target(variant), self._events // variant.share
        if variant is not QUIX:  # which makes its own
            self._cluster.create([changelog])
        before = self._cluster.ends(target)
        with tempfile.TemporaryDirectory(dir=self._directory) as state:
            job = Job(
                self._cluster.bootstrap,
                name,
                _source(variant.share),
                target,
                changelog,
                self._partitions,
                events,
                state,
                str(self._states),
            )
            result = _run(variant, job)
        self._check(variant, target, before)
        return result

    def _inputs(self, share: int) -> list[telemetry.Reading]:
        """As many readings per car in every share."""
        cars = max(1, self._vehicles // share)
        return list(telemetry.readings(self._events // share, cars, self._partitions))

    def _check(self, variant: Variant, target: str, before: dict[int, int]) -> None:
        written = list(self._cluster.read(target, before))
        if len(written) != self._events // variant.share:
            raise VariantFailed(f"{variant.name} wrote {len(written)} of {self._events // variant.share} states")
        if telemetry.digest(written) != self._expected[variant.share]:
            raise VariantFailed(f"{variant.name} wrote other states than the plain fold")


def _source(share: int) -> str:
    return TELEMETRY.name if share == 1 else f"d2ev-bench-telemetry-{share}"


def _target(variant: Variant) -> str:
    return VEHICLE.name if variant is D2EV else f"d2ev-bench-state-{variant.name}"


def _run(variant: Variant, job: Job) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(variant.python), "-W", "ignore", "-m", variant.module, job.arguments()]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=RUN_SECONDS, cwd=job.directory, env=environment
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"events"')]
    if done.returncode or not lines:
        raise VariantFailed(f"{variant.name} ended with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(lines[-1])
    return result


@contextmanager
def _kafka(bootstrap: str | None, directory: Path) -> Iterator[str]:
    if bootstrap is not None:
        yield bootstrap
        return
    with LocalKafka(directory / "kafka") as kafka:
        yield kafka.bootstrap


def run(
    events: int = 200_000, vehicles: int = 10_000, partitions: int = 6, rounds: int = 3, bootstrap: str | None = None
) -> dict[str, Any]:
    """Measure every variant `rounds` times, interleaved, and return figures and ratios.

    Raises ValueError (too little to measure), VariantFailed, cluster.Unusable (the given Kafka holds topics of D2EV) or
    brokers.errors.BrokerError.
    """
    if events < FEWEST_EVENTS or min(vehicles, partitions, rounds) < 1:
        raise ValueError(f"give at least {FEWEST_EVENTS} events, and one vehicle, partition and round")
    variants = [variant for variant in VARIANTS if variant.python.exists()]
    measured: Measured = {variant.name: [] for variant in variants}
    with tempfile.TemporaryDirectory(prefix="d2ev-bench-") as name, _kafka(bootstrap, Path(name)) as address:
        cluster = Cluster(address, partitions)
        bench = Bench(cluster, Path(name), events, vehicles, partitions)
        try:
            bench.prepare(variants)
            for _ in range(rounds):
                for variant in variants:
                    measured[variant.name].append(bench.measure(variant))
        finally:
            cluster.drop(bench.mark)
    shape = {"events": events, "vehicles": vehicles, "partitions": partitions, "rounds": rounds}
    return {**summary(measured), **shape, "versions": _versions(), "machine": _machine()}


def summary(measured: Measured) -> dict[str, Any]:
    """Medians and ratios of the raw figures; a ratio is ours over theirs, or says why there is none."""
    rates = {name: median(r["events"] / r["seconds"] for r in runs) for name, runs in measured.items()}
    costs = {name: median(1e6 * r["cpu_seconds"] / r["events"] for r in runs) for name, runs in measured.items()}
    return {
        "events_per_second": round(rates[D2EV.name]),
        "cpu_us_per_event": round(costs[D2EV.name], 2),
        **{f"{ratio}_ratio": _ratio(rates, peer) for ratio, peer in PEERS.items()},
        **{f"{ratio}_cpu_ratio": _cpu_ratio(costs, peer) for ratio, peer in PEERS.items()},
        "medians": {
            name: {"events_per_second": round(rates[name]), "cpu_us_per_event": round(costs[name], 2)} for name in rates
        },
        "raw": measured,
    }


def _ratio(rates: dict[str, float], peer: Variant) -> float | str:
    return round(rates[D2EV.name] / rates[peer.name], 3) if peer.name in rates else NOT_INSTALLED


def _cpu_ratio(costs: dict[str, float], peer: Variant) -> float | str:
    return round(costs[peer.name] / costs[D2EV.name], 3) if peer.name in costs else NOT_INSTALLED


def _versions() -> dict[str, str]:
    ours = {name: metadata.version(name) for name in ("faust-streaming", "aiokafka", "msgspec", "rocksdict")}
    return {"python": platform.python_version(), "kafka": kafka_version(), **ours, "quixstreams": _quix_version()}


def _quix_version() -> str:
    if not QUIX.python.exists():
        return NOT_INSTALLED
    command = [str(QUIX.python), "-c", "from importlib.metadata import version; print(version('quixstreams'))"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()}


def text(result: dict[str, Any]) -> str:
    """The result for people: one line per variant, then the ratios."""
    lines = [f"{'':56}{'events/s':>10}{'CPU us/event':>14}"]
    for variant in VARIANTS:
        figures = result["medians"].get(variant.name)
        shown = (
            f"{figures['events_per_second']:>10,}{figures['cpu_us_per_event']:>14}" if figures else f"  {NOT_INSTALLED}"
        )
        lines.append(f"{variant.says:56}{shown}")
    lines += [
        f"{ratio}_ratio: {result[f'{ratio}_ratio']} (by processor time: {result[f'{ratio}_cpu_ratio']})"
        for ratio in PEERS
    ]
    return "\n".join(lines)


def pipeline(
    events: int = 200_000,
    vehicles: int = 10_000,
    partitions: int = 6,
    rounds: int = 3,
    bootstrap: str | None = None,
    as_json: bool = False,
) -> None:
    """Run the bench and print its result."""
    result = run(events, vehicles, partitions, rounds, bootstrap)
    print(json.dumps(result, indent=1) if as_json else text(result))


def main() -> None:
    """`python -m deploy.bench.pipeline`."""
    parser = argparse.ArgumentParser(prog="python -m deploy.bench.pipeline", description=run.__doc__)
    for name, default in (("events", 200_000), ("vehicles", 10_000), ("partitions", 6), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--bootstrap", help="a Kafka of the bench's own; by default one is started")
    parser.add_argument("--json", dest="as_json", action="store_true")
    try:
        pipeline(**vars(parser.parse_args()))
    except (ValueError, BrokerError, VariantFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ValueError) else 1) from None


if __name__ == "__main__":
    main()
