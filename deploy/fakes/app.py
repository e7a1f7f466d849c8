"""Makers that give the app one token for all its drivers, and no driver one of his own."""

from __future__ import annotations

from abc import abstractmethod
from datetime import UTC, datetime, timedelta

from aiohttp import web

from oem_connectors.simulator.cloud.chance import digest
from oem_connectors.simulator.cloud.desk import DROPPED, NOBODY, Desk, Said, Trouble, Visit
from oem_connectors.simulator.cloud.faults import FaultKind
from oem_connectors.simulator.cloud.world import World

LIFETIME = timedelta(hours=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


class AppDesk(Desk):
    """Its cloud wakes a car by itself when it has a command for it."""

    delivers_later = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tokens: dict[str, datetime] = {}

    @abstractmethod
    def stranger(self, visit: Visit) -> Said | None:
        """How a wrong request for a token is refused; None where it is right."""

    async def token(self, request: web.Request) -> web.StreamResponse:
        """A new token; older ones live on until they end."""
        number, faults = await self._faults("app token")
        visit = Visit(request, self.world.clock(), NOBODY, await request.read(), number, faults, None)
        if FaultKind.OUTAGE in faults:
            return await self.answer(visit, "token", self.trouble(Trouble.OUTAGE, visit))
        said = self.stranger(visit) or self._issue(visit.now)
        return await self.answer(visit, "token", DROPPED if FaultKind.TOKEN_LOST in faults else said)

    def admits(self, request: web.Request) -> bool:
        """Whether the app's token lives."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.world.clock() < self._tokens.get(token, _NEVER)

    def _issue(self, now: datetime) -> Said:
        token = "app-" + digest(self.world.seed, "app token", len(self._tokens))
        self._tokens[token] = now + LIFETIME
        return Said(200, {"access_token": token, "token_type": "bearer", "expires_in": int(LIFETIME.total_seconds())})
