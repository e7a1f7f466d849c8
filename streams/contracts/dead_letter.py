"""A record that no stage could take: where it was, why, and its original bytes, sealed."""

from __future__ import annotations

from streams.contracts.base import Contract, Instant


class DeadLetter(Contract):
    """One refused record. `sealed_value` is opened with `d2ev tail --unseal` by those who hold the key."""

    stage: str
    topic: str
    partition: int
    offset: int
    cause: str
    sealed_key: str | None
    sealed_value: str | None
    at: Instant
