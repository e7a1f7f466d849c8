"""Every metric that a process exports, read from the processes' own declarations: dashboards and alerts hold to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from agents.bridge.metrics import BridgeMetrics
from agents.driver_api.metrics import ApiMetrics
from agents.feeds.metrics import FeedMetrics
from agents.guardian.metrics import GuardianMetrics
from agents.ingress.metrics import IngressMetrics
from agents.metrics import Metrics
from deploy.analysis.serving.metrics import QueryMetrics

#: The processes by the jobs that Prometheus scrapes them as. Each also exports what the worker does.
PROCESSES: Final[Mapping[str, type[Metrics]]] = {
    "d2ev-worker": Metrics,
    "d2ev-guardian": GuardianMetrics,
    "d2ev-feeds": FeedMetrics,
    "d2ev-api": ApiMetrics,
    "d2ev-ingress": IngressMetrics,
    "d2ev-bridge": BridgeMetrics,
    "d2ev-queries": QueryMetrics,
}
_SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


class Family(NamedTuple):
    """One metric as declared. `job` is the process that fills it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str
    job: str

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its series."""
        return tuple(self.name + suffix for suffix in _SUFFIXES[self.kind])


def families() -> list[Family]:
    """Every metric once, with the process that it is about."""
    found: dict[str, Family] = {}
    for job, process in PROCESSES.items():
        for collector in _collectors(process()):
            (family,) = collector.describe()
            known = Family(family.name, family.type, collector._labelnames, family.documentation, job)  # noqa: SLF001
            found.setdefault(family.name, known)
    return list(found.values())


def _collectors(metrics: Metrics) -> list[Any]:
    # prometheus_client lists what is registered, and the labels of a metric without samples, nowhere else.
    names = metrics.registry._collector_to_names  # noqa: SLF001
    return list(names)
