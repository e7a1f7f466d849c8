"""What becomes of an account's row: every change of custody, as a change of one row made durable before its effect."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from agents.engine.stage import Work
from streams.contracts.account import AccountState, Link
from streams.domain.ids import spread_seconds
from streams.topics import ACCOUNT
from tables import ACCOUNTS
from tables.rows import AccountRow

#: With such a link no refresh is made; an access token that still lives may only start cars.
LOST = frozenset({Link.NEEDS_CONSENT, Link.REVOKED})
#: A refresh that was not answered is tried again after this, then twice that, and so on to the longest.
RETRY, LONGEST_RETRY = timedelta(seconds=30), timedelta(minutes=10)


class Tokens(NamedTuple):
    """A new pair of tokens, both sealed."""

    refresh: str
    access: str
    issued_at: datetime
    expires_at: datetime


def tell(work: Work, row: AccountRow, reason: str) -> None:
    """Publish how the link stands."""
    state = AccountState(account=row.account, oem=row.oem, link=row.link, reason=reason, since=row.since)
    work.send(ACCOUNT, row.account, state)


def refreshing(work: Work, account: str, spent: str, at: datetime) -> None:
    """About to spend the refresh token `spent`, if it is still the one in custody."""
    row = work.get(ACCOUNTS, account)
    if row is not None and row.sealed_token == spent and row.link not in LOST:
        update = {"refreshing_since": max(work.now, at), "tries": row.tries + 1}
        work.put(ACCOUNTS, account, row.model_copy(update=update))


def unspent(work: Work, account: str, spent: str) -> None:
    """The OEM's answer proves that the refresh token was not taken."""
    row = work.get(ACCOUNTS, account)
    if row is not None and row.sealed_token == spent:
        work.put(ACCOUNTS, account, row.model_copy(update={"refreshing_since": None, "tries": 0}))


def doubted(work: Work, account: str, spent: str, at: datetime) -> None:
    """A refresh was not answered: the next may be the end of the consent, so that cars are let go before it."""
    row = work.get(ACCOUNTS, account)
    if row is None or row.sealed_token != spent or row.refreshing_since is None or row.link is not Link.LINKED:
        return
    now = max(work.now, at)
    unsure = row.model_copy(update={"link": Link.EXPIRING, "since": now, "refreshing_since": now})
    work.put(ACCOUNTS, account, unsure)
    tell(work, unsure, "a refresh was not answered")


def rotated(work: Work, account: str, spent: str, new: Tokens) -> None:
    """The OEM gave a new pair of tokens for `spent`: durable before either is used."""
    row = work.get(ACCOUNTS, account)
    if row is None or row.sealed_token != spent:
        return  # erased, or linked anew meanwhile
    update = {
        "sealed_token": new.refresh,
        "rotations": row.rotations + 1,
        "refreshing_since": None,
        "tries": 0,
        "sealed_access": new.access,
        "access_issued_at": new.issued_at,
        "access_expires_at": new.expires_at,
    }
    fresh = row.model_copy(update=update)
    if in_doubt(row):
        fresh = fresh.model_copy(update={"link": Link.LINKED, "since": max(work.now, row.since)})
        tell(work, fresh, "the refresh was answered")
    work.put(ACCOUNTS, account, fresh)
    work.due.set(account, renew_at(fresh))


def access_refused(work: Work, account: str, access: str) -> None:
    """The OEM does not take the access token although its time is not over."""
    row = work.get(ACCOUNTS, account)
    if row is not None and row.sealed_access == access:
        work.put(ACCOUNTS, account, row.model_copy(update={"sealed_access": None}))


def consent_lost(work: Work, account: str, spent: str | None, reason: str) -> None:
    """The OEM no longer takes the grant `spent`: the driver has to link again. Told once."""
    row = work.get(ACCOUNTS, account)
    if row is None or row.sealed_token != spent or row.link in LOST:
        return
    update = {"link": Link.NEEDS_CONSENT, "since": max(work.now, row.since), "refreshing_since": None, "tries": 0}
    lost = row.model_copy(update=update)
    work.put(ACCOUNTS, account, lost)
    tell(work, lost, reason)


def in_doubt(row: AccountRow) -> bool:
    """Whether the refresh token may be spent, and using it again the end of every token of the account."""
    return row.link is Link.EXPIRING


def lives(row: AccountRow, now: datetime) -> bool:
    """Whether the access token is still good."""
    return row.sealed_access is not None and row.access_expires_at is not None and now < row.access_expires_at


def renew_at(row: AccountRow) -> datetime | None:
    """When to renew the access token: early enough that a guardian's copy outlives us, spread over the accounts."""
    issued, expires = row.access_issued_at, row.access_expires_at
    if row.sealed_access is None or issued is None or expires is None or row.link in LOST:
        return None
    life = expires - issued
    early = max(timedelta(seconds=20), life / 10, min(timedelta(minutes=30), life / 2))
    jitter = timedelta(seconds=spread_seconds(row.account, issued, spread=int(early.total_seconds() / 5)))
    return expires - min(early + jitter, life * 3 / 4)


def retry_at(row: AccountRow) -> datetime | None:
    """When an unanswered refresh may be tried again; None when none is open.

    The old token is all there is, so only the OEM's refusal ends the trying, never its silence.
    """
    if row.refreshing_since is None:
        return None
    return row.refreshing_since + min(RETRY * float(2 ** min(row.tries - 1, 10)), LONGEST_RETRY)
