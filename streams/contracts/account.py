"""Link health of an OEM account: can we still speak to its cars?"""

from __future__ import annotations

from enum import StrEnum

from streams.contracts.base import Contract, Instant


class Link(StrEnum):
    """Health of the link to an OEM account."""

    LINKED = "linked"
    EXPIRING = "expiring"
    NEEDS_CONSENT = "needs_consent"
    REVOKED = "revoked"


class AccountState(Contract):
    """State of one OEM account, keyed by account."""

    account: str
    oem: str
    link: Link
    reason: str
    since: Instant
