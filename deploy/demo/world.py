"""The fleet as cars of the simulator's cloud, and the simulator's log as metered stays for the books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from datetime import datetime

from deploy.demo.accounts import MeteredStay
from deploy.demo.fleet import SimVehicle
from deploy.demo.recorded import Window
from deploy.demo.scenarios import Scenario, unplugged
from oem_connectors.simulator.cloud.battery import Battery
from oem_connectors.simulator.cloud.car import NO_SCHEDULE, Personality, SimCar, Stay
from oem_connectors.simulator.cloud.chance import chance
from oem_connectors.simulator.cloud.world import World
from streams.contracts.preference import Preference
from streams.domain.ready import ready_by
from streams.domain.settle import Profile


def build_world(
    fleet: Sequence[SimVehicle],
    window: Window,
    scenario: Scenario,
    seed: int,
    clock: Callable[[], datetime],
    *,
    without_schedule: Set[str] = frozenset(),
) -> World:
    """The simulator's cloud for these cars, living these days.

    Cars of the accounts `without_schedule` take no start time of their own.
    """
    cars = [_car(vehicle, scenario, seed, schedules=vehicle.account not in without_schedule) for vehicle in fleet]
    return World(cars, clock, seed, scenario.fault_script(window))


def _car(vehicle: SimVehicle, scenario: Scenario, seed: int, *, schedules: bool) -> SimCar:
    late = chance(seed, "late", vehicle.car) < scenario.late_unplug_share
    starts = [stay.plug_in for stay in vehicle.stays[1:]] + [None]
    stays = tuple(
        Stay(stay.plug_in, unplugged(stay.plug_out, after, late=late), stay.soc_at_plug_in_pct)
        for stay, after in zip(vehicle.stays, starts, strict=False)
    )
    return SimCar(
        account=vehicle.account,
        vehicle=vehicle.vehicle,
        model=vehicle.model if schedules else f"{vehicle.model}{NO_SCHEDULE}",
        zone=vehicle.zone,
        stays=stays,
        battery=Battery(usable_kwh=vehicle.usable_kwh, power_kw=vehicle.power_kw, efficiency=vehicle.efficiency),
        limit_pct=vehicle.target_soc_pct,
        personality=_personality(vehicle.car, scenario, seed),
    )


def _personality(car: str, scenario: Scenario, seed: int) -> Personality:
    draw = chance(seed, "personality", car)
    for personality, share in scenario.personalities.items():
        if draw < share:
            return personality
        draw -= share
    return Personality.NORMAL


def preference(vehicle: SimVehicle, at: datetime) -> Preference:
    """The driver's wishes as the topic carries them."""
    return Preference(
        car=vehicle.car,
        ready_by=vehicle.ready_by,
        target_soc_pct=vehicle.target_soc_pct,
        min_soc_pct=vehicle.min_soc_pct,
        carbon_price_per_tonne=vehicle.carbon_price_per_tonne,
        updated_at=at,
    )


def metered_stays(world: World, fleet: Sequence[SimVehicle], window: Window) -> list[MeteredStay]:
    """Every stay that ended inside the window, as the simulator metered it."""
    charges: defaultdict[tuple[str, int], list[tuple[datetime, datetime, float]]] = defaultdict(list)
    for piece in world.log.metered:
        charges[piece.car, piece.stay].append((piece.start, piece.end, piece.energy_kwh))
    return [
        _metered(world, vehicle, stay, tuple(sorted(charges[vehicle.car, number])), window)
        for vehicle in fleet
        for number, stay in enumerate(world.cars[vehicle.car].car.stays)
        if stay.plug_in >= window.start and stay.plug_out <= window.end
    ]


def _metered(world: World, vehicle: SimVehicle, stay: Stay, charges: Profile, window: Window) -> MeteredStay:
    ready = ready_by(preference(vehicle, window.start), vehicle.zone, stay.plug_in)
    return MeteredStay(
        car=vehicle.car,
        zone=vehicle.zone,
        plug_in=stay.plug_in,
        plug_out=stay.plug_out,
        ready_by=ready,
        power_kw=vehicle.power_kw,
        usable_kwh=vehicle.usable_kwh,
        efficiency=vehicle.efficiency,
        soc_at_plug_in_pct=stay.soc_at_plug_in,
        soc_at_ready_pct=world.cars[vehicle.car].soc_at(min(ready, stay.plug_out)),
        target_soc_pct=vehicle.target_soc_pct,
        carbon_price_per_tonne=vehicle.carbon_price_per_tonne,
        charges=charges,
    )
