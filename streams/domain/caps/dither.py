"""Small differences between cars, so that cars of one tariff do not all move to the same slot at once.

Under a cap many slots come to cost the same: price and adder level out. Cars are therefore put into groups by hash, and
each group sees a cost of its own, at most `DITHER` apart. At any time the groups are spread evenly, so the load answers
to an adder smoothly, as it must if a price is to hold a cap. In time a group's difference changes slowly: what is cheap
for it stays so for an hour or two, and its cars need no more blocks than else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from streams.contracts.forecast import Forecast
from streams.domain.caps.needs import Column
from streams.domain.ids import spread_seconds
from streams.domain.planner.curve import EPOCH

GROUPS: Final = 64
#: In currency per kWh: enough to tell cars apart, too little to cost anyone anything.
DITHER: Final = 0.002
#: How often the order of the groups is drawn anew; it changes gradually in between.
DRAWN_EVERY: Final = timedelta(minutes=90)


def group_of(car: str) -> int:
    """The group of a car, 0 to 63: the same on every worker and after every replay."""
    return spread_seconds("cap group", car, spread=GROUPS - 1)


def dither(slot_starts: Sequence[datetime]) -> Column:
    """What each group sees on top in slots that begin at these instants: groups x slots, in currency per kWh."""
    return np.array([_levels(start) for start in slot_starts]).T


@lru_cache(maxsize=1024)
def _levels(at: datetime) -> Column:
    """What each group sees on top at an instant: on the straight line between the draws before and after it."""
    passed, rest = divmod(at - EPOCH, DRAWN_EVERY)
    share = rest / DRAWN_EVERY
    levels: Column = (_drawn(passed) * (1 - share) + _drawn(passed + 1) * share) * (DITHER / GROUPS)
    return levels


@lru_cache(maxsize=256)
def _drawn(number: int) -> Column:
    """An order of all groups that looks like chance: where each of them stands, from 0 to 63."""
    bytes_ = blake2b(str(number).encode(), digest_size=GROUPS).digest()
    ranks = np.empty(GROUPS)
    ranks[sorted(range(GROUPS), key=bytes_.__getitem__)] = np.arange(GROUPS)
    return ranks


def dithered(adders: Forecast, group: int) -> Forecast:
    """A region's adders as the cars of `group` see them. Where no slot has an adder, nothing is changed."""
    if not any(slot.value for slot in adders.slots):
        return adders
    slots = tuple(
        slot.model_copy(update={"value": slot.value + float(_levels(slot.start)[group])}) for slot in adders.slots
    )
    return adders.model_copy(update={"slots": slots})
