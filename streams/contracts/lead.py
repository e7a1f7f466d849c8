"""How long cars take to do what they are told, learned from confirmations."""

from __future__ import annotations

from pydantic import Field

from streams.contracts.base import Contract, Instant
from streams.contracts.command import Action


class LeadTime(Contract):
    """Seconds from sending a command to its effect, per OEM, model and action, as one partition's cars show it.

    Keyed by `<oem>/<model>/<action>`; every partition says its own. Combine them weighted by `samples`.
    """

    oem: str
    model: str
    action: Action
    partition: int = Field(ge=0)
    samples: int = Field(ge=1)
    median_seconds: float = Field(ge=0)
    p90_seconds: float = Field(ge=0)
    at: Instant
