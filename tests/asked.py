"""A maker's cloud in memory: it answers from a table by method and path, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from oem_connectors.base import Connector, Grant
from oem_connectors.credential import pack
from oem_connectors.http import OemClient
from streams.contracts.command import Action
from streams.contracts.telemetry import Telemetry

NOW = datetime(2026, 1, 6, 22, tzinfo=UTC)
VEHICLE = "car/1"


class Cloud:
    """`answers` by "METHOD path", each a JSON value or (status, JSON value); what it does not know is a 404."""

    def __init__(
        self, connector: Connector, answers: Mapping[str, Any], details: Mapping[str, str], app: Mapping[str, str]
    ) -> None:
        self.requests: list[httpx.Request] = []
        self._connector = connector
        self._answers = answers
        self._app = {name: SecretStr(value) for name, value in app.items()}
        self._grant = Grant(pack("a-token", details), pack("a-refresh", details), NOW)

    def asked(self) -> list[str]:
        """Method and address of every request, in order."""
        return [f"{request.method} {request.url}" for request in self.requests]

    async def read(self, model: str = "") -> Telemetry:
        """Read the car once."""
        async with self._http() as http:
            return await OemClient(self._connector, http, app=self._app).read(self._grant, "a.b", VEHICLE, NOW, model)

    async def command(self, action: Action, model: str) -> str | None:
        """Command the car once."""
        async with self._http() as http:
            client = OemClient(self._connector, http, app=self._app)
            return await client.command(self._grant, VEHICLE, action, "id", model=model)

    async def refresh(self) -> Grant:
        """Renew the tokens once."""
        async with self._http() as http:
            return await OemClient(self._connector, http, app=self._app).refresh(self._grant.refresh_token, NOW)

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        found = self._answers.get(f"{request.method} {request.url.raw_path.decode()}", (404, {}))
        status, body = found if isinstance(found, tuple) else (200, found)
        return httpx.Response(status, json=body)
