"""Follows the held cars and the accounts' tokens on the log."""

from __future__ import annotations

from agents.clock import LogClock
from agents.follow import LogFollower
from agents.guardian.known import Known
from agents.settings import Settings
from streams.topics import HELD
from tables import ACCOUNTS, KEYS


class Follower(LogFollower):
    """Keeps `known` in step with the log.

    Nothing is taken in before the end is reached: half a log would show leases that were renewed since.
    """

    def __init__(self, settings: Settings, known: Known, ticks: LogClock | None = None) -> None:
        self.known = known
        tables = {table.changelog(settings.app_id): table.name for table in (ACCOUNTS, KEYS)}
        super().__init__(settings, {HELD.name: HELD.name, **tables}, known.hear, ticks)
