"""Who may ask: keys of 256 random bits, of which only the hash is kept."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

from agents.settings import BadSettings


class Keys:
    """The keys that open, by whose they are. Raises BadSettings."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        if not hashes:
            raise BadSettings("D2EV_QUERY_KEYS: who may ask? `d2ev queries --new-key NAME` makes a key")
        for name, hashed in hashes.items():
            if len(hashed) != 64 or set(hashed) - set("0123456789abcdef"):
                raise BadSettings(f"D2EV_QUERY_KEYS.{name}: give the sha256 of the key in hex, never the key")
        self._hashes = dict(hashes)

    def whose(self, key: str | None) -> str | None:
        """Whose key this is; None if nobody's. It takes as long whatever is shown."""
        shown = hash_of(key or "")
        owners = [name for name, hashed in self._hashes.items() if compare_digest(hashed, shown)]
        return owners[0] if owners else None


def hash_of(key: str) -> str:
    """What is kept of a key. It is random and long, so a fast hash will do."""
    return sha256(key.encode()).hexdigest()


def new_key() -> str:
    """A key for somebody."""
    return f"d2ev_{token_urlsafe(32)}"
