"""The requests of consent: where to send the driver, and what comes back, as a grant. No session, no clock, no cars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from oem_connectors.answers import Answer, failure
from oem_connectors.base import BEARER, Call, Connector, Grant
from oem_connectors.consent import Consent, Flow
from oem_connectors.credential import pack, unpack
from oem_connectors.errors import NeedsConsent, OemError, Rejected, Unavailable
from oem_connectors.filling import Names, filled
from oem_connectors.tokens import Tokens
from oem_connectors.wire import Wire, hosts_of

#: What makers say when the driver, or the car, is the reason.
REASONS: Mapping[str, str] = {
    "access_denied": "the driver did not agree",
    "vehicle_incompatible": "the car cannot be connected",
    "no_vehicles": "there is no car in the account",
    "login_required": "the driver did not log in",
}
#: What says nothing of the driver (RFC 6749, 4.1.2.1 and 5.2): the maker cannot now, or we are not set up with it.
_LATER = {"server_error", "temporarily_unavailable"}
_OURS = {
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
}
_WORD = re.compile(r"^[A-Za-z0-9_.-]{1,60}$")


class DeviceCode(NamedTuple):
    """What the driver types in, where, until when, and how often we may ask whether it was done."""

    device_code: SecretStr
    user_code: str
    address: str
    expires_in: timedelta
    interval: timedelta


class ConsentClient:
    """Speaks to one maker about consent. Every method raises `OemError` and nothing else."""

    def __init__(
        self,
        connector: Connector,
        http: httpx.AsyncClient,
        hosts: Mapping[str, str] | None = None,
        app: Mapping[str, SecretStr] | None = None,
    ) -> None:
        if connector.consent is None:
            raise Rejected(f"{connector.name} has no way of consent")
        self.connector = connector
        self.consent: Consent = connector.consent
        self._hosts = hosts or hosts_of(connector, {})
        self._app = app or {}
        self._wire = Wire(connector, http, self._hosts, self._app)
        self._tokens = Tokens(connector, self._wire)

    def address(self, names: Names) -> str:
        """Where the driver's browser goes; `names` has redirect_uri, state, user_id and, with PKCE, challenge."""
        consent = self.consent
        query = {"redirect_uri": names["redirect_uri"], "state": names["state"], "scope": " ".join(consent.scopes)}
        if consent.pkce:
            query |= {"code_challenge": names["challenge"], "code_challenge_method": "S256"}
        usual = {"response_type": "code", "client_id": "{client_id}"} if consent.flow is Flow.CODE else {}
        asked = usual | dict(consent.query)
        query |= {name: filled(text, self._known(names)) for name, text in asked.items()}
        return f"{self._hosts[consent.host]}{consent.path}?{urlencode(query)}"

    async def hosted(self, names: Names, now: datetime) -> str:
        """The address that the maker makes for a user id of ours."""
        token = unpack((await self._tokens.renew(pack("", {}), now)).access_token).token
        body = {**self.consent.form, "scopes": list(self.consent.scopes)}
        call = Call("POST", self.consent.path, body, host=self.consent.host, headers=BEARER)
        answer = await self._wire.call(call, {**names, "token": token}, None, changes=False)
        found = _good(answer).get("linkUrl")
        if not isinstance(found, str) or not self._is_page(found):
            raise Unavailable("no link came")
        return found

    async def device(self, challenge: str) -> DeviceCode:
        """Begin a consent that the driver gives on the maker's page, with a code."""
        pkce = {"code_challenge": challenge, "code_challenge_method": "S256"} if self.consent.pkce else {}
        form = {**self.consent.query, "scope": " ".join(self.consent.scopes), **pkce}
        answer = await self._wire.post_form(self.consent.host, self.consent.path, form, {}, changes=False)
        body = _good(answer)
        texts = [body.get(name) for name in ("device_code", "user_code")]
        page = body.get("verification_uri_complete") or body.get("verification_uri")
        if not all(isinstance(text, str) for text in (*texts, page)) or not self._is_page(str(page)):
            raise Unavailable("no code came")
        lasts, interval = _seconds(body, "expires_in", 300), _seconds(body, "interval", 5)
        return DeviceCode(SecretStr(str(texts[0])), str(texts[1]), str(page), lasts, interval)

    async def asked_again(self, code: DeviceCode, verifier: str, now: datetime) -> Grant | timedelta:
        """The grant once the driver has agreed; before, how much longer than its interval to wait for the next try."""
        names = {"device_code": code.device_code.get_secret_value(), "verifier": verifier}
        answer = await self._token(names)
        word = answer.mapping().get("error")
        if not answer.ok and word in {"authorization_pending", "slow_down"}:
            return timedelta(seconds=5 if word == "slow_down" else 0)
        return self._granted(answer, {}, now)

    async def came_back(self, query: Mapping[str, str], names: Names, now: datetime) -> Grant:
        """The grant that the redirect's query stands for. Raises NeedsConsent with the reason where it brings none."""
        if "error" in query:
            raise no_consent(query["error"])
        if not self._from_here(query.get("iss")):
            raise Rejected("the answer comes from another issuer")
        if self.consent.flow is not Flow.CODE:
            return await self.shared({**query, **names}, now)  # what we know goes before what a browser says
        if not query.get("code"):
            raise Rejected("the redirect brings no code")
        answer = await self._token({**names, "code": query["code"]})
        return self._granted(answer, query, now)

    async def shared(self, back: Mapping[str, str], now: datetime) -> Grant:
        """A grant of a maker with one token for all accounts: what came back only names the account."""
        try:
            details = dict(self.consent.details(back))
        except KeyError as missing:
            raise Rejected(f"the redirect brings no {missing.args[0]}") from None
        return await self._tokens.renew(pack("", details), now)

    async def brought(self, token: SecretStr, details: Mapping[str, str], now: datetime) -> Grant:
        """A grant for a refresh token that the driver brings."""
        return await self._tokens.renew(pack(token.get_secret_value(), details), now)

    async def _token(self, names: Names) -> Answer:
        consent = self.consent
        usual = {"grant_type": "authorization_code", "client_id": "{client_id}", "code": "{code}"}
        pkce = {"code_verifier": "{verifier}"} if consent.pkce else {}
        form = consent.form
        if consent.flow is Flow.CODE:
            form = usual | {"redirect_uri": "{redirect_uri}"} | pkce | dict(consent.form)
        return await self._wire.post_form(self.connector.auth.host, consent.token_path, form, names, changes=False)

    def _granted(self, answer: Answer, query: Mapping[str, str], now: datetime) -> Grant:
        body = answer.mapping()
        if answer.status in {400, 401, 403} and isinstance(body.get("error"), str):
            raise no_consent(body["error"])
        token, refresh = _good(answer).get("access_token"), body.get("refresh_token")
        if not isinstance(token, str) or not isinstance(refresh, str):
            raise Unavailable("the token endpoint agreed but sent no tokens")
        told = {name: text for name, text in body.items() if isinstance(text, str)}
        details = dict(self.consent.details({**query, **told}))
        lasts = _seconds(body, "expires_in", self.connector.auth.lasts.total_seconds())
        return Grant(pack(token, details), pack(refresh, details), now + lasts)

    def _is_page(self, address: str) -> bool:
        """Whether a browser may be sent there; a fake on this machine has no https."""
        return address.startswith(("https://", f"{self._hosts[self.consent.host]}/"))

    def _from_here(self, issuer: str | None) -> bool:
        """RFC 9207: an issuer, where one is told, is the host that the driver was sent to."""
        return issuer is None or f"{issuer.rstrip('/')}/".startswith(f"{self._hosts[self.consent.host]}/")

    def _known(self, names: Names) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in self._app.items()} | dict(names)


def no_consent(word: str) -> OemError:
    """The error that a maker's word stands for."""
    if word in _LATER:
        return Unavailable(refusal(word))
    return Rejected(refusal(word)) if word in _OURS else NeedsConsent(refusal(word))


def refusal(word: str) -> str:
    """Why there is no consent, in plain words; a word that nobody knows is shown if it is one."""
    return REASONS.get(word, f"the maker says {word}" if _WORD.match(word) else "the maker gave no reason")


def _good(answer: Answer) -> Mapping[str, Any]:
    if not answer.ok:
        raise failure(answer, changes=False)
    return answer.object()


def _seconds(body: Mapping[str, Any], name: str, usual: float) -> timedelta:
    found = body.get(name)
    good = isinstance(found, int | float) and not isinstance(found, bool) and 0 < found < 1e9
    return timedelta(seconds=found if good and found is not None else usual)
