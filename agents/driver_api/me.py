"""Routes about the driver: devices that are pushed to, everything that is held, and its end."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from agents.driver_api.api import Driver, TheApi
from agents.driver_api.asked import FcmDevice, WebPushDevice
from agents.driver_api.cars import REFUSALS
from agents.driver_api.errors import Refusal
from agents.driver_api.once import OnceRoute
from agents.driver_api.views import View
from agents.push.webpush import is_known, public_key, vapid_key
from agents.settings import Settings
from streams.contracts.base import account_of

routes = APIRouter(prefix="/api/v1", route_class=OnceRoute, responses=REFUSALS)


class DeviceView(View):
    """A registered device."""

    id: str


class PushKeyView(View):
    """What a browser's push subscription is for."""

    key: str


class Export(BaseModel):
    """Everything that is held about a driver, as the topics have it; sealed secrets are left out."""

    driver: str
    cars: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    devices: list[dict[str, Any]]


@routes.post("/devices", tags=["devices"], status_code=201)
async def add_device(
    driver: Driver,
    api: TheApi,
    device: Annotated[FcmDevice | WebPushDevice, Field(discriminator="kind")],
) -> DeviceView:
    """Push to this phone or browser from now on. The same one again changes nothing."""
    key = api.settings.vapid_key if isinstance(device, WebPushDevice) else api.settings.fcm_key
    if key is None:
        raise Refusal(404, "messages to such devices are not set up here", "not_set_up")
    if isinstance(device, WebPushDevice):
        _refuse_strange(device.subscription.endpoint, api.settings)
        target = device.subscription.model_dump_json(by_alias=True, exclude_none=True)
    else:
        target = device.token
    made = await api.wishes.add_device(driver, device.kind, target)
    if made is None:
        raise Refusal(409, "link a car first: messages are about cars", "no_car_linked")
    return DeviceView(id=made)


@routes.get("/push-key", tags=["devices"])
async def push_key(_: Driver, api: TheApi) -> PushKeyView:
    """The key that browsers subscribe with."""
    if api.settings.vapid_key is None:
        raise Refusal(404, "messages to browsers are not set up here", "not_set_up")
    return PushKeyView(key=public_key(vapid_key(api.settings.vapid_key)))


@routes.delete("/devices/{device}", tags=["devices"], status_code=204)
async def drop_device(driver: Driver, api: TheApi, device: Annotated[str, Path(max_length=64)]) -> Response:
    """Push there no more."""
    if not await api.wishes.drop_device(driver, device):
        raise Refusal(404, "there is no such device")
    return Response(status_code=204)


@routes.get("/me/export", tags=["me"])
async def export(driver: Driver, api: TheApi) -> Export:
    """Everything that is held about the driver."""
    cars = [_exported(api, driver, car) for car in api.read.book.cars_of(driver)]
    devices = [one.model_dump(mode="json", exclude={"target_sealed"}) for one in api.read.book.devices_of(driver)]
    messages = [one.model_dump(mode="json") for one in api.read.messages(driver)]
    return Export(driver=driver, cars=cars, messages=messages, devices=devices)


@routes.delete("/me", tags=["me"], status_code=204)
async def erase(driver: Driver, api: TheApi) -> Response:
    """Forget the driver: cars, tokens, wishes, devices. It cannot be undone."""
    await api.wishes.erase(driver)
    return Response(status_code=204)


def _exported(api: TheApi, driver: str, car: str) -> dict[str, Any]:
    registration = api.read.registration(driver, car)
    account = api.read.book.accounts.get(account_of(car))
    history, view = api.read.history(driver, car), api.read.car(driver, car)
    kept = api.read.book.of(driver, car)
    assert registration is not None
    assert kept is not None
    return {
        "registration": registration.model_dump(mode="json", exclude={"grant_sealed"}),
        "account": None if account is None else account.model_dump(mode="json"),
        "status": None if view is None else view.model_dump(mode="json"),
        "sessions": [one.model_dump(mode="json") for one in kept.history()],
        "savings": [] if history is None else [one.model_dump(mode="json") for one in history.savings],
    }


def _refuse_strange(endpoint: str, settings: Settings) -> None:
    """Only push services are written to: an address is not a way into somebody's network."""
    if not is_known(endpoint, settings.push_hosts):
        raise Refusal(422, "subscription.endpoint: not the address of a push service that is known here")
