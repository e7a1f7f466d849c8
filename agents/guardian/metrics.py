"""What a guardian tells of itself, beside the requests and breakers that every process counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from agents.metrics import Metrics


class GuardianMetrics(Metrics):
    """The metrics of one guardian."""

    def __init__(self) -> None:
        super().__init__()
        r = self.registry
        self.cars_held = Gauge("d2ev_guardian_cars_held", "Held cars that the guardian knows of.", registry=r)
        self.lapsed = Gauge(
            "d2ev_guardian_leases_lapsed", "Held cars whose lease has lapsed and that are not yet known to charge.",
            registry=r,
        )  # fmt: skip
        self.locked = Gauge(
            "d2ev_guardian_cars_without_token", "Held cars whose account has no access token that is good now.",
            registry=r,
        )  # fmt: skip
        self.failing = Gauge("d2ev_guardian_cars_failing", "Cars that did not start in many tries.", registry=r)
        self.answers = Counter(
            "d2ev_guardian_answers", "Calls to release cars, by what came of them.", ["oem", "outcome"], registry=r
        )
        self.newest_lease = Gauge(
            "d2ev_guardian_newest_lease_timestamp_seconds", "The latest end of any lease known.", registry=r
        )
        self.kafka_up = Gauge("d2ev_guardian_kafka_up", "1 while the log is read to its end.", registry=r)
        self.file_written = Gauge(
            "d2ev_guardian_file_timestamp_seconds", "When the copy of the held cars was last written.", registry=r
        )
        self.unreadable = Gauge("d2ev_guardian_records_unreadable", "Records that made no sense.", registry=r)
