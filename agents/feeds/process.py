"""The feeds process: every feed asks its own source in its own time; none waits for another, and none stops another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Final

import httpx
import structlog
from pydantic import SecretStr

from agents.clock import Clock, SystemClock
from agents.engine.log import NotDurable, Outgoing
from agents.feeds.client import FeedClient, keys_needed
from agents.feeds.config import Feed
from agents.feeds.metrics import FeedMetrics
from agents.feeds.round import Asker, Outcome, State, play
from agents.feeds.source import Source
from agents.follow import LogFollower
from agents.journal import Journal, journal
from agents.partitions import home_partition
from agents.said import Said
from agents.settings import Settings
from streams import serde
from streams.contracts.forecast import Forecast, ForecastKind
from streams.domain.feed_rules import known_until
from streams.domain.forecasts import in_force, merge
from streams.topics import CARBON, PRICE, Topic

LOG = structlog.get_logger("d2ev")
_TOPICS: Final[Mapping[ForecastKind, Topic]] = {ForecastKind.PRICE: PRICE, ForecastKind.CARBON: CARBON}
#: As many vintages of a curve are taken up at the start: a week of one every half hour.
_TAKEN_UP: Final = 400
_LONGEST_SLEEP: Final = 30.0
_AGAIN: Final = timedelta(minutes=1)
_AFTER_DEFECT: Final = timedelta(minutes=15)
_CHANCE: Final = SystemRandom().random


def askers(settings: Settings, feeds: Sequence[Feed], http: httpx.AsyncClient) -> dict[str, Asker]:
    """Who asks for each feed that has a source, by the feed's name; keys may be of a source or of one feed."""
    made: dict[str, Asker] = {}
    for feed in feeds:
        source = feed.source
        if source is not None:
            made[feed.name] = FeedClient(
                source, http, settings.feed_urls.get(source.name), _keys(settings, feed, source)
            )
    return made


def keys_lacking(settings: Settings, feed: Feed) -> list[str]:
    """The keys that the feed's source needs and that the settings do not have."""
    source = feed.source
    if source is None:
        return []
    asked = source.asked(feed.params, *feed.calendar.stretch(SystemClock().now()))
    return sorted(keys_needed(source, asked) - set(_keys(settings, feed, source)))


def _keys(settings: Settings, feed: Feed, source: Source) -> Mapping[str, SecretStr]:
    """Those of this one feed, else those of its source."""
    return settings.feed_keys.get(f"{source.name}.{feed.key}") or settings.feed_keys.get(source.name, {})


def record(new: Forecast, partitions: int) -> Outgoing:
    """A vintage as it lies on its topic, in the partition of its tariff or region."""
    topic = _TOPICS[new.kind]
    value = serde.encode(new)
    # Not by its time: what is corrected may have been issued in the same instant.
    headers = (*serde.headers(topic.name, "feeds", new.issued_at), ("ce_id", serde.identity(value)))
    return Outgoing(topic.name, home_partition(new.key, partitions), new.key.encode(), value, headers)


