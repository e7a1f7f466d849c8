"""One stay under the live rule: what the car does, what it tells, what is decided and when that takes effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest.insight import Insight
from deploy.backtest.stays import Stay
from deploy.demo.summary import MOVED
from streams.contracts.schedule import Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain import watched
from streams.domain.case import PlanRules
from streams.domain.planner import Profile
from streams.domain.planning import PlanningState, decide, observe_schedule, observe_state
from streams.domain.polling import PollPolicy, next_poll

_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
#: As a live deployment reads its cars, but for the readings right after a change at the plug.
_READS: Final = PollPolicy(after_change=10 * _MINUTE, command_pending=_MINUTE, around_edge=(_MINUTE,))
#: A car that keeps to its plan to the percent is hardly worth reading.
_RARE_READS: Final = PollPolicy(
    after_change=4 * _HOUR,
    command_pending=_MINUTE,
    around_edge=(_MINUTE,),
    plugged_waiting=4 * _HOUR,
    charging=_HOUR,
)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How far reality is from the ideal: it charges until noticed, obeys late, and tells rounded percents."""

    detection: timedelta = timedelta(minutes=2)
    command: timedelta = timedelta(seconds=30)
    #: Does the car draw less than registered and tell whole percents?
    rough: bool = True


class Outcome(NamedTuple):
    """What became of one stay. `profile`: what really went in, at the wall."""

    profile: Profile
    ready_kwh: float
    ready_pct: float
    decisions: int
    schedules: int
    commands: int
    start_changes: int
    announced: bool
    learned_kw: float | None

    @property
    def energy_kwh(self) -> float:
        """Delivered, at the wall."""
        return sum(kwh for _, _, kwh in self.profile)


class Car:
    """What is true of the car at the plug: it charges from plug-in unless told otherwise, until it is full."""

    def __init__(self, at: datetime, need_kwh: float, power_kw: float) -> None:
        self.at, self.need_kwh, self.power_kw = at, need_kwh, power_kw
        self.kwh, self.on = 0.0, True
        self.spans: list[tuple[datetime, datetime, float]] = []

    @property
    def full(self) -> bool:
        """Has it what it needs?"""
        return self.need_kwh - self.kwh < 1e-6

    @property
    def charging(self) -> bool:
        """Does power flow?"""
        return self.on and not self.full

    def advance(self, to: datetime) -> None:
        """Time goes on."""
        if self.charging and to > self.at:
            stop = min(to, self.at + _HOUR * ((self.need_kwh - self.kwh) / self.power_kw))
            kwh = self.need_kwh - self.kwh if stop < to else (stop - self.at) / _HOUR * self.power_kw
            self.kwh += kwh
            begin = self.at
            if self.spans and self.spans[-1][1] == begin:
                begin, _, before_kwh = self.spans.pop()
                kwh += before_kwh
            self.spans.append((begin, stop, kwh))
        self.at = max(self.at, to)


def visit(stay: Stay, conduct: Conduct, insight: Insight, rules: PlanRules, learned_kw: float | None) -> Outcome:
    """Drive one stay from plug-in to unplug. `learned_kw`: what the car was seen to draw before."""
    return _Visit(stay, conduct, insight, rules, learned_kw).run()


