"""`POST /hooks/firestore`: an event of a document is answered with 204 once what it means is on the log, not before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

import structlog
from aiohttp import web

from agents.bridge.changes import Change, Elsewhere, Outcome, Unreadable, Verdict, judge, read
from agents.bridge.known import Known
from agents.bridge.metrics import BridgeMetrics
from agents.clock import Clock
from agents.driver_api.identity import NotBelieved, Verifier
from agents.driver_api.keys import IssuerDown
from agents.engine.log import NotDurable, Outgoing
from agents.engine.wire import letter
from agents.ingress.intake import Refused
from agents.ingress.seen import Seen, fingerprint
from agents.partitions import home_partition
from agents.said import Said
from agents.settings import Settings
from streams import serde
from streams.contracts.base import account_of
from streams.contracts.registration import Registration
from streams.topics import DEAD_LETTER, PREFERENCE, REGISTRATION

LOG = structlog.get_logger("d2ev")
SOURCE: Final = "bridge"
PLACE: Final = "hooks/firestore"
#: A driver's document is small.
MOST_BYTES: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
#: Changes of one account are judged one after the other.
_LOCKS: Final = 64
_ANSWERS: Final[Mapping[Outcome, int]] = {Outcome.UNKNOWN: 404, Outcome.FOREIGN: 403, Outcome.REFUSED: 422}


class Writes(Protocol):
    """The log, as far as the hook needs it."""

    async def write(self, records: Sequence[Outgoing]) -> None:
        """Durable on return. Raises NotDurable."""


class NotHeard(Exception):
    """A request that is answered without looking at what it tells."""

    def __init__(self, outcome: str, status: int, text: str) -> None:
        super().__init__(text)
        self.outcome, self.status = outcome, status


class Caller(NamedTuple):
    """Who may tell us: a service account, by its e-mail."""

    verifier: Verifier
    email: str

    async def check(self, request: web.Request) -> None:
        """Raises NotHeard unless it is he."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotHeard("not_believed", 401, "no token")
        try:
            claims = await self.verifier.claims(token)
        except NotBelieved:
            raise NotHeard("not_believed", 401, "the token is not believed") from None
        except IssuerDown:
            raise NotHeard("unavailable", 503, "the keys cannot be had") from None
        if claims.get("email") != self.email or claims.get("email_verified") is not True:
            raise NotHeard("not_believed", 403, "not the service account that may")


class Hook:
    """Takes events. `known` tells what the log says, None while that is not known."""

    def __init__(
        self,
        caller: Caller,
        known: Callable[[], Known | None],
        journal: Writes,
        settings: Settings,
        clock: Clock,
        metrics: BridgeMetrics,
    ) -> None:
        self._caller, self._known, self._journal, self._clock = caller, known, journal, clock
        self._sealer, self._partitions = settings.sealer(), settings.partitions
        self._metrics = metrics
        self._seen = Seen()
        self._turns = [asyncio.Lock() for _ in range(_LOCKS)]

    async def post(self, request: web.Request) -> web.Response:
        """One request."""
        try:
            await self._caller.check(request)
            body = await _body(request)
            return await self._take({name.lower(): value for name, value in request.headers.items()}, body)
        except NotHeard as bad:
            return self._end("none", bad.outcome, bad.status, str(bad))
        except NotDurable:
            return self._end("none", "unavailable", 503, "come again")
        except Exception as error:
            LOG.error("an event of Firestore could not be taken", error=type(error).__name__)
            return self._end("none", "failed", 500, "a defect of ours")

    async def _take(self, headers: Mapping[str, str], body: bytes) -> web.Response:
        mark = fingerprint(headers.get("ce-source", ""), headers.get("ce-id", ""))
        if mark in self._seen:
            return self._end("none", Outcome.DUPLICATE, 204)
        try:
            change = read(headers, body)
        except Elsewhere:
            return self._end("none", Outcome.IGNORED, 204)
        except Unreadable as error:
            await self._set_aside(mark, PLACE, body, str(error))
            return self._end("none", Outcome.REFUSED, 422, str(error))
        async with self._turn(change):
            known = self._known()
            if known is None:
                return self._end(change.kind, "unavailable", 503, "not ready")
            verdict = judge(change, known, self._sealer)
            await self._carry_out(change, verdict, known, mark, body)
        if verdict.outcome is not Outcome.UNKNOWN:  # it may be enrolled when this comes again
            self._seen.add([mark])
        return self._end(change.kind, verdict.outcome, _ANSWERS.get(verdict.outcome, 204), verdict.cause)

    async def _carry_out(self, change: Change, verdict: Verdict, known: Known, mark: bytes, body: bytes) -> None:
        if verdict.outcome is Outcome.TAKEN:
            record = self._record(change, verdict, mark)
            await self._journal.write([record])
            said = Said(record.topic, change.car, record.value, change.at if record.value is None else None)
            known.hear([said])
        elif verdict.outcome in _ANSWERS and verdict.outcome is not Outcome.UNKNOWN:
            await self._set_aside(mark, change.car, body, verdict.cause)

    def _record(self, change: Change, verdict: Verdict, mark: bytes) -> Outgoing:
        erases = verdict.message is None
        topic = REGISTRATION if erases or isinstance(verdict.message, Registration) else PREFERENCE
        headers = (*serde.headers(topic.name, SOURCE, change.at), ("ce_id", f"{SOURCE}-{mark.hex()}".encode()))
        value = None if verdict.message is None else serde.encode(verdict.message)
        where = home_partition(change.car, self._partitions)
        return Outgoing(topic.name, where, change.car.encode(), value, headers)

    async def _set_aside(self, mark: bytes, place: str, body: bytes, cause: str) -> None:
        """Keep what is refused, sealed; it comes again, and is not kept again."""
        now: datetime = self._clock.now()
        refused = Refused(PLACE, 0, -1, None, body, (), int(now.timestamp() * 1000))
        message = letter(refused, SOURCE, cause, self._sealer)
        headers = (*serde.headers(DEAD_LETTER.name, SOURCE, now), ("ce_id", f"{SOURCE}-{mark.hex()}".encode()))
        where = home_partition(place, self._partitions)
        await self._journal.write([Outgoing(DEAD_LETTER.name, where, None, serde.encode(message), headers)])
        self._seen.add([mark])
        LOG.warning("a document is not taken", cause=cause)

    def _turn(self, change: Change) -> asyncio.Lock:
        digest = blake2b(account_of(change.car).encode(), digest_size=2).digest()
        return self._turns[int.from_bytes(digest) % _LOCKS]

    def _end(self, kind: str, outcome: str, status: int, text: str = "") -> web.Response:
        self._metrics.events.labels(kind, outcome).inc()
        headers = {"Retry-After": "30"} if status == 503 else None
        return web.Response(status=status, text=text or None, headers=headers)


async def _body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise NotHeard("not_json", 415, "let the trigger send application/json")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise NotHeard("slow", 408, "the body did not come") from None
    except web.HTTPRequestEntityTooLarge:
        raise NotHeard("too_large", 413, f"more than {MOST_BYTES} bytes") from None


async def serve(hook: Hook, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen for events; returns the runner to clean up and the port in use."""
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/hooks/firestore", hook.post)
    # aiohttp quotes headers that it cannot read, and a token is one.
    quiet = logging.getLogger("d2ev.bridge.http")
    quiet.disabled = True
    runner = web.AppRunner(app, access_log=None, logger=quiet)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, runner.addresses[0][1]
