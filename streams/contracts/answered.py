"""An answered write of a driver: the same request with the same idempotency key gets the same answer again."""

from __future__ import annotations

from pydantic import Field

from streams.contracts.base import Contract, Instant


class Answered(Contract):
    """One answer, keyed by a hash of driver and idempotency key."""

    key: str
    request: str = Field(description="hash of method, path and body: another request under the same key is refused")
    status: int
    body_sealed: str | None
    at: Instant
