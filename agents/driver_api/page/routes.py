"""The pages by their addresses. Whoever is not signed in is sent there; another driver's car is not found."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import AwareDatetime

from agents.driver_api.page.card import Card, card, name_of
from agents.driver_api.page.desk import Desk
from agents.driver_api.page.rendering import accepted, is_part, page
from agents.driver_api.page.speech import Speech
from agents.driver_api.views import CarView

_UTC: Final = "UTC"


class NotSignedIn(Exception):
    """The page is for drivers who are signed in."""


def speech(desk: Desk, request: Request, view: CarView | None) -> Speech:
    """How to speak to whoever looks at this car; without one, in the browser's language."""
    now, age = desk.reads.clock.now(), desk.reads.out_of_touch
    if view is None:
        return Speech(accepted(request), _UTC, now, age)
    return Speech(view.preference.language, view.home_zone, now, age)


async def signed_in(desk: Desk, request: Request) -> str:
    """The driver. Raises NotSignedIn."""
    driver = await desk.who(request)
    if driver is None:
        raise NotSignedIn
    return driver


def to_sign_in(request: Request) -> Response:
    """There, and back to where one was going."""
    query = f"?{request.url.query}" if request.url.query else ""
    back = f"{request.url.path}{query}" if request.method == "GET" else "/"
    address = f"/signin?{urlencode({'goal': back})}"
    if is_part(request):
        return Response(status_code=401, headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)


def shown(desk: Desk, driver: str, view: CarView, say: Speech, *, pending: bool = False) -> Card | None:
    """The first screen of a car; None when it was just unlinked."""
    preference = desk.reads.preference(driver, view.car)
    if preference is None:
        return None
    return card(view, preference, desk.reads.outlook(driver, view.car), say, pending=pending)


def not_found(desk: Desk, request: Request, driver: str) -> Response:
    """The same for a car that does not exist and for another driver's."""
    cars = desk.reads.cars(driver)
    return page("missing.html", speech(desk, request, next(iter(cars), None)), driver, status=404, here="", cars=cars)


def settings_page(desk: Desk, request: Request, driver: str, *, wrong: bool = False) -> Response:
    """The settings; `wrong`: the word that confirms was another one."""
    cars, status = desk.reads.cars(driver), 422 if wrong else 200
    say = speech(desk, request, next(iter(cars), None))
    pushes = desk.pushes
    return page("settings.html", say, driver, status=status, here="settings", cars=cars, pushes=pushes, wrong=wrong)


def add_pages(router: APIRouter, desk: Desk) -> None:
    """The pages of cars and what came of them."""

    @router.get("/")
    async def home(request: Request) -> Response:
        """The car, the cars, or how to come to one."""
        driver = await desk.who(request)
        if driver is None:
            return page("welcome.html", speech(desk, request, None))
        cars = desk.reads.cars(driver)
        if len(cars) == 1 and "all" not in request.query_params:
            return RedirectResponse(f"/cars/{cars[0].car}", 303)
        say = speech(desk, request, next(iter(cars), None))
        cards = [(view, shown(desk, driver, view, say._replace(zone=view.home_zone))) for view in cars]
        return page("cars.html", say, driver, here="cars", cars=cars, cards=[one for _, one in cards if one])

    @router.get("/cars/{car}")
    async def one_car(request: Request, car: str) -> Response:
        """The first screen."""
        driver = await signed_in(desk, request)
        view = desk.reads.car(driver, car)
        say = speech(desk, request, view)
        made = None if view is None else shown(desk, driver, view, say)
        if made is None:
            return not_found(desk, request, driver)
        preference = desk.reads.preference(driver, car)
        cars = desk.reads.cars(driver)
        return page("car.html", say, driver, here="car", card=made, preference=preference, cars=cars)

    @router.get("/cars/{car}/history")
    async def history(request: Request, car: str, before: Annotated[AwareDatetime | None, Query()] = None) -> Response:
        """What charging cost and saved."""
        driver = await signed_in(desk, request)
        return _history(desk, request, driver, car, before)

    @router.get("/messages")
    async def messages(request: Request) -> Response:
        """What was pushed."""
        driver = await signed_in(desk, request)
        cars = desk.reads.cars(driver)
        say = speech(desk, request, next(iter(cars), None))
        names = {view.car: name_of(view) for view in cars}
        told = desk.reads.messages(driver)
        return page("messages.html", say, driver, here="messages", cars=cars, messages=told, names=names)

    @router.get("/settings")
    async def settings(request: Request) -> Response:
        """Language, this device, data, and the way out."""
        return settings_page(desk, request, await signed_in(desk, request))


def _history(desk: Desk, request: Request, driver: str, car: str, before: datetime | None) -> Response:
    view, told = desk.reads.car(driver, car), desk.reads.history(driver, car, before)
    if view is None or told is None:
        return not_found(desk, request, driver)
    say, cars = speech(desk, request, view), desk.reads.cars(driver)
    return page("history.html", say, driver, here="history", view=view, name=name_of(view), told=told, cars=cars)
