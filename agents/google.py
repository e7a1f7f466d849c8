"""Access tokens of a Google service account: signed for, exchanged, kept while they last. Errors hold no secret."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx
from google.auth import jwt
from google.auth.crypt import RSASigner
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from agents.clock import Clock
from agents.issuer import LOOPBACK

FIREBASE_MESSAGING: Final = "https://www.googleapis.com/auth/firebase.messaging"
DATASTORE: Final = "https://www.googleapis.com/auth/datastore"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LIVES: Final = timedelta(hours=1)
#: A token is replaced so long before its end, or at half its life if that is later.
_EARLY: Final = timedelta(minutes=5)
_TIMEOUT: Final = httpx.Timeout(10.0)
_MOST_BYTES: Final = 64 * 1024


class NoToken(Exception):
    """No token was to be had. `denied`: Google knows the key no more, and asking again does not help."""

    def __init__(self, cause: str, *, denied: bool = False) -> None:
        super().__init__(cause)
        self.denied = denied


class ServiceAccount(BaseModel):
    """What Google's key file says."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    type: Literal["service_account"]
    project_id: str = Field(pattern=r"^[a-z0-9:.-]{1,100}$")
    private_key_id: str = Field(min_length=1)
    private_key: SecretStr
    client_email: str = Field(min_length=3)
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

    @field_validator("token_uri")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("give an https address; http is for this machine only")
        return value

    def signer(self) -> RSASigner:
        """What signs with the key. Raises ValueError where it is none."""
        key = {"private_key": self.private_key.get_secret_value(), "private_key_id": self.private_key_id}
        signer: RSASigner | None = None
        with suppress(Exception):  # whatever it says may quote the key
            signer = RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
        if signer is None:
            raise ValueError("private_key: not a private RSA key in PEM")
        return signer


def service_account(key: SecretStr) -> ServiceAccount:
    """The service account of a key file's text. Raises ValueError in one line that quotes nothing of it."""
    try:
        account = ServiceAccount.model_validate_json(key.get_secret_value())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the key file"
        trouble = f"{where}: {first['msg'] if first['loc'] else 'not JSON'}"
    else:
        account.signer()
        return account
    raise ValueError(trouble)


class _Token(NamedTuple):
    secret: SecretStr
    renew_at: datetime


class GoogleTokens:
    """Tokens of one account for one scope. Whoever asks while one is fetched waits for the same one."""

    def __init__(self, account: ServiceAccount, scope: str, http: httpx.AsyncClient, clock: Clock) -> None:
        self._account, self._scope, self._http, self._clock = account, scope, http, clock
        self._signer = account.signer()
        self._token: _Token | None = None
        self._asking: asyncio.Task[_Token] | None = None

    async def token(self) -> SecretStr:
        """A token that lives. Raises NoToken."""
        if self._token is None or self._clock.now() >= self._token.renew_at:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
                self._asking.add_done_callback(self._asked)
            # Who is cancelled while he waits does not take it from the others.
            self._token = await asyncio.shield(self._asking)
        return self._token.secret

    def refuse(self, token: SecretStr) -> None:
        """Google did not take this token: the next one is asked for anew."""
        if self._token is not None and self._token.secret == token:
            self._token = None

    def _asked(self, task: asyncio.Task[_Token]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # all who waited may have gone

    async def _ask(self) -> _Token:
        """Errors are raised outside the handler: the request, which holds the assertion, must not cling to them."""
        now = self._clock.now()
        form = {"grant_type": _GRANT, "assertion": self._assertion(now)}
        try:
            answer = await self._http.post(self._account.token_uri, data=form, timeout=_TIMEOUT, follow_redirects=False)
        except Exception as error:
            trouble = type(error).__name__
        else:
            body = _json(answer)
            if answer.status_code != 200:
                raise _refused(answer.status_code, body)
            return _read(body, now)
        raise NoToken(f"no answer: {trouble}")

    def _assertion(self, now: datetime) -> str:
        account = self._account
        claims = {
            "iss": account.client_email,
            "sub": account.client_email,
            "aud": account.token_uri,
            "scope": self._scope,
            "iat": int(now.timestamp()),
            "exp": int((now + _ASSERTION_LIVES).timestamp()),
        }
        return str(jwt.encode(self._signer, claims), "ascii")  # type: ignore[no-untyped-call]


def _json(answer: httpx.Response) -> object:
    try:
        return answer.json() if len(answer.content) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        return None


def _refused(status: int, body: object) -> NoToken:
    """Google's OAuth answers 400 or 401 with a word where the key is the trouble."""
    word = body.get("error") if isinstance(body, dict) else None
    known = word if isinstance(word, str) and word.isascii() and word.replace("_", "").isalpha() else "no reason"
    return NoToken(f"{status}, {known[:40]}", denied=status in {400, 401, 403} and known != "no reason")


def _read(body: object, now: datetime) -> _Token:
    match body:
        case {"access_token": str(token), "expires_in": int(seconds)} if token and token.isascii() and seconds > 0:
            lives = timedelta(seconds=min(seconds, 86_400))
            return _Token(SecretStr(token), now + max(lives - _EARLY, lives / 2))
        case _:
            raise NoToken("the answer holds no token")
