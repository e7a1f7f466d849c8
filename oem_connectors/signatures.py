"""What makers put on a delivery to prove that it is theirs, compared in constant time."""

from __future__ import annotations

import hmac

from pydantic import SecretStr


def hmac_hex(secret: SecretStr, message: bytes, digest: str) -> str:
    """The HMAC of a message in lower-case hex; `digest` is a name that hashlib knows, such as "sha256"."""
    return hmac.new(secret.get_secret_value().encode(), message, digest).hexdigest()


def signed(secret: SecretStr, message: bytes, signature: str, digest: str) -> bool:
    """Whether a hex signature, in either case, is that of the message. An empty secret signs nothing."""
    if not secret.get_secret_value():
        return False
    given = signature.strip().lower().encode(errors="replace")
    return hmac.compare_digest(hmac_hex(secret, message, digest).encode(), given)
