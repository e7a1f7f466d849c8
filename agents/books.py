"""What dispatch remembers of a partition between chunks: all of it can be made anew from the tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from agents.engine.stage import Work
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent
from streams.contracts.lead import LeadTime
from streams.domain.leads import NO_LEADS, Leads, combined
from streams.domain.reconcile import ControlState


class Books:
    """Held cars, cars that wait for a budget, accounts that must rest, and how long cars take to obey."""

    def __init__(self) -> None:
        #: Until when the car must be started; None once it was erased and nobody can tell what became of it.
        self.held: dict[str, datetime | None] = {}
        self.waiting: dict[str, str] = {}
        self.not_before: dict[str, datetime] = {}
        self._told: defaultdict[tuple[str, str], dict[str, LeadTime]] = defaultdict(dict)
        self._leads: dict[tuple[str, str], Leads] = {}

    @staticmethod
    def of(work: Work) -> Books:
        """The books of the partition that `work` is in."""
        books: Books | None = work.memory.scratch.get("books")
        if books is None:
            books = work.memory.scratch["books"] = Books()
        return books

    def rest(self, command: CommandEvent | None) -> None:
        """The OEM asked the account of a command to wait: that holds for all its cars."""
        if command is not None and command.retry_at is not None:
            account = account_of(command.car)
            self.not_before[account] = max(command.retry_at, self.not_before.get(account, command.retry_at))

    def learn(self, name: str, lead: LeadTime) -> None:
        """What one partition says of a model and an action."""
        model = lead.oem, lead.model
        self._told[model][name] = lead
        self._leads[model] = combined(self._told[model].values())

    def leads(self, control: ControlState) -> Leads:
        """How long cars like this one take."""
        enrolled = control.registration
        return NO_LEADS if enrolled is None else self._leads.get((enrolled.oem, enrolled.model), NO_LEADS)

    def held_until(self, at: datetime) -> int:
        """How many held cars must be started before `at`."""
        return sum(limit is not None and limit < at for limit in self.held.values())

    def waiting_by_oem(self) -> Counter[str]:
        """How many cars wait, per OEM."""
        return Counter(self.waiting.values())
