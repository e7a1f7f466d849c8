"""Follows the registrations on the log."""

from __future__ import annotations

from collections.abc import Sequence

from agents.clock import LogClock
from agents.follow import LogReader
from agents.ingress.directory import Directory, Enrolled
from agents.said import Said
from agents.settings import Settings
from streams.topics import REGISTRATION


class Roll(LogReader):
    """Who is enrolled.

    Whenever the log is read anew, so is a directory of its own, and it takes the place of the other at the end: the
    history of a car that was erased brings it back to nobody.
    """

    def __init__(self, settings: Settings, ticks: LogClock | None = None) -> None:
        super().__init__(settings, {REGISTRATION.name: REGISTRATION.name}, ticks)
        self._sealer = settings.sealer()
        self._filling = self._directory = Directory(self._sealer)
        #: Read to its end at least once.
        self.known = False

    @property
    def cars(self) -> int:
        """How many are enrolled."""
        return len(self._directory)

    @property
    def unreadable(self) -> int:
        """Registrations that made no sense."""
        return self._directory.unreadable

    def find(self, oem: str, vehicle: str) -> Sequence[Enrolled]:
        """The cars that are this vehicle."""
        return self._directory.find(oem, vehicle)

    def began(self) -> None:
        self._filling = Directory(self._sealer)

    def took(self, said: list[Said]) -> None:
        self._filling.hear(said)

    def reached(self) -> None:
        self._directory, self.known = self._filling, True
