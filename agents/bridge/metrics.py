"""What a bridge tells of itself."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from agents.metrics import Metrics


class BridgeMetrics(Metrics):
    """The metrics of one bridge."""

    def __init__(self) -> None:
        super().__init__()
        r = self.registry
        self.statuses = Counter(
            "d2ev_bridge_statuses", "Statuses by what became of them in Firestore.", ["outcome"], registry=r
        )
        self.commits = Counter(
            "d2ev_bridge_commits", "Commits to Firestore by how they ended.", ["outcome"], registry=r
        )
        self.behind = Gauge("d2ev_bridge_records_behind", "Statuses on the log that were not written yet.", registry=r)
        self.caught_up = Gauge(
            "d2ev_bridge_caught_up_timestamp_seconds", "When no status on the log waited last.", registry=r
        )
        self.events = Counter(
            "d2ev_bridge_events", "Changes of documents that Firestore told, by what became of them.",
            ["kind", "outcome"], registry=r,
        )  # fmt: skip
        self.unreadable = Gauge(
            "d2ev_bridge_records_unreadable", "Registrations and preferences on the log that made no sense.", registry=r
        )
        self.ready = Gauge("d2ev_bridge_ready", "1 while the bridge does its work.", registry=r)
