"""`d2ev push-key`: a key for Web Push."""

from __future__ import annotations


def push_key() -> None:
    """Make a VAPID key: what is printed first is secret, for D2EV_VAPID_KEY; apps subscribe with the other."""
    from pydantic import SecretStr

    from agents.push.webpush import new_vapid_key, public_key, vapid_key

    key = new_vapid_key()
    print(f"D2EV_VAPID_KEY={key}")
    print(f"public key: {public_key(vapid_key(SecretStr(key)))}")
