"""The cheapest time, by sorting: exact, because any minute can be bought or left.

If a plan used a slot while a cheaper one had room, moving a minute over would not cost more. So slots are taken in
the order of their cost; at most one is used in part, or one more for every goal on the way.
"""

from __future__ import annotations

from itertools import pairwise

from streams.domain.planner.curve import Curve

#: [start, end) in microseconds since 1970.
Span = tuple[int, int]


def cheapest(curve: Curve, start: int, end: int, need: int, *, joined: bool) -> tuple[list[Span], int]:
    """The cheapest `need` microseconds of the known time in [start, end), in time order, and what did not fit.

    Equal cost: the earlier. `joined`: the car charges right before `start`, so time there adds no block.
    """
    taken: list[Span] = []
    for first, last in curve.order:
        if last <= start or first >= end:
            continue
        a = first if first > start else start  # noqa: FURB136 (a call of max would double what the loop costs)
        b = last if last < end else end  # noqa: FURB136
        if b - a >= need:
            return _with_part(taken, (a, b), need, joined=joined and a == start), 0
        taken.append((a, b))
        need -= b - a
    return merged(sorted(taken)), need


def cheapest_with_goals(
    curve: Curve, start: int, end: int, need: int, goals: list[tuple[int, int]]
) -> tuple[list[Span], int]:
    """The same with goals: at least so many microseconds on before an instant.

    A goal is a limit on the time after it. The limits are nested, so taking slots in the order of their cost, each as
    far as every limit allows, stays exact. A goal out of reach asks for all of the time before it.
    """
    left = {by: need - min(least, max(0, by - start), need) for by, least in goals}
    pieces = sorted((curve.rates[i], a, b, i) for i, a, b in _cut(curve, start, end, sorted(left)))
    taken: dict[int, Span] = {}
    for place, (_, a, b, _slot) in enumerate(pieces):
        limits = [by for by in left if by <= a]
        length = min(b - a, need, *(left[by] for by in limits))
        if length > 0:
            taken[place] = (a, a + length)
            need -= length
            for by in limits:
                left[by] -= length
    return merged(sorted(taken.values())), need


def merged(spans: list[Span]) -> list[Span]:
    """Sorted spans, those that touch made one."""
    blocks: list[Span] = []
    until = -1
    for start, end in spans:
        if start == until:
            blocks[-1] = (blocks[-1][0], end)
        else:
            blocks.append((start, end))
        until = end
    return blocks


def _with_part(taken: list[Span], slot: Span, need: int, *, joined: bool) -> list[Span]:
    """The spans and part of a slot, on the side where it prolongs what is taken; early if it makes no difference."""
    start, end = slot
    if need < end - start and not joined:
        left = right = False
        for a, b in taken:
            left, right = left or b == start, right or a == end
        start = end - need if right and not left else start
    taken.append((start, start + need))
    taken.sort()
    return merged(taken)


def _cut(curve: Curve, start: int, end: int, at: list[int]) -> list[tuple[int, int, int]]:
    """Known time in [start, end) as (slot, from, until), cut at `at`."""
    pieces: list[tuple[int, int, int]] = []
    for i, (a, b) in enumerate(zip(curve.starts, curve.ends, strict=True)):
        edges = [max(a, start), *(by for by in at if max(a, start) < by < min(b, end)), min(b, end)]
        pieces += [(i, x, y) for x, y in pairwise(edges) if x < y]
    return pieces
