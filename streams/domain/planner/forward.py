"""The forward pass over a grid of minutes: the best way to every state, minute after minute.

A state is how many blocks were begun, how many minutes were on, and whether the car charges. All that decides between
two ways to a state is one integer, so choosing is taking the least, for all minutes on at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]

#: What cannot be; keys of what can are less.
NEVER: Final = 1 << 61


@dataclass(frozen=True, slots=True)
class Shape:
    """How blocks may look; lengths in minutes.

    `max_blocks`: None is any number. `min_block`: no block is shorter, but one that runs at the start may end any time;
    needs below it have no answer (ask for one block of the whole need instead). `min_pause`: no gap is shorter, nor the
    one after a block that runs at the start and stops at once. `start_cost`: in units of rate x minute (x weight), at
    least 0. `charging`: a block runs at the start; going on costs no start but counts as a block. `forced`: it counts
    also when it stops at once, because it had to run before the start.
    """

    max_blocks: int | None
    min_block: int
    min_pause: int
    start_cost: int
    charging: bool
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """How an int64 holds cost, starts, and end and begin of the last block, from high to low: the least is the best.

    The begin is counted back from the window's end, so that a later one is less. The end is 0 while the block runs.
    """

    window: int
    #: Bits of an instant.
    bits: int
    #: Bits below the cost.
    below: int

    @classmethod
    def of(cls, window: int, most_starts: int) -> Key:
        bits = window.bit_length()
        return cls(window, bits, 2 * bits + most_starts.bit_length())

    @property
    def start(self) -> int:
        return 1 << 2 * self.bits

    def last_block(self, keys: Ints) -> tuple[Ints, Ints]:
        """Begins and ends."""
        mask = (1 << self.bits) - 1
        return self.window - (keys & mask), keys >> self.bits & mask


class Pass:
    """`keys[minute, blocks - 1 (or 0), minutes on]` is the best way to be at rest by then; at least `NEVER`: none.

    What begins in a stretch no longer than a block and a pause depends only on what ended before it, so a stretch is
    worked on at once. `floors`: (minute, least minutes on by then).
    """

    def __init__(
        self,
        rates: Ints,
        usable: Ints,
        longest: int,
        shape: Shape,
        weights: Ints | None,
        floors: Sequence[tuple[int, int]],
    ) -> None:
        self.window, self.layers = len(rates), shape.max_blocks or 1
        self.shape, self.longest, self.floors = shape, longest, floors
        self.least = max(1, shape.min_block)
        starts = shape.max_blocks or self.window // 2 + 1
        self.key = Key.of(self.window, starts)
        #: All rates move by the same, which changes no choice and keeps sums of what cannot be from wrapping round.
        self.rates = np.where(usable, rates - (rates[usable].min() if usable.any() else 0), 0)
        self.weights = None if weights is None else weights[:longest]
        whole = longest if weights is None else int(weights[:longest].sum())
        most = int(self.rates.max(initial=0)) * whole + starts * shape.start_cost
        #: Bits that costs have too many.
        self.excess = max(0, most.bit_length() + self.key.below - 61)
        self._constants()
        self.keys = np.empty((self.window + 1, self.layers, longest + 1), dtype=np.int64)
        self.keys[0] = NEVER
        if shape.forced:
            self.keys[0, 0, 0] = 0
        self.rows = list(self.keys.reshape(self.window + 1, -1))
        self.stretch = self.least + shape.min_pause
        #: Blocks that begin, and all that run, by minute of the stretch; what ran before it comes first. A gap between
        #: the layers takes up what has been on for too long, so that one step moves them all.
        width = longest + 1 + self.stretch
        self.begun = np.full((self.stretch, self.layers, width), NEVER, dtype=np.int64)
        self.on = np.full((self.stretch + 1, self.layers, width), NEVER, dtype=np.int64)
        on, begun = self.on.reshape(self.stretch + 1, -1), self.begun.reshape(self.stretch, -1)
        self.steps = [(on[k, :-1], begun[k, 1:], on[k + 1, 1:]) for k in range(self.stretch)]
        if weights is not None:
            rest = np.zeros((self.layers, self.stretch + 1), dtype=np.int64)
            self.pace = np.hstack((np.tile(weights[:longest], (self.layers, 1)), rest)).ravel()[:-1]
        if shape.charging:
            self.on[0, 0, 0] = self.window

    def _constants(self) -> None:
        """What is added to a key when a block begins, and when it ends."""
        minutes = np.arange(self.window + 1)
        #: What going on has cost since the start; the keys of running blocks are kept less it, so that it is free.
        gone = np.zeros(self.window + 1, dtype=np.int64)
        if self.weights is None:
            np.cumsum(self._scaled(self.rates), out=gone[1:])
        start = (self.shape.start_cost >> self.excess << self.key.below) + self.key.start
        self.begin = (start + self.window - minutes - gone)[:, None]
        self.end = (gone + (minutes << self.key.bits))[:, None, None]

    def run(self, usable: Ints) -> None:
        """All of the window."""
        edges = [0, *(np.flatnonzero(np.diff(usable)) + 1).tolist(), self.window]
        for since, until in pairwise(edges):
            if usable[since]:
                self._lit(since, until)
            else:
                self.keys[since + 1 : until + 1] = self.keys[since]
                self.on[0] = NEVER
                self._floor(since + 1, until)

    def _lit(self, since: int, until: int) -> None:
        at = since
        while at < until:
            stop = min([at + self.stretch, until, *(floor for floor, _ in self.floors if floor > at)])
            for layer in range(self.layers):
                self._begin(layer, since, at + 1, stop + 1)
            self._go_on(at + 1, stop + 1)
            at = stop
            self._floor(at, at)

    def _begin(self, layer: int, since: int, first: int, stop: int) -> None:
        """Blocks of the least length that end at `first` .. `stop` - 1, begun when the pause before was over."""
        shape, least = self.shape, self.least
        only_first = layer == 0 and shape.max_blocks is not None
        begun = self.begun[: stop - first, layer, least : 1 + min(self.longest, least if only_first else self.longest)]
        begun[:] = NEVER
        again = max(first, since + least, least + shape.min_pause)
        if again < stop and not only_first:
            ended = slice(again - least - shape.min_pause, stop - least - shape.min_pause)
            into = begun[again - first :]
            np.bitwise_and(self.keys[ended, max(0, layer - 1), : into.shape[1]], -self.key.start, out=into)
            into += self.begin[again - least : stop - least]
        fresh = max(first, since + least, least + shape.min_pause if shape.charging else 0)
        until = min([stop, *(at + least for at, m in self.floors if m > 0)])
        if layer == 0 and not shape.forced and fresh < until:
            begun[fresh - first : until - first, :1] = self.begin[fresh - least : until - least]
        if self.floors or self.weights is not None:
            for t in range(max(first, since + least), stop):
                self._refine(begun[t - first], t)

    def _refine(self, begun: Ints, t: int) -> None:
        """The costs by minutes on before, and what a floor amid the block rules out."""
        begin = t - self.least
        if self.weights is not None and len(begun):
            begun += self._scaled(np.correlate(self.weights, self.rates[begin:t], "valid"))[: len(begun)]
        for at, m in self.floors:
            if begin - self.shape.min_pause < at < t:
                begun[: max(0, m - max(0, at - begin))] = NEVER

    def _go_on(self, first: int, stop: int) -> None:
        """What ran goes on, and what runs may end, minute by minute."""
        count = stop - first
        for k, (before, begun, now) in enumerate(self.steps[:count]):
            if self.weights is None:
                np.minimum(before, begun, out=now)
            else:
                np.minimum(before + self._scaled(self.rates[first + k - 1] * self.pace), begun, out=now)
        rows = self.rows[first - 1 : stop]
        np.add(self.on[1 : count + 1, :, : self.longest + 1], self.end[first:stop], out=self.keys[first:stop])
        for before, now in pairwise(rows):
            np.minimum(before, now, out=now)
        self.on[0, :, : self.longest + 1] = self.on[count, :, : self.longest + 1]

    def _floor(self, first: int, last: int) -> None:
        """What has too few minutes on at a floor cannot be any more."""
        for at, m in self.floors:
            if first <= at <= last:
                self.keys[at : last + 1, :, :m] = NEVER
                self.on[0, :, :m] = NEVER

    def _scaled(self, costs: Ints) -> Ints:
        """Costs in their place in a key."""
        half = 1 << self.excess >> 1
        return costs + half >> self.excess << self.key.below