class Feeds:
    """Keeps every feed. Runs until cancelled."""

    def __init__(
        self,
        settings: Settings,
        feeds: Sequence[Feed],
        askers: Mapping[str, Asker],
        clock: Clock | None = None,
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        self.metrics = FeedMetrics()
        self.ready = False
        self.states = {feed.name: State() for feed in feeds}
        self._settings = settings
        self._feeds = feeds
        self._askers = askers
        self._clock = clock or SystemClock()
        self._chance = chance
        self._journal: Journal = journal(settings)
        self._taken: dict[str, deque[bytes]] = {feed.name: deque(maxlen=_TAKEN_UP) for feed in feeds}

    async def run(self) -> None:
        """Take up what was published, then ask. Ends only by being cancelled."""
        try:
            while not self.ready:
                try:
                    await self.take_up()
                except Exception as error:
                    LOG.warning("the log does not answer", error=type(error).__name__)
                    await asyncio.sleep(2)
            async with asyncio.TaskGroup() as group:
                for feed in self._feeds:
                    group.create_task(self._keep(feed))
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Let go of the log; what is being written is written first."""
        await self._journal.stop()

    async def take_up(self) -> None:
        """Know what was published before. Raises KafkaError, OSError or TimeoutError."""
        sources = {topic.name: kind.value for kind, topic in _TOPICS.items()}
        await LogFollower(self._settings, sources, self._hear, whole=False).read()
        for name, values in self._taken.items():
            known: Forecast | None = None
            for value in values:
                known = _merged(known, name, value)
            values.clear()
            self.states[name] = State(known)
        self.ready = True

    async def once(self, *, publish: bool = True) -> list[tuple[Feed, Outcome]]:
        """One round of every feed, all at the same time. With `publish` it may raise NotDurable, or as `take_up`."""
        if publish:
            await self.take_up()
        try:
            now = self._clock.now()
            outcomes = await asyncio.gather(*(self._play(feed, now) for feed in self._feeds))
            if publish:
                await self._journal.write([record(o.new, self._settings.partitions) for o in outcomes if o.new])
        finally:
            await self.stop()
        return list(zip(self._feeds, outcomes, strict=True))

    async def round(self, feed: Feed) -> Outcome:
        """Ask once and publish what is new. What Kafka did not take is forgotten, to be asked for again."""
        now = self._clock.now()
        outcome = await self._play(feed, now)
        try:
            if outcome.new is not None:
                await self._journal.write([record(outcome.new, self._settings.partitions)])
        except NotDurable as error:
            LOG.error("vintage not written", feed=feed.name, error=str(error))
            self.states[feed.name] = replace(self.states[feed.name], ask_at=now + _AGAIN)
            return outcome
        self.states[feed.name] = outcome.state
        self.metrics.heard(feed.name, outcome)
        _log(feed, outcome)
        return outcome

    def status(self) -> dict[str, Any]:
        """How each feed stands."""
        now = self._clock.now()
        return {"ready": self.ready, "feeds": {name: _standing(state, now) for name, state in self.states.items()}}

    def render(self) -> bytes:
        """The metrics, brought up to date."""
        now = self._clock.now()
        for name, state in self.states.items():
            self.metrics.stands(name, _until(state, now), in_force=_counts(state, now))
        return self.metrics.render()

    async def _keep(self, feed: Feed) -> None:
        """A feed for ever. A defect in one must not cost the others theirs."""
        while True:
            try:
                await self.round(feed)
            except Exception as error:
                LOG.error("feed failed", feed=feed.name, error=type(error).__name__)
                ask_at = self._clock.now() + _AFTER_DEFECT
                self.states[feed.name] = replace(self.states[feed.name], ask_at=ask_at)
            while (wait := self._wait(feed)) > 0:  # noqa: ASYNC110 - a clock tells nobody
                await asyncio.sleep(min(wait, _LONGEST_SLEEP))

    def _wait(self, feed: Feed) -> float:
        ask_at = self.states[feed.name].ask_at
        return (ask_at - self._clock.now()).total_seconds() if ask_at else 0.0

    async def _play(self, feed: Feed, now: datetime) -> Outcome:
        return await play(feed, self._askers.get(feed.name), self.states[feed.name], now, self._chance())

    def _hear(self, records: list[Said]) -> None:
        for said in records:
            taken = self._taken.get(f"{said.source}:{said.key}")
            if taken is not None and said.value is not None:
                taken.append(said.value)


def _merged(known: Forecast | None, name: str, value: bytes) -> Forecast | None:
    """The curve with one more vintage; one that cannot be read is no vintage."""
    kind = ForecastKind(name.partition(":")[0])
    try:
        vintage = serde.decode(_TOPICS[kind].name, value)
    except serde.Undecodable:
        return known
    return merge(known, vintage) if isinstance(vintage, Forecast) else known


def _until(state: State, now: datetime) -> datetime | None:
    return known_until(state.known.slots, now) if state.known else None


def _counts(state: State, now: datetime) -> bool:
    until = _until(state, now)
    return in_force(state.known, now) is not None and until is not None and until > now


def _standing(state: State, now: datetime) -> dict[str, Any]:
    until = _until(state, now)
    return {
        "known_until": serde.rfc3339(until) if until else None,
        "issued_at": serde.rfc3339(state.known.issued_at) if state.known else None,
        "flags": [*(state.known.flags if state.known else ()), *(() if _counts(state, now) else ("stale",))],
        "last_success": serde.rfc3339(state.heard_at) if state.heard_at else None,
        "failures": state.failures,
        "ask_at": serde.rfc3339(state.ask_at) if state.ask_at else None,
    }


def _log(feed: Feed, outcome: Outcome) -> None:
    if outcome.error is not None:
        LOG.warning("feed has no answer", feed=feed.name, outcome=outcome.word, error=str(outcome.error))
    elif outcome.new is not None:
        new = outcome.new
        until = serde.rfc3339(new.known_until)
        LOG.info("vintage published", feed=feed.name, slots=len(new.slots), known_until=until, flags=list(new.flags))
