"""One HTTP request to a maker and what came of it, in our own terms."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from oem_connectors.answers import MAX_BODY, Answer, cannot, lost
from oem_connectors.base import Ask, Call, Connector
from oem_connectors.filling import Names, filled, filled_path, filled_texts

_SHORT = {"connect": 5.0, "write": 10.0, "pool": 10.0}
_TOKEN_SECONDS = 20.0


class AnswerTooLong(Exception):
    """Longer than any honest answer. Never leaves this module."""


def hosts_of(connector: Connector, urls: Mapping[str, str]) -> Mapping[str, str]:
    """The connector's hosts; `urls` puts others in the place of all (by its name) or of one ("tesla.proxy")."""
    everything = urls.get(connector.name)
    return {
        host: (urls.get(f"{connector.name}.{host}") or everything or url).rstrip("/")
        for host, url in connector.hosts.items()
    }


class Wire:
    """Sends a connector's calls to its hosts. Raises `OemError` and nothing else."""

    def __init__(
        self,
        connector: Connector,
        http: httpx.AsyncClient,
        hosts: Mapping[str, str],
        app: Mapping[str, SecretStr],
    ) -> None:
        self._connector = connector
        self._http = http
        self._hosts = hosts
        self._app = {name: secret.get_secret_value() for name, secret in app.items()}

    def regions(self) -> set[str]:
        """The regions that any host has an address of its own for."""
        return {region for host in self._hosts for _, dot, region in [host.partition(".")] if dot}

    async def call(
        self, call: Call, names: Names, ask: Ask | None, *, changes: bool, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make one call; `names` fill it together with what the app has registered."""
        known = self._app | dict(names)
        all_headers = {"Accept": "application/json"}
        for more in (self._connector.headers, call.headers):
            all_headers |= {name: filled(text, known) for name, text in more.items()}
        all_headers |= headers or {}
        body = None
        if call.body is not None:
            made = call.body(ask) if callable(call.body) and ask is not None else call.body
            body = json.dumps(filled_texts(made, known)).encode()
            all_headers.setdefault("Content-Type", "application/json")
        url = self._host(call.host, known.get("region")) + filled_path(call.path, known)
        return await self._send(call.method, url, all_headers, body, changes=changes, seconds=call.seconds)

    async def post_form(self, host: str, path: str, form: Mapping[str, str], names: Names, *, changes: bool) -> Answer:
        """Post to a token endpoint, as its app where the connector says so."""
        known, auth = self._app | dict(names), self._connector.auth
        kind = "application/json" if auth.json else "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "Accept": "application/json"}
        if auth.basic:
            pair = filled("{client_id}:{client_secret}", known)
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        fields = {name: filled(text, known) for name, text in form.items()}
        content = (json.dumps(fields) if auth.json else urlencode(fields)).encode()
        url = self._host(host, known.get("region")) + filled_path(path, known)
        return await self._send("POST", url, headers, content, changes=changes, seconds=_TOKEN_SECONDS)

    def _host(self, host: str, region: str | None) -> str:
        return self._hosts.get(f"{host}.{region}") or self._hosts[host]

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, changes: bool, seconds: float
    ) -> Answer:
        """One request. Errors are raised outside the handler: no request with its token clings to them."""
        timeout: dict[str, Any] = _SHORT | {"read": seconds}
        try:
            request = httpx.Request(method, url, headers=headers, content=body, extensions={"timeout": timeout})
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                return Answer(response.status_code, response.headers, await _content(response))
            finally:
                await response.aclose()
        except Exception as error:
            trouble = cannot(error) or lost(type(error).__name__, changes=changes)
        raise trouble


async def _content(response: httpx.Response) -> bytes:
    """The body, decoded."""
    chunks = bytearray()
    async for chunk in response.aiter_bytes():
        chunks += chunk
        if len(chunks) > MAX_BODY:
            raise AnswerTooLong
    return bytes(chunks)
