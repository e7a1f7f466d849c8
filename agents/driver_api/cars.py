"""Routes about a driver's cars: what is so, what is wanted, what was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Response

from agents.driver_api.api import Api, Driver, TheApi
from agents.driver_api.asked import Changes, Wanted
from agents.driver_api.errors import ErrorView, Refusal, no_car
from agents.driver_api.once import OnceRoute
from agents.driver_api.views import CarView, HistoryView, MessageView, OutlookView, PreferenceView
from streams.contracts.preference import Preference

#: What every route may answer besides.
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorView, "description": "Refused."} for status in ("4XX", "5XX")
}
_Value = TypeVar("_Value")
Car = Annotated[str, Path(max_length=128, description="car key")]
routes = APIRouter(prefix="/api/v1", route_class=OnceRoute, responses=REFUSALS)


@routes.get("/cars", tags=["cars"])
async def cars(driver: Driver, api: TheApi) -> list[CarView]:
    """The driver's cars."""
    return api.read.cars(driver)


@routes.get("/cars/{car}", tags=["cars"])
async def car(driver: Driver, api: TheApi, car: Car) -> CarView:
    """One car: what is so, why, and what comes next."""
    return _found(api.read.car(driver, car))


@routes.delete("/cars/{car}", tags=["cars"], status_code=204)
async def unlink(driver: Driver, api: TheApi, car: Car) -> Response:
    """Forget a car: it is erased here and charges as if there were no D2EV. The maker's account stays as it is."""
    _found(api.read.registration(driver, car))
    await api.wishes.unlink(driver, car)
    return Response(status_code=204)


@routes.get("/cars/{car}/outlook", tags=["cars"])
async def outlook(driver: Driver, api: TheApi, car: Car) -> OutlookView:
    """Price and carbon over the hours ahead, with the planned blocks."""
    return _found(api.read.outlook(driver, car))


@routes.get("/cars/{car}/sessions", tags=["cars"])
async def sessions(
    driver: Driver,
    api: TheApi,
    car: Car,
    before: Annotated[datetime | None, Query(description="sessions that ended before; from `next`")] = None,
) -> HistoryView:
    """Settled sessions, newest first, and what they saved."""
    return _found(api.read.history(driver, car, None if before is None else _aware(before)))


@routes.get("/cars/{car}/preference", tags=["preference"])
async def preference(driver: Driver, api: TheApi, car: Car) -> PreferenceView:
    """What the driver wants of this car."""
    return _found(api.read.preference_view(driver, car))


@routes.put("/cars/{car}/preference", tags=["preference"])
async def prefer(driver: Driver, api: TheApi, car: Car, wanted: Wanted) -> PreferenceView:
    """Set all wishes. A boost or pause stays as it is."""
    return await _changed(api, driver, car, wanted)


@routes.patch("/cars/{car}/preference", tags=["preference"])
async def change(driver: Driver, api: TheApi, car: Car, changes: Changes) -> PreferenceView:
    """Change some wishes."""
    return await _changed(api, driver, car, changes)


@routes.post("/cars/{car}/boost", tags=["preference"])
async def boost(driver: Driver, api: TheApi, car: Car) -> PreferenceView:
    """Charge now, whatever it costs: for the stay that goes on, else for the next one."""
    return await _mode(api, driver, car, "boost")


@routes.delete("/cars/{car}/boost", tags=["preference"])
async def stop_boost(driver: Driver, api: TheApi, car: Car) -> PreferenceView:
    """Back to the plan."""
    return await _mode(api, driver, car, "smart", only="boost")


@routes.post("/cars/{car}/pause", tags=["preference"])
async def pause(driver: Driver, api: TheApi, car: Car) -> PreferenceView:
    """No smart charging until it is resumed: the car charges as it would without D2EV."""
    return await _mode(api, driver, car, "paused")


@routes.delete("/cars/{car}/pause", tags=["preference"])
async def resume(driver: Driver, api: TheApi, car: Car) -> PreferenceView:
    """Back to the plan."""
    return await _mode(api, driver, car, "smart", only="paused")


@routes.get("/messages", tags=["messages"])
async def messages(driver: Driver, api: TheApi) -> list[MessageView]:
    """What the driver was told, newest first."""
    return api.read.messages(driver)


async def _changed(api: Api, driver: str, car: str, changes: Changes) -> PreferenceView:
    async with api.wishes.changing(car):
        known = _found(api.read.preference(driver, car))
        try:
            wanted = changes.apply(known)
        except ValueError as error:
            raise Refusal(422, str(error)) from None
        if wanted == known:
            return _found(api.read.preference_view(driver, car))
        return await _prefer(api, driver, wanted)


async def _mode(
    api: Api, driver: str, car: str, mode: Literal["smart", "boost", "paused"], only: str | None = None
) -> PreferenceView:
    """Another mode; with `only`, only where it was that one."""
    async with api.wishes.changing(car):
        known = _found(api.read.preference(driver, car))
        if only is not None and known.mode != only:
            return _found(api.read.preference_view(driver, car))
        return await _prefer(api, driver, known.model_copy(update={"mode": mode}))


async def _prefer(api: Api, driver: str, wanted: Preference) -> PreferenceView:
    await api.wishes.prefer(driver, wanted)
    return _found(api.read.preference_view(driver, wanted.car))


def _found(value: _Value | None) -> _Value:
    if value is None:
        raise no_car()
    return value


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
