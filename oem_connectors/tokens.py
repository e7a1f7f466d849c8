"""Getting access tokens: one per account by its refresh token, or one that serves all accounts of the app."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr

from oem_connectors.answers import Answer, failure, timed, translated
from oem_connectors.base import Connector, Grant, OAuth2, Reply
from oem_connectors.credential import Credential, pack, unpack
from oem_connectors.errors import NeedsConsent, OemError, OutcomeUnknown, Unavailable
from oem_connectors.wire import Wire

_TOO_MANY = 429
#: Where makers put the name of what is wrong.
_ERROR_FIELDS = ("error", "errorCode", "error_code", "code")


class _Shared(NamedTuple):
    token: str
    issued_at: datetime
    expires_at: datetime

    def fresh(self, now: datetime) -> bool:
        """Good for a while yet: whoever takes it needs it for more than one call."""
        return self.expires_at - now > (self.expires_at - self.issued_at) / 2


class Tokens:
    """Renews the tokens of one maker."""

    def __init__(self, connector: Connector, wire: Wire) -> None:
        self._connector = connector
        self._wire = wire
        self._shared: _Shared | None = None
        self._renewing = asyncio.Lock()

    async def renew(self, refresh_token: SecretStr, now: datetime) -> Grant:
        """A new grant for a refresh token. Raises `OemError`."""
        held = unpack(refresh_token)
        if not self._connector.auth.shared:
            return await self._ask(held, now)
        async with self._renewing:
            if self._shared is None or not self._shared.fresh(now):
                new = await self._ask(Credential("", {}), now)
                self._shared = _Shared(new.access_token.get_secret_value(), now, new.expires_at)
            shared = self._shared
        return Grant(pack(shared.token, held.details), refresh_token, shared.expires_at)

    def refused(self, token: str) -> None:
        """The maker does not take this token: it is not given out again."""
        if self._shared is not None and self._shared.token == token:
            self._shared = None

    async def _ask(self, held: Credential, now: datetime) -> Grant:
        auth = self._connector.auth
        names = {**held.details, "refresh_token": held.token}
        answer = await self._wire.post_form(auth.host, auth.token_path, auth.form, names, changes=not auth.shared)
        refusal = self._refusal(answer)
        if refusal is not None:
            raise refusal
        return _grant(answer.mapping(), auth, held, now)

    def _refusal(self, answer: Answer) -> OemError | None:
        """Why no new grant came; None where one did."""
        auth, body = self._connector.auth, answer.mapping()
        words = [str(body[name]) for name in _ERROR_FIELDS if name in body]
        word = next((word for word in words if word in auth.lost), None)
        if word is not None and answer.status < 500 and answer.status != _TOO_MANY:
            return NeedsConsent(f"the maker refuses the refresh token ({word})")
        if answer.ok and isinstance(_nested(body, auth.access), str):
            return None
        reply = Reply(answer.status, body, None, answer.headers)
        verdict = translated(self._connector.outcome, reply, failed=OutcomeUnknown)
        if isinstance(verdict, OemError):
            return timed(verdict, answer)
        if answer.ok:
            return Unavailable("no token came") if auth.shared else OutcomeUnknown("agreed, but no token came")
        return failure(answer, changes=not auth.shared)


def _nested(body: Mapping[str, Any], path: str) -> Any:
    found: Any = body
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _grant(body: Mapping[str, Any], auth: OAuth2, held: Credential, now: datetime) -> Grant:
    """A maker that does not rotate sends no new refresh token: the old one stays. A 401 corrects a wrong lifetime."""
    access, rotated, seconds = _nested(body, auth.access), _nested(body, auth.rotated), body.get("expires_in")
    if not isinstance(rotated, str | None):
        raise OutcomeUnknown("agreed, but no token came")
    if isinstance(seconds, int | float) and 0 < seconds < 1e9:
        lifetime = timedelta(seconds=seconds)
    else:
        lifetime = auth.lasts
    return Grant(pack(access, held.details), pack(rotated or held.token, held.details), now + lifetime)
