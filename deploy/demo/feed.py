"""What the world tells the pipeline: enrolments, wishes, and forecasts when they are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from agents.engine.log import Outgoing
from agents.envelope import seal_context
from agents.partitions import home_partition
from agents.sealing import Sealer
from deploy.demo.fleet import SimVehicle
from deploy.demo.recorded import Window, carbon, prices
from deploy.demo.world import preference
from deploy.fakes.maker import Maker
from oem_connectors.simulator.cloud.world import World
from streams import serde
from streams.contracts.base import Contract
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.registration import Registration
from streams.topics import CARBON, PREFERENCE, PRICE, REGISTRATION, Topic


def record(topic: Topic, key: str, message: Contract, at: datetime, partitions: int) -> Outgoing:
    """A record of an outside producer, in the partition of its account, tariff or region."""
    value = serde.encode(message)
    headers = (*serde.headers(topic.name, "demo", at), ("ce_id", serde.identity(value)))
    return Outgoing(topic.name, home_partition(key, partitions), key.encode(), value, headers)


def enrolments(
    fleet: Sequence[SimVehicle],
    window: Window,
    world: World,
    maker_of: Mapping[str, Maker],
    sealer: Sealer,
    partitions: int,
) -> list[Outgoing]:
    """A registration and a preference per car; the cars of an account share one maker and one sealed grant."""
    at = window.start
    sealed: dict[str, str] = {}
    out = []
    for vehicle in fleet:
        maker = maker_of[vehicle.account]
        if vehicle.account not in sealed:
            token = maker.grant(world, vehicle.account).get_secret_value().encode()
            sealed[vehicle.account] = sealer.seal(token, seal_context(vehicle.account))
        registration = Registration(
            car=vehicle.car,
            driver=vehicle.driver,
            oem=maker.oem,
            vehicle=maker.vehicle(world.cars[vehicle.car].car),
            model=maker.model or vehicle.model,
            usable_kwh=vehicle.usable_kwh,
            power_kw=vehicle.power_kw,
            efficiency=vehicle.efficiency,
            home_zone=vehicle.zone,
            region=window.region,
            tariff=window.tariff,
            grant_sealed=sealed[vehicle.account],
            registered_at=at,
        )
        out.append(record(REGISTRATION, vehicle.car, registration, at, partitions))
        out.append(record(PREFERENCE, vehicle.car, preference(vehicle, at), at, partitions))
    return out


def vintages(window: Window, prices_late: timedelta) -> list[tuple[datetime, Forecast]]:
    """Every forecast with the instant at which it is published, in order."""
    published = [(max(window.start, f.issued_at + prices_late), f) for f in prices(window)]
    published += [(max(window.start, f.issued_at), f) for f in carbon(window)]
    # What was in force when the window opens is there from the start, however late later ones come.
    published = [(window.start if f.issued_at <= window.start else at, f) for at, f in published]
    return sorted(published, key=lambda item: (item[0], item[1].kind, item[1].issued_at))


def forecast_record(forecast: Forecast, at: datetime, partitions: int) -> Outgoing:
    """A vintage as its feed publishes it."""
    topic = PRICE if forecast.kind is ForecastKind.PRICE else CARBON
    return record(topic, forecast.key, forecast, at, partitions)
