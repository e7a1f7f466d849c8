"""The grid of minutes against every on/off pattern there is: same cost, same plan."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.planner.grid import Shape, Table, tabulate

Blocks = list[tuple[int, int]]

RATES = {
    "random": st.integers(-30, 90),
    "tied": st.sampled_from([10, 20, 20, 40]),
    "flat": st.just(25),
    "two rates": st.sampled_from([7, 30]),
    "negative": st.integers(-30, -28),
}


@cache
def patterns(window: int) -> list[Blocks]:
    """All ways to be on or off in `window` minutes, as blocks."""
    found = []
    for bits in range(1, 1 << window):
        on = [t for t in range(window) if bits >> t & 1]
        edges = [t for t in range(window + 1) if (bits << 1 >> t & 1) != (bits >> t & 1)]
        assert len(on) == sum(b - a for a, b in zip(edges[::2], edges[1::2], strict=True))
        found.append(list(zip(edges[::2], edges[1::2], strict=True)))
    return found


def allowed(blocks: Blocks, usable: list[bool], shape: Shape) -> bool:
    begins = blocks[1:] if shape.charging and blocks[0][0] == 0 else blocks
    pauses = [b[0] - a[1] for a, b in pairwise(blocks)]
    if shape.charging and blocks[0][0] > 0:
        pauses.append(blocks[0][0])
    used = len(blocks) + (shape.forced and blocks[0][0] > 0)
    return (
        (shape.max_blocks is None or used <= shape.max_blocks)
        and all(b - a >= shape.min_block for a, b in begins)
        and all(pause >= shape.min_pause for pause in pauses)
        and all(usable[t] for a, b in blocks for t in range(a, b))
    )


def on_by(blocks: Blocks, at: int) -> int:
    return sum(max(0, min(b, at) - a) for a, b in blocks)


def price(blocks: Blocks, rates: list[int], shape: Shape, weights: list[int] | None) -> tuple[int, int]:
    minutes = [t for a, b in blocks for t in range(a, b)]
    starts = len(blocks) - (shape.charging and blocks[0][0] == 0)
    cost = sum(rates[t] * (weights[k] if weights else 1) for k, t in enumerate(minutes))
    return cost + starts * shape.start_cost, starts


def lateness(blocks: Blocks) -> list[tuple[int, int]]:
    return [(end, -start) for start, end in reversed(blocks)]


@st.composite
def problems(draw: st.DrawFn, longest_window: int = 11) -> dict[str, Any]:
    window = draw(st.integers(1, longest_window))
    rate = RATES[draw(st.sampled_from(sorted(RATES)))]
    charging = draw(st.booleans())
    known = st.sampled_from([True, True, False])
    floors = draw(st.lists(st.tuples(st.integers(1, window), st.integers(0, 4)), max_size=2))
    return {
        "rates": draw(st.lists(rate, min_size=window, max_size=window)),
        "usable": draw(st.one_of(st.just([True] * window), st.lists(known, min_size=window, max_size=window))),
        "shape": Shape(
            max_blocks=draw(st.sampled_from([1, 2, 3, None])),
            min_block=draw(st.integers(0, 3)),
            min_pause=draw(st.integers(0, 3)),
            start_cost=draw(st.sampled_from([0, 0, 5, 40])),
            charging=charging,
            forced=charging and draw(st.booleans()),
        ),
        "weights": draw(st.one_of(st.none(), st.lists(st.integers(1, 4), min_size=window, max_size=window))),
        "floors": floors,
    }


def table_of(problem: dict[str, Any], longest: int | None = None) -> Table:
    weights = problem["weights"]
    return tabulate(
        np.array(problem["rates"]),
        np.array(problem["usable"]),
        longest or len(problem["rates"]),
        problem["shape"],
        None if weights is None else np.array(weights),
        problem["floors"],
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(problems(), st.integers(1, 11))
def test_grid_finds_the_best_of_all_patterns(problem: dict[str, Any], longest: int) -> None:
    rates, usable, shape, weights = problem["rates"], problem["usable"], problem["shape"], problem["weights"]
    best: dict[tuple[int, int], Any] = {}
    for blocks in patterns(len(rates)):
        if not allowed(blocks, usable, shape):
            continue
        key = (*price(blocks, rates, shape, weights), lateness(blocks), blocks)
        need = on_by(blocks, len(rates))
        for deadline in range(blocks[-1][1], len(rates) + 1):
            kept = all(on_by(blocks, at) >= least for at, least in problem["floors"] if at <= deadline)
            if kept and ((deadline, need) not in best or key < best[deadline, need]):
                best[deadline, need] = key
    table = table_of(problem, longest)
    for deadline in range(1, len(rates) + 1):
        for need in range(1, min(longest, len(rates)) + 1):
            known = best.get((deadline, need))
            assert table.blocks(deadline, need) == (known and known[3])
            assert table.cost(deadline, need) == (known and known[0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems(40), st.integers(1, 40))
def test_many_at_once_are_the_same_as_one_by_one(problem: dict[str, Any], longest: int) -> None:
    table = table_of(problem, longest)
    window = len(problem["rates"])
    deadlines, needs = (grid.ravel() for grid in np.meshgrid(np.arange(0, window + 1), np.arange(0, longest + 3)))
    rows = table.edges(deadlines, needs)
    if problem["shape"].max_blocks is not None:
        assert rows.shape[1] == 2 * problem["shape"].max_blocks
    for deadline, need, row in zip(deadlines.tolist(), needs.tolist(), rows.tolist(), strict=True):
        blocks = table.blocks(deadline, need)
        flat = [edge for block in blocks or [] for edge in block]
        assert row == flat + [-1] * (len(row) - len(flat))
        assert need == 0 or (blocks is None) == (table.cost(deadline, need) is None)
        assert blocks is None or on_by(blocks, deadline) == need


def test_nothing_needed_is_nothing_planned() -> None:
    table = tabulate(np.array([5, 1, 5]), np.ones(3, dtype=bool), 3, Shape(2, 0, 0, 0, charging=False))
    assert table.blocks(3, 0) == []
    assert table.cost(3, 0) == 0


def test_any_number_of_blocks_means_more_than_sixteen() -> None:
    rates = np.tile([1, 9], 40)
    table = tabulate(rates, np.ones(80, dtype=bool), 40, Shape(None, 0, 0, 0, charging=False))
    assert table.blocks(80, 40) == [(t, t + 1) for t in range(0, 80, 2)]
    assert table.cost(80, 40) == 40


def test_costs_too_large_to_be_exact_are_rounded() -> None:
    """Some decisions among near equals are lost, none that matters."""
    rates = np.array([3, 2, 1, 0]) * (1 << 57) + np.array([0, 0, 1, 0])
    table = tabulate(rates, np.ones(4, dtype=bool), 4, Shape(2, 0, 0, 0, charging=False))
    assert table.blocks(4, 2) == [(2, 4)]
    assert table.blocks(3, 1) == [(2, 3)]
    assert table.cost(3, 1) == (1 << 57) + 1
