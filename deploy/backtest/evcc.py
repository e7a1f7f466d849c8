"""The plan of a widely used home energy manager, by its description: the yardstick beside ours.

Quarter hours are sorted by price alone, the latest first among equals, and taken until the needed time is full; the
last one is trimmed. Time whose price is not known yet counts first: if it is long enough nothing else is charged, else
only the rest is planned in known time. When more prices are published the rest is planned anew.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from deploy.backtest.insight import Insight
from deploy.backtest.stays import Stay
from streams.contracts.forecast import Slot
from streams.domain.planner import Profile

_QUARTER: Final = timedelta(minutes=15)
_NOTHING: Final = timedelta(0)


def evcc(stay: Stay, energy_kwh: float, insight: Insight) -> Profile:
    """The stay by that rule with an ideal car: no leak, no late command, the needed time known exactly."""
    left = timedelta(hours=energy_kwh / stay.power_kw)
    now, until = stay.plugged_at, min(stay.ready_by, stay.end)
    on: list[tuple[datetime, datetime]] = []
    while now < until and left > _NOTHING:
        news = insight.next_issue(now)
        stage = min(until, news) if news is not None else until
        for start, end in _plan(now, until, left, insight):
            if start < stage:
                on.append((start, min(end, stage)))
                left -= min(end, stage) - start
        now = stage
    if left > timedelta(seconds=1):  # it never stops at ready-by while short
        on.append((until, min(stay.end, until + left)))
    hour = timedelta(hours=1)
    return tuple((start, end, (end - start) / hour * stay.power_kw) for start, end in _joined(on))


def _plan(now: datetime, until: datetime, left: timedelta, insight: Insight) -> list[tuple[datetime, datetime]]:
    """What it would charge from `now` on, in time order."""
    if until - now <= left:
        return [(now, until)]
    market = insight.market(now)
    quarters = [] if market is None else _quarters(market.price.slots, now, until)
    known_until = quarters[-1][2] if quarters else now
    left -= until - known_until
    chosen: list[tuple[datetime, datetime]] = []
    if left <= _NOTHING:
        return chosen
    for _, start, end in sorted(quarters, key=lambda quarter: (quarter[0], -quarter[1].timestamp())):
        length = min(left, end - start)
        chosen.append((end - length, end) if length < end - start else (start, end))
        left -= length
        if left <= _NOTHING:
            break
    if known_until < until:
        chosen.append((known_until, until))
    return sorted(chosen)


def _quarters(slots: tuple[Slot, ...], now: datetime, until: datetime) -> list[tuple[float, datetime, datetime]]:
    """(price, start, end) of quarter hours of known price between two instants."""
    quarters = []
    for slot in slots:
        if slot.end <= now:
            continue
        at = max(slot.start, now)
        while at < min(slot.end, until):
            end = min(_next_quarter(at), slot.end, until)
            quarters.append((slot.value, at, end))
            at = end
    return quarters


def _next_quarter(at: datetime) -> datetime:
    whole = int(at.timestamp()) // 900 * 900
    return datetime.fromtimestamp(whole, UTC) + _QUARTER


def _joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        elif end > start:
            joined.append((start, end))
    return joined
