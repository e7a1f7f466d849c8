"""The rules that need a grid of whole minutes: blocks and pauses of a least length, many blocks, goals and taper."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streams.domain.planner.cheapest import Span, merged
from streams.domain.planner.curve import MICROSECOND, MINUTE_US, Curve
from streams.domain.planner.grid import Shape, tabulate
from streams.domain.planner.problem import PlanRequest, Window, start_cost
from streams.domain.planner.taper import Pace


def on_minutes(request: PlanRequest, window: Window, goals: list[tuple[int, int]]) -> list[Span] | None:
    """The best plan whose edges are whole minutes, exact on that grid; None when the known time has no room for one.

    `goals`: (instant, microseconds on by then, after the minimum). A part of a minute too much is left off at the end,
    or of the longest block if that would make the last too short.
    """
    first, last = -(-window.soon // MINUTE_US), window.deadline // MINUTE_US
    need = -(-window.left // MINUTE_US)
    if need > last - first:
        return None
    rates, usable = per_minute(request.curve, first, last)
    floors = [(by // MINUTE_US - first, -(-on // MINUTE_US)) for by, on in goals]
    table = tabulate(
        rates,
        usable,
        need,
        _shape(request, window, need),
        _weights(window.pace, window.soon - window.now, window.left) if window.pace else None,
        [(by, min(on, by, need)) for by, on in floors if 0 < by <= last - first],
    )
    found = table.blocks(last - first, need)
    if not found:
        return None
    spans = [((first + a) * MINUTE_US, (first + b) * MINUTE_US) for a, b in found]
    joined = request.charging_now or bool(window.head)
    if joined and found[0][0] == 0:
        spans[0] = (window.soon, spans[0][1])
    surplus = sum(b - a for a, b in spans) - window.left
    least = request.policy.min_block // MICROSECOND
    last = len(spans) - 1
    place = last if _length(spans[last]) - surplus >= least else max(range(last + 1), key=lambda i: _length(spans[i]))
    spans[place] = (spans[place][0], spans[place][1] - surplus)
    return merged(window.head + [span for span in spans if span[0] < span[1]])


def _length(span: Span) -> int:
    return span[1] - span[0]


def _shape(request: PlanRequest, window: Window, need: int) -> Shape:
    policy = request.policy
    min_block = -(-(policy.min_block // MICROSECOND) // MINUTE_US)
    penalty = policy.start_penalty
    return Shape(
        max_blocks=policy.max_blocks,
        min_block=min_block if window.head else min(min_block, need),
        min_pause=-(-(policy.min_pause // MICROSECOND) // MINUTE_US),
        start_cost=round(penalty * 1e12) if window.pace else start_cost(penalty, request.power_kw, MINUTE_US),
        charging=request.charging_now or bool(window.head),
        forced=bool(window.head),
    )


def per_minute(curve: Curve, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The rate of every whole minute in [first, last), and which of them lie in a known slot."""
    rates = np.zeros(last - first, dtype=np.int64)
    usable = np.zeros(last - first, dtype=np.bool_)
    for start, end, rate in zip(curve.starts, curve.ends, curve.rates, strict=True):
        a, b = max(-(-start // MINUTE_US) - first, 0), min(end // MINUTE_US - first, last - first)
        if a < b:
            rates[a:b] = rate
            usable[a:b] = True
    return rates, usable


def _weights(pace: Pace, on_us: int, left_us: int) -> NDArray[np.int64]:
    """Energy of each minute on, in millionths of a kWh, after `on_us` of the minimum; the last may be a part of one."""
    edges = [*range(on_us, on_us + left_us, MINUTE_US), on_us + left_us]
    energy = [pace.energy(at) for at in edges]
    return np.array([round((b - a) * 1e6) for a, b in pairwise(energy)], dtype=np.int64)
