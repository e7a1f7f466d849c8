"""Data keys: each OEM account has its own, kept wrapped by the seal key. Destroying it makes all copies noise."""

from __future__ import annotations

from datetime import datetime

from agents.sealing import Sealer, new_key
from tables.rows import KeyRow


def seal_context(account: str) -> str:
    """What a sealed refresh token is bound to."""
    return f"grant|{account}"


def access_context(account: str) -> str:
    """What a sealed access token is bound to."""
    return f"access|{account}"


def push_context(account: str) -> str:
    """What the address of a device is bound to."""
    return f"push|{account}"


def data_key(sealer: Sealer, account: str, now: datetime) -> KeyRow:
    """A fresh data key, wrapped by the seal key of today."""
    return KeyRow(account=account, wrapped=sealer.seal(new_key(), _context(account)), since=now)


def opened(sealer: Sealer, key: KeyRow) -> Sealer:
    """What seals and opens for the account. Raises Unsealable when the seal key is not among ours."""
    return Sealer(sealer.open(key.wrapped, _context(key.account)))


def rewrapped(sealer: Sealer, key: KeyRow) -> KeyRow:
    """The same data key under the seal key of today. Raises Unsealable."""
    if sealer.is_current(key.wrapped):
        return key
    context = _context(key.account)
    return key.model_copy(update={"wrapped": sealer.seal(sealer.open(key.wrapped, context), context)})


def _context(account: str) -> str:
    return f"data key|{account}"
