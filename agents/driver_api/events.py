"""Live updates by server-sent events: what changed, as soon as the log has it, to whoever looks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from hashlib import blake2b
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from agents.driver_api.api import Api, Driver, TheApi
from agents.driver_api.cars import REFUSALS
from agents.driver_api.errors import Refusal
from agents.driver_api.views import CarView, MessageView

HEARTBEAT_SECONDS: Final = 15.0
#: After this long a stream ends, and its reader comes again and is asked anew who it is.
STREAM_SECONDS: Final = 3600.0
STREAMS_PER_DRIVER: Final = 8
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
routes = APIRouter(prefix="/api/v1", responses=REFUSALS)


class EventStream(StreamingResponse):
    """An answer of events."""

    media_type = "text/event-stream"


@routes.get("/events", tags=["events"], response_class=Response, responses=_EVENTS)
async def events(
    request: Request, driver: Driver, api: TheApi, last_event_id: Annotated[str, Header(max_length=64)] = ""
) -> EventStream:
    """Events `car` (a car, whole), `gone` (its key) and `message`; first every car, unless Last-Event-ID knows them."""
    if api.read.watched_by(driver) >= STREAMS_PER_DRIVER:
        raise Refusal(429, "too many streams are open", Retry_After="30")
    if api.read.kafka_gone:
        raise Refusal(503, "the log does not answer: what changes is not heard", Retry_After="10")
    request.scope["d2ev.stream"] = True
    # Proxies must not hold back what should be seen at once.
    return EventStream(_stream(api, driver, last_event_id), headers={"X-Accel-Buffering": "no"})


async def _stream(api: Api, driver: str, last_event_id: str) -> AsyncIterator[bytes]:
    until = monotonic() + STREAM_SECONDS
    with api.read.watching(driver) as watcher, api.metrics.streams.track_inprogress():
        cars = {view.car: view for view in api.read.cars(driver)}
        yield b"retry: 2000\n\n"
        if _id(cars.values()) != last_event_id:
            for view in cars.values():
                yield _event("car", view, _id(cars.values()))
        # Silence would look like "nothing new": without the log a stream ends, and its reader says how old all is.
        while monotonic() < until and not api.read.kafka_gone:
            changed, messages = await watcher.news(HEARTBEAT_SECONDS)
            for piece in _told(api, driver, cars, changed, messages):
                yield piece
            if not changed and not messages:
                yield b": still here\n\n"


def _told(
    api: Api, driver: str, cars: dict[str, CarView], changed: set[str], messages: Sequence[MessageView]
) -> Iterable[bytes]:
    """What to send of what changed; a car that looks as before is not sent again."""
    for car in sorted(changed):
        view, before = api.read.car(driver, car), cars.pop(car, None)
        if view is not None:
            cars[car] = view
            if before is None or view.version != before.version:
                yield _event("car", view, _id(cars.values()))
        elif before is not None:
            yield f"event: gone\nid: {_id(cars.values())}\ndata: {car}\n\n".encode()
    for message in messages:
        if message.car in cars:
            yield _event("message", message, _id(cars.values()))


def _event(name: str, view: BaseModel, event_id: str) -> bytes:
    return f"event: {name}\nid: {event_id}\ndata: {view.model_dump_json()}\n\n".encode()


def _id(cars: Iterable[CarView]) -> str:
    """Stands for all that was sent: a reader that comes back with it has missed nothing."""
    digest = blake2b(digest_size=8)
    for view in sorted(cars, key=lambda one: one.car):
        digest.update(f"{view.car} {view.version}\n".encode())
    return digest.hexdigest()
