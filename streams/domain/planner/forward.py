"""The forward pass over a grid of minutes: the best way to every state, minute after minute.

A state is how many blocks were begun, how many minutes were on, and whether the car charges. All that decides between
two ways to a state is one integer, so choosing is taking the least, for all minutes on at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """`keys[blocks - 1 (or 0), minute, minutes on]` is the best way to be at rest by then; at least `NEVER`: none."""

    def __init__(self, rates: Ints, usable: Ints, longest: int, shape: Shape, weights: Ints | None) -> None:
        self.window, self.layers = len(rates), shape.max_blocks or 1
        self.shape, self.longest = shape, longest
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
        self.dark = [0, *np.cumsum(~usable).tolist()]
        self.keys = np.empty((self.layers, self.window + 1, longest + 1), dtype=np.int64)
        self.keys[:, 0] = NEVER
        #: Running blocks, by minutes on + window - minute: what goes on stays in its place.
        self.on = np.full((self.layers, self.window + longest + 1), NEVER, dtype=np.int64)
        self._constants()
        if shape.charging:
            self.on[0, self.window] = self.window
        if shape.forced:
            self.keys[0, 0, 0] = 0

    def _constants(self) -> None:
        """What is added to a key when a block begins, and when it ends; arrays, for numpy takes them faster."""
        minutes = np.arange(self.window + 1)
        #: What going on has cost since the start; the keys of running blocks are kept less it, so that it is free.
        gone = np.zeros(self.window + 1, dtype=np.int64)
        if self.weights is None:
            np.cumsum(self._scaled(self.rates), out=gone[1:])
        start = (self.shape.start_cost >> self.excess << self.key.below) + self.key.start
        begin, end = start + self.window - minutes - gone, gone + (minutes << self.key.bits)
        self.begin, self.end = [begin[t, ...] for t in minutes], [end[t, ...] for t in minutes]
        self.without_block = np.array(-self.key.start)

    def minute(self, t: int, floors: Sequence[tuple[int, int]]) -> None:
        """What is known after minute t - 1. `floors`: (minute, least minutes on by then)."""
        width, place = min(t, self.longest) + 1, self.window - t
        lit = self.dark[t] == self.dark[t - 1]
        if not lit:
            self.on[:, place : place + width] = NEVER
        elif self.weights is not None:
            self.on[:, place + 1 : place + width] += self._scaled(self.rates[t - 1] * self.weights[: width - 1])
        if lit and t >= self.least and self.dark[t] == self.dark[t - self.least]:
            self._start(t, floors)
        if t <= self.longest:
            self.keys[:, t - 1, t] = NEVER
        for on, keys in zip(self.on, self.keys, strict=True):
            now = keys[t, :width]
            np.add(on[place : place + width], self.end[t], out=now)
            np.minimum(now, keys[t - 1, :width], out=now)
        for at, least in floors:
            if at == t:
                self.on[:, place : place + least] = NEVER
                self.keys[:, t, :least] = NEVER

    def _start(self, t: int, floors: Sequence[tuple[int, int]]) -> None:
        """Blocks of the least length that end now, begun when the pause before them was over."""
        shape, least, place = self.shape, self.least, self.window - t
        begin = t - least
        rested = begin - shape.min_pause
        lowest = max([m - max(0, at - begin) for at, m in floors if rested < at < t], default=0) if floors else 0
        if self.longest >= least and self._fresh(begin, rested, floors, lowest):
            first = int(self.begin[begin])
            if self.weights is not None:
                first += int(self._costs(begin, 0, 1)[0])
            self.on[0, place + least] = min(first, int(self.on[0, place + least]))
        low, stop = max(lowest, 0 if shape.forced else 1), min(self.longest - least, rested) + 1
        if low >= stop:
            return
        costs = None if self.weights is None else self._costs(begin, low, stop)
        for layer in range(shape.max_blocks is not None, self.layers):
            begun = self.keys[max(0, layer - 1), rested, low:stop] & self.without_block
            begun += self.begin[begin]
            if costs is not None:
                begun += costs
            on = self.on[layer, place + least + low : place + least + stop]
            np.minimum(on, begun, out=on)

    def _fresh(self, begin: int, rested: int, floors: Sequence[tuple[int, int]], lowest: int) -> bool:
        """May the very first minute on be `begin`?"""
        if self.shape.forced or lowest > 0 or (self.shape.charging and rested < 0):
            return False
        return not any(at <= begin and least > 0 for at, least in floors)

    def _costs(self, begin: int, first: int, stop: int) -> Ints:
        """With weights: cost of the least block from `begin` on, by minutes on before it: first .. stop - 1."""
        assert self.weights is not None
        weights = self.weights[first : stop - 1 + self.least]
        return self._scaled(np.correlate(weights, self.rates[begin : begin + self.least], "valid"))

    def _scaled(self, costs: Ints) -> Ints:
        """Costs in their place in a key."""
        half = 1 << self.excess >> 1
        return costs + half >> self.excess << self.key.below
