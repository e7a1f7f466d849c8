"""What an HTTP answer, or the lack of one, means for the caller's next step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from oem_connectors.errors import (
    Asleep,
    NotApplied,
    OemError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    Unreadable,
    Unsupported,
)

Translated = TypeVar("Translated")
MAX_BODY = 1 << 20
_LONGEST_WAIT = timedelta(days=1)
#: The request never left this machine.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
#: 430 is no standard, but a quota spent at several makers.
_THROTTLES = frozenset({429, 430})
_BY_STATUS: Mapping[int, type[OemError]] = {
    401: Unauthorised,
    405: Unsupported,
    408: Asleep,
    501: Unsupported,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, its body not longer than `MAX_BODY` bytes."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether the maker says yes."""
        return 200 <= self.status < 300

    def object(self) -> Mapping[str, Any]:
        """The body as a JSON object; a list becomes its `items`. Raises `Unreadable` when it is something else."""
        try:
            parsed = json.loads(self.content)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list):
            return {"items": parsed}
        if not isinstance(parsed, dict):
            raise Unreadable("the answer is not a JSON object")
        return parsed

    def mapping(self) -> Mapping[str, Any]:
        """The body as a JSON object, empty when it is something else: for answers that may have no body."""
        try:
            return self.object()
        except Unreadable:
            return {}

    def retry_after(self) -> timedelta | None:
        """The maker's wish, at most a day: seconds, or a date read against the answer's own clock."""
        wish = self.headers.get("retry-after") or self.headers.get("ratelimit-reset", "")
        try:
            if wish.isdecimal():
                return timedelta(seconds=min(int(wish), _LONGEST_WAIT.total_seconds()))
            wait = parsedate_to_datetime(wish) - parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, TypeError):
            return None
        return min(max(wait, timedelta(0)), _LONGEST_WAIT)


def translated(rule: Callable[..., Translated], *args: Any, failed: type[OemError] = Unreadable) -> Translated:
    """A connector's own rule, held to its promise to raise nothing but `OemError`."""
    try:
        return rule(*args)
    except OemError:
        raise
    except Exception as error:
        trouble = failed(f"{getattr(rule, '__name__', 'a rule')} failed: {type(error).__name__}")
    raise trouble


def timed(verdict: OemError, answer: Answer) -> OemError:
    """The connector's verdict; a refusal for too many calls waits as long as the answer's header asks."""
    if isinstance(verdict, Throttled) and verdict.retry_after is None:
        verdict.retry_after = answer.retry_after()
    return verdict


def cannot(error: Exception) -> NotApplied | None:
    """The error of a request that was never sent; None when it may have been."""
    return Unavailable(f"not sent: {type(error).__name__}") if isinstance(error, _NOT_SENT) else None


def lost(what: str, *, changes: bool) -> OemError:
    """The error of a request whose answer never came whole. A read changes nothing, whatever became of it."""
    return OutcomeUnknown(f"no answer: {what}") if changes else Unavailable(f"no answer: {what}")


def failure(answer: Answer, *, changes: bool) -> OemError:
    """The error that a status code other than 2xx stands for."""
    status, text = answer.status, f"HTTP {answer.status}"
    if status in _THROTTLES:
        return Throttled(text, answer.retry_after())
    if status in _BY_STATUS:
        return _BY_STATUS[status](text)
    if status >= 500:
        return lost(text, changes=changes)
    return Rejected(text) if status >= 400 else Unavailable(f"{text}: redirects are not followed")
