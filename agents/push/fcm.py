"""Firebase Cloud Messaging, HTTP v1. What to do is decided by the error code, not by the HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal

import httpx

from agents.clock import Clock
from agents.google import FIREBASE_MESSAGING, GoogleTokens, NoToken, ServiceAccount
from agents.push import Message, Outcome, Sent
from agents.push.answers import post, retry_after
from streams.domain.ids import stable_id

HOST: Final = "https://fcm.googleapis.com"
_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_TOKEN: Final = "not a valid fcm registration token"  # noqa: S105 - words of an answer
#: Where no Retry-After is given.
_QUOTA_WAIT: Final = timedelta(seconds=60)
_GONE: Final = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})
_LATER: Final = frozenset({"QUOTA_EXCEEDED", "UNAVAILABLE", "INTERNAL"})


class Fcm:
    """One Firebase project. `field` names how devices are addressed: by registration token or installation id."""

    def __init__(
        self,
        account: ServiceAccount,
        http: httpx.AsyncClient,
        wall: Clock,
        base: str = HOST,
        field: Literal["token", "fid"] = "token",
    ) -> None:
        self._http, self._wall, self._field = http, wall, field
        self._tokens = GoogleTokens(account, FIREBASE_MESSAGING, http, wall)
        self._url = f"{base.rstrip('/')}/v1/projects/{account.project_id}/messages:send"

    async def send(self, target: str, message: Message) -> Sent:
        """Send to one phone; a token of ours that is refused is replaced once."""
        for again in (False, True):
            try:
                token = await self._tokens.token()
            except NoToken as error:
                return Sent(Outcome.REFUSED if error.denied else Outcome.LATER, f"token: {error}")
            headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
            answer = await post(self._http, self._url, json=self._body(target, message), headers=headers)
            if isinstance(answer, Sent):
                return answer
            sent = read(answer, retry_after(answer.headers, self._wall.now()))
            if sent is not None:
                return sent
            self._tokens.refuse(token)
            if again:
                break
        # Not final: two tokens in a row may be old, and a right that is missing may be given; a failure must arrive.
        return Sent(Outcome.LATER, "401: the service account may not send")

    def _body(self, target: str, message: Message) -> Mapping[str, Any]:
        """FCM keeps four collapse keys for a phone that is off: two a car, so that no failure is lost to small talk."""
        seconds = int(message.lives.total_seconds())
        expires = int((self._wall.now() + message.lives).timestamp())
        return {
            "message": {
                self._field: target,
                "notification": {"title": message.title, "body": message.body},
                "data": {"car": message.car, "kind": message.kind, "notification_id": message.id},
                "android": {
                    "priority": "HIGH" if message.urgent else "NORMAL",
                    "ttl": f"{seconds}s",
                    "collapseKey": stable_id("push", message.car, message.urgent),
                    "notification": {"tag": message.tag},
                },
                "apns": {
                    "headers": {
                        "apns-priority": "10" if message.urgent else "5",
                        "apns-expiration": str(expires),
                        "apns-collapse-id": message.tag,
                    },
                    "payload": {"aps": {"thread-id": message.car}},
                },
            }
        }


def read(answer: httpx.Response, after: timedelta | None) -> Sent | None:
    """What an answer means; None: our token was not taken, and a new one may be."""
    if answer.status_code == httpx.codes.OK:
        return Sent(Outcome.SHOWN)
    code, text = _error(answer)
    detail = f"{answer.status_code} {code or 'without a code'}"
    if code in _GONE or (code == "INVALID_ARGUMENT" and _BAD_TOKEN in text):
        return Sent(Outcome.GONE, detail)
    if code in _LATER:
        return Sent(Outcome.LATER, detail, after or (_QUOTA_WAIT if code == "QUOTA_EXCEEDED" else None))
    if code is None and answer.status_code == httpx.codes.UNAUTHORIZED:
        return None
    if code is None and (answer.status_code >= 500 or answer.status_code == httpx.codes.TOO_MANY_REQUESTS):
        wait = _QUOTA_WAIT if answer.status_code == httpx.codes.TOO_MANY_REQUESTS else None
        return Sent(Outcome.LATER, detail, after or wait)
    # A 404 without a code may be a wrong project: nobody's token dies of that.
    return Sent(Outcome.REFUSED, detail)


def _error(answer: httpx.Response) -> tuple[str | None, str]:
    """FCM's own code and the text beside it; a gateway in between may answer HTML."""
    try:
        error = answer.json().get("error", {})
        details = error.get("details", [])
        codes = [one.get("errorCode") for one in details if one.get("@type") == _FCM_ERROR]
        text = str(error.get("message", "")).lower()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None, ""
    code = codes[0] if codes and isinstance(codes[0], str) else None
    if code is None and error.get("status") == "INVALID_ARGUMENT":
        code = "INVALID_ARGUMENT"
    return code, text
