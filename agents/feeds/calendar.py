"""When a source is asked: after it publishes until the day is whole, else now and then, and less often when it fails.

Pure: time and chance are arguments. `chance` is uniform in [0, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from agents.feeds.source import Denied, FeedError, NotPublished, Refused, Slow
from streams.domain.ready import local_instant

_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_MIDNIGHT: Final = time()
#: While prices are late they are asked for this often, for so long; then more seldom.
_LATE_EVERY: Final = (5 * _MINUTE, 3 * timedelta(hours=1), 30 * _MINUTE)
#: First wait and longest wait after an error, by what the error asks for.
_BACK_OFF: Final[Mapping[type[FeedError], tuple[timedelta, timedelta]]] = {
    Denied: (15 * _MINUTE, timedelta(hours=6)),
    Refused: (5 * _MINUTE, timedelta(hours=1)),
}
_USUAL_BACK_OFF: Final = (_MINUTE, 30 * _MINUTE)
_LONGEST: Final = _DAY


@dataclass(frozen=True)
class Daily:
    """Whole days at once: at `published`, wall time in `zone`, the next day comes, which ends at `day_ends`.

    Between publications the source is asked `every` so often for corrections.
    """

    zone: ZoneInfo
    published: time
    day_ends: time = _MIDNIGHT
    every: timedelta = timedelta(hours=6)

    def day_end(self, day: date) -> datetime:
        """When the delivery day ends that most of this local day belongs to."""
        return local_instant(day if self.day_ends != _MIDNIGHT else day + _DAY, self.day_ends, self.zone)

    def day_end_at_or_after(self, at: datetime) -> datetime:
        """The first end of a delivery day that is not before an instant."""
        day = at.astimezone(self.zone).date() - _DAY
        while self.day_end(day) < at:
            day += _DAY
        return self.day_end(day)

    def wanted_until(self, now: datetime) -> datetime:
        """How far prices should be known: through today, and through tomorrow once that is published."""
        today = now.astimezone(self.zone).date()
        return self.day_end(today + _DAY if now >= self._published_on(today) else today)

    def stretch(self, now: datetime) -> tuple[datetime, datetime]:
        """What to ask for: from the begin of today's delivery to the end of tomorrow's."""
        today = now.astimezone(self.zone).date()
        return self.day_end(today - _DAY), self.day_end(today + _DAY)

    def after_success(self, now: datetime, known_until: datetime, chance: float) -> datetime:
        """The next time to ask."""
        today = now.astimezone(self.zone).date()
        if known_until < self.wanted_until(now):
            often, for_long, seldom = _LATE_EVERY
            late = now - self._published_on(today)
            pause = often if timedelta() <= late < for_long else seldom
            return now + (0.8 + 0.4 * chance) * pause
        next_day = today if now < self._published_on(today) else today + _DAY
        again = now + self.every * (0.9 + 0.2 * chance)
        return min(self._published_on(next_day) + chance * _MINUTE, again)

    def _published_on(self, day: date) -> datetime:
        return local_instant(day, self.published, self.zone)


@dataclass(frozen=True)
class Rolling:
    """A forecast that is made anew all the time: asked `every` so often, `ahead` of now."""

    every: timedelta = 30 * _MINUTE
    ahead: timedelta = timedelta(hours=48)

    def wanted_until(self, now: datetime) -> datetime:
        """Any forecast that reaches past now will do."""
        return now

    def stretch(self, now: datetime) -> tuple[datetime, datetime]:
        """From the running hour on."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        return hour, hour + self.ahead

    def after_success(self, now: datetime, known_until: datetime, chance: float) -> datetime:
        """The next time to ask."""
        return now + self.every * (0.9 + 0.2 * chance)


Calendar = Daily | Rolling


def after_error(calendar: Calendar, error: FeedError, tries: int, now: datetime, chance: float) -> datetime:
    """The next time to ask after `tries` failures in a row: later each time, never before the source's own wish."""
    if isinstance(error, NotPublished):
        return calendar.after_success(now, now, chance)
    first, longest = next((pause for kind, pause in _BACK_OFF.items() if isinstance(error, kind)), _USUAL_BACK_OFF)
    pause = min(first * 2.0 ** min(tries - 1, 20), longest) * (0.75 + 0.5 * chance)
    wish = (error.retry_after if isinstance(error, Slow) else None) or timedelta()
    return now + max(pause, min(wish, _LONGEST) * (1 + 0.1 * chance))


#: When sources publish the next day, wall time in their zone, as clients have seen it: a feed may say otherwise.
_PUBLISHED: Final[Mapping[str, time]] = {
    "octopus": time(16),
    "entsoe": time(12, 45),
    "energidataservice": time(12, 45),
    "nordpool": time(12, 45),
    "tibber": time(13),
    "awattar-de": time(14),
    "awattar-at": time(14),
    "energyzero": time(13),
    "easyenergy": time(13),
}
_DAY_ENDS: Final[Mapping[str, time]] = {"octopus": time(23)}


def daily(source: str, zone: str, published: time | None = None) -> Daily:
    """The calendar of a source of prices."""
    at = published or _PUBLISHED.get(source, time(13))
    return Daily(ZoneInfo(zone), at, _DAY_ENDS.get(source, _MIDNIGHT))
