"""The demo's cars: real models, plugged in when recorded drivers did; the same seed gives the same fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from itertools import count
from typing import NamedTuple, TypeVar

from deploy.demo.drivers import Visit, in_window, ready_by, shifted, weeks
from deploy.demo.recorded import Window, read_extract
from streams.domain.ids import stable_id

Option = TypeVar("Option")

_LOWEST_SOC_PCT = 5.0
_TARGETS_PCT = (80.0, 80.0, 80.0, 90.0)
_MIN_SOC_PCT = (10.0, 15.0, 20.0)
_CARBON_PRICES_PER_TONNE = (0.0, 50.0, 50.0, 100.0)
#: Battery kWh per wall kWh: losses are higher on one phase; measured ones lie around these.
_EFFICIENCY_ONE_PHASE, _EFFICIENCY_THREE_PHASES = 0.88, 0.90
_THREE_PHASE_HOMES = 8  # one home in so many
_TWO_CAR_ACCOUNTS = 5  # one account in so many


class Stay(NamedTuple):
    """One stay of the cable in the car, [plug_in, plug_out) in UTC, and the state of charge at its start."""

    plug_in: datetime
    plug_out: datetime
    soc_at_plug_in_pct: float


@dataclass(frozen=True)
class SimVehicle:
    """One simulated car, its driver's wishes and its stays, oldest first and never overlapping.

    `power_kw` is what the car draws from the wall at home. The state of charge at plug-in is the truth of
    each stay; what happened in between (driving, charging elsewhere) is whatever leads to it.
    """

    account: str
    vehicle: str
    driver: str
    model: str
    usable_kwh: float
    power_kw: float
    efficiency: float
    kwh_per_100km: float
    zone: str
    target_soc_pct: float
    min_soc_pct: float
    ready_by: time
    carbon_price_per_tonne: float
    stays: tuple[Stay, ...]

    @property
    def car(self) -> str:
        """The car key, `<account>.<vehicle>`."""
        return f"{self.account}.{self.vehicle}"


class _Model(NamedTuple):
    name: str
    usable_kwh: float
    phases: int
    kw_at_7_4: float
    kw_at_11: float
    kwh_per_100km: float


def fleet(vehicles: int, window: Window, seed: int) -> list[SimVehicle]:
    """`vehicles` cars (1 to 5000), all stays inside the window; ValueError on a number out of range.

    Each car lives one recorded driver's days. When the recorded ones are used up they come again, shifted by
    up to 45 minutes. Targets, carbon prices, models and homes are picked by hash of seed and car number.
    """
    if not 1 <= vehicles <= 5000:
        raise ValueError(f"a fleet has 1 to 5000 vehicles, not {vehicles}")
    pool = weeks(window, seed)
    accounts = _accounts(seed)
    return [_vehicle(number, next(accounts), pool, window, seed) for number in range(vehicles)]


def soc_at_plug_in(target_pct: float, battery_kwh: float, usable_kwh: float) -> float:
    """The state of charge from which `battery_kwh` fill the battery to its target, at least 5 %."""
    return round(max(_LOWEST_SOC_PCT, target_pct - 100 * battery_kwh / usable_kwh), 2)


def _accounts(seed: int) -> Iterator[str]:
    """The account of each car in turn; some own two cars."""
    for number in count(1):
        account = f"acct-{number:04d}"
        yield account
        if _number(seed, "two cars", number) % _TWO_CAR_ACCOUNTS == 0:
            yield account


def _days(number: int, pool: list[list[Visit]], window: Window, seed: int) -> tuple[list[Visit], list[Visit]]:
    """The car's visits in wall time, and those inside the window in UTC."""
    turn, place = divmod(number, len(pool))
    shift = timedelta(minutes=_number(seed, "shift", number) % 91 - 45 if turn else 0)
    moved = [shifted(visit, shift) for visit in pool[place]]
    stays = in_window(moved, window)
    return (moved, stays) if stays else (pool[place], in_window(pool[place], window))


def _vehicle(number: int, account: str, pool: list[list[Visit]], window: Window, seed: int) -> SimVehicle:
    visits, stays = _days(number, pool, window, seed)
    target_pct = _pick(_TARGETS_PCT, seed, "target", number)
    model = _model_for(max(visit.energy_kwh for visit in stays), target_pct, seed, number)
    three_phases = model.phases == 3 and _number(seed, "home", number) % _THREE_PHASE_HOMES == 0
    efficiency = _EFFICIENCY_THREE_PHASES if three_phases else _EFFICIENCY_ONE_PHASE
    return SimVehicle(
        account=account,
        vehicle=f"veh-{number + 1:04d}",
        driver=f"driver-{number + 1:04d}",
        model=model.name,
        usable_kwh=model.usable_kwh,
        power_kw=model.kw_at_11 if three_phases else model.kw_at_7_4,
        efficiency=efficiency,
        kwh_per_100km=model.kwh_per_100km,
        zone=window.zone,
        target_soc_pct=target_pct,
        min_soc_pct=_pick(_MIN_SOC_PCT, seed, "minimum", number),
        ready_by=ready_by(visits),
        carbon_price_per_tonne=_pick(_CARBON_PRICES_PER_TONNE, seed, "carbon price", number),
        stays=tuple(
            Stay(start, end, soc_at_plug_in(target_pct, energy_kwh * efficiency, model.usable_kwh))
            for start, end, energy_kwh in stays
        ),
    )


def _model_for(energy_kwh: float, target_pct: float, seed: int, number: int) -> _Model:
    """A car whose battery takes the driver's largest charge; the largest battery when none does."""
    needed_kwh = energy_kwh * _EFFICIENCY_THREE_PHASES / (target_pct - _LOWEST_SOC_PCT) * 100
    fitting = [model for model in _models() if model.usable_kwh >= needed_kwh]
    return _pick(fitting or [max(_models(), key=lambda model: model.usable_kwh)], seed, "model", number)


def _pick(options: Sequence[Option], *parts: object) -> Option:
    return options[_number(*parts) % len(options)]


def _number(*parts: object) -> int:
    return int(stable_id(*parts), 16)


@cache
def _models() -> tuple[_Model, ...]:
    return tuple(
        _Model(
            name=row["model"],
            usable_kwh=float(row["usable_kwh"]),
            phases=int(row["ac_phases"]),
            kw_at_7_4=float(row["kw_at_7_4"]),
            kw_at_11=float(row["kw_at_11"]),
            kwh_per_100km=float(row["kwh_per_100km"]),
        )
        for row in read_extract("cars.csv")
    )
