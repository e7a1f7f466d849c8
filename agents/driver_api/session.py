"""Staying signed in: a sealed cookie that any instance can read, and the way through an issuer that earns it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Container
from datetime import timedelta
from hashlib import sha256
from secrets import compare_digest, token_urlsafe
from typing import Final, TypeVar
from urllib.parse import quote_plus, urlencode

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.types import Scope

from agents.clock import Clock
from agents.driver_api.errors import Refusal
from agents.driver_api.identity import SKEW, NotBelieved, Signed, Verifier, bearer
from agents.driver_api.keys import fetch, told
from agents.issuer import Issuer
from agents.sealing import Sealer, Unsealable
from streams.contracts.base import Instant

#: A session not used for so long is over; one that is used is made anew once a day.
LASTS: Final = timedelta(days=14)
#: However much it is used: who has a stolen cookie does not have it for good.
LASTS_AT_MOST: Final = timedelta(days=90)
_RENEWED_AFTER: Final = timedelta(days=1)
#: How long a driver may take at the issuer.
PATIENCE: Final = timedelta(minutes=10)
_SESSION, _PENDING = "api session", "api sign-in"
_MAX_GOAL: Final = 512
_Model = TypeVar("_Model", bound=BaseModel)


class _Session(BaseModel):
    """Who signed in, by whose word and when, and when the cookie was made."""

    driver: str
    issuer: str
    since: Instant
    made: Instant


class _Pending(BaseModel):
    """A sign-in under way: what the browser brings back is held against it."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    goal: str
    until: Instant


class Sessions:
    """Who a browser is signed in as. Cookies are for `base_url` and are sealed: nothing is kept here."""

    def __init__(self, sealer: Sealer, base_url: str, wall: Clock) -> None:
        self._sealer, self._wall = sealer, wall
        self._https = base_url.startswith("https://")
        self.cookie = "__Host-d2ev" if self._https else "d2ev"
        self.pending_cookie = f"{self.cookie}-signin"

    def driver(self, request: Request, issuers: Container[str]) -> str | None:
        """Whom one of `issuers` signed in at this browser; a session that is in use is renewed."""
        session = self._open(request.cookies.get(self.cookie), _SESSION, _Session)
        now = self._wall.now()
        if session is None or session.issuer not in issuers:
            return None
        if not now - LASTS < session.made <= now + SKEW or session.since <= now - LASTS_AT_MOST:
            return None
        if now - session.made > _RENEWED_AFTER:
            add_cookie(request.scope, self._made(session.model_copy(update={"made": now})))
        return session.driver

    def begun(self, signed: Signed) -> str:
        """The Set-Cookie of a new session."""
        now = self._wall.now()
        return self._made(_Session(driver=signed.driver, issuer=signed.issuer, since=now, made=now))

    def _made(self, session: _Session) -> str:
        return self._set(self.cookie, self._seal(session, _SESSION), LASTS)

    def ended(self) -> str:
        """The Set-Cookie that ends the session."""
        return self._set(self.cookie, "", timedelta())

    def waiting(self, pending: _Pending) -> str:
        """The Set-Cookie of a sign-in under way."""
        return self._set(self.pending_cookie, self._seal(pending, _PENDING), PATIENCE)

    def waited(self, request: Request) -> _Pending | None:
        """The sign-in under way in this browser."""
        pending = self._open(request.cookies.get(self.pending_cookie), _PENDING, _Pending)
        return pending if pending is not None and self._wall.now() < pending.until else None

    def pending(self, issuer: Issuer, goal: str) -> _Pending:
        """A new sign-in."""
        until = self._wall.now() + PATIENCE
        state, nonce, verifier = token_urlsafe(24), token_urlsafe(24), token_urlsafe(48)
        return _Pending(issuer=issuer.issuer, state=state, nonce=nonce, verifier=verifier, goal=goal, until=until)

    def no_longer_waiting(self) -> str:
        """The Set-Cookie that ends a sign-in under way."""
        return self._set(self.pending_cookie, "", timedelta())

    def _set(self, name: str, value: str, lasts: timedelta) -> str:
        secure = "; Secure" if self._https else ""
        return f"{name}={value}; Path=/; Max-Age={int(lasts.total_seconds())}; HttpOnly; SameSite=Lax{secure}"

    def _seal(self, what: BaseModel, context: str) -> str:
        # Base64 has characters that a cookie may not hold.
        return self._sealer.seal(what.model_dump_json().encode(), context).translate(_TO_COOKIE)

    def _open(self, sealed: str | None, context: str, model: type[_Model]) -> _Model | None:
        if not sealed:
            return None
        try:
            return model.model_validate_json(self._sealer.open(sealed.translate(_FROM_COOKIE), context))
        except (Unsealable, ValidationError):
            return None


_TO_COOKIE: Final = str.maketrans("+/=", "-_~")
_FROM_COOKIE: Final = str.maketrans("-_~", "+/=")


