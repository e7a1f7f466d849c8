"""What answers of push services have in common: when to come back, and how a request fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from agents.push import Outcome, Sent

TIMEOUT: Final = httpx.Timeout(10.0)
#: Nobody is left alone for longer than this, whatever he asks for.
_LONGEST: Final = timedelta(hours=1)


async def post(http: httpx.AsyncClient, url: str, **request: Any) -> httpx.Response | Sent:
    """The answer, or what is to be done without one. A request that never left is no riddle."""
    try:
        return await http.post(url, timeout=TIMEOUT, follow_redirects=False, **request)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return Sent(Outcome.LATER, type(error).__name__)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Sent(Outcome.UNKNOWN, type(error).__name__)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Retry-After in seconds or as a date; None where there is none that makes sense."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit() and len(told) < 8:
        return min(_LONGEST, timedelta(seconds=int(told)))
    try:
        at = parsedate_to_datetime(told)
    except (ValueError, TypeError):
        return None
    wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return max(timedelta(), min(_LONGEST, wait))
