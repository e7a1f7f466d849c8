"""Independent answers to planning problems by HiGHS: linear programmes, and mixed-integer ones for starts and blocks.

Nothing here is shared with the planner. scipy is needed, which the running system does not have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, hstack

from deploy.bench.statement import Statement

Vector = NDArray[np.float64]
#: HiGHS is content with a millionth of whatever unit costs are in; so it gets them in thousandths of the currency.
_SCALE = 1e3


class Undecided(RuntimeError):
    """HiGHS gave no proven optimum."""


def most_kwh(stated: Statement) -> float:
    """The most energy that any plan can put in before the deadline."""
    room = np.array([piece.hours for piece in stated.pieces()]) * stated.power
    if not len(room):
        return 0.0
    return float(-_solved(linprog(-np.ones(len(room)), bounds=_upto(room), method="highs")).fun)


def least_cost(stated: Statement) -> float:
    """The least that the need can cost, on whole or partial slots: the minimum as soon as can be, goals in time."""
    pieces = stated.pieces(*(by for by, _ in stated.goals))
    room = np.array([piece.hours for piece in pieces]) * stated.power
    least = np.minimum(np.cumsum(room), min(stated.at_once, stated.need))
    for by, kwh in stated.goals:
        last = sum(piece.end <= by + 1e-12 for piece in pieces) - 1
        if last >= 0:
            least[last] = max(least[last], min(kwh, stated.need, float(np.cumsum(room)[last])))
    answer = linprog(
        [piece.rate for piece in pieces],
        A_ub=-np.tri(len(room)),
        b_ub=-least + 1e-9,
        A_eq=np.ones((1, len(room))),
        b_eq=[stated.need],
        bounds=_upto(room + 1e-9),
        method="highs",
    )
    return float(_solved(answer).fun)


def least_cost_of_blocks(stated: Statement) -> float:
    """The least cost with starts and blocks counted, in continuous time.

    In every slot the time on is one piece, which can be made to touch the slot's edges where charging goes on
    across them: two pieces of a slot can be pushed together without cost. Unknowns, per slot: energy, whether there is
    any, and whether charging goes on across the slot's left edge.
    """
    soon = min(stated.at_once, stated.need) / stated.power
    pieces = stated.pieces(soon)
    n = len(pieces)
    room = np.array([piece.hours for piece in pieces]) * stated.power
    rate = np.array([piece.rate for piece in pieces])
    eye, right, empty = csr_array(np.eye(n)), csr_array(np.eye(n, k=1)), csr_array((n, n))
    left = csr_array(np.eye(n, k=-1))
    full = csr_array(np.diag(room))
    rows = [
        _at_most(hstack([eye, -full, empty]), 0.0),  # energy only where there is any
        _at_most(hstack([empty, -eye, eye]), 0.0),  # going on from an edge needs a piece after it
        _at_most(hstack([empty, -left, eye])[1:], 0.0),  # and one before it
        # Going on across both edges means the whole slot.
        _at_most(hstack([-eye, empty, full + full @ right]), room),
        LinearConstraint(np.concatenate([np.ones(n), np.zeros(2 * n)]), stated.need, stated.need),
    ]
    starts = np.concatenate([np.zeros(n), np.ones(n), -np.ones(n)])
    if stated.max_blocks is not None:
        blocks = starts.copy()
        blocks[2 * n] = 0.0  # a block that goes on from before is one of them
        rows.append(LinearConstraint(blocks, -np.inf, stated.max_blocks))
    low, high = np.zeros(3 * n), np.concatenate([room, np.ones(2 * n)])
    high[2 * n] = float(stated.charging)
    at_once = np.array([piece.end <= soon + 1e-12 for piece in pieces])
    low[:n][at_once] = room[at_once]
    cost = np.concatenate([rate, np.zeros(2 * n)]) + stated.penalty * starts
    whole = np.concatenate([np.zeros(n), np.ones(2 * n)])
    return _least(cost, whole, low, high, rows)


def least_cost_on_a_grid(stated: Statement, step: float) -> float:
    """The least cost with least lengths of blocks and pauses, on a grid of `step` hours, on which all edges must lie.

    Unknowns, per step: on, started here, stopped here. The charge that runs already may stop at any time.
    """
    rate = np.array(stated.rates(step)) * stated.power * step
    n, need = len(rate), round(stated.need / stated.power / step)
    least, pause = round(min(stated.min_block / step, need)), round(stated.min_pause / step)
    eye, empty = csr_array(np.eye(n)), csr_array((n, n))
    change = csr_array(np.eye(n) - np.eye(n, k=-1))
    before = np.zeros(n)
    before[0] = float(stated.charging)
    since_start = csr_array(np.tri(n) - np.tri(n, k=-max(1, least)))
    since_stop = csr_array(np.tri(n) - np.tri(n, k=-max(1, pause)))
    rows = [
        LinearConstraint(hstack([change, -eye, eye]), before, before),  # on = on before + started - stopped
        _at_most(hstack([-eye, since_start, empty]), 0.0),
        _at_most(hstack([eye, empty, since_stop]), 1.0),
        LinearConstraint(np.concatenate([np.ones(n), np.zeros(2 * n)]), need, need),
    ]
    started = np.concatenate([np.zeros(n), np.ones(n), np.zeros(n)])
    if stated.max_blocks is not None:
        blocks = started.copy()
        blocks[0] += float(stated.charging)  # on at once: the block that runs goes on
        rows.append(LinearConstraint(blocks, -np.inf, stated.max_blocks))
    high = np.ones(3 * n)
    if least > 1:
        high[2 * n - least + 1 : 2 * n] = 0.0  # no block that the deadline would cut short
    cost = np.concatenate([rate, np.zeros(2 * n)]) + stated.penalty * started
    return _least(cost, np.ones(3 * n), np.zeros(3 * n), high, rows)


def _least(cost: Vector, whole: Vector, low: Vector, high: Vector, rows: list[LinearConstraint]) -> float:
    """The least of a mixed-integer programme, solved again with its whole numbers held: they come out nearly whole."""
    bounds, cost = Bounds(low, high), cost * _SCALE
    found = _solved(milp(cost, integrality=whole, bounds=bounds, constraints=rows, options={"mip_rel_gap": 0.0})).x
    held = np.where(whole > 0, np.round(found), low), np.where(whole > 0, np.round(found), high)
    return float(_solved(milp(cost, bounds=Bounds(*held), constraints=rows)).fun) / _SCALE


def _at_most(matrix: Any, limit: float | Vector) -> LinearConstraint:
    return LinearConstraint(csr_array(matrix), -np.inf, limit)


def _upto(room: Vector) -> Any:
    return np.column_stack([np.zeros(len(room)), room])


def _solved(answer: Any) -> Any:
    if answer.status != 0:
        raise Undecided(answer.message)
    return answer
