"""httpx on aiohttp's connections: a seventh of the processor time with fifty calls in flight.

httpx's own pool looks at every connection on every request; a worker that reads thousands of cars feels it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import httpx
from yarl import URL

#: What httpx would say, for the caller's question whether the request was sent. First match counts.
_MEANINGS: tuple[tuple[type[BaseException], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientOSError, httpx.ReadError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)
_OURS_ALONE = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Opens its session inside the running loop at the first request; end it with `aclose`."""

    def __init__(self, max_connections: int, keepalive_seconds: float) -> None:
        self._max_connections, self._keepalive_seconds = max_connections, keepalive_seconds
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request. A body that is not read to its end closes the connection."""
        self._session = self._session or self._open()
        with _spoken_as_httpx(request):
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=request.content or None,
                allow_redirects=False,
                skip_auto_headers=_OURS_ALONE,
                timeout=_timeout(request.extensions.get("timeout", {})),
            )
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_Body(response, request), request=request
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections,
                keepalive_timeout=self._keepalive_seconds,
                ssl=httpx.create_ssl_context(trust_env=False),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        session._retry_connection = False  # noqa: SLF001 - the only switch; a second PUT could be a second command
        return session


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response, self._request = response, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _spoken_as_httpx(self._request):
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        self._response.release()


def _timeout(wanted: Mapping[str, float | None]) -> aiohttp.ClientTimeout:
    """The same limits, and their sum as the limit of the whole: one byte a second is no answer either."""
    connect, pool, read, write = (wanted.get(part) or 5.0 for part in ("connect", "pool", "read", "write"))
    total = connect + pool + read + write
    return aiohttp.ClientTimeout(total=total, connect=connect + pool, sock_connect=connect, sock_read=read)


@contextmanager
def _spoken_as_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        meaning = next(meaning for kind, meaning in _MEANINGS if isinstance(error, kind))
        raise meaning(type(error).__name__, request=request) from error
