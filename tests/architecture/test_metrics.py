"""The metrics: read by Prometheus as they are written, in base units, and silent about cars and drivers."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any, cast

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from agents.clock import SystemClock
from agents.fleet import Fleet
from agents.metrics import Metrics
from agents.push import Outcome
from agents.push.phones import Phones
from deploy.monitoring.catalogue import PROCESSES

LABELS = {"stage", "outcome", "oem", "action", "phase", "endpoint", "kind", "version", "le", "reason", "verdict",
          "route", "method", "status", "by", "rule", "service", "currency", "feed"}  # fmt: skip


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of a process in which everything has happened once."""
    seen = Metrics()
    seen.counts("planning").update({"in": 5, "out": 2, "filtered": 2, "dead_letters": 1})
    seen.commands.labels("simulator", "start", "sent").inc()
    seen.notifications.labels("done", "sent").inc()
    seen.oem_requests.labels("simulator", "read", "ok").observe(0.2)
    seen.plug_delay.observe(40)
    seen.watch(lambda: 3, lambda: 6, 12)
    return seen


def families(metrics: Metrics) -> Iterator[Metric]:
    return iter(list(text_string_to_metric_families(metrics.render().decode())))


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in families(metrics)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1
    return float(found[0])


def test_what_prometheus_reads_is_what_was_counted(metrics: Metrics) -> None:
    assert value(metrics, "d2ev_stage_records_total", stage="planning", outcome="in") == 5
    assert value(metrics, "d2ev_commands_total", oem="simulator", action="start", phase="sent") == 1
    assert value(metrics, "d2ev_plug_detection_delay_seconds_sum") == 40
    assert value(metrics, "d2ev_jobs_in_flight") == 3
    assert value(metrics, "d2ev_partitions_assigned") == 6
    assert value(metrics, "d2ev_partitions") == 12


def test_asking_twice_counts_nothing_twice(metrics: Metrics) -> None:
    metrics.render()
    assert value(metrics, "d2ev_stage_records_total", stage="planning", outcome="out") == 2


def test_labels_name_no_car_and_no_driver(metrics: Metrics) -> None:
    labels = {label for family in families(metrics) for sample in family.samples for label in sample.labels}
    assert {"stage", "oem", "kind"} <= labels <= LABELS


@pytest.mark.parametrize("process", PROCESSES.values())
def test_declared_labels_are_allowed_even_before_they_are_used(process: type[Metrics]) -> None:
    declared: set[Any] = set(process().registry._collector_to_names)
    assert {label for metric in declared for label in metric._labelnames} <= LABELS


def test_each_process_is_told_from_the_others_by_the_names_of_what_is_its_own() -> None:
    shared = Metrics().registry._names_to_collectors.keys()
    own = [process().registry._names_to_collectors.keys() - shared for process in PROCESSES.values()]
    assert sum(map(len, own)) == len(set().union(*own))


def test_names_carry_our_prefix_and_base_units(metrics: Metrics) -> None:
    names = {family.name for family in families(metrics)}
    assert {name for name in names if not name.startswith("d2ev_")} == set()
    assert {name for name in names if re.search(r"_(ms|millis|minutes|hours|percent|kwh)(_|$)", name)} == set()


def test_every_metric_says_what_it_is(metrics: Metrics) -> None:
    assert {family.name for family in families(metrics) if not family.documentation} == set()


def test_a_worker_whose_partitions_went_elsewhere_holds_no_stage_back(metrics: Metrics) -> None:
    metrics.heartbeat_seen("planning", 0, datetime(2026, 1, 1, tzinfo=UTC))
    assert value(metrics, "d2ev_heartbeat_timestamp_seconds", stage="planning") == 1767225600
    metrics.partitions_gone()
    assert [f for f in families(metrics) if f.name == "d2ev_heartbeat_timestamp_seconds" and f.samples] == []


def test_what_alerts_count_is_told_from_zero(metrics: Metrics) -> None:
    Phones({"fcm": cast(Any, None)}, SystemClock(), metrics)
    fleet = Fleet()
    fleet.enrol("car", "acme")
    fleet.show(metrics, 0)
    for outcome in Outcome:
        assert value(metrics, "d2ev_pushes_total", service="fcm", outcome=outcome.value) == 0
    assert value(metrics, "d2ev_oem_refreshes_lost_total", oem="acme") == 0
    for action, phase in product(("start", "stop"), ("confirmed", "failed", "unknown")):
        assert value(metrics, "d2ev_commands_total", oem="acme", action=action, phase=phase) == 0
