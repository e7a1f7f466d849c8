"""Speaks to Firestore over REST: reads a document, commits writes as one. Raises only `FirestoreError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import httpx
from pydantic import SecretStr

from agents.google import NoToken
from oem_connectors.answers import Answer

_MOST_BYTES: Final = 4 << 20
_TIMEOUT: Final = {"connect": 5.0, "write": 10.0, "pool": 5.0, "read": 20.0}


class FirestoreError(Exception):
    """It came to nothing, as far as we know."""


class Refused(FirestoreError):
    """What was sent is not taken, now or ever."""


class Moved(FirestoreError):
    """A document is not as the writer believed: read it, then think again."""


class Later(FirestoreError):
    """Not now, or nobody knows whether it was done. Not before `wait` seconds, where Firestore said so."""

    def __init__(self, cause: str, wait: float = 0) -> None:
        super().__init__(cause)
        self.wait = wait


class Document(NamedTuple):
    """A document as it is."""

    fields: Mapping[str, Any]
    update_time: str


class Tokens(Protocol):
    """Where access tokens come from."""

    async def token(self) -> SecretStr:
        """A token. Raises NoToken."""

    def refuse(self, token: SecretStr) -> None:
        """It was not taken."""


class Firestore:
    """One database. `url` is Firestore's, or that of a stand-in."""

    def __init__(self, url: str, project: str, database: str, tokens: Tokens, http: httpx.AsyncClient) -> None:
        self._root = f"projects/{project}/databases/{database}/documents"
        self._url = f"{url.rstrip('/')}/v1/"
        self._tokens, self._http = tokens, http

    def name(self, path: str) -> str:
        """The full name of a document."""
        return f"{self._root}/{path}"

    async def read(self, path: str) -> Document | None:
        """The document, or None where there is none."""
        status, body, wait = await self._sent("GET", self.name(path), None)
        match status, body:
            case 200, {"updateTime": str(update_time)}:
                return Document(body.get("fields", {}), update_time)
            case 404, {"error": {"status": "NOT_FOUND"}}:
                return None
        raise _trouble(status, body, wait)

    async def commit(self, writes: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Write all or none. Returns when each document was last changed."""
        status, body, wait = await self._sent("POST", f"{self._root}:commit", {"writes": list(writes)})
        match status, body:
            case 200, {"writeResults": list(results)} if len(results) == len(writes):
                return [one.get("updateTime") for one in results]
        raise _trouble(status, body, wait)

    async def _sent(self, method: str, path: str, body: Any) -> tuple[int, Any, float]:
        """One request, and one more with a new token where the first was not taken."""
        for last in (False, True):
            try:
                token = await self._tokens.token()
            except NoToken as error:
                raise Later(f"no access token: {error}") from None
            status, told, wait = await self._once(method, path, body, token)
            if status != 401 or last:
                break
            self._tokens.refuse(token)
        return status, told, wait

    async def _once(self, method: str, path: str, body: Any, token: SecretStr) -> tuple[int, Any, float]:
        """Errors are raised outside the handler: the request, which holds the token, must not cling to them."""
        headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Accept": "application/json"}
        try:
            asking = httpx.Request(
                method, self._url + path, json=body, headers=headers, extensions={"timeout": _TIMEOUT}
            )
            response = await self._http.send(asking, follow_redirects=False)
        except Exception as error:
            trouble = type(error).__name__
        else:
            wait = Answer(response.status_code, response.headers, b"").retry_after()
            return response.status_code, _json(response), 0 if wait is None else wait.total_seconds()
        raise Later(f"no answer: {trouble}")


def _json(response: httpx.Response) -> Any:
    try:
        return response.json() if len(response.content) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        return None


def _trouble(status: int, body: Any, wait: float) -> FirestoreError:
    """Decided by the canonical word; many of them share an HTTP status."""
    match body:
        case {"error": {"status": str(word)}} if word.isascii() and word.replace("_", "").isalpha():
            word = word[:40]
        case _:
            word = "no reason"
    if word in {"FAILED_PRECONDITION", "ALREADY_EXISTS"}:
        return Moved(word)
    if word == "INVALID_ARGUMENT" or status == 413:
        return Refused(f"{status} {word}")
    return Later(f"{status} {word}", wait)
