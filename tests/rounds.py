"""Rounds of a feed with a source that says what it was told to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agents.feeds.config import Feed, parse
from agents.feeds.round import Outcome, State, play
from agents.feeds.source import Asked, Curve, FeedError
from streams.contracts.forecast import Basis, ForecastKind, Slot

HOUR, MINUTE, HALF = timedelta(hours=1), timedelta(minutes=1), timedelta(minutes=30)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
#: Agile days run from 23:00 to 23:00 in London, so from 22:00Z in summer.
TODAY = datetime(2026, 5, 3, 22, tzinfo=UTC)
AGILE, NESO = parse("""
[[price]]
tariff = "agile"
source = "octopus"
params = { product = "P", tariff = "T" }
[[carbon]]
region = "GB"
source = "neso"
""")


NOTHING = State()


def row(values: list[float | None], start: datetime = TODAY, length: timedelta = HALF) -> tuple[Slot, ...]:
    return tuple(
        Slot(start=start + n * length, end=start + (n + 1) * length, value=v)
        for n, v in enumerate(values)
        if v is not None
    )


def prices(values: list[float | None], start: datetime = TODAY, **said: Any) -> Curve:
    return Curve(ForecastKind.PRICE, said.pop("unit", "GBP/kWh"), row(values, start), **said)


def carbon(values: list[float | None], start: datetime = NOON, basis: Basis = "average", **said: Any) -> Curve:
    return Curve(ForecastKind.CARBON, "gCO2/kWh", row(values, start), basis=basis, **said)


class Told:
    """Says what it was told to, and remembers what it was asked."""

    def __init__(self, *words: Curve | FeedError) -> None:
        self.words = list(words)
        self.asked: list[Asked] = []

    async def ask(self, asked: Asked, now: datetime) -> Curve:
        """The next word."""
        self.asked.append(asked)
        word = self.words.pop(0)
        if isinstance(word, FeedError):
            raise word
        return word


async def told(feed: Feed, *words: Curve | FeedError, state: State = NOTHING, now: datetime = NOON) -> list[Outcome]:
    """The outcomes of rounds, each when the one before said to ask again."""
    asker, outcomes = Told(*words), []
    for _ in words:
        outcome = await play(feed, asker, state, now, 0.5)
        outcomes.append(outcome)
        state = outcome.state
        assert state.ask_at is not None
        assert state.ask_at > now
        now = state.ask_at
    return outcomes
