"""Executes a connector's calls: one request each, no retries, and no foreign exception ever leaves.

Retrying, pacing and token custody belong to the caller, who knows what else it wants from the same car.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import SecretStr

from oem_connectors.answers import MAX_BODY, Answer, cannot, failure, lost, timed
from oem_connectors.base import Call, Connector, Grant, Vehicle
from oem_connectors.errors import (
    NeedsConsent,
    OemError,
    OutcomeUnknown,
    Unreadable,
    Unsupported,
)
from oem_connectors.transport import AiohttpTransport
from streams.contracts.command import Action
from streams.contracts.telemetry import Telemetry

_TIMEOUT = {"connect": 5.0, "read": 20.0, "write": 10.0, "pool": 10.0}
#: RFC 6749 leaves the lifetime optional; a 401 corrects a wrong guess.
_LIFETIME_SECONDS = 3600

Translated = TypeVar("Translated")


def make_http() -> httpx.AsyncClient:
    """A client for many `OemClient`s: bounded, without redirects, blind to proxy and netrc settings."""
    transport = AiohttpTransport(max_connections=64, keepalive_seconds=15)
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)


class AnswerTooLong(Exception):
    """Longer than any honest answer. Never leaves this module."""


class OemClient:
    """Speaks to one maker. Safe to share between tasks; every method raises `OemError` and nothing else."""

    def __init__(self, connector: Connector, base_url: str, http: httpx.AsyncClient) -> None:
        self.connector = connector
        self._base_url = base_url.rstrip("/")
        self._http = http

    async def read(self, grant: Grant, car: str, vehicle: str, now: datetime) -> Telemetry:
        """Read one car. `now` becomes the received time."""
        answer = await self._call(self.connector.read, vehicle, grant, changes=False)
        return _translated(self.connector.normalise, car, self._good(answer), now)

    async def list_vehicles(self, grant: Grant) -> Sequence[Vehicle]:
        """The cars of the account."""
        answer = await self._call(self.connector.list_vehicles, "", grant, changes=False)
        return _translated(self.connector.vehicles, self._good(answer))

    async def command(
        self,
        grant: Grant,
        vehicle: str,
        action: Action,
        command_id: str,
        plan: str | None = None,
        start_at: datetime | None = None,
    ) -> str | None:
        """Ask a car to do something; `start_at` is what its own schedule is set to.

        Returns the maker's detail of a success, such as "already".

        `command_id` and `plan` (the desired state it serves) travel as headers for the maker's audit log.
        A normal return means accepted, never that the car obeyed.
        """
        call = self.connector.commands.get(action)
        if call is None:
            raise Unsupported(f"{self.connector.name} has no {action.value}")
        headers = {"X-D2EV-Command": command_id} | ({"X-Plan": plan} if plan else {})
        answer = await self._call(call, vehicle, grant, changes=True, headers=headers, start_at=start_at)
        verdict = _translated(self.connector.outcome, answer.status, answer.mapping(), failed=OutcomeUnknown)
        if isinstance(verdict, OemError):
            raise timed(verdict, answer)
        if not answer.ok:
            raise failure(answer, changes=True)
        return verdict

    async def refresh(self, refresh_token: SecretStr, now: datetime) -> Grant:
        """Trade a refresh token, which may be single-use, for a new grant.

        `NeedsConsent`: the token is dead. `OutcomeUnknown`: the answer was lost and the token may be spent.
        """
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token.get_secret_value(),
            "client_id": self.connector.auth.client_id,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = self._base_url + self.connector.auth.token_path
        answer = await self._send("POST", url, headers, urlencode(form).encode(), changes=True)
        if not answer.ok:
            raise self._refused(answer)
        return _grant(answer.mapping(), refresh_token, now)

    def _good(self, answer: Answer) -> Mapping[str, Any]:
        """The JSON object of a reading. Raises what the maker's words, or else the status, mean."""
        if answer.ok:
            return answer.object()
        verdict = _translated(self.connector.outcome, answer.status, answer.mapping())
        raise timed(verdict, answer) if isinstance(verdict, OemError) else failure(answer, changes=False)

    def _refused(self, answer: Answer) -> OemError:
        """Why no new grant came."""
        if answer.mapping().get("error") == "invalid_grant":
            return NeedsConsent("the maker refuses the refresh token (invalid_grant)")
        verdict = _translated(self.connector.outcome, answer.status, answer.mapping(), failed=OutcomeUnknown)
        return timed(verdict, answer) if isinstance(verdict, OemError) else failure(answer, changes=True)

    async def _call(
        self,
        call: Call,
        vehicle: str,
        grant: Grant,
        *,
        changes: bool,
        headers: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
    ) -> Answer:
        all_headers = {
            "Authorization": f"Bearer {grant.access_token.get_secret_value()}",
            "Accept": "application/json",
        }
        all_headers.update(headers or {})
        body = None
        if call.body is not None:
            body = json.dumps(_body(call.body, start_at)).encode()
            all_headers["Content-Type"] = "application/json"
        url = self._base_url + call.path.replace("{vehicle}", quote(vehicle, safe=""))
        return await self._send(call.method, url, all_headers, body, changes=changes)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, changes: bool
    ) -> Answer:
        """One request. Errors are raised outside the handler: no request with its token clings to them."""
        try:
            request = httpx.Request(method, url, headers=headers, content=body, extensions={"timeout": _TIMEOUT})
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                return Answer(response.status_code, response.headers, await _content(response))
            finally:
                await response.aclose()
        except Exception as error:
            trouble = cannot(error) or lost(type(error).__name__, changes=changes)
        raise trouble


def _body(body: Mapping[str, Any] | Callable[[datetime], Mapping[str, Any]], at: datetime | None) -> Mapping[str, Any]:
    if not callable(body):
        return body
    if at is None:
        raise Unsupported("this call needs the instant that the schedule is set to")
    return body(at)


def _translated(rule: Callable[..., Translated], *args: Any, failed: type[OemError] = Unreadable) -> Translated:
    """A connector's own rule, held to its promise to raise nothing but `OemError`."""
    try:
        return rule(*args)
    except OemError:
        raise
    except Exception as error:
        trouble = failed(f"{rule.__name__} failed: {type(error).__name__}")
    raise trouble


async def _content(response: httpx.Response) -> bytes:
    """The body, decoded."""
    chunks = bytearray()
    async for chunk in response.aiter_bytes():
        chunks += chunk
        if len(chunks) > MAX_BODY:
            raise AnswerTooLong
    return bytes(chunks)


def _grant(body: Mapping[str, Any], used: SecretStr, now: datetime) -> Grant:
    """A maker that does not rotate sends no new refresh token: the old one stays."""
    access, rotated, seconds = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if not isinstance(access, str) or not isinstance(rotated, str | None):
        raise OutcomeUnknown("the token endpoint agreed but sent no token")
    lifetime = seconds if isinstance(seconds, int | float) and 0 < seconds < 1e9 else _LIFETIME_SECONDS
    return Grant(SecretStr(access), SecretStr(rotated) if rotated else used, now + timedelta(seconds=lifetime))
