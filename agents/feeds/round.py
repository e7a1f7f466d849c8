"""One round of one feed: ask, price, judge by the rules, and say what to publish and when to ask again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from agents.feeds.calendar import Daily, after_error
from agents.feeds.config import Feed
from agents.feeds.source import Asked, Curve, FeedError, Refused
from streams.contracts.forecast import Forecast, Slot
from streams.domain import feed_rules
from streams.domain.feed_rules import Coverage
from streams.domain.forecasts import KEPT, merge
from streams.domain.retail import CannotPrice, by_table, retail

#: A feed that starts with nothing asks for so much of the past: plans guess tomorrow by it.
HISTORY: Final = timedelta(days=7)
OWN: Final = "the contract's own table"


class Asker(Protocol):
    """Who asks the source, by HTTP or in a test."""

    async def ask(self, asked: Asked, now: datetime) -> Curve:
        """The curve, or a `FeedError`."""


@dataclass(frozen=True)
class State:
    """What a feed knows between rounds: the curve as published, failures in a row, and when to ask again."""

    known: Forecast | None = None
    failures: int = 0
    ask_at: datetime | None = None
    heard_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a round; `new` is the vintage to publish, None where there is no news."""

    state: State
    new: Forecast | None = None
    coverage: Coverage | None = None
    error: FeedError | None = None
    notes: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """One word for metrics: published, unchanged, or the class of the error."""
        if self.error is not None:
            return _ERRORS.get(type(self.error).__name__, "refused")
        return "published" if self.new else "unchanged"


_ERRORS: Final = {"NotPublished": "not_published", "Slow": "slow", "Down": "down", "Denied": "denied"}


async def play(feed: Feed, asker: Asker | None, state: State, now: datetime, chance: float) -> Outcome:
    """Ask once. Nothing that a source says or does raises; what was known stays known."""
    try:
        curve = await _curve(feed, asker, state, now)
        return judged(feed, curve, state, now, chance)
    except FeedError as error:
        failures = state.failures + 1
        ask_at = after_error(feed.calendar, error, failures, now, chance)
        return Outcome(replace(state, failures=failures, ask_at=ask_at), error=error)


async def _curve(feed: Feed, asker: Asker | None, state: State, now: datetime) -> Curve:
    start, end = feed.calendar.stretch(now)
    if feed.source is None or asker is None:
        assert feed.energy is not None
        assert feed.formula is not None
        slots = by_table(feed.energy, feed.formula, start, end)
        return Curve(feed.kind, feed.formula.unit, slots, issued_at=start)
    if isinstance(feed.calendar, Daily) and state.known is None and not state.failures:
        start -= HISTORY
    return await asker.ask(feed.source.asked(feed.params, start, end), now)


def judged(feed: Feed, curve: Curve, state: State, now: datetime, chance: float) -> Outcome:
    """What to make of an answer. Raises `Refused` where it breaks a rule."""
    known = state.known
    new = _vintage(feed, curve, known, now)
    merged = merge(known, new)
    until = feed_rules.known_until(merged.slots, now)
    kept = State(known, 0, feed.calendar.after_success(now, until, chance), now)
    found = _coverage(feed, merged, feed.calendar.wanted_until(now), now)
    if not feed_rules.is_news(new, known) and not _renews(feed, curve, known, now):
        return Outcome(kept, None, found, notes=curve.notes)
    issued_at = feed_rules.issued(curve.issued_at, known.issued_at if known else None, now)
    if issued_at is None:
        raise Refused("an older copy than what was published before")
    good_until = issued_at + feed.max_age if feed.max_age else None
    new = new.model_copy(update={"issued_at": issued_at, "good_until": good_until})
    return Outcome(replace(kept, known=merge(known, new)), new, found, notes=curve.notes)


def _vintage(feed: Feed, curve: Curve, known: Forecast | None, now: datetime) -> Forecast:
    """The answer as a vintage of now, retail where the feed has a formula."""
    slots, unit = curve.slots, curve.unit
    past: tuple[Slot, ...] = ()
    try:
        if feed.formula is not None and feed.source is not None:
            slots, unit = retail(slots, unit, feed.formula), feed.formula.unit
        if known is not None and (known.unit, known.basis) == (unit, curve.basis):
            past = tuple(slot for slot in known.slots if slot.end > now - KEPT)
        feed_rules.refuse_absurd(feed.kind, unit, slots, past)
    except (CannotPrice, feed_rules.Absurd) as error:
        raise Refused(str(error)) from None
    slots = tuple(feed_rules.hourly(slots))[-feed_rules.MOST_SLOTS :]
    new = Forecast(
        kind=feed.kind,
        key=feed.key,
        unit=unit,
        issued_at=now,
        source=feed.source.title if feed.source else OWN,
        known_until=feed_rules.known_until(slots, now),
        slots=slots,
        basis=curve.basis,
    )
    return new.model_copy(
        update={"flags": _flags(feed, curve, merge(known, new), feed_rules.has_spike(slots, past), now)}
    )


def _flags(feed: Feed, curve: Curve, merged: Forecast, spike: bool, now: datetime) -> tuple[str, ...]:
    end = merged.slots[-1].end
    if isinstance(feed.calendar, Daily):
        end = feed.calendar.day_end_at_or_after(end)
    said = {
        "partial": not _coverage(feed, merged, end, now).whole,
        "preliminary": not curve.final,
        "spike": spike,
    }
    return tuple(flag for flag, holds in said.items() if holds)


def _coverage(feed: Feed, merged: Forecast, until: datetime, now: datetime) -> Coverage:
    """How much is known from the begin of today's delivery, or of the forecast where there are no such days."""
    start, _ = feed.calendar.stretch(now)
    if not isinstance(feed.calendar, Daily):
        start = max(start, merged.slots[0].start)
    length = (feed.source.resolution if feed.source else None) or feed_rules.usual_length(merged.slots)
    return feed_rules.coverage(merged.slots, start, max(until, start), length)


def _renews(feed: Feed, curve: Curve, known: Forecast | None, now: datetime) -> bool:
    """Whether the same word is to be published again: it grows old, and its source, which dates nothing, repeats it."""
    if known is None or feed.max_age is None or curve.issued_at is not None:
        return False
    return feed_rules.needs_renewal(known, feed.max_age, now)