def add_cookie(scope: Scope, cookie: str) -> None:
    """Have the guard send a cookie with the answer, whatever makes it."""
    scope.setdefault("d2ev.cookies", []).append(cookie)


class SignIn:
    """The code flow with PKCE, state and nonce, at the first issuer that we are a client of."""

    def __init__(self, sessions: Sessions, verifier: Verifier, http: httpx.AsyncClient, base_url: str) -> None:
        self._sessions, self._verifier, self._http = sessions, verifier, http
        self._back = f"{base_url}/signin/back"
        self.issuer = next((one for one in verifier.issuers.values() if one.client_id), None)

    async def begin(self, request: Request, goal: str) -> Response:
        """Send the browser to the issuer."""
        issuer = self.issuer
        if issuer is None:
            raise Refusal(404, "sign in with the app: this place has no sign-in of its own")
        pending = self._sessions.pending(issuer, goal if _is_inside(goal) else "/")
        address = await self._verifier.keys.endpoint(issuer, "authorization_endpoint")
        asked = {
            "response_type": "code",
            "client_id": issuer.client_id or "",
            "redirect_uri": self._back,
            "scope": "openid",
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": _challenge(pending.verifier),
            "code_challenge_method": "S256",
        }
        add_cookie(request.scope, self._sessions.waiting(pending))
        return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", 303)

    async def finish(self, request: Request) -> Response:
        """The issuer sends the browser back."""
        pending = self._sessions.waited(request)
        add_cookie(request.scope, self._sessions.no_longer_waiting())
        state = request.query_params.get("state", "")
        issuer = self._verifier.issuers.get(pending.issuer) if pending is not None else None
        if pending is None or issuer is None or not compare_digest(pending.state.encode(), state.encode()):
            raise Refusal(400, "this sign-in was not begun in this browser, or took too long: please begin again")
        if request.query_params.get("iss", issuer.issuer) != issuer.issuer:
            raise Refusal(400, "another issuer answers than was asked: please begin again")
        code = request.query_params.get("code")
        if not code:
            raise Refusal(401, "the sign-in was not completed")
        signed = await self._exchange(issuer, pending, code)
        add_cookie(request.scope, self._sessions.begun(signed))
        return RedirectResponse(pending.goal, 303)

    async def _exchange(self, issuer: Issuer, pending: _Pending, code: str) -> Signed:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": issuer.client_id or "",
            "code_verifier": pending.verifier,
        }
        address = await self._verifier.keys.endpoint(issuer, "token_endpoint")
        answer = await fetch(self._http, "POST", address, form, _client(issuer))
        if httpx.codes.BAD_REQUEST <= answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
            raise Refusal(401, "the sign-in was refused by the issuer: please begin again")
        token = told(answer).get("id_token")
        if not isinstance(token, str):
            raise Refusal(401, "the issuer gave no ID token")
        try:
            signed = await self._verifier.signed(token, nonce=pending.nonce)
        except NotBelieved:
            raise Refusal(401, "what the issuer gave is not to be believed") from None
        if signed.issuer != issuer.issuer:
            raise Refusal(401, "what the issuer gave is another's word")
        return signed


def router(sessions: Sessions, sign_in: SignIn, verifier: Verifier) -> APIRouter:
    """Signing in and out, for browsers and for the shell of an app."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/signin")
    async def begin(request: Request, goal: str = "/") -> Response:
        return await sign_in.begin(request, goal)

    @routes.get("/signin/back")
    async def back(request: Request) -> Response:
        return await sign_in.finish(request)

    @routes.post("/signout")
    async def out(request: Request) -> Response:
        add_cookie(request.scope, sessions.ended())
        return RedirectResponse("/", 303, headers={"Clear-Site-Data": '"cache", "storage"'})

    @routes.post("/session", status_code=204)
    async def shell(request: Request) -> Response:
        token = bearer(request.headers)
        if token is None:
            raise Refusal(401, "give an ID token as Bearer", WWW_Authenticate="Bearer")
        try:
            signed = await verifier.signed(token)
        except NotBelieved as error:
            raise Refusal(401, str(error), "token_refused", WWW_Authenticate="Bearer") from None
        add_cookie(request.scope, sessions.begun(signed))
        return Response(status_code=204)

    return routes


def _client(issuer: Issuer) -> httpx.Auth | None:
    """How we prove that we are the issuer's client (RFC 6749, 2.3.1); without a secret, PKCE has to do."""
    if issuer.client_secret is None:
        return None
    return httpx.BasicAuth(quote_plus(issuer.client_id or ""), quote_plus(issuer.client_secret.get_secret_value()))


def _is_inside(goal: str) -> bool:
    """Whether it is a page of ours: nobody is sent elsewhere by a link to our sign-in."""
    return (
        len(goal) <= _MAX_GOAL
        and goal.startswith("/")
        and not goal.startswith(("//", "/\\"))
        and goal.isprintable()
        and "\\" not in goal
    )


def _challenge(verifier: str) -> str:
    """RFC 7636, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
