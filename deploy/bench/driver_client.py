"""Many drivers before one driver API, in a process of their own: every one listens, and some ask at an even rate.

A job comes as one JSON line; then words: `go` and `rest` for the requests, `end` for the figures, one JSON line. A
request is timed from the instant at which it was due, so an API that stops is seen by everybody who came meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any, Final

import aiohttp

from deploy.commands.processes import use_uvloop

JSON, PAGE, EVENTS = "application/json", "text/html", "text/event-stream"
#: What is asked, in turn: its name, method, path and kind of answer. One in twenty is a wish.
_LOOKS: Final = [
    *[("car", "GET", "/api/v1/cars/{car}", JSON)] * 8,
    *[("cars", "GET", "/api/v1/cars", JSON)] * 4,
    *[("outlook", "GET", "/api/v1/cars/{car}/outlook", JSON)] * 2,
    *[("sessions", "GET", "/api/v1/cars/{car}/sessions", JSON)] * 2,
    *[("messages", "GET", "/api/v1/messages", JSON)] * 1,
]
ASKED: Final = [
    *_LOOKS,
    *[("page", "GET", "/cars/{car}", PAGE)] * 2,
    ("wish", "PATCH", "/api/v1/cars/{car}/preference", JSON),
]
#: Streams that are being opened at the same time.
_OPENING: Final = 50
_OPEN_SECONDS: Final = 60
_ANSWER: Final = aiohttp.ClientTimeout(total=30)
_FOR_EVER: Final = aiohttp.ClientTimeout(total=None, sock_read=60)


@dataclass
class Figures:
    """What the drivers saw. Seconds; `late`: how much after its instant a request was sent, which is our own doing."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    events: int = 0
    to_event: list[float] = field(default_factory=list)
    opened_in: float = 0.0


class Driver:
    """One driver: an app that shows its token, or a browser with its cookie."""

    def __init__(self, number: int, name: str, car: str, token: str) -> None:
        self.name, self.car = name, car
        # A proxy of ours says where each comes from: no two from one home.
        self.headers = {"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        self.token = {"Authorization": f"Bearer {token}"}
        self.browses = number % 2 == 0
        self.wished_at: float | None = None

    async def sign_in(self, http: aiohttp.ClientSession) -> None:
        """A browser changes its token for a cookie; an app keeps showing it."""
        if not self.browses:
            self.headers |= self.token
            return
        async with http.post("/session", headers=self.headers | self.token) as answer:
            answer.raise_for_status()
            self.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
            self.headers["Sec-Fetch-Site"] = "same-origin"


class Crowd:
    """All drivers of a job."""

    def __init__(self, http: aiohttp.ClientSession, drivers: Sequence[Driver], rate: float) -> None:
        self._http, self._drivers, self._rate = http, drivers, rate
        self.figures = Figures()
        self._ended = False
        self._numbers = count()
        self._streams: list[asyncio.Task[None]] = []

    async def gather(self) -> None:
        """Sign in and open every stream."""
        began, turn = monotonic(), asyncio.Semaphore(_OPENING)

        async def come(driver: Driver) -> None:
            opened = asyncio.Event()
            async with turn:
                await driver.sign_in(self._http)
                self._streams.append(asyncio.create_task(self._listen(driver, opened)))
                await asyncio.wait_for(opened.wait(), _OPEN_SECONDS)

        await asyncio.gather(*map(come, self._drivers))
        self.figures.opened_in = monotonic() - began

    async def leave(self) -> None:
        """Close every stream."""
        self._ended = True
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)

    async def ask(self, resting: asyncio.Event) -> None:
        """Requests at the rate, each in its own time, until it is time to rest."""
        began, under_way = monotonic(), set[asyncio.Task[None]]()
        for turn in count():
            due = began + turn / self._rate
            with suppress(TimeoutError):
                await asyncio.wait_for(resting.wait(), max(0.0, due - monotonic()))
            if resting.is_set():
                break
            asking = asyncio.create_task(self._ask(next(self._numbers), due))
            under_way.add(asking)
            asking.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _ask(self, number: int, due: float) -> None:
        # Steps of primes: every driver asks everything in time.
        driver = self._drivers[number * 7919 % len(self._drivers)]
        name, method, path, kind = ASKED[number * 13 % len(ASKED)]
        headers = driver.headers | {"Accept": kind}
        body: dict[str, Any] | None = None
        if method == "PATCH":
            body, headers["Idempotency-Key"] = {"ready_by": f"07:{number % 60:02}"}, f"bench-{number}"
            driver.wished_at = monotonic()
        self.figures.late.append(monotonic() - due)
        try:
            address = path.format(car=driver.car)
            async with self._http.request(method, address, headers=headers, json=body, timeout=_ANSWER) as answer:
                await answer.read()
                if answer.status != 200:
                    self.figures.errors[f"{name} {answer.status}"] += 1
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.figures.errors[f"{name} {type(error).__name__}"] += 1
        self.figures.seconds.setdefault(name, []).append(monotonic() - due)

    async def _listen(self, driver: Driver, opened: asyncio.Event) -> None:
        headers = driver.headers | {"Accept": EVENTS}
        try:
            async with self._http.get("/api/v1/events", headers=headers, timeout=_FOR_EVER) as answer:
                if answer.status != 200:
                    self.figures.errors[f"stream {answer.status}"] += 1
                    opened.set()
                    return
                async for line in answer.content:
                    opened.set()
                    if line.startswith(b"event: "):
                        self._heard(driver)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.figures.errors[f"stream {type(error).__name__}"] += 1
        if not self._ended:
            self.figures.errors["stream ended"] += 1

    def _heard(self, driver: Driver) -> None:
        self.figures.events += 1
        if driver.wished_at is not None:
            self.figures.to_event.append(monotonic() - driver.wished_at)
            driver.wished_at = None


@asynccontextmanager
async def _crowd(job: dict[str, Any]) -> AsyncIterator[Crowd]:
    drivers = [Driver(number, *one) for number, one in enumerate(job["drivers"])]
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(job["url"], connector=connector, cookie_jar=jar, read_bufsize=1 << 18) as http:
        crowd = Crowd(http, drivers, job["rate"])
        await crowd.gather()
        try:
            yield crowd
        finally:
            await crowd.leave()


async def run() -> None:
    """Do as we are told on standard input."""
    words = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    async with _crowd(json.loads(await words.readline())) as crowd:
        print("open", flush=True)
        resting = asyncio.Event()
        asking: asyncio.Task[None] | None = None
        while (word := (await words.readline()).decode().strip()) not in {"end", ""}:
            if word == "go":
                resting.clear()
                asking = asyncio.create_task(crowd.ask(resting))
            elif asking is not None:
                resting.set()
                await asking
                print("rested", flush=True)
    print(json.dumps(vars(crowd.figures)), flush=True)


if __name__ == "__main__":
    use_uvloop()
    asyncio.run(run())
