"""Every Prometheus metric in one list, and the per-stage ledger. Labels never name a car, a driver or a VIN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import structlog
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as PromCounter

from streams.contracts.command import Action, CommandPhase

LOG = structlog.get_logger("d2ev")


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counts: dict[str, Counter[str]] = {}
        self._beats: dict[str, dict[int, datetime]] = {}
        self._parts: dict[Gauge, dict[int, float]] = {}
        self._declare_flow(self.registry)
        self._declare_control(self.registry)
        self._declare_outcomes(self.registry)

    def _declare_flow(self, r: CollectorRegistry) -> None:
        self.build = Gauge("d2ev_build_info", "Version of this process.", ["version"], registry=r)
        self.build.labels(_version()).set(1)
        self.stage_records = PromCounter(
            "d2ev_stage_records",
            "Records per stage: in = out + filtered + dead_letters.",
            ["stage", "outcome"],
            registry=r,
        )
        self.stage_last = Gauge(
            "d2ev_stage_last_record_timestamp_seconds",
            "When the stage last finished a chunk, by this host's clock.",
            ["stage"],
            registry=r,
        )
        self.heartbeat = Gauge(
            "d2ev_heartbeat_timestamp_seconds",
            "Event time of the newest heartbeat that went through the stage.",
            ["stage"],
            registry=r,
        )
        self.in_flight = Gauge("d2ev_jobs_in_flight", "Slow calls waiting or under way.", registry=r)
        self.partitions = Gauge("d2ev_partitions_assigned", "Partitions this worker serves.", registry=r)
        self.partitions_declared = Gauge(
            "d2ev_partitions", "Partitions that all workers together should own.", registry=r
        )

    def _declare_control(self, r: CollectorRegistry) -> None:
        self.plug_delay = Histogram(
            "d2ev_plug_detection_delay_seconds",
            "From plug-in at the car to our plug-in event.",
            buckets=(15, 30, 60, 120, 300, 600, 900, 1800, 3600),
            registry=r,
        )
        self.commands = PromCounter("d2ev_commands", "Command phases reached.", ["oem", "action", "phase"], registry=r)
        self.oem_requests = Histogram(
            "d2ev_oem_request_seconds", "Requests to OEM clouds.", ["oem", "endpoint", "outcome"], registry=r
        )
        self.notifications = PromCounter(
            "d2ev_notifications", "Pushes by kind and phase.", ["kind", "phase"], registry=r
        )
        self.pushes = PromCounter(
            "d2ev_pushes", "Messages to single devices, by way and what became of them.", ["service", "outcome"],
            registry=r,
        )  # fmt: skip
        self.polls_skipped = PromCounter(
            "d2ev_polls_skipped", "Readings that were due and not made, by reason.", ["oem", "reason"], registry=r
        )
        self.stop_verdicts = PromCounter(
            "d2ev_stop_verdicts", "What became of stops: obeyed, ignored, contradicted, unobservable.",
            ["oem", "verdict"], registry=r,
        )  # fmt: skip
        self.stop_delay = Histogram(
            "d2ev_plug_in_to_stop_seconds",
            "From the reading that showed the plug-in to the stop command.",
            buckets=(5, 15, 30, 60, 120, 300, 600, 1800),
            registry=r,
        )
        self.power_step = Gauge(
            "d2ev_power_step_kw_per_second", "Largest change of fleet power that commands made in any second.",
            registry=r,
        )  # fmt: skip
        self.held = Gauge("d2ev_cars_held", "Cars that a stop of ours keeps from charging.", registry=r)
        self.held_near_start = Gauge(
            "d2ev_cars_held_near_last_safe_start",
            "Held cars whose last safe start is less than five minutes away, or past.", registry=r,
        )  # fmt: skip
        self.commands_waiting = Gauge(
            "d2ev_commands_waiting", "Commands that wait for a rate budget.", ["oem"], registry=r
        )
        self.breaker = Gauge("d2ev_oem_breaker_open", "1 while calls to the OEM are suspended.", ["oem"], registry=r)
        self.refreshes_lost = PromCounter(
            "d2ev_oem_refreshes_lost", "Refreshes whose answer never came: the grant may be gone.", ["oem"], registry=r
        )
        self.keys_not_current = Gauge(
            "d2ev_data_keys_not_current", "Data keys that could not be put under the seal key of today.", registry=r
        )

    def _declare_outcomes(self, r: CollectorRegistry) -> None:
        self.enrolled = Gauge("d2ev_cars", "Cars that are enrolled to be read.", ["oem"], registry=r)
        self.unreachable = Gauge(
            "d2ev_cars_unreachable",
            "Cars that could not be read when last tried: consent is lost, asleep, throttled or failed.",
            ["oem", "reason"], registry=r,
        )  # fmt: skip
        self.promises = PromCounter(
            "d2ev_promises", "Sessions by what became of the ready-by promise, as first settled.", ["outcome"],
            registry=r,
        )  # fmt: skip
        self.settled_energy = PromCounter(
            "d2ev_settled_energy_joules", "Energy at the wall of sessions, as first settled.", registry=r
        )
        self.money = PromCounter(
            "d2ev_settled_money",
            "What sessions saved or lost against charging at once, in their currency, as first settled.",
            ["currency", "outcome"], registry=r,
        )  # fmt: skip
        self.carbon = PromCounter(
            "d2ev_settled_carbon_grams", "CO2 that sessions saved or lost against charging at once, as first settled.",
            ["outcome"], registry=r,
        )  # fmt: skip

    def watch(self, in_flight: Callable[[], int], partitions: Callable[[], int], declared: int) -> None:
        """Read the gauges of the worker whenever the metrics are asked for."""
        self.partitions_declared.set(declared)
        self.in_flight.set_function(in_flight)
        self.partitions.set_function(partitions)

    def from_zero(self, oem: str) -> None:
        """Begin what alerts count for a maker: a series that is born with its first failures tells of no increase."""
        self.refreshes_lost.labels(oem)
        for action in (Action.START, Action.STOP):
            for phase in (CommandPhase.CONFIRMED, CommandPhase.FAILED, CommandPhase.UNKNOWN):
                self.commands.labels(oem, action.value, phase.value)

    def counts(self, stage: str) -> Counter[str]:
        """The ledger of a stage: in, out, filtered, dead_letters."""
        return self._counts.setdefault(stage, Counter())

    def ledger(self) -> dict[str, dict[str, int]]:
        """The ledger of every stage."""
        return {stage: dict(counts) for stage, counts in sorted(self._counts.items())}

    def stage_seen(self, stage: str) -> None:
        """A stage finished a chunk."""
        self.stage_last.labels(stage).set_to_current_time()

    def heartbeat_seen(self, stage: str, partition: int, at: datetime) -> None:
        """A tick went through a stage. The stage is as late as its latest partition."""
        beats = self._beats.setdefault(stage, {})
        beats[partition] = at
        self.heartbeat.labels(stage).set(min(beats.values()).timestamp())

    def part(self, gauge: Gauge, partition: int, value: float) -> None:
        """The part of one partition in a gauge that is their sum."""
        parts = self._parts.setdefault(gauge, {})
        parts[partition] = value
        gauge.set(sum(parts.values()))

    def partitions_gone(self) -> None:
        """The assignment ended: partitions of others no longer hold a heartbeat back, nor add to a sum."""
        self._beats.clear()
        self.heartbeat.clear()
        for gauge in self._parts:
            gauge.set(0)
        self._parts.clear()
        self.keys_not_current.set(0)

    def log_refusal(self, stage: str, topic: str, offset: int, error: Exception) -> None:
        """A stage could not take a record; the record's content stays out of the log."""
        LOG.error("record refused", stage=stage, topic=topic, offset=offset, error=type(error).__name__)

    def log_put_off(self, stage: str, partition: int, error: Exception) -> None:
        """A stage's rule failed for one car; the others had their turn."""
        LOG.error("car put off", stage=stage, partition=partition, error=type(error).__name__)

    def render(self) -> bytes:
        """The exposition text, with the ledger brought up to date."""
        for stage, counts in self._counts.items():
            for outcome, total in counts.items():
                child = self.stage_records.labels(stage, outcome)
                child.inc(total - child._value.get())  # noqa: SLF001 - the ledger is the truth, the metric its copy
        return generate_latest(self.registry)


def _version() -> str:
    try:
        return version("d2ev")
    except PackageNotFoundError:
        return "unknown"  # run from the source tree, as the image does
