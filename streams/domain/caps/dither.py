"""Small differences between cars, so that cars of one tariff do not all move to the same slot at once.

Under a cap many slots come to cost the same: price and adder level out. Cars are therefore put into groups by hash, and
each group sees a cost of its own, at most `DITHER` apart. In every slot the groups are spread evenly, so the load
answers to an adder smoothly, as it must if a price is to hold a cap.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from streams.contracts.forecast import Forecast
from streams.domain.caps.needs import Column
from streams.domain.ids import spread_seconds

GROUPS: Final = 64
#: In currency per kWh: enough to tell cars apart, too little to cost anyone anything.
DITHER: Final = 0.002


def group_of(car: str) -> int:
    """The group of a car, 0 to 63: the same on every worker and after every replay."""
    return spread_seconds("cap group", car, spread=GROUPS - 1)


@lru_cache(maxsize=1024)
def _ranks(slot_start: str) -> tuple[int, ...]:
    """Where each group stands in a slot: an order of all groups that looks like chance."""
    drawn = blake2b(slot_start.encode(), digest_size=GROUPS).digest()
    ranks = [0] * GROUPS
    for rank, group in enumerate(sorted(range(GROUPS), key=drawn.__getitem__)):
        ranks[group] = rank
    return tuple(ranks)


def dither(slot_starts: list[str]) -> Column:
    """What each group sees on top in slots that begin at these instants (ISO 8601, UTC): groups x slots."""
    return np.array([_ranks(start) for start in slot_starts], dtype=np.float64).T * (DITHER / GROUPS)


def dithered(adders: Forecast, group: int) -> Forecast:
    """A region's adders as the cars of `group` see them. Where no slot has an adder, nothing is changed."""
    if not any(slot.value for slot in adders.slots):
        return adders
    slots = tuple(
        slot.model_copy(update={"value": slot.value + _ranks(slot.start.isoformat())[group] * (DITHER / GROUPS)})
        for slot in adders.slots
    )
    return adders.model_copy(update={"slots": slots})