class _Visit:
    def __init__(
        self, stay: Stay, conduct: Conduct, insight: Insight, rules: PlanRules, learned_kw: float | None
    ) -> None:
        self.stay, self.conduct, self.insight, self.rules = stay, conduct, insight, rules
        self.car = Car(stay.plugged_at, stay.energy_kwh, stay.power_kw)
        honest = stay.registration.model_copy(update={"power_kw": stay.power_kw})
        self.registration = stay.registration if conduct.rough else honest
        self.reads = _READS if conduct.rough or conduct.detection else _RARE_READS
        self.session: PlugSession | None = None
        self.planning = PlanningState(
            car=stay.registration.car,
            registration=self.registration,
            preference=stay.preference,
            learned_kw=learned_kw if conduct.rough else None,
        )
        self.zone = ZoneInfo(self.registration.home_zone)
        self.told = True
        self.effect_at: datetime | None = None
        self.read_at = stay.plugged_at + conduct.detection
        self.issue_at: datetime | None = None
        self.starts: list[datetime] = []
        self.decisions = self.schedules = self.commands = 0

    def run(self) -> Outcome:
        """Event by event, until the cable is pulled."""
        while (now := self._next()) < self.stay.end:
            self.car.advance(now)
            if self.effect_at is not None and self.effect_at <= now:
                self.car.on, self.effect_at = self.told, None
            if now >= self.read_at:
                self._read(now)
            elif now == self.issue_at:
                self._decide(now)
                self.issue_at = self.insight.next_issue(now)
            self._command(now)
        self.car.advance(self.stay.end)
        profile = tuple(self.car.spans)
        ready_kwh = _until(profile, self.stay.ready_by)
        return Outcome(
            profile=profile,
            ready_kwh=ready_kwh,
            ready_pct=self._tells(ready_kwh),
            decisions=self.decisions,
            schedules=self.schedules,
            commands=self.commands,
            start_changes=sum(abs(after - before) > MOVED for before, after in pairwise(self.starts)),
            announced=bool(self.starts),
            learned_kw=self.planning.learned_kw,
        )

    def _next(self) -> datetime:
        times = [self.read_at, self.stay.end]
        times += [at for at in (self.effect_at, self.issue_at) if at is not None]
        if self.planning.schedule is not None:
            edges = (at for block in self.planning.schedule.blocks for at in (block.start, block.end))
            times += [at for at in edges if at > self.car.at]
        return min(times)

    def _read(self, now: datetime) -> None:
        if self.session is None:
            self.session = PlugSession(
                id=self.stay.id, plugged_at=now, seen_at=now, revision=1, evidence=Evidence.PLUG_READING
            )
            self.issue_at = self.insight.next_issue(now)
        state = self._state(now, self.session)
        self.planning = observe_state(self.planning, state)
        self._decide(now)
        pending = self.effect_at is not None
        seen = watched.observe_state(watched.Watched(pending=pending), state, self.zone)
        if self.planning.schedule is not None:
            seen = watched.observe_schedule(seen, self.planning.schedule)
        self.read_at = next_poll(state.car, seen, now, self.reads, self.zone)

    def _state(self, now: datetime, session: PlugSession) -> VehicleState:
        stay, car = self.stay, self.car
        registration = self.registration
        charge = Charge.COMPLETE if car.full else Charge.CHARGING if car.charging else Charge.IDLE
        return VehicleState(
            car=registration.car,
            oem=registration.oem,
            soc_pct=self._tells(car.kwh),
            soc_time=now,
            limit_pct=stay.preference.target_soc_pct,
            plug=Plug.PLUGGED,
            charge=charge,
            power_kw=car.power_kw if car.charging else 0.0,
            at_home=True,
            car_time=now,
            received_time=now,
            session=session,
        )

    def _tells(self, kwh: float) -> float:
        """The state of charge that the car gives after so much energy."""
        one = self.registration
        soc_pct = min(100.0, self.stay.soc_pct + kwh * one.efficiency / one.usable_kwh * 100)
        return round(soc_pct) if self.conduct.rough else soc_pct

    def _decide(self, now: datetime) -> None:
        """The live rule, with what could be known at `now`."""
        self.decisions += 1
        schedule = decide(self.planning, self.insight.market(now), now, self.rules)
        if schedule is None:
            return
        self.schedules += 1
        self.planning = observe_schedule(self.planning, schedule)
        if schedule.blocks and schedule.blocks[0].start > now:
            self.starts.append(schedule.blocks[0].start)

    def _command(self, now: datetime) -> None:
        """A command goes out when the plan wants something else than what the car was told."""
        schedule = self.planning.schedule
        if schedule is None:
            return
        wanted = _on(schedule, now)
        if wanted == self.told or self.car.full:
            return
        self.told = wanted
        self.commands += 1
        self.effect_at = now + self.conduct.command


def _on(schedule: Schedule, now: datetime) -> bool:
    return any(block.start <= now < block.end for block in schedule.blocks)


def _until(profile: Profile, at: datetime) -> float:
    """The energy delivered before an instant."""
    return sum(kwh * max(0.0, min(1.0, (at - start) / (end - start))) for start, end, kwh in profile)
