"""registrations -> account link health, and custody of the OEM grants: one owner per account, written before used."""

from __future__ import annotations

from hashlib import blake2b

from agents.engine.stage import Stage, Work
from agents.sealing import Sealer, Unsealable
from streams.contracts.account import AccountState, Link
from streams.contracts.base import account_of
from streams.contracts.registration import Registration
from streams.topics import ACCOUNT, REGISTRATION
from tables import ACCOUNTS
from tables.rows import AccountRow


def seal_context(account: str) -> str:
    """What a sealed refresh token is bound to."""
    return f"grant|{account}"


def stage(sealer: Sealer) -> Stage:
    """The stage; `sealer` opens a new grant only to take its fingerprint."""

    def step(work: Work) -> None:
        for record in work:
            if record.value is None:
                _forget(work, record.key)
            elif isinstance(record.value, Registration) and record.value.grant_sealed is not None:
                _take_grant(work, record.value, record.value.grant_sealed)

    def _take_grant(work: Work, registration: Registration, sealed: str) -> None:
        account = account_of(registration.car)
        try:
            token = sealer.open(sealed, seal_context(account))
        except Unsealable:
            _lost(work, account, registration, "the grant cannot be opened")
            return
        origin = blake2b(token, digest_size=12, person=b"d2ev grant").hexdigest()
        row = work.get(ACCOUNTS, account)
        cars = tuple(sorted({*(row.cars if row else ()), registration.car}))
        if row is not None and origin in row.origins:
            if cars != row.cars:
                work.put(ACCOUNTS, account, row.model_copy(update={"cars": cars}))
            return
        origins = (*(row.origins if row else ()), origin)[-8:]
        fresh = AccountRow(
            account=account, oem=registration.oem, sealed_token=sealed, origins=origins, cars=cars, since=work.now
        )
        work.put(ACCOUNTS, account, fresh)
        _tell(work, fresh, "linked by the driver")

    return Stage("accounts", reads=(REGISTRATION,), writes=(ACCOUNT,), tables=(ACCOUNTS,), step=step)


def _lost(work: Work, account: str, registration: Registration, reason: str) -> None:
    known = work.get(ACCOUNTS, account)
    if known is not None and known.sealed_token is not None:
        # A grant that works is not given up for one that cannot be read.
        return
    row = AccountRow(account=account, oem=registration.oem, sealed_token=None, link=Link.NEEDS_CONSENT, since=work.now)
    work.put(ACCOUNTS, account, row)
    _tell(work, row, reason)


def _forget(work: Work, car: str) -> None:
    """The last car of an account takes the grant with it."""
    account = account_of(car)
    row = work.get(ACCOUNTS, account)
    if row is None:
        return
    cars = tuple(other for other in row.cars if other != car)
    if cars:
        work.put(ACCOUNTS, account, row.model_copy(update={"cars": cars}))
    else:
        work.delete(ACCOUNTS, account)
        work.send(ACCOUNT, account, None)


def _tell(work: Work, row: AccountRow, reason: str) -> None:
    state = AccountState(account=row.account, oem=row.oem, link=row.link, reason=reason, since=row.since)
    work.send(ACCOUNT, row.account, state)


def rotated(work: Work, account: str, sealed: str) -> None:
    """The OEM gave a new refresh token: it must be durable before it is used."""
    row = work.get(ACCOUNTS, account)
    if row is not None:
        update = {"sealed_token": sealed, "rotations": row.rotations + 1, "refreshing_since": None}
        work.put(ACCOUNTS, account, row.model_copy(update=update))


def refreshing(work: Work, account: str) -> None:
    """About to spend the single-use refresh token."""
    row = work.get(ACCOUNTS, account)
    if row is not None:
        work.put(ACCOUNTS, account, row.model_copy(update={"refreshing_since": work.now}))


def consent_lost(work: Work, account: str, reason: str) -> None:
    """The OEM no longer accepts the grant: the driver has to link again."""
    row = work.get(ACCOUNTS, account)
    if row is not None and row.link is not Link.NEEDS_CONSENT:
        lost = row.model_copy(update={"link": Link.NEEDS_CONSENT, "since": max(work.now, row.since)})
        work.put(ACCOUNTS, account, lost)
        _tell(work, lost, reason)
