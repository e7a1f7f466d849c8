"""What a feeds process tells of itself: how fresh each curve is, and what came of asking."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter, Gauge

from agents.feeds.round import Outcome
from agents.metrics import Metrics


class FeedMetrics(Metrics):
    """The metrics of one feeds process. A feed is labelled by kind and key, for example price:agile-london."""

    def __init__(self) -> None:
        super().__init__()
        r = self.registry
        self.rounds = Counter(
            "d2ev_feed_rounds", "Times a source was asked, by how it ended.", ["feed", "outcome"], registry=r
        )

        def gauge(name: str, about: str) -> Gauge:
            return Gauge(f"d2ev_feed_{name}", about, ["feed"], registry=r)

        self.known_until = gauge("known_until_timestamp_seconds", "How far the curve is known without a hole.")
        self.last_success = gauge("last_success_timestamp_seconds", "When the source last gave a good answer.")
        self.failing = gauge("failures_in_a_row", "Failures since the last good answer.")
        self.missing = gauge("slots_missing", "Slots that should be known by now and are not.")
        self.stale = gauge("stale", "1 while plans do not count with the curve: it ended, or was not renewed.")

    def heard(self, feed: str, outcome: Outcome) -> None:
        """A round is over."""
        self.rounds.labels(feed, outcome.word).inc()
        self.failing.labels(feed).set(outcome.state.failures)
        if outcome.coverage is not None:
            self.missing.labels(feed).set(max(0, outcome.coverage.want - outcome.coverage.have))
        if outcome.state.heard_at is not None:
            self.last_success.labels(feed).set(outcome.state.heard_at.timestamp())

    def stands(self, feed: str, known_until: datetime | None, *, in_force: bool) -> None:
        """How far a curve reaches now."""
        self.known_until.labels(feed).set(known_until.timestamp() if known_until else 0)
        self.stale.labels(feed).set(not in_force)
