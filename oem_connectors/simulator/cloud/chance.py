"""Chance without state: a hash of seed and facts, so the order in which cars are asked changes nothing."""

from __future__ import annotations

from hashlib import blake2b


def digest(*facts: object) -> str:
    """Thirty-two hex digits that depend on nothing but `facts`."""
    return blake2b("\x1f".join(map(str, facts)).encode(), digest_size=16).hexdigest()


def chance(*facts: object) -> float:
    """A number in [0, 1), uniform over `facts`."""
    return int(digest(*facts)[:13], 16) / 16**13


def between(low: float, high: float, *facts: object) -> float:
    """A number in [low, high), uniform over `facts`."""
    return low + (high - low) * chance(*facts)
