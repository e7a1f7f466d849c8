"""Any number of blocks, exact in continuous time: one pass over the slots, most of them wholly on or wholly off.

Some best plan has all its edges on edges of slots but one (see `pair`), so at most one slot is used in part, and how
much of it follows from the slots that are used whole. Before that slot a state is known by the sum of the lengths
used, after it by the sum of those still to be used; there are few such sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.domain.planner.cheapest import Span, merged
from streams.domain.planner.pair import Room, lateness

Grid = NDArray[Any]
_NEVER: Final = 1 << 62
#: Room in a sum for the number of starts, which decides between equal costs.
_STARTS: Final = 64
#: Slots of very different lengths have too many sums to keep.
_MOST_SUMS: Final = 1_000
#: How a state came about, beside the pieces of a slot, which are numbered from 0.
_STAYED, _ENDED, _BEGUN, _WENT_ON = -1, -2, -3, -4


def any_blocks(room: Room, need: int, *, capped: bool) -> list[Span] | None:
    """The best blocks of `need` units together, in the canonical order; `capped` by the blocks that `room` allows.

    None when none may be made, or when the lengths of the slots have too many sums.
    """
    sums = _sums(room.edges, need)
    if sums is None:
        return None
    walk = _Pass(room, need, sums, capped=capped)
    found = [(key, state) for key, state in walk.ends() if key < _NEVER]
    if not found:
        return None
    least = min(key for key, _ in found)
    return min((walk.blocks(state) for key, state in found if key == least), key=lateness)


class _State(NamedTuple):
    """Where a plan stands at an edge: charging, a slot used in part (1) or none yet (0), blocks, number of the sum."""

    charging: bool
    part: int
    block: int
    at: int


@dataclass(frozen=True, slots=True)
class _Slots:
    """What slots of one length do to the sums, by number of the sum after them; the last number is none.

    `whole`: the sum before a whole slot, while no slot or one is used in part. `source`, `piece`: the sums from which
    a piece of the slot leads to a sum still to be used, and how long it is, the shortest first.
    """

    whole: tuple[Grid, Grid]
    source: Grid
    piece: Grid

    @classmethod
    def of(cls, length: int, sums: Grid, need: int) -> _Slots:
        """Of slots of this length."""
        pieces = need - sums[None, :] - sums[:, None]
        fits = (pieces > 0) & (pieces < length)
        width = max(1, int(fits.sum(axis=1).max()))
        order = np.argsort(np.where(fits, pieces, length), axis=1, kind="stable")[:, :width]
        piece = np.take_along_axis(np.where(fits, pieces, 0), order, axis=1)
        return cls(
            whole=(_numbers(sums, sums - length), _numbers(sums, sums + length)),
            source=np.where(piece > 0, order, len(sums)),
            piece=piece,
        )


class _Layer(NamedTuple):
    """The keys (cost x 64 + starts) of the states at an edge, [block, sum], and how each came about.

    `idle`: charging or not before, not after. `on`: charging up to here. Both before and after a slot used in part.
    """

    idle: tuple[Grid, Grid]
    on: tuple[Grid, Grid]
    idle_by: tuple[Grid, Grid]
    on_by: tuple[Grid, Grid]


class _Pass:
    """The forward pass: the least key of every state at every edge. Of equals the canonical one is kept."""

    def __init__(self, room: Room, need: int, sums: Grid, *, capped: bool) -> None:
        self.room, self.need, self.sums, self.capped = room, need, sums, capped
        self.most = max(room.going, room.fresh) if capped else 0
        self.slots = {length: _Slots.of(length, sums, need) for length in {b - a for a, b in pairwise(room.edges)}}
        # What all plans have in common decides nothing; left off, it leaves room for the starts.
        self.rates = [(rate - min(room.rates)) * _STARTS for rate in room.rates]
        self.start = room.start_cost * _STARTS + 1
        self.kind = np.int64 if max(self.rates) * need + self.start * len(self.rates) < _NEVER // 2 else np.float64
        self.layers = [self._first()]
        for (a, b), rate in zip(pairwise(room.edges), self.rates, strict=True):
            self.layers.append(self._next(self.layers[-1], self.slots[b - a], (b - a) * rate, rate))

    def ends(self) -> list[tuple[int, _State]]:
        """The plans that meet the need, with their keys."""
        idle = self.layers[-1].idle
        found = [(idle[1][b, 0], _State(False, 1, b, 0)) for b in range(self.most + 1)]
        whole = _numbers(self.sums, np.array([self.need]))[0]
        if whole < len(self.sums):
            found += [(idle[0][b, whole], _State(False, 0, b, int(whole))) for b in range(self.most + 1)]
        return found

    def blocks(self, state: _State) -> list[Span]:
        """The plan that ends in a state."""
        spans: list[Span] = []
        for t in range(len(self.rates), 0, -1):
            if not state.charging and self.layers[t].idle_by[state.part][state.block, state.at] == _ENDED:
                state = state._replace(charging=True)
            span, state = self._before(t, state)
            spans += [span] if span else []
        return merged(spans[::-1])

    def _first(self) -> _Layer:
        never = np.full((self.most + 1, len(self.sums)), _NEVER, dtype=self.kind)
        idle, on, room = never.copy(), never.copy(), self.room
        idle[self.most - room.fresh if self.capped else 0, 0] = 0
        if room.joined and (room.going > 0 or not self.capped):
            on[self.most - room.going + 1 if self.capped else 0, 0] = 0
        return _Layer((idle, never), (on, never), (never, never), (never, never))

    def _next(self, before: _Layer, slots: _Slots, whole: int, rate: int) -> _Layer:
        """The states after a slot that costs `whole`, or `rate` per unit."""
        begun = tuple(self._begun(idle) for idle in before.idle)
        lone = _through(begun[0], slots.source) + slots.piece * rate
        left = _through(before.on[0], slots.source) + slots.piece * rate
        on, on_by, idle, idle_by = [], [], [], []
        for part in (0, 1):
            options = [
                (_through(begun[part], slots.whole[part]) + whole, _BEGUN),
                (_through(before.on[part], slots.whole[part]) + whole, _WENT_ON),
            ]
            key, by = _best([*_least(lone), *options] if part else options)
            on.append(key)
            on_by.append(by)
            # Two pieces per length: alone, which begins later, and at the end of what went on.
            pieces = np.stack((lone, left), axis=3).reshape(*key.shape, -1)
            options = [(before.idle[part], _STAYED), *(_least(pieces) if part else ()), (key, _ENDED)]
            key, by = _best(options)
            idle.append(key)
            idle_by.append(by)
        return _Layer((idle[0], idle[1]), (on[0], on[1]), (idle_by[0], idle_by[1]), (on_by[0], on_by[1]))

    def _begun(self, idle: Grid) -> Grid:
        """The keys with one more start."""
        begun: Grid = np.minimum(idle + self.start, _NEVER)
        if self.capped:
            begun = np.roll(begun, 1, axis=0)
            begun[0] = _NEVER
        return begun

    def _before(self, t: int, state: _State) -> tuple[Span | None, _State]:
        """What slot t - 1 held on the way to a state, and the state before it."""
        layer, (a, b) = self.layers[t], self.room.edges[t - 1 : t + 1]
        slots, (charging, part, block, at) = self.slots[b - a], state
        by = int((layer.on_by if charging else layer.idle_by)[part][block, at])
        fewer = block - self.capped
        if by == _STAYED:
            return None, state
        if by in {_BEGUN, _WENT_ON}:
            went_on = by == _WENT_ON
            return (a, b), _State(went_on, part, block if went_on else fewer, int(slots.whole[part][at]))
        nth, left = (by, 0) if charging else divmod(by, 2)
        length, source = int(slots.piece[at, nth]), int(slots.source[at, nth])
        span = (b - length, b) if charging else (a, a + length)
        return span, _State(bool(left), 0, block if left else fewer, source)


def _sums(edges: list[int], need: int) -> Grid | None:
    """All sums of lengths of slots up to the need; None when they are too many."""
    sums = np.zeros(1, dtype=np.int64)
    for a, b in pairwise(edges):
        sums = np.unique(np.concatenate((sums, sums + (b - a))))
        sums = sums[sums <= need]
        if len(sums) > _MOST_SUMS:
            return None
    return sums


def _numbers(sums: Grid, wanted: Grid) -> Grid:
    """The numbers of these sums, and that of none for what is no sum."""
    at = np.minimum(np.searchsorted(sums, wanted), len(sums) - 1)
    numbers: Grid = np.where(sums[at] == wanted, at, len(sums))
    return numbers


def _through(keys: Grid, source: Grid) -> Grid:
    """The keys of the sources, `_NEVER` where there is none."""
    never = np.full((len(keys), 1), _NEVER, dtype=keys.dtype)
    through: Grid = np.concatenate((keys, never), axis=1)[:, source]
    return through


def _least(pieces: Grid) -> list[tuple[Grid, Grid]]:
    """The best of the pieces, along the last axis, the first of equals, and which it is."""
    nth = np.argmin(pieces, axis=2)
    return [(np.take_along_axis(pieces, nth[:, :, None], axis=2)[:, :, 0], nth)]


def _best(options: list[tuple[Grid, Any]]) -> tuple[Grid, Grid]:
    """The least keys, of equals the option named first, and how they came about."""
    key, by = options[0][0], np.broadcast_to(options[0][1], options[0][0].shape)
    for other, how in options[1:]:
        less = other < key
        key, by = np.where(less, other, key), np.where(less, how, by)
    return np.minimum(key, _NEVER), by
