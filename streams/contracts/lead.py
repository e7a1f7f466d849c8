"""How long cars take to do what they are told, learned from confirmations."""

from __future__ import annotations

from pydantic import Field

from streams.contracts.base import Contract, Instant
from streams.contracts.command import Action


class LeadTime(Contract):
    """Seconds from sending a command to the reading that showed its effect, as one partition's cars take.

    Keyed by `<oem>/<model>/<action>/<partition>` and written to every partition, so that each can combine what all
    say, weighted by `samples`. An upper bound: a car is not seen to obey before it is read.
    """

    oem: str
    model: str
    action: Action
    partition: int = Field(ge=0)
    samples: int = Field(ge=1)
    median_seconds: float = Field(ge=0)
    p90_seconds: float = Field(ge=0)
    at: Instant
