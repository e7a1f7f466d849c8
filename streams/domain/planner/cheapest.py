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
    taken: dict[int, Span] = {}
    for a, b, i in curve.order:
        if b <= start or a >= end:
            continue
        begin, finish = max(a, start), min(b, end)
        if finish - begin < need:
            taken[i] = (begin, finish)
            need -= finish - begin
        else:
            taken[i] = _part(taken, i, (begin, finish), need, joined=joined and begin == start)
            need = 0
            break
    return merged(sorted(taken.values())), need


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


def _part(taken: dict[int, Span], i: int, span: Span, need: int, *, joined: bool) -> Span:
    """Part of a slot, on the side where it prolongs what is taken; the early side if it makes no difference."""
    start, end = span
    before, after = taken.get(i - 1), taken.get(i + 1)
    left = joined or (before is not None and before[1] == start)
    right = after is not None and after[0] == end
    return (end - need, end) if right and not left else (start, start + need)


def _cut(curve: Curve, start: int, end: int, at: list[int]) -> list[tuple[int, int, int]]:
    """Known time in [start, end) as (slot, from, until), cut at `at`."""
    pieces: list[tuple[int, int, int]] = []
    for i, (a, b) in enumerate(zip(curve.starts, curve.ends, strict=True)):
        edges = [max(a, start), *(by for by in at if max(a, start) < by < min(b, end)), min(b, end)]
        pieces += [(i, x, y) for x, y in pairwise(edges) if x < y]
    return pieces
