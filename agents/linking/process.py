"""Everything that links accounts, put together; and linking one from a process of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import uvicorn
from pydantic import SecretStr

from agents.clock import Clock, SystemClock
from agents.engine.log import LogWriter
from agents.journal import Journal
from agents.linking import door
from agents.linking.begun import PATIENCE
from agents.linking.claims import Holders
from agents.linking.door import Door, Outcome
from agents.linking.enrol import records
from agents.linking.invitation import Invitation, Offer
from agents.linking.linker import Linker, Publish, Waiting
from agents.settings import Settings
from oem_connectors.base import Connector
from oem_connectors.consent import Flow
from oem_connectors.errors import OemError, Rejected
from oem_connectors.http import OemClient, make_http
from oem_connectors.linking import ConsentClient
from oem_connectors.wire import hosts_of

HOST: Final = "127.0.0.1"
Say = Callable[[str], None]


class Makers:
    """All makers that can be linked, with the settings of this deployment."""

    def __init__(self, settings: Settings, connectors: Mapping[str, Connector]) -> None:
        self._settings = settings
        self._http = make_http()
        self.connectors = {name: one for name, one in connectors.items() if one.consent is not None}
        self._consents, self._clients = {}, {}
        for name, connector in self.connectors.items():
            hosts, app = hosts_of(connector, settings.oem_urls), settings.oem_apps.get(name)
            self._consents[name] = ConsentClient(connector, self._http, hosts, app)
            self._clients[name] = OemClient(connector, self._http, hosts, app)

    def linker(self, clock: Clock, publish: Publish, holders: Holders | None = None) -> Linker:
        """What links their accounts."""
        sealer, wall = self._settings.sealer(), SystemClock()
        return Linker(self._consents, self._clients, sealer, clock, wall, publish, holders)

    def redirect_uri(self, oem: str, base_url: str) -> str:
        """Where the maker sends browsers back to: as registered with it, else to this process."""
        registered = self._settings.oem_apps.get(oem, {}).get("redirect_uri")
        return f"{base_url}/link/{oem}" if registered is None else registered.get_secret_value()

    async def close(self) -> None:
        """End the connections."""
        await self._http.aclose()


class Linking:
    """Links one account from a terminal."""

    def __init__(self, settings: Settings, connectors: Mapping[str, Connector]) -> None:
        self._settings, self._clock = settings, SystemClock()
        self._makers = Makers(settings, connectors)
        self._journal = Journal(lambda: LogWriter(settings))
        self.linker = self._makers.linker(self._clock, self._publish)

    async def one(
        self, oem: str, invitation: Invitation, port: int, say: Say, read_line: Callable[[], str]
    ) -> list[Offer]:
        """Link one account by its maker's way; `say` tells the driver what to do. Raises OemError."""
        match self.linker.flow(oem):
            case Flow.TOKEN:
                say("paste the refresh token of the account, then Enter")
                token = (await asyncio.to_thread(read_line)).strip()
                if not token:
                    raise Rejected("no refresh token came on standard input")
                return await self.linker.with_token(oem, SecretStr(token), invitation)
            case Flow.DEVICE:
                return await self.linker.with_code(oem, invitation, lambda code: say(_instruction(code)))
            case _:
                return await self._by_browser(oem, invitation, port, say)

    async def close(self) -> None:
        """End the connections."""
        await self._makers.close()
        await self._journal.stop()

    async def _by_browser(self, oem: str, invitation: Invitation, port: int, say: Say) -> list[Offer]:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(result: Outcome) -> None:
            if not outcome.done():
                outcome.set_result(result)

        listening = socket.create_server((HOST, port))
        base = f"http://{HOST}:{listening.getsockname()[1]}"
        way = Door(self.linker, lambda name: self._makers.redirect_uri(name, base))
        config = uvicorn.Config(
            door.app(way, invitation, done),
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            say(f"open {self._makers.redirect_uri(oem, base)}/start")
            first: set[asyncio.Future[Any]] = {serving, outcome}
            await asyncio.wait(first, timeout=PATIENCE.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            await serving
        if not outcome.done():
            raise Rejected("nobody came back from the maker within ten minutes")
        result = outcome.result()
        if isinstance(result, OemError):
            raise result
        return result

    async def _publish(self, _invitation: Invitation, offers: Sequence[Offer]) -> None:
        await self._journal.write(records(offers, self._settings.partitions, self._clock.now()))


def _instruction(code: Waiting) -> str:
    minutes = round(code.until.total_seconds() / 60)
    return f"open {code.address} within {minutes} minutes and enter {code.user_code}"
