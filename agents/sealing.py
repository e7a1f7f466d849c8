"""Sealing of secrets and personal bytes before they enter a table or topic: AES-256-GCM, bound to where they belong.

Sealed text is `v2.<key id>.<base64 of nonce and ciphertext>`: it says which key opens it, and nothing else.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v2"
NONCE_BYTES = 12
KEY_BYTES = 32


def development_key(app_id: str) -> bytes:
    """The seal key where none is set, so that a demo needs none. It protects nothing."""
    return blake2b(f"development seal key of {app_id}".encode(), digest_size=KEY_BYTES).digest()


class Unsealable(ValueError):
    """The ciphertext is not ours, was changed, or belongs elsewhere. Retrying does not help."""


class Sealer:
    """Seals bytes with a key; `context` (topic, car or account, field) must be the same when they are opened.

    What a `retired` key has sealed still opens.
    """

    def __init__(self, key: bytes, retired: Iterable[bytes] = ()) -> None:
        self._current = _key_id(key)
        self._keys = {_key_id(one): AESGCM(one) for one in (*retired, key)}

    def seal(self, plain: bytes, context: str) -> str:
        """`plain` as text that opens under the same `context` only."""
        nonce = os.urandom(NONCE_BYTES)
        blob = nonce + self._keys[self._current].encrypt(nonce, plain, context.encode())
        return f"{VERSION}.{self._current}.{b64encode(blob).decode()}"

    def open(self, sealed: str, context: str) -> bytes:
        """The bytes that were sealed under `context`. Raises Unsealable."""
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        key = self._keys.get(key_id) if version == VERSION else None
        try:
            if key is not None:
                blob = b64decode(text, validate=True)
                return key.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            pass
        raise Unsealable(f"cannot open what was sealed for {context.split('|', maxsplit=1)[0]}")

    def is_current(self, sealed: str) -> bool:
        """Whether the key of today sealed it."""
        return sealed.startswith(f"{VERSION}.{self._current}.")


def new_key() -> bytes:
    """A fresh random key."""
    return AESGCM.generate_key(bit_length=KEY_BYTES * 8)


def _key_id(key: bytes) -> str:
    if len(key) != KEY_BYTES:
        raise ValueError(f"the seal key must be {KEY_BYTES} bytes, it is {len(key)}")
    return blake2b(key, digest_size=4, person=b"d2ev key id").hexdigest()
