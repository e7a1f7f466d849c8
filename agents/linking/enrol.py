"""Registrations of linked cars as records of the log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agents.engine.log import Outgoing
from agents.linking.invitation import Offer
from agents.partitions import home_partition
from streams import serde
from streams.topics import REGISTRATION


def records(offers: Iterable[Offer], partitions: int, at: datetime) -> list[Outgoing]:
    """One record per linked car, in the partition of its account."""
    made = []
    for one in offers:
        if one.registration is not None:
            ce_id = f"{one.car}-{at.timestamp()}".encode()
            headers = (*serde.headers(REGISTRATION.name, "linking", at), ("ce_id", ce_id))
            where = home_partition(one.car, partitions)
            made.append(Outgoing(REGISTRATION.name, where, one.car.encode(), serde.encode(one.registration), headers))
    return made
