"""The cloud's OAuth book: refresh tokens are single-use, and using one twice kills its whole family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from oem_connectors.simulator.cloud.chance import digest


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh pair of tokens."""

    access_token: str
    refresh_token: str
    expires_in: int  # seconds

    def as_json(self) -> dict[str, str | int]:
        """The fields of RFC 6749."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long access tokens live, and how long a spent refresh token still gives what it gave (a lost answer)."""

    lifetime: timedelta = timedelta(hours=8)
    grace: timedelta = timedelta(0)


@dataclass(slots=True)
class _Family:
    """All tokens that descend from one consent. Only the refresh token of the newest generation is good."""

    account: str
    number: int
    terms: Terms
    generation: int = 0
    revoked: bool = False
    issued: Issued | None = None
    issued_at: datetime | None = None

    def again(self, generation: int, now: datetime) -> Issued | None:
        """What the refresh token before the newest gave, while its grace lasts."""
        if self.issued_at is None or generation != self.generation - 1 or now >= self.issued_at + self.terms.grace:
            return None
        return self.issued


_USUAL = Terms()


class TokenBook:
    """Who may speak for which account, and until when."""

    def __init__(self, seed: int, terms: Mapping[str, Terms] | None = None) -> None:
        self._seed, self._terms = seed, terms or {}
        self._refresh: dict[str, tuple[_Family, int]] = {}
        self._access: dict[str, tuple[_Family, datetime]] = {}
        self._live: dict[str, _Family] = {}

    def consent(self, account: str) -> str:
        """The driver links the account: a new family replaces the old. Returns its first refresh token."""
        number = self._live[account].number + 1 if account in self._live else 1
        self.revoke(account)
        self._live[account] = family = _Family(account, number, self._terms.get(account, _USUAL))
        return self._issue_refresh(family)

    def revoke(self, account: str) -> None:
        """The driver withdraws consent: every token of the account is dead."""
        if account in self._live:
            self._live[account].revoked = True

    def rotate(self, refresh_token: str, now: datetime) -> Issued | None:
        """Spend a refresh token. None: unknown, revoked, or spent before, which revokes its family."""
        family, generation = self._refresh.get(refresh_token, (None, 0))
        if family is None or family.revoked:
            return None
        if generation != family.generation:
            again = family.again(generation, now)
            family.revoked = again is None
            return again
        family.generation += 1
        access = "at-" + digest(self._seed, "access", family.account, family.number, family.generation)
        lifetime = family.terms.lifetime
        self._access[access] = family, now + lifetime
        family.issued = Issued(access, self._issue_refresh(family), int(lifetime.total_seconds()))
        family.issued_at = now
        return family.issued

    def good(self, refresh_token: str) -> bool:
        """Whether a refresh token is neither spent nor revoked."""
        family, generation = self._refresh.get(refresh_token, (None, 0))
        return family is not None and not family.revoked and generation == family.generation

    def owner_of(self, refresh_token: str) -> str | None:
        """The account that a refresh token was issued for, living or dead."""
        family, _ = self._refresh.get(refresh_token, (None, 0))
        return family.account if family else None

    def account_of(self, access_token: str, now: datetime) -> str | None:
        """The account that a living access token speaks for."""
        family, expires_at = self._access.get(access_token, (None, now))
        return family.account if family and not family.revoked and now < expires_at else None

    def _issue_refresh(self, family: _Family) -> str:
        token = "rt-" + digest(self._seed, "refresh", family.account, family.number, family.generation)
        self._refresh[token] = family, family.generation
        return token
