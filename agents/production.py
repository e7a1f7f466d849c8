"""What production refuses: the shortcuts that make a demo or a developer's machine easy."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agents.sealing import development_key

if TYPE_CHECKING:
    from agents.settings import Settings

#: So many different bytes are among any 32 that dice gave, but for once in 10^15 times.
LEAST_BYTES = 16


def shortcuts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Settings that production cannot have, and why."""
    problems = {
        "D2EV_KAFKA_PROTOCOL": settings.kafka_protocol == "PLAINTEXT" and "production talks to Kafka over TLS",
        "D2EV_REPLICATION": settings.replication < 3 and "production needs 3 replicas",
        "D2EV_SEAL_KEY": (settings.seal_key is None or _guessable(settings))
        and "production needs seal keys that nobody can guess: openssl rand -base64 32",
        "D2EV_ISSUERS": any(
            not url.startswith("https://") for one in settings.issuers for url in (one.issuer, one.jwks or one.issuer)
        )
        and "production needs https issuers; a development one signs in anybody",
        "D2EV_API_URL": _in_clear(settings.api_url),
        "D2EV_FCM_URL": _in_clear(settings.fcm_url),
        "D2EV_FIRESTORE_URL": _in_clear(settings.firestore_url),
        "D2EV_OEM_URLS": _in_clear(*settings.oem_urls.values())
        or ("simulator" in settings.oem_urls.keys() | settings.oem_apps.keys() and "production knows no simulator"),
        "D2EV_FEED_URLS": _in_clear(*settings.feed_urls.values()),
        "D2EV_CLOCK": settings.clock != "system" and "production runs on the system clock",
    }
    yield from ((name, problem) for name, problem in problems.items() if problem)


def _guessable(settings: Settings) -> bool:
    """Is a seal key one that no dice gave: the one that follows from the app id, or of few different bytes?"""
    given = [key for key in (settings.seal_key, *settings.seal_keys_retired) if key is not None]
    keys = [b64decode(key.get_secret_value()) for key in given]
    return any(len(set(key)) < LEAST_BYTES or key == development_key(settings.app_id) for key in keys)


def _in_clear(*urls: str | None) -> str | None:
    in_clear = any(url is not None and not url.startswith("https://") for url in urls)
    return "production needs an https address" if in_clear else None
