"""A fake Web Push service and the browsers behind it: RFC 8030, 8291 and 8292, not read by the sender's library."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from secrets import token_bytes
from typing import Any, Final

import jwt
from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.fakes.google import cut
from deploy.fakes.screens import Screens, Shown

_MOST_BYTES: Final = 4096
_LONGEST: Final = timedelta(hours=24)
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_URGENCIES: Final = {"very-low", "low", "normal", "high"}
_POINT: Final = 65


class Answer(StrEnum):
    """What becomes of a message instead of being shown and said to be."""

    MISSING = "404"
    EXPIRED = "410"
    LARGE = "413"
    BUSY = "429 with Retry-After in seconds"
    BUSY_UNTIL = "429 with Retry-After as a date"
    BUSY_SILENT = "429 without"
    OTHER_KEY = "403: the subscription is another key's"
    BROKEN = "500"
    DOWN = "503 with Retry-After"
    MOVED = "307 to elsewhere"
    CUT = "the connection ends, and nothing is shown"
    LOST = "it is shown, and the connection ends"
    SLOW = "it is shown, and the answer comes when nobody waits any more"


_STATUS: Final[Mapping[Answer, int]] = {
    Answer.MISSING: 404, Answer.EXPIRED: 410, Answer.LARGE: 413, Answer.BUSY: 429, Answer.BUSY_UNTIL: 429,
    Answer.BUSY_SILENT: 429, Answer.OTHER_KEY: 403, Answer.BROKEN: 500, Answer.DOWN: 503, Answer.MOVED: 307,
}  # fmt: skip
Mood = Callable[[str, int], Answer | None]


class Browser:
    """One subscription: its keys never leave it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = token_bytes(16)

    def subscription(self, url: str) -> dict[str, Any]:
        """What it gives to a server, for a service that listens at `url`."""
        keys = {"p256dh": _text(_point(self._key.public_key())), "auth": _text(self._auth)}
        return {"endpoint": f"{url}/push/{self.name}", "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> bytes:
        """What a message says. Raises ValueError."""
        return opened(body, self._key, self._auth)


class FakeWebPush:
    """One service. `mood` says what becomes of the nth message to a browser."""

    def __init__(
        self,
        screens: Screens,
        mood: Mood = lambda _device, _number: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.mood = mood
        self.retry_after = timedelta(seconds=1)
        self.slow_seconds = 60.0
        self.troubles: Counter[Answer] = Counter()
        #: Requests that no good client sends.
        self.complaints: list[str] = []
        self.browsers: dict[str, Browser] = {}
        self._screens, self._clock = screens, clock
        self._asked: Counter[str] = Counter()
        self._ended = asyncio.Event()

    def routes(self, app: web.Application) -> None:
        """Take a place in an application."""
        app.router.add_post("/push/{name}", self._push)
        app.on_shutdown.append(self._end)

    def browser(self, name: str) -> Browser:
        """A browser that subscribes."""
        return self.browsers.setdefault(name, Browser(name))

    async def _push(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        wrong = self._wrong(request, body)
        if wrong is not None:
            self.complaints.append(wrong[1])
            return web.Response(status=wrong[0], text=wrong[1])
        browser = self.browsers.get(request.match_info["name"])
        if browser is None:
            return web.Response(status=404)
        self._asked[browser.name] += 1
        answer = self.mood(browser.name, self._asked[browser.name])
        if answer is not None:
            self.troubles[answer] += 1
        if answer in {None, Answer.LOST, Answer.SLOW}:
            try:
                self._screens.show(_shown(browser, body, urgent=request.headers.get("Urgency") == "high"))
            except (ValueError, KeyError) as error:
                self.complaints.append(f"not for this browser: {type(error).__name__}")
        return await self._answer(request, answer)

    async def _answer(self, request: web.Request, answer: Answer | None) -> web.StreamResponse:
        headers = {"Location": "/push/elsewhere"}
        match answer:
            case Answer.CUT | Answer.LOST:
                cut(request)
            case Answer.SLOW:
                await self._dawdle()
            case Answer.BUSY | Answer.DOWN:
                headers["Retry-After"] = str(int(self.retry_after.total_seconds()))
            case Answer.BUSY_UNTIL:
                headers["Retry-After"] = format_datetime(self._clock() + self.retry_after, usegmt=True)
        return web.Response(status=201 if answer is None else _STATUS.get(answer, 201), headers=headers)

    def _wrong(self, request: web.Request, body: bytes) -> tuple[int, str] | None:
        """Status and words for what a service would not take."""
        headers = request.headers
        if not headers.get("TTL", "").isdigit():
            return 400, "TTL is missing"
        if headers.get("Content-Encoding") != "aes128gcm":
            return 400, "Content-Encoding is not aes128gcm"
        if headers.get("Urgency", "normal") not in _URGENCIES:
            return 400, "Urgency is none of RFC 8030"
        if "Topic" in headers and not _TOPIC.fullmatch(headers["Topic"]):
            return 400, "Topic is not base64url of 32 characters at most"
        if len(body) > _MOST_BYTES:
            return 413, "more than 4096 bytes"
        return self._stranger(headers.get("Authorization", ""), str(request.url.origin()))

    def _stranger(self, authorization: str, origin: str) -> tuple[int, str] | None:
        """RFC 8292: who sends signs for this origin, for a day at most."""
        found = re.fullmatch(r"vapid t=([\w.-]+), ?k=([\w-]+)", authorization)
        if found is None:
            return 401, "Authorization is not VAPID's"
        try:
            point = _bytes(found[2])
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            claims = jwt.decode(found[1], key, algorithms=["ES256"], audience=origin, options={"require": ["exp"]})
        except (jwt.InvalidTokenError, ValueError) as error:
            return 403, f"VAPID: {type(error).__name__}"
        if claims["exp"] > (self._clock() + _LONGEST).timestamp():
            return 403, "VAPID: exp is more than a day away"
        return None if str(claims.get("sub", "")).startswith(("mailto:", "https://")) else (403, "VAPID: no sub")

    async def _dawdle(self) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), self.slow_seconds)
        except TimeoutError:
            return

    async def _end(self, _app: web.Application) -> None:
        self._ended.set()


def opened(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Decrypt one record of aes128gcm as RFC 8188 and 8291 say. Raises ValueError."""
    salt, id_length = body[:16], body[20]
    sender, sealed = body[21 : 21 + id_length], body[21 + id_length :]
    if id_length != _POINT or len(sealed) > int.from_bytes(body[16:20]):
        raise ValueError("not one record of a sender's key")
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    info = b"WebPush: info\0" + _point(key.public_key()) + sender
    secret = _derived(shared, auth, info, 32)
    content_key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    try:
        padded = AESGCM(content_key).decrypt(nonce, sealed, None).rstrip(b"\0")
    except InvalidTag:
        raise ValueError("not for this browser") from None
    if not padded.endswith(b"\2"):
        raise ValueError("not the last record")
    return padded[:-1]


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


def _shown(browser: Browser, body: bytes, *, urgent: bool) -> Shown:
    told = json.loads(browser.read(body))
    return Shown(
        device=browser.name,
        id=told["id"],
        kind=told["kind"],
        tag=told["tag"],
        title=told["title"],
        body=told["body"],
        urgent=urgent,
    )


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
