"""Rate limits per account: so many reads and so many commands in each minute of the cloud's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(slots=True)
class Budgets:
    """Counts calls in whole minutes."""

    reads_per_minute: int = 60
    commands_per_minute: int = 30
    _used: dict[tuple[str, bool], tuple[datetime, int]] = field(default_factory=dict)

    def take(self, account: str, now: datetime, *, command: bool) -> int | None:
        """Spend one call. Returns the seconds to wait when the minute's budget is gone, else None."""
        minute = now.astimezone(UTC).replace(second=0, microsecond=0)
        since, used = self._used.get((account, command), (minute, 0))
        used = used if since == minute else 0
        if used >= (self.commands_per_minute if command else self.reads_per_minute):
            return 60 - int((now - minute).total_seconds())
        self._used[account, command] = minute, used + 1
        return None
