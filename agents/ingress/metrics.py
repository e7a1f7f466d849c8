"""What an ingress tells of itself."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from agents.metrics import Metrics


class IngressMetrics(Metrics):
    """The metrics of one ingress."""

    def __init__(self) -> None:
        super().__init__()
        r = self.registry
        self.deliveries = Counter(
            "d2ev_ingress_deliveries", "Requests and stream records of makers, by how they ended.", ["oem", "outcome"],
            registry=r,
        )  # fmt: skip
        self.events = Counter(
            "d2ev_ingress_events", "News in deliveries that were taken, by what became of them.", ["oem", "outcome"],
            registry=r,
        )  # fmt: skip
        self.newest = Gauge(
            "d2ev_ingress_last_delivery_timestamp_seconds", "When the maker was last heard of.", ["oem"], registry=r
        )
        self.cars = Gauge("d2ev_ingress_cars", "Enrolled cars whose news are taken.", registry=r)
        self.ready = Gauge("d2ev_ingress_ready", "1 while deliveries are taken.", registry=r)
        self.writing = Gauge("d2ev_ingress_writes_open", "Writes that Kafka has not confirmed yet.", registry=r)
        self.unreadable = Gauge(
            "d2ev_ingress_registrations_unreadable", "Registrations that made no sense.", registry=r
        )
