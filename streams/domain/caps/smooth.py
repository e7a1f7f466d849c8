"""The adders at which cohorts keep a cap: the dual of the capped problem, smooth by the dither, by Newton's method.

With a dither spread evenly over [0, e) a cohort fills each slot by clip((level - cost) / e, 0, 1), its level such that
the need is met. The best adders then maximise a concave function with a continuous gradient (load - cap) and a
Hessian that is cheap to write down; a handful of steps find the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from streams.domain.caps.needs import Column

#: From coarse to fine: each dither starts where the one before ended.
COARSENESS: Final = (8.0, 3.0, 1.0)
STEPS: Final = 25
_HALVINGS: Final = 30
_STRIDES: Final = (1.0, 0.5, 0.2, 0.05, 0.01)
#: Matrices are multiplied in pieces of so many rows: small enough for one thread, so that no pool of threads wakes up.
_AT_ONCE: Final = 100
#: A load this close to the cap, as a share of the greatest cap, is on it.
_CLOSE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Rows alike made one: what each slot costs them, the kWh they could take in it, and the kWh they need."""

    costs: Column
    room_kwh: Column
    need_kwh: Column


class Answer(NamedTuple):
    """What cohorts do at some adders: the value of the dual, and the share of each slot that each cohort fills."""

    value: float
    shares: Column
    load_kwh: Column


def adders(cohorts: Cohorts, cap_kwh: Column, dither: float, most: float) -> tuple[Column, Column]:
    """Adders per slot in [0, most] that hold `cap_kwh`, and the kWh by which each slot yields to one unit more.

    Both in the currency per kWh of the costs. Where no adder holds the cap, the load above it is let be once the
    adder nears `most`.
    """
    found = np.zeros(len(cap_kwh))
    give = 0.01 * np.maximum(cap_kwh, 0.01 * cap_kwh.max() + 1e-9) / most
    for width in (dither * coarseness for coarseness in COARSENESS):
        dual = _Dual(cohorts, cap_kwh, width, most, give)
        found, answer = dual.climb(found)
    return found, np.diagonal(dual.yielding(answer))


@dataclass(frozen=True, slots=True)
class _Dual:
    """The function to maximise. `give` (kWh per currency/kWh) is the load that may stay for want of a greater adder."""

    cohorts: Cohorts
    cap_kwh: Column
    dither: float
    most: float
    give: Column

    def climb(self, at: Column) -> tuple[Column, Answer]:
        """The adders of the maximum, from `at`."""
        answer = self.answer(at)
        for _ in range(STEPS):
            gradient = answer.load_kwh - self.cap_kwh - self.give * at
            free = np.flatnonzero(((at > 0) | (gradient > 0)) & ((at < self.most) | (gradient < 0)))
            if not len(free) or np.abs(gradient[free]).max() <= _CLOSE * (self.cap_kwh.max() + 1e-9):
                break
            hessian = self._damped(answer)[np.ix_(free, free)]
            before = answer
            for direction in (np.linalg.solve(hessian, gradient[free]), gradient[free] / np.diagonal(hessian)):
                step = np.zeros(len(at))
                step[free] = direction
                at, answer = self._stride(at, step, answer)
                if answer is not before:
                    break
            if answer is before:
                break
        return at, answer

    def _stride(self, at: Column, step: Column, answer: Answer) -> tuple[Column, Answer]:
        """As far along the step as the value rises; where it does not rise any more, nowhere."""
        for stride in _STRIDES:
            tried = np.clip(at + stride * step, 0.0, self.most)
            new = self.answer(tried)
            if new.value > answer.value:
                return tried, new
        return at, answer

    def answer(self, at: Column) -> Answer:
        costs = self.cohorts.costs + at
        shares = _shares(costs, self.cohorts.room_kwh, self.cohorts.need_kwh, self.dither)
        energy = self.cohorts.room_kwh * shares
        spent = float((energy * (costs + self.dither / 2 * shares)).sum())
        value = spent - float((at * self.cap_kwh).sum()) - float((self.give * at**2).sum()) / 2
        return Answer(value, shares, energy.sum(axis=0))

    def yielding(self, answer: Answer) -> Column:
        """How the load of one slot moves to others with its adder: slots x slots, in kWh per currency/kWh."""
        between = (answer.shares > 0) & (answer.shares < 1)
        moving = np.where(between, self.cohorts.room_kwh, 0.0) / self.dither
        total = moving.sum(axis=1)
        moving, total = moving[total > 0], total[total > 0, None]
        found = np.diag(moving.sum(axis=0))
        for some in range(0, len(moving), _AT_ONCE):
            part = moving[some : some + _AT_ONCE]
            found -= (part / total[some : some + _AT_ONCE]).T @ part
        return found

    def _damped(self, answer: Answer) -> Column:
        """Slots that nobody is about to leave do not send a step to infinity."""
        yielding = self.yielding(answer)
        diagonal = np.diagonal(yielding)
        return yielding + np.diag(self.give + 1e-3 * diagonal + 1e-6 * (diagonal.max() + 1.0))


def _shares(costs: Column, room_kwh: Column, need_kwh: Column, dither: float) -> Column:
    """The share of each slot that each cohort fills; its level is found by halving."""
    low, high = costs.min(axis=1), costs.max(axis=1) + dither
    for _ in range(_HALVINGS):
        level = (low + high) / 2
        share = np.clip((level[:, None] - costs) / dither, 0.0, 1.0)
        enough = np.einsum("kt,kt->k", room_kwh, share) >= need_kwh
        high, low = np.where(enough, level, high), np.where(enough, low, level)
    shares: Column = np.clip((high[:, None] - costs) / dither, 0.0, 1.0)
    return shares
