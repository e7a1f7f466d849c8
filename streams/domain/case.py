"""One planning decision with everything resolved: how full, until when, how much energy, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import PlugSession, VehicleState
from streams.domain.planner import Curve, PlanRequest, Policy, Profile
from streams.domain.planner.taper import Pace, taper_points

#: A car that runs off its plan by more than this is planned anew.
TOLERANCE_POINTS = 2.0
#: What is missing below this is rounding: seconds of charging.
NOTHING_POINTS = 0.05


@dataclass(frozen=True, slots=True)
class PlanRules:
    """How the fleet is planned. Penalties and savings in the currency of the tariff."""

    max_blocks: int | None = 2
    min_block: timedelta = timedelta(minutes=10)
    min_pause: timedelta = timedelta(minutes=10)
    start_penalty: float = 0.0
    #: The edges of a car's plan move by up to this, so that a fleet does not switch at once.
    edge_spread: timedelta = timedelta(minutes=10)
    #: A saving below this per session is not worth a new announcement.
    worthwhile: float = 0.02

    def policy(self, margin: timedelta = timedelta(0)) -> Policy:
        """What a plan may look like."""
        return Policy(self.start_penalty, self.max_blocks, self.min_block, self.min_pause, margin)


@dataclass(frozen=True, slots=True)
class Case:
    """A plugged-in car at home: the schedule in force in this session, the charge sampled since plug-in."""

    registration: Registration
    preference: Preference
    state: VehicleState
    session: PlugSession
    schedule: Schedule | None
    soc_pct: float | None
    target_pct: float
    ready_by: datetime
    power_kw: float
    now: datetime
    rules: PlanRules

    @property
    def need_kwh(self) -> float:
        """At the wall, to the target; an unknown state of charge needs as much as an empty car."""
        return self.wall_kwh(self.target_pct - (self.soc_pct or 0.0))

    @property
    def margin(self) -> timedelta:
        return timedelta(minutes=self.preference.margin_minutes)

    @property
    def charging(self) -> bool:
        return self.state.charge in {Charge.CHARGING, Charge.STARTING}

    @property
    def same_terms(self) -> bool:
        """Does the driver still want what the schedule in force was made for?"""
        old = self.schedule
        return (
            old is not None
            and old.target_soc_pct == self.target_pct
            and old.inputs.preference_updated_at == self.preference.updated_at
        )

    def wall_kwh(self, points: float) -> float:
        return max(0.0, points) / 100 * self.registration.usable_kwh / self.registration.efficiency

    def points(self, wall_kwh: float) -> float:
        return wall_kwh * self.registration.efficiency / self.registration.usable_kwh * 100

    @property
    def taper(self) -> tuple[tuple[float, float], ...]:
        """How power falls from here on: (wall kWh since now, kW) points; none if it does not, or from unknown."""
        if not self.registration.taper or self.soc_pct is None:
            return ()
        curve = [(point.soc_pct, point.power_kw) for point in self.registration.taper]
        return taper_points(self.soc_pct, curve, self.power_kw, self.wall_kwh(1.0))

    def duration(self, wall_kwh: float) -> timedelta:
        return timedelta(microseconds=Pace.of(self.power_kw, self.taper).time_us(wall_kwh))

    def request(self, curve: Curve, need_kwh: float, at_once_kwh: float) -> PlanRequest:
        """In whole minutes: a car cannot be told more exactly, and a fleet shares its tables."""
        return PlanRequest(
            now=self.now.replace(second=0, microsecond=0),
            ready_by=self.ready_by.replace(second=0, microsecond=0),
            curve=curve,
            need_kwh=self._minutes_kwh(need_kwh),
            power_kw=self.power_kw,
            min_need_kwh=self._minutes_kwh(at_once_kwh),
            charging_now=self.charging,
            taper=self.taper,
            policy=self.rules.policy(self.margin),
        )

    def _minutes_kwh(self, kwh: float) -> float:
        """The energy of the minutes that it takes at full power; a part of a minute is one, unless it is rounding."""
        if self.registration.taper:
            return kwh
        return ceil(kwh / self.power_kw * 60 - 1e-6) * self.power_kw / 60


def reason_for(case: Case, curve: Curve | None) -> PlanReason:
    """Why the car should (not) charge now; the driver's wish first, then what is known."""
    boost = case.preference.mode == "boost"
    if case.preference.mode == "paused":
        return PlanReason.PAUSED
    if case.soc_pct is None:
        return PlanReason.BOOST if boost else PlanReason.UNKNOWN_SOC
    missing = case.target_pct - case.soc_pct
    if missing <= NOTHING_POINTS or (case.state.charge is Charge.COMPLETE and missing <= TOLERANCE_POINTS):
        return PlanReason.AT_TARGET
    if boost:
        return PlanReason.BOOST
    if case.now + case.duration(case.need_kwh) > case.ready_by:
        return PlanReason.UNREACHABLE
    return PlanReason.CHEAPEST if curve else PlanReason.NO_FORECAST


def blocks_of(schedule: Schedule, after: datetime) -> Profile:
    """What the schedule still charges from `after` on."""
    left = ((max(b.start, after), b) for b in schedule.blocks if b.end > after)
    return tuple((a, b.end, b.energy_kwh * ((b.end - a) / (b.end - b.start))) for a, b in left)


def projected_pct(case: Case, schedule: Schedule, soc_pct: float) -> float:
    """Where the newest state of charge leads if the schedule is carried out from its sample on, at today's power."""
    sampled = case.state.soc_time or case.now
    on = sum(((end - start) for start, end, _ in blocks_of(schedule, sampled)), timedelta(0))
    return soc_pct + case.points(Pace.of(case.power_kw, case.taper).energy(on / timedelta(microseconds=1)))
