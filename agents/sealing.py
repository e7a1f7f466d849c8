"""Sealing of secrets and personal bytes before they enter a table or topic: AES-256-GCM, bound to where they belong."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_BYTES = 32


class Unsealable(ValueError):
    """The ciphertext is not ours, was changed, or belongs elsewhere. Retrying does not help."""


class Sealer:
    """Seals bytes with a key; `context` (topic, car or account, field) must be the same when they are opened."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the seal key must be {KEY_BYTES} bytes, it is {len(key)}")
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> str:
        """`plain` as base64 of nonce and ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return b64encode(nonce + self._aead.encrypt(nonce, plain, context.encode())).decode()

    def open(self, sealed: str, context: str) -> bytes:
        """The bytes that were sealed under `context`. Raises Unsealable."""
        try:
            blob = b64decode(sealed, validate=True)
            return self._aead.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise Unsealable(f"cannot open what was sealed for {context.split('|', maxsplit=1)[0]}") from error


def new_key() -> bytes:
    """A fresh random key."""
    return AESGCM.generate_key(bit_length=KEY_BYTES * 8)
