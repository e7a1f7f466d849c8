"""Asks a source over HTTP: fixed host, https, no redirects, bounded in size, time and pages. Raises only `FeedError`.

Addresses and headers may hold keys: neither they nor the errors of the HTTP library ever leave this module.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import httpx
from pydantic import SecretStr

from agents.feeds.source import (
    Answer,
    Asked,
    Curve,
    Denied,
    Down,
    FeedError,
    NotPublished,
    Refused,
    Request,
    Slow,
    Source,
)
from agents.feeds.sources.curves import joined
from oem_connectors import answers

MAX_BODY: Final = 4 << 20
MAX_PAGES: Final = 20
_ROUND_SECONDS: Final = 90.0
_TIMEOUT: Final[dict[str, Any]] = {"connect": 5.0, "write": 5.0, "pool": 5.0, "read": 30.0}
_NAME: Final = re.compile(r"\{([a-z_]+)\}")


class FeedClient:
    """Asks one source with its keys. `base` replaces its own address, where the operator has said so."""

    def __init__(
        self, source: Source, http: httpx.AsyncClient, base: str | None = None, keys: Mapping[str, SecretStr] = {}
    ) -> None:
        self._source = source
        self._http = http
        self._base = (base or f"https://{source.host}").rstrip("/")
        self._keys = {name: key.get_secret_value() for name, key in keys.items()}
        self._login: tuple[str, datetime] | None = None
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and a key may be in them

    async def ask(self, asked: Asked, now: datetime) -> Curve:
        """All that the source has of what is asked, in one curve. Days not published yet are left out."""
        try:
            async with asyncio.timeout(_ROUND_SECONDS):
                return await self._ask(asked, now)
        except TimeoutError:
            pass
        except Denied:
            self._login = None
            raise
        raise Down(f"no whole answer in {_ROUND_SECONDS:g} s")

    async def _ask(self, asked: Asked, now: datetime) -> Curve:
        names = self._keys | await self._token(now)
        curves: list[Curve] = []
        missing: NotPublished | None = None
        for request in self._source.requests(asked):
            async for answer in self._pages(request, names):
                try:
                    curves.append(self._read(answer, asked))
                except NotPublished as error:
                    missing = error
        if not curves:
            raise missing or NotPublished("the source was asked nothing")
        return joined(curves)

    async def _pages(self, request: Request, names: Mapping[str, str]) -> AsyncIterator[Answer]:
        answer = await self._send(request, self._base + request.path, _filled(request.query, names), names)
        yield answer
        for _ in range(MAX_PAGES):
            page = self._following(answer)
            if page is None:
                return
            answer = await self._send(request, page, {}, names)
            yield answer
        raise Refused(f"more than {MAX_PAGES} pages")

    def _read(self, answer: Answer, asked: Asked) -> Curve:
        try:
            return self._source.parse(answer, asked)
        except Down as error:
            if answer.retry_after is None:
                raise
            trouble: FeedError = Slow(str(error), answer.retry_after)
        except FeedError:
            raise
        except Exception as error:  # a defect of ours in reading must not end the other feeds
            trouble = Refused(f"the answer cannot be read: {type(error).__name__}")
        raise trouble

    def _following(self, answer: Answer) -> str | None:
        if answer.status != 200:
            return None
        page = self._source.following(answer.body, self._base)
        if page is not None and not page.startswith(f"{self._base}/"):
            raise Refused("the next page is at another host")
        return page

    async def _token(self, now: datetime) -> dict[str, str]:
        """The token of a source that wants a login first; kept while it lasts."""
        login = self._source.login
        if login is None:
            return {}
        if self._login is None or self._login[1] <= now:
            pair = _fill("{username}:{password}", self._keys)
            headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
            request = login.request._replace(headers=headers)
            answer = await self._send(request, self._base + request.path, request.query, {})
            self._login = (login.token(answer), now + login.lasts * 0.8)
        return {"token": self._login[0]}

    async def _send(self, request: Request, url: str, query: Mapping[str, str], names: Mapping[str, str]) -> Answer:
        """One request. Errors are raised outside the handler: nothing that holds a key clings to them."""
        headers = {"Accept": "*/*", "User-Agent": _user_agent(), **_filled(request.headers, names)}
        content = None if request.body is None else json.dumps(request.body).encode()
        try:
            asking = httpx.Request(
                request.method, url, params=query or None, headers=headers, content=content,
                extensions={"timeout": _TIMEOUT},
            )  # fmt: skip
            response = await self._http.send(asking, stream=True, follow_redirects=False)
            try:
                body = await _body(response)
            finally:
                await response.aclose()
            wait = answers.Answer(response.status_code, response.headers, b"").retry_after()
            return Answer(body, response.status_code, wait)
        except FeedError as error:
            trouble = error
        except Exception as error:
            trouble = Down(f"no answer: {type(error).__name__}")
        raise trouble


def keys_needed(source: Source, asked: Asked) -> set[str]:
    """The names of the keys without which a source cannot be asked."""
    texts = [text for one in source.requests(asked) for part in (one.query, one.headers) for text in part.values()]
    named = {name for text in texts for name in _NAME.findall(text)} - {"token"}
    return named | ({"username", "password"} if source.login else set())


async def _body(response: httpx.Response) -> bytes:
    chunks = bytearray()
    async for chunk in response.aiter_bytes():
        chunks += chunk
        if len(chunks) > MAX_BODY:
            raise Refused(f"the answer is larger than {MAX_BODY >> 20} MiB")
    return bytes(chunks)


def _filled(texts: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: _fill(text, names) for name, text in texts.items()}


def _fill(text: str, names: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in names:
            raise Denied(f"{match[1]} is missing: D2EV_FEED_KEYS does not have it")
        return names[match[1]]

    return _NAME.sub(value, text)


def _user_agent() -> str:
    try:
        return f"d2ev/{version('d2ev')}"
    except PackageNotFoundError:
        return "d2ev"
