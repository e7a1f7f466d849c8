"""A fake of Firebase Cloud Messaging, HTTP v1: requests are held to Google's own schema, and it has its troubles."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any, Final

from aiohttp import web

from deploy.fakes.google import TokenDesk, cut
from deploy.fakes.schema import complaint
from deploy.fakes.screens import Screens, Shown

PROJECT: Final = "d2ev-test"
EMAIL: Final = f"push@{PROJECT}.iam.gserviceaccount.com"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_MOST_BYTES: Final = 4096
_TARGETS: Final = ("token", "fid", "topic", "condition")


class Answer(StrEnum):
    """What becomes of a message instead of being shown and said to be."""

    UNREGISTERED = "404 UNREGISTERED"
    BAD_TOKEN = "400 INVALID_ARGUMENT, and the text blames the token"  # noqa: S105 - a sentence
    INVALID = "400 INVALID_ARGUMENT, and a field is to blame"
    OTHER_SENDER = "403 SENDER_ID_MISMATCH"
    QUOTA = "429 QUOTA_EXCEEDED with retry-after"
    QUOTA_SILENT = "429 QUOTA_EXCEEDED without"
    UNAVAILABLE = "503 UNAVAILABLE with retry-after"
    INTERNAL = "500 INTERNAL"
    THIRD_PARTY = "401 THIRD_PARTY_AUTH_ERROR"
    WRONG_PROJECT = "404 without a code of FCM's"
    PAGE = "502 with a page of HTML"
    OLD_TOKEN = "401 without a code, and the token is good no more"  # noqa: S105 - a sentence
    CUT = "the connection ends, and nothing is shown"
    LOST = "it is shown, and the connection ends"
    SLOW = "it is shown, and the answer comes when nobody waits any more"


#: Status, word, code and text of the answers that are an error of FCM's.
_ERRORS: Final[Mapping[Answer, tuple[int, str, str | None, str]]] = {
    Answer.UNREGISTERED: (404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
    Answer.BAD_TOKEN: (
        400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token",
    ),
    Answer.INVALID: (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Invalid value at 'message.android.ttl'"),
    Answer.OTHER_SENDER: (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"),
    Answer.QUOTA: (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded."),
    Answer.QUOTA_SILENT: (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded."),
    Answer.UNAVAILABLE: (503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."),
    Answer.INTERNAL: (500, "INTERNAL", "INTERNAL", "Internal error encountered."),
    Answer.THIRD_PARTY: (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Auth error from APNS or Web Push Service"),
    Answer.WRONG_PROJECT: (404, "NOT_FOUND", None, "Requested entity was not found."),
    Answer.OLD_TOKEN: (401, "UNAUTHENTICATED", None, "Request had invalid authentication credentials."),
}  # fmt: skip
_WAITS: Final = frozenset({Answer.QUOTA, Answer.UNAVAILABLE})
#: What becomes of the nth message to a device; None: it is shown.
Mood = Callable[[str, int], Answer | None]


class FakeFcm:
    """One project. `mood` says what becomes of a message."""

    def __init__(
        self,
        screens: Screens,
        mood: Mood = lambda _device, _number: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.mood = mood
        self.retry_after = 1
        self.slow_seconds = 60.0
        #: Answers other than a message shown, by what they were.
        self.troubles: Counter[Answer] = Counter()
        #: Requests that no good client sends.
        self.complaints: list[str] = []
        self.desk = TokenDesk(EMAIL, SCOPE, clock)
        self._screens = screens
        self._asked: Counter[str] = Counter()
        self._names = count(1)
        self._ended = asyncio.Event()

    def routes(self, app: web.Application) -> None:
        """Take a place in an application."""
        app.router.add_post("/token", self.desk.exchange)
        app.router.add_post("/v1/projects/{project}/messages:send", self._send)
        app.on_shutdown.append(self._end)

    def key_file(self, url: str) -> str:
        """The service account's key file, for a fake that listens at `url`."""
        return self.desk.key_file(PROJECT, url)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if not self.desk.admits(request):
            return _error(Answer.OLD_TOKEN)
        if request.match_info["project"] != PROJECT:
            return _error(Answer.WRONG_PROJECT)
        raw = await request.read()
        try:
            asked = json.loads(raw)
            wrong = _wrong(asked)
        except ValueError:
            wrong = "not JSON"
        if wrong is not None:
            self.complaints.append(wrong)
            return _invalid(wrong)
        message = asked["message"]
        device = next(message[name] for name in _TARGETS if name in message)
        self._asked[device] += 1
        answer = self.mood(device, self._asked[device])
        return await self._answer(request, asked, device, answer)

    async def _answer(
        self, request: web.Request, asked: Mapping[str, Any], device: str, answer: Answer | None
    ) -> web.StreamResponse:
        if answer is not None:
            self.troubles[answer] += 1
        if answer in {None, Answer.LOST, Answer.SLOW} and not asked.get("validateOnly"):
            self._screens.show(_shown(device, asked["message"]))
        match answer:
            case Answer.CUT | Answer.LOST:
                cut(request)
            case Answer.SLOW:
                await self._dawdle()
            case Answer.PAGE:
                return web.Response(status=502, text="<html><title>Error 502</title></html>", content_type="text/html")
            case Answer.OLD_TOKEN:
                self.desk.forget()
        if answer is not None and answer in _ERRORS:
            return _error(answer, {"retry-after": str(self.retry_after)} if answer in _WAITS else None)
        return web.json_response({"name": f"projects/{PROJECT}/messages/{next(self._names)}"})

    async def _dawdle(self) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), self.slow_seconds)
        except TimeoutError:
            return

    async def _end(self, _app: web.Application) -> None:
        self._ended.set()


def _wrong(asked: Any) -> str | None:
    """What is wrong with a request, by the schema and by what the schema does not say."""
    wrong = complaint("SendMessageRequest", asked)
    if wrong is not None:
        return wrong
    message = asked.get("message")
    if message is None or sum(name in message for name in _TARGETS) != 1:
        return "message: exactly one of token, fid, topic, condition"
    payload = {name: message.get(name, {}) for name in ("notification", "data")}
    if len(json.dumps(payload, ensure_ascii=False).encode()) > _MOST_BYTES:
        return "message: larger than 4096 bytes"
    for name in message.get("data", {}):
        if name in {"from", "message_type"} or name.startswith(("google.", "gcm.notification.")):
            return f"message.data.{name}: a reserved word"
    headers = message.get("apns", {}).get("headers", {})
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        return "apns-collapse-id: longer than 64 bytes"
    return None


def _shown(device: str, message: Mapping[str, Any]) -> Shown:
    told, data, android = message["notification"], message["data"], message["android"]
    return Shown(
        device=device,
        id=data["notification_id"],
        kind=data["kind"],
        tag=android["notification"]["tag"],
        title=told["title"],
        body=told["body"],
        urgent=android["priority"] == "HIGH",
    )


def _error(answer: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
    status, word, code, text = _ERRORS[answer]
    error: dict[str, Any] = {"code": status, "message": text, "status": word}
    if code is not None:
        error["details"] = [{"@type": _FCM_ERROR, "errorCode": code}]
    return web.json_response({"error": error}, status=status, headers=headers)


def _invalid(text: str) -> web.Response:
    violations = [{"field": text.partition(":")[0], "description": text}]
    error = {
        "code": 400, "message": text, "status": "INVALID_ARGUMENT",
        "details": [{"@type": _BAD_REQUEST, "fieldViolations": violations}],
    }  # fmt: skip
    return web.json_response({"error": error}, status=400)
