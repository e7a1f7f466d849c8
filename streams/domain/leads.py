"""How long cars take to obey, and so how much earlier they are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Leads:
    """From sending a command to its effect, for cars of one OEM and model: nine in ten are faster."""

    start: timedelta = timedelta(0)
    stop: timedelta = timedelta(0)
    wake: timedelta = timedelta(0)


#: Nothing learned yet.
NO_LEADS: Final = Leads()
