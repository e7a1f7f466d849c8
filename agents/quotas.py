"""Which budgets a call counts towards: the account's own, and this partition's share of the app's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from oem_connectors.base import Connector, Limits, Quota
from streams.contracts.base import account_of
from streams.contracts.command import Action
from streams.domain.budget import Key, Rate, rate

#: Reads use at most this part of an app's quota, and leave the rest of the shared bucket to commands.
READ_SHARE: Final = 0.8
#: A reading that wakes the car leaves this part of the wakes at hand to commands.
WAKES_LEFT: Final = 0.5
_NONE: Final = Limits()


class Quotas:
    """The limits of every OEM, the app's split evenly by partition."""

    def __init__(self, connectors: Mapping[str, Connector], partitions: int) -> None:
        self._limits = {name: connector.limits for name, connector in connectors.items()}
        self._share = 1 / partitions

    def command(self, oem: str, car: str, action: Action) -> Mapping[Key, Rate]:
        """What a command counts towards."""
        limits, account = self._limits.get(oem, _NONE), account_of(car)
        found: dict[Key, Rate] = {}
        _add(found, ("app", oem), limits.app, self._share)
        _add(found, ("commands", account), limits.commands)
        if action is Action.WAKE:
            _add(found, ("wakes", account), limits.wakes)
        return found

    def read(self, oem: str, car: str, *, wakes: bool = False, leaves: float = 0.0) -> Mapping[Key, Rate]:
        """What a reading counts towards; it leaves that part of the account's buckets to readings of more worth."""
        limits, account = self._limits.get(oem, _NONE), account_of(car)
        found: dict[Key, Rate] = {}
        _add(found, ("app", oem), limits.app, self._share, 1 - READ_SHARE)
        _add(found, ("app reads", oem), limits.app, self._share * READ_SHARE)
        _add(found, ("reads", account), limits.reads, leaves=leaves)
        if wakes:
            _add(found, ("wakes", account), limits.wakes, leaves=max(leaves, WAKES_LEFT))
        return found


def _add(found: dict[Key, Rate], key: Key, quota: Quota | None, share: float = 1.0, leaves: float = 0.0) -> None:
    if quota is not None:
        found[key] = rate(quota.calls, quota.per, share, leaves)
