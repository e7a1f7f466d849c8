"""A Period of an ENTSO-E series: positions, resolution, and what a position that is left out means."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise

from agents.feeds.source import Refused
from agents.feeds.sources.curves import Piece, scaled
from agents.feeds.sources.reading import instant_of, number_of
from agents.feeds.sources.xml import Node

_MWH = 0.001
_RESOLUTIONS = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
_POSITION = re.compile(r"[1-9]\d{0,5}", re.ASCII)


def pieces_of(period: Node, curve_type: str, most: int) -> tuple[timedelta, list[Piece]]:
    """The resolution and the prices per kWh of a Period.

    A03: a position left out repeats the one before it, to the end of the interval. A01: it is a gap. Raises `Refused`.
    """
    start, count, step = _grid(period)
    if count > most:
        raise Refused("the document holds more than a year")
    points = _points(period, count)
    if curve_type == "A03":
        ends = [*(after for _, after in pairwise(points)), count + 1]
        runs = {position: range(position, end) for position, end in zip(points, ends, strict=True)} if points else {}
    elif curve_type == "A01":
        runs = {position: range(position, position + 1) for position in points}
    else:
        raise Refused("curveType must be A01 or A03")
    return step, [
        Piece(start + (slot - 1) * step, start + slot * step, points[position])
        for position, run in runs.items()
        for slot in run
    ]


def _grid(period: Node) -> tuple[datetime, int, timedelta]:
    start = instant_of(period.said("timeInterval", "start"), "timeInterval.start")
    end = instant_of(period.said("timeInterval", "end"), "timeInterval.end")
    minutes = _RESOLUTIONS.get(period.said("resolution") or "")
    if minutes is None:
        raise Refused(f"resolution must be one of {', '.join(_RESOLUTIONS)}")
    step = timedelta(minutes=minutes)
    if end <= start or (end - start) % step:
        raise Refused("timeInterval is not a whole number of slots")
    return start, (end - start) // step, step


def _points(period: Node, count: int) -> dict[int, float]:
    """The price of every position that is written, in order of position."""
    points: dict[int, float] = {}
    for point in period.all("Point"):
        position = point.said("position") or ""
        if not _POSITION.fullmatch(position) or int(position) > count:
            raise Refused(f"position must be within 1 to {count}, the slots of its timeInterval")
        value = scaled(number_of(point.said("price.amount"), "price.amount"), _MWH)
        if points.setdefault(int(position), value) != value:
            raise Refused(f"position {position} has two prices")
    return dict(sorted(points.items()))
