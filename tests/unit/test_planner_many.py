"""Any number of blocks in continuous time: the same plan, to the edge, as the best of all patterns on short windows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.planner.cheapest import Span
from streams.domain.planner.many import any_blocks
from streams.domain.planner.pair import Room, lateness, one_or_two

RATES = st.sampled_from([[1], [1, 2], [0, -3, 5], [-1, -1, -2], list(range(-5, 9))])


@st.composite
def rooms(draw: st.DrawFn, *, most: int = 11, scale: int = 1) -> Room:
    """A few short slots from any instant on; a block may go on into them, as one of those allowed or as the minimum."""
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=most).filter(lambda given: sum(given) <= most))
    edges = [draw(st.integers(0, 100))]
    for length in lengths:
        edges.append(edges[-1] + length * scale)
    pool = draw(RATES)
    blocks, head = draw(st.integers(1, 3)), draw(st.booleans())
    return Room(
        edges=edges,
        rates=draw(st.lists(st.sampled_from(pool), min_size=len(lengths), max_size=len(lengths))),
        start_cost=draw(st.sampled_from([0, 0, 1, 3, 8])),
        joined=head or draw(st.booleans()),
        going=blocks,
        fresh=blocks - head,
    )


def every_plan(room: Room, need: int, *, capped: bool) -> list[Span] | None:
    """The best of all patterns of single units."""
    length = room.edges[-1] - room.edges[0]
    rates = [rate for (a, b), rate in zip(pairwise(room.edges), room.rates, strict=True) for _ in range(b - a)]
    found = []
    for bits in range(1 << length):
        on = [n for n in range(length) if bits >> n & 1]
        if len(on) != need:
            continue
        begins = [n for n in on if n - 1 not in on]
        ends = [n + 1 for n in on if n + 1 not in on]
        goes_on = room.joined and begins[0] == 0
        if capped and len(begins) > (room.going if goes_on else room.fresh):
            continue
        starts = len(begins) - goes_on
        blocks = [(room.edges[0] + a, room.edges[0] + b) for a, b in zip(begins, ends, strict=True)]
        found.append((sum(rates[n] for n in on) + starts * room.start_cost, starts, lateness(blocks), blocks))
    return min(found)[3] if found else None


@given(rooms(), st.data(), st.booleans())
def test_the_plan_is_the_best_of_all(room: Room, data: st.DataObject, capped: bool) -> None:
    need = data.draw(st.integers(1, room.edges[-1] - room.edges[0]))
    assert any_blocks(room, need, capped=capped) == every_plan(room, need, capped=capped)


@given(rooms(most=30, scale=977), st.data())
def test_two_blocks_come_out_as_from_the_pairs(room: Room, data: st.DataObject) -> None:
    """Lengths that no grid fits."""
    need = data.draw(st.integers(1, room.edges[-1] - room.edges[0]))
    if room.going <= 2:
        assert any_blocks(room, need, capped=True) == one_or_two(room, need)


def test_lengths_with_too_many_sums_are_left_alone() -> None:
    edges = [0]
    for n in range(40):
        edges.append(edges[-1] + (1 << n) % 1_000_003)
    room = Room(edges=edges, rates=[1] * 40, start_cost=0, joined=False, going=3, fresh=3)
    assert any_blocks(room, edges[-1] // 2, capped=False) is None


@pytest.mark.parametrize("scale", [1, 10**12])
def test_costs_too_large_for_whole_numbers_still_compare(scale: int) -> None:
    room = Room([0, 60_000_000, 120_000_000, 180_000_000], [3 * scale, scale, 2 * scale], 0, False, 3, 3)
    assert any_blocks(room, 90_000_000, capped=False) == [(60_000_000, 150_000_000)]
