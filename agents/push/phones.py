"""All ways to a driver behind one door, each left alone while its service is down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from agents.breaker import Breaker
from agents.clock import Clock
from agents.google import ServiceAccount, service_account
from agents.metrics import Metrics
from agents.push import InApp, Message, Outcome, Sent, Service
from agents.push.fcm import HOST, Fcm
from agents.push.webpush import WebPush, vapid_key
from agents.settings import BadSettings, Settings

#: The way of those who have no device.
IN_APP: Final = "app"
T = TypeVar("T")
_FAILED: Final = frozenset({Outcome.LATER, Outcome.UNKNOWN})


class Phones:
    """Sends by `services`. Pauses are real time: push services know no other."""

    def __init__(self, services: Mapping[str, Service], wall: Clock, metrics: Metrics) -> None:
        self._services = services
        self._wall, self._metrics = wall, metrics
        self._breakers = {kind: Breaker(kind) for kind in services}
        for kind in services:
            for outcome in Outcome:
                metrics.pushes.labels(kind, outcome.value)  # from zero, so that the first ones are an increase

    def serves(self, kind: str) -> bool:
        """Whether devices of that kind can be reached from here."""
        return kind in self._services

    async def send(self, kind: str, target: str, message: Message) -> Sent:
        """Send to one device of that kind. Raises nothing."""
        service = self._services.get(kind)
        if service is None:
            return Sent(Outcome.REFUSED, f"{kind} is not set up here")
        breaker, now = self._breakers[kind], self._wall.now()
        probe = breaker.is_open
        come_back = breaker.enter(now, release=False)
        if come_back is not None:
            return Sent(Outcome.LATER, f"{kind} is left alone for a while", come_back - now)
        try:
            sent = await service.send(target, message)
        finally:
            breaker.leave()
        if sent.outcome in _FAILED and sent.after is None:
            breaker.failed(kind, self._wall.now(), probe=probe)
        else:
            breaker.answered()
        self._metrics.pushes.labels(kind, sent.outcome.value).inc()
        return sent


class Keys(NamedTuple):
    """What pushes are sent with; None: that way is not set up."""

    fcm: ServiceAccount | None
    vapid: ec.EllipticCurvePrivateKey | None


def keys(settings: Settings) -> Keys:
    """The keys in the settings. Raises BadSettings in one line where a way is set up by half."""
    if settings.fcm_key is None and settings.fcm_url is not None:
        raise BadSettings("D2EV_FCM_KEY: there is an address but no service account's key")
    if settings.vapid_key is None and settings.vapid_contact is not None:
        raise BadSettings("D2EV_VAPID_KEY: there is a contact but no key; `d2ev push-key` makes one")
    if settings.vapid_key is not None and settings.vapid_contact is None:
        raise BadSettings("D2EV_VAPID_CONTACT: push services want to know whom to ask: mailto:you@example.org")
    account = _named("D2EV_FCM_KEY", service_account, settings.fcm_key)
    return Keys(account, _named("D2EV_VAPID_KEY", vapid_key, settings.vapid_key))


def phones(settings: Settings, http: httpx.AsyncClient, wall: Clock, metrics: Metrics) -> Phones:
    """What the settings set up. Raises BadSettings in one line."""
    services: dict[str, Service] = {IN_APP: InApp()}
    account, key = keys(settings)
    if account is not None:
        services["fcm"] = Fcm(account, http, wall, settings.fcm_url or HOST, settings.fcm_target)
    if key is not None:
        services["webpush"] = WebPush(key, settings.vapid_contact or "", settings.push_hosts, http, wall)
    return Phones(services, wall, metrics)


def _named(name: str, read: Callable[[SecretStr], T], secret: SecretStr | None) -> T | None:
    """What a secret holds; trouble names its setting."""
    try:
        return None if secret is None else read(secret)
    except ValueError as error:
        raise BadSettings(f"{name}: {error}") from None


#: A service that says nothing of when to come back is asked again after so long, then after twice that, and so on.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)


def wait(tries: int, after: timedelta | None) -> timedelta:
    """How long to wait after so many tries."""
    return max(after or timedelta(), min(LONGEST_WAIT, FIRST_WAIT * float(2 ** min(tries, 10))))
