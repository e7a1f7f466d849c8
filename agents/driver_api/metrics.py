"""What a driver API tells of itself, and whoever else answers over HTTP."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from agents.metrics import Metrics

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class HttpMetrics(Metrics):
    """What the guard counts before a process; its metrics carry the process in their names."""

    def __init__(self, process: str) -> None:
        super().__init__()
        r = self.registry
        self.requests = Counter(
            f"d2ev_{process}_requests", "Requests by route, method and class of status.", ["route", "method", "status"],
            registry=r,
        )  # fmt: skip
        self.seconds = Histogram(
            f"d2ev_{process}_request_seconds", "How long answers took, event streams apart.", ["route"],
            buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self.limited = Counter(f"d2ev_{process}_limited", "Requests refused for coming too often.", ["by"], registry=r)


class ApiMetrics(HttpMetrics):
    """The metrics of one driver API."""

    def __init__(self) -> None:
        super().__init__("api")
        r = self.registry
        self.refused = Counter(
            "d2ev_api_tokens_refused", "Tokens that were not believed, by rule.", ["rule"], registry=r
        )
        self.streams = Gauge("d2ev_api_streams", "Event streams that are open.", registry=r)
        self.cars = Gauge("d2ev_api_cars", "Cars in the read model.", registry=r)
        self.read_up = Gauge("d2ev_api_read_up_timestamp_seconds", "When the log was last read to its end.", registry=r)
        self.ready = Gauge("d2ev_api_ready", "1 while drivers are served.", registry=r)
        self.writing = Gauge("d2ev_api_writes_open", "Writes that Kafka has not confirmed yet.", registry=r)
        self.unreadable = Gauge("d2ev_api_records_unreadable", "Records that made no sense.", registry=r)
