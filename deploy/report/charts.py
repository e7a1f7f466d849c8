"""The plots of the report, each drawn from its figures alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.pages.svg import Board, ticks
from deploy.pages.words import amount, number, per_kwh, percent
from deploy.report.words import OUTCOMES, PROMISES, who

WIDTH: Final = 720.0
#: A longer period is shown as its mean day.
MOST_DAYS: Final = 14
HALF_HOUR: Final = timedelta(minutes=30)
_LEFT: Final = 46.0
_ROW: Final = 34.0

Row = dict[str, Any]


class Point(NamedTuple):
    """A half hour of the period, or of its mean day from noon to noon; `at` is wall time."""

    at: datetime
    kw: float
    price: float | None
    carbon: float | None
    cheapest: float


def points(load: Sequence[Row], zone: str) -> tuple[list[Point], bool]:
    """Half hours of one tariff and region, and whether they are those of a mean day."""
    local = [
        Point(
            datetime.fromisoformat(row["half_hour"]).astimezone(ZoneInfo(zone)),
            row["energy_kwh"] * 2,
            row["price"],
            row["carbon_g_per_kwh"],
            row["cheapest"] or 0.0,
        )
        for row in load
    ]
    if local[-1].at - local[0].at <= timedelta(days=MOST_DAYS):
        return local, False
    by_time: defaultdict[tuple[bool, int, int], list[Point]] = defaultdict(list)
    for point in local:
        by_time[point.at.hour < 12, point.at.hour, point.at.minute].append(point)
    return [_mean(by_time[key]) for key in sorted(by_time)], True


def _mean(several: Sequence[Point]) -> Point:
    prices = [point.price for point in several if point.price is not None]
    grams = [point.carbon for point in several if point.carbon is not None]
    count = len(several)
    return Point(
        several[0].at,
        sum(point.kw for point in several) / count,
        sum(prices) / len(prices) if prices else None,
        sum(grams) / len(grams) if grams else None,
        sum(point.cheapest for point in several) / count,
    )


def load(name: str, shown: Sequence[Point], currency: str, *, mean: bool) -> Board:
    """Charging in kW above price and carbon; the cheapest third of each day is shaded."""
    says = f"Charging load in kW, price in {per_kwh(currency)} and carbon in g CO₂/kWh by half hour"
    board = Board(WIDTH, 372, name, says)
    step = (WIDTH - _LEFT) / len(shown)
    _shade(board, shown, step)
    _clock(board, shown, step, mean=mean)
    kw = ticks(0, max(point.kw for point in shown) or 1, 4)
    _scale(board, kw, (22, 160))
    board.text(_LEFT, 12, "Charging, kW", "small strong")
    for n, point in enumerate(shown):
        height = point.kw / kw[-1] * 138
        board.rect(_LEFT + step * n, 160 - height, step, height, "managed", 0)
    prices = [None if point.price is None else point.price * 100 for point in shown]
    _steps(board, prices, (196, 262), f"Price, {per_kwh(currency)}", "line")
    _steps(board, [point.carbon for point in shown], (292, 346), "Carbon, g CO₂/kWh", "line second")
    return board


def _shade(board: Board, shown: Sequence[Point], step: float) -> None:
    start = 0
    for is_cheap, run in groupby(shown, key=lambda point: point.cheapest >= 0.5):
        count = len(list(run))
        if is_cheap:
            board.rect(_LEFT + step * start, 22, step * count, 240, "soft", 0)
        start += count


def _scale(board: Board, marks: list[float], span: tuple[float, float]) -> None:
    top, bottom = span
    for mark in marks:
        y = bottom - (mark - marks[0]) / (marks[-1] - marks[0]) * (bottom - top)
        board.line(_LEFT, y, WIDTH, y, "axis")
        board.text(_LEFT - 8, y + 4, f"{mark:g}", "small muted", "end")


def _steps(board: Board, values: Sequence[float | None], span: tuple[float, float], title: str, cls: str) -> None:
    """A line of steps, broken where a value is not known."""
    top, bottom = span
    known = [value for value in values if value is not None]
    board.text(_LEFT, top - 10, title if known else f"{title}: not recorded", "small strong")
    if not known:
        return
    marks = ticks(min(known), max(known), 3)
    _scale(board, marks, span)
    scale, step = (bottom - top) / (marks[-1] - marks[0]), (WIDTH - _LEFT) / len(values)
    for is_known, run in groupby(enumerate(values), key=lambda pair: pair[1] is not None):
        if is_known:
            board.path([
                (_LEFT + step * (n + side), bottom - ((value or 0.0) - marks[0]) * scale)
                for n, value in run for side in (0, 1)
            ], cls)  # fmt: skip


def _clock(board: Board, shown: Sequence[Point], step: float, *, mean: bool) -> None:
    """Hours of a mean day or of less than two days, else days."""
    by_hour = mean or len(shown) <= 96
    marked = [
        (n, point.at) for n, point in enumerate(shown)
        if point.at.minute == 0 and point.at.hour % (3 if by_hour else 24) == 0
    ]  # fmt: skip
    for n, at in marked:
        x = _LEFT + step * n
        board.line(x, 22, x, 346, "axis")
        if x < WIDTH - 30:
            board.text(x + (0 if by_hour else 3), 366, f"{at:%H:%M}" if by_hour else f"{at:%a} {at.day}", "small muted")


def savings(name: str, groups: Sequence[Row]) -> Board:
    """What was saved of what charging at once takes, with intervals, group by group."""
    told = [(row, row["saved"]["money"]) for row in groups if row["saved"]["money"]["value"] is not None]
    board = Board(WIDTH, _ROW * len(told) + 30, name, "Share of cost saved against charging at once, percent")
    values = [value for _, one in told for value in (one["value"], one["low"], one["high"]) if value is not None]
    marks = ticks(min([0.0, *values]) * 100, max([0.0, *values]) * 100)
    left, right = 148.0, WIDTH - 156
    scale = (right - left) / (marks[-1] - marks[0])
    zero = left - marks[0] * scale
    for mark in marks:
        x = zero + mark * scale
        board.line(x, 0, x, _ROW * len(told), "zero" if mark == 0 else "axis")
        board.text(x, _ROW * len(told) + 20, f"{mark:g}", "small muted", "middle")
    for n, (row, one) in enumerate(told):
        y, value = _ROW * n + 6, one["value"] * 100 * scale
        board.rect(min(zero, zero + value), y, abs(value), 22, "managed" if value >= 0 else "loss")
        board.text(left - 10, y + 16, row["name"], "", "end")
        if one["low"] is not None:
            board.line(zero + one["low"] * 100 * scale, y + 11, zero + one["high"] * 100 * scale, y + 11, "whisker")
        board.text(right + 10, y + 16, f"{percent(one['value'])} · {amount(one['part'])} {row['currency']}")
    return board


def promises(rows: Sequence[Row]) -> Board:
    """What became of ready-by, maker by maker."""
    parts = [(row["oem"], {kind: row[kind] for kind in PROMISES}) for row in rows]
    return _stacked("promises-by-oem", "What became of ready-by, by maker", parts, PROMISES)


def commands(rows: Sequence[Row]) -> Board:
    """What telemetry said of commands with an answer, by maker and model."""
    found: dict[str, Row] = {}
    for row in rows:
        sums = found.setdefault(who(row), dict.fromkeys(OUTCOMES, 0))
        for kind in OUTCOMES:
            sums[kind] += row[kind]
    parts = [(name, sums) for name, sums in found.items() if sum(sums.values())]
    return _stacked("obeyed", "What became of commands, by maker and model", parts, OUTCOMES)


def _stacked(
    name: str, says: str, parts: Sequence[tuple[str, Mapping[str, int]]], kinds: Mapping[str, tuple[str, str]]
) -> Board:
    """Bars of whole length, cut by kind; the first kind's share and count behind them."""
    board = Board(WIDTH, _ROW * len(parts) + 34, name, says)
    left, width = 190.0, WIDTH - 190 - 128
    x = left
    for kind, (words, cls) in kinds.items():
        if any(counts[kind] for _, counts in parts):
            board.rect(x, 4, 11, 11, cls)
            board.text(x + 16, 14, words, "small muted")
            x += 34 + 6.4 * len(words)
    first = next(iter(kinds))
    for n, (label, counts) in enumerate(parts):
        y, total, x = _ROW * n + 30, sum(counts.values()), left
        board.text(left - 10, y + 16, label, "", "end")
        for kind, (_, cls) in kinds.items():
            part = width * counts[kind] / total
            board.rect(x, y, part, 22, cls, 0)
            x += part
        board.text(left + width + 10, y + 16, f"{percent(counts[first] / total, 0)} of {number(total)}")
    return board
