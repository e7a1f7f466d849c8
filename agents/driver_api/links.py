"""Routes about linking: what can be linked, and the begin of a consent. The way back is a page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr

from agents.driver_api.api import Driver, TheApi
from agents.driver_api.asked import Asked
from agents.driver_api.cars import REFUSALS
from agents.driver_api.errors import ErrorView, Refusal
from agents.driver_api.linking import MakerView
from agents.driver_api.views import View
from agents.linking.begun import MOST
from agents.linking.invitation import Home, Offer
from agents.linking.invitation import Refusal as Why
from agents.linking.linker import Waiting
from agents.linking.refused import Refused, code_of
from oem_connectors.consent import Flow
from oem_connectors.errors import OemError
from streams.contracts.base import CarKey, Instant

_STATUS: Final = {"unknown_maker": 404, "maker_down": 503, "other_driver": 403, "taken": 409, "not_agreed": 409}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {**REFUSALS, 503: {"model": ErrorView}}
Oem = Annotated[str, Path(max_length=40, description="car maker, from the list")]
routes = APIRouter(prefix="/api/v1", responses=_RESPONSES, tags=["links"])


class LinksView(View):
    """What can be linked, and what a home can be on."""

    makers: list[MakerView]
    regions: list[str]
    tariffs: list[str]


class LinkAsked(Home):
    """Which home the cars of the account charge at; `token` for makers that have no way for third parties."""

    token: SecretStr | None = Field(None, min_length=1, max_length=4096)


class TicketAsked(Asked):
    """Was the code typed in?"""

    ticket: str = Field(min_length=1, max_length=MOST)


class BrowserStep(View):
    """Send the browser that asked to `address`; it comes back to `/link/<oem>`."""

    step: Literal["browser"] = "browser"
    address: str


class CodeStep(View):
    """Show the code and the address; ask again with the newest ticket after `wait_seconds`."""

    step: Literal["code"] = "code"
    address: str
    user_code: str
    wait_seconds: float
    until: Instant
    ticket: str


class OfferView(View):
    """A car of the account: linked, or why not."""

    car: CarKey
    model: str
    linked: bool
    refused: Why | None
    message: str | None
    advice_only: bool


class DoneStep(View):
    """What became of the account's cars."""

    step: Literal["done"] = "done"
    cars: list[OfferView]


@routes.get("/links")
async def links(_driver: Driver, api: TheApi) -> LinksView:
    """Makers whose accounts can be linked, with regions and tariffs to choose from."""
    return LinksView(makers=api.links.makers(), regions=api.links.regions(), tariffs=api.links.tariffs())


@routes.post("/links/{oem}", response_model=BrowserStep | CodeStep | DoneStep)
async def begin(driver: Driver, api: TheApi, oem: Oem, asked: LinkAsked) -> Response | CodeStep | DoneStep:
    """Begin to link an account, by the maker's own way."""
    try:
        way = api.links.way(oem)
        if (way is Flow.TOKEN) is (asked.token is None):
            raise Refusal(422, "token: " + ("give one" if way is Flow.TOKEN else "this maker wants none"))
        if asked.token is not None:
            return done(await api.links.with_token(driver, oem, asked, asked.token))
        if way is Flow.DEVICE:
            return _code(await api.links.begin_code(driver, oem, asked), api.wall.now())
        return await api.links.begin(driver, oem, asked, _address)
    except OemError as error:
        raise refusal(error) from None


@routes.post("/links/{oem}/code")
async def ask(driver: Driver, api: TheApi, oem: Oem, asked: TicketAsked) -> CodeStep | DoneStep:
    """Ask whether the code was typed in on the maker's page."""
    try:
        found = await api.links.ask_code(driver, oem, asked.ticket)
    except OemError as error:
        raise refusal(error) from None
    return _code(found, api.wall.now()) if isinstance(found, Waiting) else done(found)


def done(offers: list[Offer]) -> DoneStep:
    """The last step."""
    return DoneStep(cars=[offer_view(one) for one in offers])


def offer_view(offer: Offer) -> OfferView:
    """A car of the account."""
    return OfferView(
        car=offer.car,
        model=offer.model,
        linked=offer.registration is not None,
        refused=offer.refusal,
        message=None if offer.refusal is None else offer.refusal.words,
        advice_only=offer.registration is not None and not offer.registration.prove_control,
    )


def refusal(error: OemError) -> Refusal:
    """Why nothing was linked, as an answer. What the maker says is shown only where it is a reason of ours."""
    code = code_of(error)
    told = str(error) if isinstance(error, Refused) or code == "not_agreed" else _WORDS.get(code, _REFUSED)
    return Refusal(_STATUS.get(code, 422), told, code)


_REFUSED: Final = "the maker refuses to link this account"
_WORDS: Final = {"maker_down": "the maker does not answer at present; please try again"}


def _address(address: str) -> Response:
    return JSONResponse(BrowserStep(address=address).model_dump())


def _code(waiting: Waiting, now: datetime) -> CodeStep:
    return CodeStep(
        address=waiting.address,
        user_code=waiting.user_code,
        wait_seconds=waiting.interval.total_seconds(),
        until=now + waiting.until,
        ticket=waiting.ticket,
    )
