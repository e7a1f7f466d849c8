"""Who is it? ID tokens of Firebase or of any OpenID issuer, believed only after every rule has been checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx
import jwt
from jwt.exceptions import PyJWTError

from agents.clock import Clock
from agents.driver_api.keys import Keys
from agents.issuer import Issuer

MAX_TOKEN: Final = 8 * 1024
MAX_SUB: Final = 128
#: Clocks of issuers and ours may differ by so much.
SKEW: Final = timedelta(seconds=60)
_FIREBASE: Final = frozenset({"RS256"})
_OTHERS: Final = frozenset({"RS256", "ES256"})
_TIMES_ARE_OURS: Final = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)


class NotBelieved(Exception):
    """The token proves nothing; the message says which rule it breaks and holds nothing of it."""


class Signed(NamedTuple):
    """Who it is, who says so, and until when that is proven."""

    driver: str
    issuer: str
    until: datetime


class Verifier:
    """Verifies tokens of `issuers`. Time is the wall's: tokens live in the real world."""

    def __init__(self, issuers: Sequence[Issuer], http: httpx.AsyncClient, wall: Clock) -> None:
        self.issuers = {issuer.issuer: issuer for issuer in issuers}
        self.keys = Keys(http, wall)
        self._prefixes = {issuer.prefix for issuer in issuers}
        self._wall = wall

    async def signed(self, token: str, nonce: str | None = None) -> Signed:
        """The driver that a token proves. Raises NotBelieved or IssuerDown."""
        claims = await self.claims(token)
        if nonce is not None and claims.get("nonce") != nonce:
            raise NotBelieved("nonce: not the one of this sign-in")
        issuer = self.issuers[claims["iss"]]
        driver = issuer.prefix + claims["sub"]
        # No subject of one issuer may read like a driver of another.
        if driver.startswith(tuple(self._prefixes - {issuer.prefix[:n] for n in range(len(issuer.prefix) + 1)})):
            raise NotBelieved("sub: begins as another issuer's drivers do")
        return Signed(driver, issuer.issuer, datetime.fromtimestamp(claims["exp"], UTC))

    async def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that keeps every rule. Raises NotBelieved or IssuerDown."""
        if len(token) > MAX_TOKEN:
            raise NotBelieved("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            unproven = jwt.decode(token, options={"verify_signature": False})
        except (PyJWTError, ValueError, RecursionError):
            raise NotBelieved("it is no token") from None
        issuer = self.issuers.get(unproven["iss"]) if isinstance(unproven.get("iss"), str) else None
        if issuer is None:
            raise NotBelieved("iss: not an issuer of ours")
        algorithm, kid = _signed_how(header, issuer)
        key = await self.keys.key(issuer, kid)
        if key is None:
            raise NotBelieved("kid: no key of the issuer")
        try:
            claims: dict[str, Any] = jwt.decode(token, key.key, algorithms=[algorithm], options=_TIMES_ARE_OURS)  # type: ignore[arg-type]
        except (PyJWTError, ValueError, TypeError):
            raise NotBelieved("signature: does not fit") from None
        check(claims, issuer, self._wall.now())
        return claims


def check(claims: Mapping[str, Any], issuer: Issuer, now: datetime) -> None:
    """Every rule about what a signed token says. Raises NotBelieved."""
    firebase = issuer.is_firebase
    if claims.get("iss") != issuer.issuer:
        raise NotBelieved("iss: not this issuer")
    _check_audience(claims, issuer)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > MAX_SUB - len(issuer.prefix):
        raise NotBelieved(f"sub: must be a text of 1 to {MAX_SUB} characters")
    if not subject.isprintable():
        raise NotBelieved("sub: holds characters that nobody can see")
    latest, earliest = (now + SKEW).timestamp(), (now - SKEW).timestamp()
    if _time(claims, "exp", needed=True) <= earliest:
        raise NotBelieved("exp: the token has expired")
    if _time(claims, "iat", needed=True) > latest:
        raise NotBelieved("iat: issued in the future")
    if _time(claims, "auth_time", needed=firebase) > latest:
        raise NotBelieved("auth_time: signed in in the future")
    if _time(claims, "nbf", needed=False) > latest:
        raise NotBelieved("nbf: not valid yet")


def _signed_how(header: Mapping[str, Any], issuer: Issuer) -> tuple[str, str]:
    """Algorithm and key id of a token. Raises NotBelieved."""
    typ, algorithm, kid = header.get("typ", "JWT"), header.get("alg"), header.get("kid")
    if not isinstance(typ, str) or typ.upper() != "JWT":
        raise NotBelieved("typ: another kind of token")
    if not isinstance(algorithm, str) or algorithm not in (_FIREBASE if issuer.is_firebase else _OTHERS):
        raise NotBelieved("alg: not one that is allowed")
    if not isinstance(kid, str) or not kid:
        raise NotBelieved("kid: missing")
    return algorithm, kid


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    audience = claims.get("aud")
    several = isinstance(audience, list) and not issuer.is_firebase
    if audience != issuer.audience and not (several and issuer.audience in (audience or [])):
        raise NotBelieved("aud: not meant for us")
    if several and len(audience or []) > 1 and claims.get("azp") != issuer.audience:
        raise NotBelieved("azp: given to somebody else")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of the Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _time(claims: Mapping[str, Any], name: str, *, needed: bool) -> float:
    """A time claim in seconds; 0 where it may be missing and is."""
    value = claims.get(name)
    if value is None and not needed:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise NotBelieved(f"{name}: must be a time")
    return float(value)
