"""The hours ahead as a drawing and as a table: step lines with gaps, true widths on DST nights."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from agents.driver_api.page.speech import Speech, clock_change, coin
from agents.driver_api.views import BlockView, OutlookView, SlotView

#: The drawing is so many units wide and high; it is stretched to the screen.
WIDE: Final = 1000
HIGH: Final = 100
_QUARTER: Final = timedelta(minutes=15)


class Panel(NamedTuple):
    """One line with its own unit. `zero` is where zero lies, if values are below."""

    name: str
    line: str
    area: str
    top: str
    bottom: str
    zero: float | None


class Tick(NamedTuple):
    """A full hour of the home, so many percent from the left."""

    at: float
    label: str
    day: str | None


class Span(NamedTuple):
    """A stretch of time in percent of the width."""

    at: float
    width: float


class Row(NamedTuple):
    """One line of the table; equal neighbours are one."""

    day: str | None
    when: str
    start: int
    end: int
    price: str
    carbon: str
    planned: bool


class Chart(NamedTuple):
    """Everything that is drawn."""

    start: int
    end: int
    now: float
    ready: float | None
    panels: tuple[Panel, ...]
    blocks: tuple[Span, ...]
    ticks: tuple[Tick, ...]
    change: float | None
    change_text: str | None
    says: str
    unit: str
    rows: tuple[Row, ...]


class _Frame(NamedTuple):
    start: datetime
    end: datetime

    def percent(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(100 * min(1.0, max(0.0, share)), 3)


def chart(outlook: OutlookView, ready_by: datetime | None, say: Speech) -> Chart | None:
    """The chart of an outlook; None when neither prices nor carbon are known."""
    slots = outlook.slots
    if all(slot.price_per_kwh is None and slot.carbon_g_per_kwh is None for slot in slots):
        return None
    frame = _Frame(slots[0].start, slots[-1].end)
    unit, coins = coin(outlook.currency or "")
    prices = [(slot, None if slot.price_per_kwh is None else slot.price_per_kwh * coins) for slot in slots]
    carbons = [(slot, slot.carbon_g_per_kwh) for slot in slots]
    change = clock_change(frame.start, frame.end, say.zone)
    return Chart(
        start=int(frame.start.timestamp()),
        end=int(frame.end.timestamp()),
        now=frame.percent(outlook.now),
        ready=frame.percent(ready_by) if ready_by and frame.start < ready_by < frame.end else None,
        panels=(_panel("price", prices, frame, say), _panel("carbon", carbons, frame, say)),
        blocks=_spans(outlook.blocks, frame),
        ticks=_ticks(frame, say),
        change=None if change is None else frame.percent(change[0]),
        change_text=None if change is None else _change_text(*change, say),
        says=_says(prices, carbons, unit, say),
        unit=unit,
        rows=tuple(_rows(outlook, coins, say)),
    )


_Values = Sequence[tuple[SlotView, float | None]]


def _panel(name: str, values: _Values, frame: _Frame, say: Speech) -> Panel:
    known = [value for _, value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    reach = (high - low) or 1.0

    def y(value: float) -> float:
        return round(HIGH * (high - value) / reach, 2)

    line, area = [], []
    for run in _runs(values):
        xs = [(frame.percent(slot.start) * WIDE / 100, frame.percent(slot.end) * WIDE / 100) for slot, _ in run]
        steps = "".join(f"V{y(value)}H{end:g}" for (_, end), (_, value) in zip(xs, run, strict=True))
        line.append(f"M{xs[0][0]:g} {y(run[0][1])}{steps}")
        area.append(f"M{xs[0][0]:g} {y(0)}{steps}V{y(0)}Z")
    top, bottom = (say.number(high), say.number(low)) if known else ("", "")
    return Panel(name, "".join(line), "".join(area), top, bottom, y(0) if low < 0 else None)


def _runs(values: _Values) -> list[list[tuple[SlotView, float]]]:
    """Stretches without a gap."""
    runs: list[list[tuple[SlotView, float]]] = []
    end = None
    for slot, value in values:
        if value is None:
            end = None
            continue
        if slot.start != end:
            runs.append([])
        runs[-1].append((slot, value))
        end = slot.end
    return runs


def _spans(blocks: Sequence[BlockView], frame: _Frame) -> tuple[Span, ...]:
    ends = [(frame.percent(block.start), frame.percent(block.end)) for block in blocks]
    return tuple(Span(start, round(end - start, 3)) for start, end in ends if end > start)


def _ticks(frame: _Frame, say: Speech) -> tuple[Tick, ...]:
    """Every third hour that the clock of the home shows; the sixth ones are labelled."""
    found, zone = [], ZoneInfo(say.zone)
    at = frame.start.replace(minute=0, second=0, microsecond=0)
    while at < frame.end:
        local = at.astimezone(zone)
        if at >= frame.start and local.minute == 0 and local.hour % 3 == 0 and local.fold == 0:
            label = f"{local:%H}" if local.hour % 6 == 0 else ""
            found.append(Tick(frame.percent(at), label, say.day(at).split()[0].strip(",") if local.hour == 0 else None))
        at += _QUARTER
    return tuple(found)


def _change_text(at: datetime, hours: float, say: Speech) -> str:
    name = "chart.forward" if hours > 0 else "chart.back"
    before = (at - _QUARTER).astimezone(ZoneInfo(say.zone))
    return say.text(name, hours=f"{abs(hours):g}", at=f"{before + _QUARTER:%H:%M} {before:%Z}")


def _says(prices: _Values, carbons: _Values, unit: str, say: Speech) -> str:
    def ends(values: _Values, digits: int) -> tuple[str, str]:
        known = [value for _, value in values if value is not None]
        unknown = say.text("chart.unknown")
        return (say.number(min(known), digits), say.number(max(known), digits)) if known else (unknown, unknown)

    (price_low, price_high), (carbon_low, carbon_high) = ends(prices, 1), ends(carbons, 0)
    return say.text(
        "chart.says", price_low=price_low, price_high=price_high, unit=unit, carbon_low=carbon_low,
        carbon_high=carbon_high,
    )  # fmt: skip


def _rows(outlook: OutlookView, coins: float, say: Speech) -> list[Row]:
    unknown, rows, day = say.text("chart.unknown"), list[Row](), None

    def told(slot: SlotView) -> tuple[str, str, bool, str]:
        price = unknown if slot.price_per_kwh is None else say.number(slot.price_per_kwh * coins, 1)
        carbon = unknown if slot.carbon_g_per_kwh is None else say.number(slot.carbon_g_per_kwh)
        planned = any(block.start < slot.end and slot.start < block.end for block in outlook.blocks)
        return price, carbon, planned, say.day(slot.start)

    for (price, carbon, planned, today), group in groupby(outlook.slots, told):
        joined = list(group)
        start, end = joined[0].start, joined[-1].end
        when = f"{say.wall(start)} – {say.wall(end)}"
        new_day, day = (today if today != day else None), today
        rows.append(Row(new_day, when, int(start.timestamp()), int(end.timestamp()), price, carbon, planned))
    return rows
