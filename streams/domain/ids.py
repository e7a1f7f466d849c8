"""Deterministic ids and offsets: the same facts give the same id on any worker and after any replay."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b


def _digest(parts: tuple[object, ...], size: int) -> bytes:
    text = "\x1f".join(p.isoformat() if isinstance(p, datetime) else str(p) for p in parts)
    return blake2b(text.encode(), digest_size=size).digest()


def stable_id(*parts: object) -> str:
    """Sixteen hex digits that depend on nothing but `parts`."""
    return _digest(parts, 8).hex()


def spread_seconds(*parts: object, spread: int = 600) -> int:
    """A whole number of seconds in [0, spread], uniform over `parts`: keeps a fleet from switching at once."""
    return int.from_bytes(_digest(parts, 8), "big") % (spread + 1)
