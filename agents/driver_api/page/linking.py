"""Linking a car, page by page: which maker, which home, the maker's own page, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr, ValidationError

from agents.driver_api.linking import MakerView
from agents.driver_api.page.desk import Desk
from agents.driver_api.page.rendering import is_part, page
from agents.driver_api.page.routes import signed_in, speech
from agents.linking.invitation import Home, Offer
from agents.linking.linker import Waiting
from agents.linking.refused import code_of
from oem_connectors.consent import Flow
from oem_connectors.errors import OemError
from streams.contracts.registration import Registration

#: Most homes, most cars.
_USUAL: Final = {"usable_kwh": "60", "power_kw": "7.4"}
_DETAIL: Final = "detail."


def add_linking(router: APIRouter, desk: Desk) -> None:
    """The pages of linking."""

    @router.get("/link")
    async def choose(request: Request, oem: str = "") -> Response:
        """Which maker; then, which home."""
        driver = await signed_in(desk, request)
        maker = _maker(desk, oem)
        if maker is None:
            return _makers(desk, request, driver)
        return _form(desk, request, driver, maker, _known(desk, driver, oem))

    @router.post("/link")
    async def begin(request: Request) -> Response:
        """On to the maker's page, or straight to the cars."""
        return await _sent(desk, request, await signed_in(desk, request))

    @router.get("/link/{oem}")
    async def back(request: Request, oem: str) -> Response:
        """The maker sends the browser back."""
        driver = await desk.who(request)
        if driver is None:
            return RedirectResponse("/signin?goal=/link", 303)
        return await desk.links.back(
            oem, request, driver, lambda outcome: _outcome(desk, request, driver, oem, outcome)
        )

    @router.post("/link/{oem}/code")
    async def code(request: Request, oem: str, ticket: Annotated[str, Form(max_length=8192)]) -> Response:
        """Whether the code was typed in on the maker's page."""
        driver = await signed_in(desk, request)
        try:
            found = await desk.links.ask_code(driver, oem, ticket)
        except OemError as error:
            return _outcome(desk, request, driver, oem, error)
        if isinstance(found, Waiting):
            return _code(desk, request, driver, oem, found)
        return _outcome(desk, request, driver, oem, found)


async def _sent(desk: Desk, request: Request, driver: str) -> Response:
    """The form is filled in: on with it, or back to it."""
    sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    maker = _maker(desk, sent.get("oem", ""))
    if maker is None:
        return _makers(desk, request, driver)
    try:
        return await _begin(desk, request, driver, maker, sent)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
        return _form(desk, request, driver, maker, sent, status=422, wrong=wrong)
    except OemError as error:
        return _form(desk, request, driver, maker, sent, status=422, failed=code_of(error))


async def _begin(desk: Desk, request: Request, driver: str, maker: MakerView, sent: Mapping[str, str]) -> Response:
    """Raises ValidationError, OemError."""
    home, oem = _home(desk, request, driver, sent), maker.oem
    if maker.way is Flow.TOKEN:
        return _outcome(desk, request, driver, oem, await desk.links.with_token(driver, oem, home, _token(sent)))
    if maker.way is Flow.DEVICE:
        return _code(desk, request, driver, oem, await desk.links.begin_code(driver, oem, home))

    def answer(address: str) -> Response:
        return _page(desk, request, driver, "onward.html", title=maker.title, address=address)

    return await desk.links.begin(driver, oem, home, answer)


def _home(desk: Desk, request: Request, driver: str, sent: Mapping[str, str]) -> Home:
    details = {name.removeprefix(_DETAIL): text for name, text in sent.items() if name.startswith(_DETAIL)}
    told: dict[str, Any] = {name: text for name, text in sent.items() if name in Home.model_fields and text.strip()}
    language = _speech(desk, request, driver).language
    return Home.model_validate({**told, "details": details, "language": language})


def _token(sent: Mapping[str, str]) -> SecretStr:
    return SecretStr(sent.get("token", "").strip())


def _maker(desk: Desk, oem: str) -> MakerView | None:
    return next((one for one in desk.links.makers() if one.oem == oem), None)


def _known(desk: Desk, driver: str, oem: str) -> dict[str, str]:
    """What is known of the home from cars that are linked; of the car too, where it may be the same one."""
    found = (desk.reads.registration(driver, view.car) for view in desk.reads.cars(driver))
    cars = sorted((one for one in found if one is not None), key=lambda one: one.oem == oem)
    return dict(_USUAL) if not cars else _USUAL | _told(cars[-1], same_maker=cars[-1].oem == oem)


def _told(known: Registration, *, same_maker: bool) -> dict[str, str]:
    home = {
        "home_zone": known.home_zone,
        "region": known.region,
        "tariff": known.tariff,
        "power_kw": f"{known.power_kw:g}",
    }
    return home | ({"usable_kwh": f"{known.usable_kwh:g}"} if same_maker else {})


def _makers(desk: Desk, request: Request, driver: str) -> Response:
    return _page(desk, request, driver, "makers.html", makers=desk.links.makers())


def _form(
    desk: Desk,
    request: Request,
    driver: str,
    maker: MakerView,
    values: Mapping[str, str],
    *,
    status: int = 200,
    wrong: set[str] | frozenset[str] = frozenset(),
    failed: str | None = None,
) -> Response:
    return _page(
        desk,
        request,
        driver,
        "link.html",
        status=status,
        maker=maker,
        values=values,
        wrong=wrong,
        failed=failed,
        regions=desk.links.regions(),
        tariffs=desk.links.tariffs(),
    )


def _code(desk: Desk, request: Request, driver: str, oem: str, waiting: Waiting) -> Response:
    seconds = max(1, round(waiting.interval.total_seconds()))
    template = "code_part.html" if is_part(request) else "code.html"
    return _page(desk, request, driver, template, oem=oem, waiting=waiting, seconds=seconds)


def _outcome(desk: Desk, request: Request, driver: str, oem: str, outcome: list[Offer] | OemError) -> Response:
    failed = code_of(outcome) if isinstance(outcome, OemError) else None
    offers = [] if isinstance(outcome, OemError) else outcome
    template = "linked_part.html" if is_part(request) else "linked.html"
    status = 200 if failed is None or is_part(request) else 422
    return _page(desk, request, driver, template, status=status, oem=oem, offers=offers, failed=failed)


def _speech(desk: Desk, request: Request, driver: str) -> Any:
    return speech(desk, request, next(iter(desk.reads.cars(driver)), None))


def _page(desk: Desk, request: Request, driver: str, template: str, *, status: int = 200, **values: Any) -> Response:
    say, cars = _speech(desk, request, driver), desk.reads.cars(driver)
    return page(template, say, driver, status=status, here="link", cars=cars, **values)
