"""The routes: what there is, questions, pages. Nothing is changed by any of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp

from agents.clock import Clock
from agents.driver_api.errors import HANDLERS, Refusal
from agents.driver_api.guard import Guard
from agents.driver_api.identity import bearer
from agents.driver_api.limits import Limits, Pace, retry_after
from agents.settings import Settings
from deploy.analysis.serving.desk import Answer, Desk, Pages
from deploy.analysis.serving.keys import Keys
from deploy.analysis.serving.metrics import QueryMetrics
from deploy.analysis.views import VIEWS
from deploy.brokers.errors import BrokerError
from tables.columns import Privacy
from tables.dictionary import summary
from tables.relations import Relation, relation, relations
from tables.store import BadQuery, TooSlow

LOG = structlog.get_logger("d2ev")
PER_KEY: Final = Pace(at_once=30, per_minute=120)
#: Questions that are answered at once, and that may wait for it.
_AT_ONCE, _WAITING = 2, 8
_TYPES: Final = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
Form = Literal["json", "csv", "parquet"]
Size = Annotated[int, Query(ge=1, le=10_000, description="rows of a page")]


class Question(BaseModel):
    """One SELECT; `parameters` for its $names."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(min_length=1, max_length=10_000)
    parameters: dict[str, str | float | int | bool | None] = Field(default_factory=dict, max_length=50)


class PageView(BaseModel):
    """Rows of an answer; `next` leads to those that follow, out of the same state."""

    columns: list[dict[str, str]]
    rows: list[dict[str, Any]]
    as_of: str
    next: str | None


@dataclass
class Counter:
    """Where analysts are served: all that the routes need."""

    settings: Settings
    desk: Desk
    keys: Keys
    metrics: QueryMetrics
    wall: Clock
    pages: Pages = field(default_factory=Pages)
    limits: Limits = field(default_factory=lambda: Limits(PER_KEY))
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    waiting: int = 0


async def _counter(request: Request) -> Counter:
    counter = request.app.state.counter
    assert isinstance(counter, Counter)
    return counter


async def _owner(request: Request, counter: Annotated[Counter, Depends(_counter)]) -> str:
    """Who asks. Raises Refusal."""
    owner = counter.keys.whose(bearer(request.headers))
    if owner is None:
        raise Refusal(401, "show a key: Authorization: Bearer KEY", "no_key", WWW_Authenticate="Bearer")
    wait = counter.limits.take(owner, counter.wall.now())
    if wait is not None:
        counter.metrics.limited.labels("key").inc()
        raise Refusal(429, "too many questions", Retry_After=retry_after(wait))
    return owner


Here = Annotated[Counter, Depends(_counter)]
Owner = Annotated[str, Depends(_owner)]
router = APIRouter(prefix="/v1")


@router.get("/tables")
async def listed(_owner: Owner) -> dict[str, list[dict[str, str]]]:
    """What there is."""
    every = [{"name": one.full_name, "purpose": one.purpose} for one in relations().values()]
    return {"tables": every, "views": [{"name": name, "purpose": view.purpose} for name, view in VIEWS.items()]}


@router.get("/tables/{name}")
async def described(name: str, here: Here, _owner: Owner) -> dict[str, Any]:
    """The data dictionary of a table or topic."""
    one = _known(name)
    return dict(summary(one, one.log(here.settings.app_id)))


@router.get("/tables/{name}/rows", response_model=PageView)
async def rows(
    name: str, here: Here, owner: Owner, key: str | None = None, limit: Size = 1000, form: Form = "json"
) -> Any:
    """All rows, or those of one `key`."""
    one = _known(name)
    if key is not None and one.key.privacy is Privacy.WITHHELD:
        raise Refusal(422, f"rows of {one.full_name} have no key that is shown")
    where = f' WHERE "{one.key.name}" = $key' if key is not None else ""
    sql = f'SELECT * FROM {one.schema}."{one.name}"{where}'  # noqa: S608 - names are declared
    return await _answer(here, owner, sql, {"key": key} if key is not None else {}, limit, form)


@router.post("/query", response_model=PageView)
async def query(question: Question, here: Here, owner: Owner, limit: Size = 1000, form: Form = "json") -> Any:
    """One question in SQL."""
    return await _answer(here, owner, question.sql, dict(question.parameters), limit, form)


@router.get("/pages/{cursor}", response_model=PageView)
async def page(cursor: str, here: Here, owner: Owner, limit: Size = 1000) -> PageView:
    """The next rows of an answer."""
    name, _, start = cursor.partition(".")
    answer = here.pages.get(name, owner, here.wall.now()) if start.isdecimal() and len(start) < 9 else None
    if answer is None:
        raise Refusal(404, "this answer is no longer kept; ask again")
    return _page(answer, name, int(start), limit)


async def _answer(here: Counter, owner: str, sql: str, given: dict[str, Any], limit: int, form: Form) -> Any:
    """A page, or a whole file. Raises Refusal."""
    if form != "json":
        body = await _turn(here, owner, lambda: here.desk.file(sql, given, form))
        return Response(body, media_type=_TYPES[form])
    answer = await _turn(here, owner, lambda: here.desk.ask(sql, given))
    name = token_urlsafe(18)
    if len(answer.rows) > limit:
        here.pages.put(name, owner, answer, here.wall.now())
    return _page(answer, name, 0, limit)


async def _turn(here: Counter, owner: str, work: Any) -> Any:
    """Do it in a thread, when its turn comes. Raises Refusal."""
    if here.waiting >= _AT_ONCE + _WAITING:
        raise Refusal(503, "too many questions at once; please try again", Retry_After="5")
    here.waiting += 1
    try:
        async with here.turns:
            began = asyncio.get_running_loop().time()
            try:
                return await asyncio.to_thread(work)
            finally:
                LOG.info("query", by=owner, seconds=round(asyncio.get_running_loop().time() - began, 3))
    except TooSlow as error:
        raise Refusal(408, str(error)) from None
    except BadQuery as error:
        raise Refusal(422, str(error), "bad_query") from None
    except BrokerError:
        raise Refusal(503, "Kafka does not answer; please try again", Retry_After="10") from None
    finally:
        here.waiting -= 1


def _page(answer: Answer, name: str, start: int, limit: int) -> PageView:
    names = [column for column, _ in answer.columns]
    told = [dict(zip(names, row, strict=True)) for row in answer.rows[start : start + limit]]
    end = start + limit
    return PageView(
        columns=[{"name": column, "type": kind} for column, kind in answer.columns],
        rows=told,
        as_of=answer.as_of.isoformat(),
        next=f"{name}.{end}" if end < len(answer.rows) else None,
    )


def _known(name: str) -> Relation:
    try:
        return relation(name)
    except ValueError:
        raise Refusal(404, "there is no such table or topic; GET /v1/tables lists them") from None


def build(counter: Counter, base_url: str) -> ASGIApp:
    """The application as it is served."""
    app = FastAPI(title="D2EV queries", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.state.counter = counter
    return Guard(app, base_url, counter.wall, counter.metrics)
