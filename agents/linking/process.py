"""Linking one account from a process of its own: clients, log and loopback address put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from agents.clock import SystemClock
from agents.engine.log import LogWriter
from agents.journal import Journal
from agents.linking import door
from agents.linking.enrol import records
from agents.linking.invitation import Invitation, Offer
from agents.linking.linker import PATIENCE, Linker
from agents.settings import Settings
from oem_connectors.base import Connector
from oem_connectors.consent import Flow
from oem_connectors.errors import Rejected
from oem_connectors.http import OemClient, make_http
from oem_connectors.linking import ConsentClient, DeviceCode
from oem_connectors.wire import hosts_of

HOST: Final = "127.0.0.1"
Say = Callable[[str], None]


class Linking:
    """All makers that can be linked, with the settings of this deployment."""

    def __init__(self, settings: Settings, connectors: Mapping[str, Connector]) -> None:
        self._settings = settings
        self._http = make_http()
        self._journal = Journal(lambda: LogWriter(settings.bootstrap))
        self._clock = SystemClock()
        consents, clients = {}, {}
        for name, connector in connectors.items():
            if connector.consent is not None:
                hosts, app = hosts_of(connector, settings.oem_urls), settings.oem_apps.get(name)
                consents[name] = ConsentClient(connector, self._http, hosts, app)
                clients[name] = OemClient(connector, self._http, hosts, app)
        self.linker = Linker(consents, clients, settings.sealer(), self._clock, self._publish)

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
                return await self.linker.with_device(oem, invitation, lambda code: say(_instruction(code)))
            case _:
                return await self._by_browser(oem, invitation, port, say)

    async def close(self) -> None:
        """End the connections."""
        await self._http.aclose()
        await self._journal.stop()

    async def _by_browser(self, oem: str, invitation: Invitation, port: int, say: Say) -> list[Offer]:
        outcome: asyncio.Future[list[Offer] | str] = asyncio.get_running_loop().create_future()
        base = [""]

        def redirect_uri(name: str) -> str:
            registered = self._settings.oem_apps.get(name, {}).get("redirect_uri")
            return f"{base[0]}/link/{name}" if registered is None else registered.get_secret_value()

        async def invite(_request: web.Request) -> Invitation:
            return invitation

        def done(result: list[Offer] | str) -> None:
            if not outcome.done():
                outcome.set_result(result)

        runner = web.AppRunner(door.app(self.linker, redirect_uri, invite, done), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        try:
            base[0] = f"http://{HOST}:{runner.addresses[0][1]}"
            say(f"open {redirect_uri(oem)}/start")
            result = await asyncio.wait_for(outcome, PATIENCE.total_seconds())
        except TimeoutError:
            raise Rejected("nobody came back from the maker within ten minutes") from None
        finally:
            await runner.cleanup()
        if isinstance(result, str):
            raise Rejected(result)
        return result

    async def _publish(self, offers: Sequence[Offer]) -> None:
        await self._journal.write(records(offers, self._settings.partitions, self._clock.now()))


def _instruction(code: DeviceCode) -> str:
    minutes = round(code.expires_in.total_seconds() / 60)
    return f"open {code.address} within {minutes} minutes and enter {code.user_code}"
