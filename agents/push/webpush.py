"""Web Push: encrypted for the browser (RFC 8291), signed by us (RFC 8292), handed to the browser's own service."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from pywebpush import WebPusher

from agents.clock import Clock
from agents.issuer import LOOPBACK
from agents.push import Message, Outcome, Sent
from agents.push.answers import post, retry_after

_SIGNED_FOR: Final = timedelta(hours=12)
_GONE: Final = frozenset({404, 410})
_CURVE_BYTES: Final = 32


class WebPush:
    """Sends as `contact` (mailto: or https:) with the VAPID key, to `hosts` only."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, contact: str, hosts: Iterable[str], http: httpx.AsyncClient, wall: Clock
    ) -> None:
        self._key, self._contact, self._hosts = key, contact, tuple(hosts)
        self._http, self._wall = http, wall

    async def send(self, target: str, message: Message) -> Sent:
        """Send to one browser; `target` is its subscription as JSON."""
        try:
            subscription = json.loads(target)
            endpoint = str(subscription["endpoint"])
            body = WebPusher(subscription).encode(_payload(message))["body"]
        except Exception:  # the library raises whatever comes to it on keys that are none
            return Sent(Outcome.GONE, "the subscription makes no sense")
        if not is_known(endpoint, self._hosts):
            return Sent(Outcome.REFUSED, "the subscription's host is not among D2EV_PUSH_HOSTS")
        headers = {
            "TTL": str(int(message.lives.total_seconds())),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Urgency": "high" if message.urgent else "normal",
            "Topic": message.tag,
            "Authorization": self._authorization(endpoint),
        }
        answer = await post(self._http, endpoint, content=body, headers=headers)
        return answer if isinstance(answer, Sent) else read(answer, retry_after(answer.headers, self._wall.now()))

    def _authorization(self, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((self._wall.now() + _SIGNED_FOR).timestamp()),
            "sub": self._contact,
        }
        return f"vapid t={jwt.encode(claims, self._key, algorithm='ES256')}, k={public_key(self._key)}"


def read(answer: httpx.Response, after: timedelta | None) -> Sent:
    """What an answer means."""
    status = answer.status_code
    if status in {200, 201, 202, 204}:
        return Sent(Outcome.SHOWN)
    if status in _GONE:
        return Sent(Outcome.GONE, str(status))
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        return Sent(Outcome.LATER, str(status), after)
    return Sent(Outcome.REFUSED, str(status))


def is_known(endpoint: str, hosts: Iterable[str]) -> bool:
    """Whether it is a push service that is allowed: an address must not lead into somebody's network."""
    try:
        parts = urlsplit(endpoint)
        port_is_usual = parts.port in {None, 443} or parts.hostname in LOOPBACK
    except ValueError:
        return False
    host = parts.hostname or ""
    allowed = any(host == one or (one.startswith(".") and host.endswith(one)) for one in hosts)
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return allowed and safe and port_is_usual and not parts.username


def vapid_key(key: SecretStr) -> ec.EllipticCurvePrivateKey:
    """The private key from base64url of its 32 bytes. Raises ValueError."""
    text = key.get_secret_value()
    with suppress(ValueError):  # whatever it says may quote the key
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(raw) == _CURVE_BYTES:
            return ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())
    raise ValueError(f"give base64url of a private key's {_CURVE_BYTES} bytes; `d2ev push-key` makes one")


def new_vapid_key() -> str:
    """A fresh key as the settings take it."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _text(number.to_bytes(_CURVE_BYTES))


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """What browsers subscribe with."""
    return _text(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _payload(message: Message) -> bytes:
    told = {
        "title": message.title, "body": message.body, "tag": message.tag,
        "car": message.car, "kind": message.kind, "id": message.id,
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False).encode()
