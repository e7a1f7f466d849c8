"""What drivers wish for on the pages. Saved once Kafka has it; then what changed is shown anew."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agents.driver_api.page.card import WEEK
from agents.driver_api.page.desk import Desk
from agents.driver_api.page.rendering import is_part, page
from agents.driver_api.page.routes import not_found, settings_page, shown, signed_in, speech
from streams.contracts.base import Language, Percent
from streams.contracts.preference import Preference, Weekday
from streams.domain.balance import BALANCES, Balance, balance_of

#: An empty field is no time.
_Time = Annotated[time | None, BeforeValidator(lambda value: value or None)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ReadyBy(_Sent):
    """When; for one weekday that has a time of its own, or for all others."""

    ready_by: time
    day: Annotated[Weekday | None, BeforeValidator(lambda value: value or None)] = None

    def of(self, known: Preference) -> dict[str, Any]:
        """What changes."""
        if self.day is None:
            return {"ready_by": self.ready_by}
        return {"ready_by_days": known.ready_by_days | {self.day: self.ready_by}}


class Terms(_Sent):
    """How far, how low, by what, and the days of their own."""

    target: Percent = Field(ge=10)
    least: Percent
    balance: Balance
    mon: _Time = None
    tue: _Time = None
    wed: _Time = None
    thu: _Time = None
    fri: _Time = None
    sat: _Time = None
    sun: _Time = None

    def of(self, known: Preference) -> dict[str, Any]:
        """What changes. A carbon price between the three words stays while the word does."""
        if self.least > self.target:
            raise RequestValidationError([{"type": "value_error", "loc": ("body", "least"), "msg": "above the target"}])
        days = {day: at for day in WEEK if (at := getattr(self, day)) is not None}
        return {
            "target_soc_pct": self.target,
            "min_soc_pct": self.least,
            "ready_by_days": days,
            **_carbon_price(self.balance, known),
        }


class Mode(_Sent):
    """Charge now, by plan, or not at all."""

    mode: Literal["smart", "boost", "paused"]

    def of(self, known: Preference) -> dict[str, Any]:
        """What changes."""
        del known
        return {"mode": self.mode}


class Tongue(_Sent):
    """The language to be spoken to in."""

    language: Language


class Confirmed(_Sent):
    """A word that was typed, so that nobody erases himself by a slip."""

    word: str = Field(max_length=40)


def _carbon_price(balance: Balance, known: Preference) -> dict[str, float]:
    same = balance_of(known.carbon_price_per_tonne) == balance
    return {} if same else {"carbon_price_per_tonne": BALANCES[balance]}


def add_forms(router: APIRouter, desk: Desk) -> None:
    """The forms of one car."""

    @router.post("/cars/{car}/ready-by")
    async def ready(request: Request, car: str, sent: Annotated[ReadyBy, Form()]) -> Response:
        """Another time to be ready."""
        return await _wish(desk, request, car, sent)

    @router.post("/cars/{car}/terms")
    async def terms(request: Request, car: str, sent: Annotated[Terms, Form()]) -> Response:
        """Target, minimum, balance, week."""
        return await _wish(desk, request, car, sent)

    @router.post("/cars/{car}/mode")
    async def mode(request: Request, car: str, sent: Annotated[Mode, Form()]) -> Response:
        """Boost, pause, or neither."""
        return await _wish(desk, request, car, sent)

    @router.post("/cars/{car}/unlink")
    async def unlink(request: Request, car: str) -> Response:
        """Forget a car."""
        driver = await signed_in(desk, request)
        if desk.reads.car(driver, car) is None:
            return not_found(desk, request, driver)
        await desk.wishes.unlink(driver, car)
        return RedirectResponse("/", 303)


def add_settings(router: APIRouter, desk: Desk) -> None:
    """The forms of the driver."""

    @router.post("/settings/language")
    async def language(request: Request, sent: Annotated[Tongue, Form()]) -> Response:
        """Of these pages, and of what is said about every car."""
        driver = await signed_in(desk, request)
        for view in desk.reads.cars(driver):
            known = desk.reads.preference(driver, view.car)
            if known is not None and known.language != sent.language:
                await desk.wishes.prefer(driver, known.model_copy(update={"language": sent.language}))
        return RedirectResponse("/settings", 303)

    @router.post("/settings/erase")
    async def erase(request: Request, sent: Annotated[Confirmed, Form()]) -> Response:
        """Forget the driver."""
        driver = await signed_in(desk, request)
        say = speech(desk, request, next(iter(desk.reads.cars(driver)), None))
        if sent.word.strip().upper() != say.text("settings.erase.word"):
            return settings_page(desk, request, driver, wrong=True)
        await desk.wishes.erase(driver)
        desk.leave(request)
        return page("erased.html", say, headers={"Clear-Site-Data": '"cache", "storage"'})


async def _wish(desk: Desk, request: Request, car: str, sent: ReadyBy | Terms | Mode) -> Response:
    driver = await signed_in(desk, request)
    async with desk.wishes.changing(car):
        known = desk.reads.preference(driver, car)
        if known is None:
            return not_found(desk, request, driver)
        await desk.wishes.prefer(driver, known.model_copy(update=sent.of(known)))
    view = desk.reads.car(driver, car)
    say = speech(desk, request, view)
    made = None if view is None else shown(desk, driver, view, say, pending=True)
    if made is None or not is_part(request):
        return RedirectResponse(f"/cars/{car}", 303)
    preference = desk.reads.preference(driver, car)
    return page("saved.html", say, driver, card=made, preference=preference, week=isinstance(sent, ReadyBy))
