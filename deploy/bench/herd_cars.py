"""The cars of a herd: plugged in at seven, stopped by us, all waiting for the slot at half past midnight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from streams.contracts.base import account_of
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide
from streams.domain.reconcile import ControlState

PLUGGED: Final = datetime(2023, 1, 14, 19, tzinfo=UTC)
#: Energy is cheap from here until 04:30.
EDGE: Final = datetime(2023, 1, 15, 0, 30, tzinfo=UTC)
#: One car in so many must leave much earlier: its start is a release soon after the edge.
EARLY_ONE_IN: Final = 20
_HALF_HOUR: Final = timedelta(minutes=30)


class Car(NamedTuple):
    """A car that waits, by its number."""

    number: int
    control: ControlState
    state: VehicleState
    plan: Schedule

    @property
    def key(self) -> str:
        return self.control.car

    @property
    def account(self) -> str:
        return account_of(self.key)


def held_car(number: int, sampled: datetime) -> Car:
    """The car as control knows it: planned by the planner, stopped at the plug-in, last read at `sampled`.

    Its model takes no schedule of its own, so that starts are all there is to send.
    """
    key = f"account{number // 2}.car{number % 2}"
    enrolled = Registration(
        car=key, driver=f"driver{number}", oem="simulator", vehicle=f"car{number}", model="Compact 58-basic",
        usable_kwh=58, power_kw=7.4, home_zone="Europe/London", region="GB", tariff="night", registered_at=PLUGGED,
    )  # fmt: skip
    ready_by = "05:45" if number % EARLY_ONE_IN == 0 else "07:30"
    wish = Preference.model_validate({"car": key, "ready_by": ready_by, "updated_at": PLUGGED})
    stay = PlugSession(
        id=f"stay{number}", plugged_at=PLUGGED, seen_at=PLUGGED, revision=1, evidence=Evidence.PLUG_READING
    )
    seen = VehicleState(
        car=key, oem="simulator", soc_pct=40 + number % 25, soc_time=sampled, plug=Plug.PLUGGED, charge=Charge.IDLE,
        at_home=True, car_time=sampled, received_time=sampled, session=stay,
    )  # fmt: skip
    plan = decide(PlanningState(car=key, registration=enrolled, preference=wish, state=seen), _market(), PLUGGED)
    if plan is None:
        raise RuntimeError("the planner has no plan for a car that needs one")
    stop = CommandEvent(
        id=f"stop{number}", car=key, session_id=stay.id, plan_revision=1, action=Action.STOP,
        phase=CommandPhase.CONFIRMED, at=PLUGGED, decided_at=PLUGGED, not_after=PLUGGED, reason="waiting_for_block",
    )  # fmt: skip
    control = ControlState(
        car=key, registration=enrolled, preference=wish, state=seen, schedule=plan, command=stop, last_switch=stop,
        held_session=stay.id, held_since=PLUGGED, backstop_at=None,
    )  # fmt: skip
    return Car(number, control, seen, plan)


@cache
def _market() -> Market:
    cheap = range(11, 19)
    slots = tuple(
        Slot(start=PLUGGED + n * _HALF_HOUR, end=PLUGGED + (n + 1) * _HALF_HOUR, value=0.1 if n in cheap else 0.3)
        for n in range(48)
    )
    prices = Forecast(
        kind=ForecastKind.PRICE, key="night", unit="GBP/kWh", issued_at=PLUGGED, source="herd",
        known_until=slots[-1].end, slots=slots,
    )  # fmt: skip
    return Market(prices, None)
