"""The whole control loop around one car in virtual time: the live rules and folds, without Kafka and without HTTP.

A reading walks the live way: the cloud's JSON, the connector, the fold of the car, the plan, the reconciler, the
command, the verdict. What the stages only carry is carried here by plain calls. A night takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, Final
from zoneinfo import ZoneInfo

from oem_connectors.simulator import CONNECTOR
from oem_connectors.simulator.cloud.car import SimCar
from oem_connectors.simulator.cloud.log import Change, Who
from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.vehicle import VehicleState
from streams.domain import planning, reconcile, watched
from streams.domain.case import PlanRules
from streams.domain.confirm import judge
from streams.domain.control import ControlState
from streams.domain.desired import ControlPolicy
from streams.domain.forecasts import merge
from streams.domain.market import Market
from streams.domain.planning import PlanningState
from streams.domain.polling import PollPolicy, next_poll
from streams.domain.standing import standing
from streams.domain.vehicle import fold
from streams.domain.watched import Watched
from streams.hot import TelemetryRow, VehicleRow, decode_telemetry, decode_vehicle, encode_vehicle
from tests.loop_cloud import Answer, Cloud

_SECOND: Final = timedelta(seconds=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_READ_AGAIN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Step:
    """One look at the car: what was decided, and what the driver is told."""

    at: datetime
    session: str | None
    reason: str
    action: Action | None
    told: bool


class Loop:
    """A car under control. `run` lives; everything else happens at the present."""

    def __init__(
        self, car: SimCar, wish: Preference, born: datetime, *, polls: PollPolicy | None = None, seed: int = 1
    ) -> None:
        self.now, self.cloud = born, Cloud(car, born, seed)
        self.policy, self.rules, self.polls = ControlPolicy(), PlanRules(), polls or PollPolicy()
        self.can = frozenset(action for action in Action if CONNECTOR.can(car.model, action))
        self.vehicle: VehicleRow | None = None
        self.planning, self.control = PlanningState(car=car.key), ControlState(car=car.key)
        self.command: CommandEvent | None = None
        self.watched, self._zone = Watched(), ZoneInfo(car.zone)
        self.steps: list[Step] = []
        self.readings: list[TelemetryRow] = []
        self.decisions: list[CommandEvent] = []
        #: Readings arrive this much later than they were made.
        self.reading_delay = timedelta(0)
        self._price: Forecast | None = None
        self._market: Market | None = None
        self._late: list[tuple[datetime, int, TelemetryRow]] = []
        self._down_until: datetime | None = None
        self._read_at = self._due = born
        self._send_at = _NEVER
        enrolled = _registration(car, born)
        self.planning = planning.observe_registration(self.planning, enrolled)
        self.control = reconcile.observe_registration(self.control, enrolled)
        self.wish(wish)

    # What the world does

    def wish(self, preference: Preference) -> None:
        """The driver wants something else."""
        self.planning = planning.observe_preference(self.planning, preference)
        self.control = reconcile.observe_preference(self.control, preference)
        self._plan()

    def vintage(self, price: Forecast) -> None:
        """New prices."""
        self._price = merge(self._price, price)
        self._market = Market(self._price, None)
        self._plan()

    def again(self, reading: TelemetryRow) -> None:
        """A reading arrives once more, however old."""
        self._take(reading)

    def look(self) -> None:
        """Read the car as soon as time goes on."""
        self._read_at = self.now

    def restart(self, *, sending: bool | None = None, down: timedelta = 2 * _SECOND) -> None:
        """The worker dies and another takes over after `down`: all state goes through JSON.

        `sending`: it died between the word "sending" and the answer, with the call made (True) or not (False).
        """
        if sending is not None and self.command is not None and self.command.phase is CommandPhase.INTENT:
            self._report(Answer(CommandPhase.SENDING))
            if sending:
                self.cloud.command(self.command, self.now)
            self._report(Answer(CommandPhase.UNKNOWN, "the sender stopped before the answer"))
            self._send_at = _NEVER
        self.planning = PlanningState.model_validate_json(self.planning.model_dump_json())
        self.control = ControlState.model_validate_json(self.control.model_dump_json())
        self.vehicle = None if self.vehicle is None else decode_vehicle(encode_vehicle(self.vehicle))
        self._down_until = self.now + down
        self._due = self._read_at = self._down_until

    # Time

    def run(self, until: datetime) -> None:
        """Live through all that is due up to and including `until`."""
        while (at := self._next()) <= until:
            self.now = max(self.now, at)
            self._step()
        self.now = until
        self.cloud.truth.advance(until)

    def _next(self) -> datetime:
        late = self._late[0][0] if self._late else _NEVER
        at = min(self._read_at, self._due, self._send_at, self._judge_at(), late)
        return at if self._down_until is None else max(at, self._down_until)

    def _judge_at(self) -> datetime:
        command = self.command
        if command is None or command.phase in FINAL:
            return _NEVER
        begun = command.not_after if command.phase is CommandPhase.INTENT else command.at
        return max(begun + self.policy.confirm_window, self.now) + _SECOND

    def _step(self) -> None:
        if self.now >= self._send_at:
            self._send()
        if self.now >= self._read_at:
            self._read()
        while self._late and self._late[0][0] <= self.now:
            self._take(heappop(self._late)[2])
        self._judge()
        if self.now >= self._due:
            self._act()

    # The stages

    def _read(self) -> None:
        raw = self.cloud.read(self.now)
        self._read_at = self.now + _READ_AGAIN
        if raw is None:
            return
        reading = decode_telemetry(
            CONNECTOR.normalise(self.planning.car, raw, self.now).model_dump_json(exclude_none=True).encode()
        )
        self.readings.append(reading)
        if self.reading_delay:
            heappush(self._late, (self.now + self.reading_delay, len(self.readings), reading))
        else:
            self._take(reading)
        self._plan_reading()

    def _take(self, reading: TelemetryRow) -> None:
        after = fold(self.vehicle, reading)
        if after is self.vehicle:
            return
        self.vehicle = after
        state = VehicleState.model_validate_json(encode_vehicle(after))
        self.planning = planning.observe_state(self.planning, state)
        self.control = reconcile.observe_state(self.control, state)
        self.watched = watched.observe_state(self.watched, state, self._zone)
        self._plan()
        self._judge()

    def _plan(self) -> None:
        schedule = planning.decide(self.planning, self._market, self.now, self.rules)
        if schedule is not None:
            self.planning = planning.observe_schedule(self.planning, schedule)
            self.control = reconcile.observe_schedule(self.control, schedule)
            self.watched = watched.observe_schedule(self.watched, schedule)
        self._due = min(self._due, self.now)
        self._plan_reading()

    def _plan_reading(self) -> None:
        if self.watched.known:
            self._read_at = next_poll(self.planning.car, self.watched, self.now, self.polls, self._zone)

    def _act(self) -> None:
        decision = reconcile.reconcile(self.control, self.now, self.policy, self.can)
        self.control, self._due = decision.control, max(decision.next_at or _NEVER, self.now + _SECOND)  # a beat
        stood = standing(self.control, decision.reason, self.now)
        told = stood.at_risk_session is not None or stood.gave_up_session is not None
        session = None if self.vehicle is None or self.vehicle.session is None else self.vehicle.session.id
        self.steps.append(Step(self.now, session, decision.reason, decision.action, told))
        if decision.command is not None:
            self.command = decision.command
            self.decisions.append(decision.command)
            self._send_at = self.now + _SECOND
            self.watched = watched.observe_command(self.watched, decision.command)
            self._plan_reading()

    def _send(self) -> None:
        self._send_at, command = _NEVER, self.command
        if command is None or command.phase is not CommandPhase.INTENT:
            return
        if self.now > command.not_after:
            self._report(Answer(CommandPhase.EXPIRED, "not sent in time"))
            return
        self._report(Answer(CommandPhase.SENDING))
        self._report(self.cloud.command(command, self.now))

    def _report(self, answer: Answer) -> None:
        assert self.command is not None
        self._fold(self.command.model_copy(update={**answer._asdict(), "at": self.now}))

    def _judge(self) -> None:
        if self.command is None or self.command.phase in FINAL:
            return
        verdict = judge(self.command, self.planning.state, self.now, self.policy.confirm_window)
        if verdict is not None:
            self._fold(verdict)

    def _fold(self, event: CommandEvent) -> None:
        self.command = event
        self.control = reconcile.observe_command(self.control, event)
        self.watched = watched.observe_command(self.watched, event)
        self._due = min(self._due, self.now)
        self._plan_reading()

    # What judges ask

    @property
    def schedule(self) -> Schedule | None:
        """The plan in force."""
        return self.control.schedule

    def effective(self, stay: int | None = None) -> list[Change]:
        """Starts and stops of ours that changed the car."""
        return [change for change in self.cloud.log.effective() if stay in {None, change.stay}]

    def told(self) -> Iterator[datetime]:
        """When the driver knew that the promise is at risk, or that the car does not obey."""
        return (step.at for step in self.steps if step.told)

    def story(self, last: int = 60) -> str:
        """The last decisions and changes, for whoever looks at a failure."""
        lines = [(s.at, f"{s.action or ''} {s.reason}{' TOLD' if s.told else ''}") for s in self.steps]
        lines += [(c.at, f"    {c.what} by {c.cause.who} {c.soc_pct:.1f}") for c in self.cloud.log.changes]
        shown: list[str] = []
        for at, line in sorted(lines)[-last:]:
            shown.append(f"{at:%d %H:%M:%S} {line}")
        return "\n".join(shown)


def by_us(change: Change) -> bool:
    """Was it a command of ours?"""
    return change.cause.who is Who.COMMAND


def prices(start: datetime, values: list[float], key: str = "t", issued_at: datetime | None = None) -> Forecast:
    """A vintage of hourly prices."""
    hour = timedelta(hours=1)
    slots = tuple(Slot(start=start + n * hour, end=start + (n + 1) * hour, value=v) for n, v in enumerate(values))
    end = slots[-1].end
    return Forecast(
        kind=ForecastKind.PRICE, key=key, unit="GBP/kWh", issued_at=issued_at or start, source="s",
        known_until=end, slots=slots,
    )  # fmt: skip


def _registration(car: SimCar, at: datetime) -> Registration:
    battery = car.battery
    fields: dict[str, Any] = {"usable_kwh": battery.usable_kwh, "power_kw": battery.power_kw}
    return Registration(
        car=car.key, driver="d", oem="simulator", vehicle=car.vehicle, model=car.model, efficiency=battery.efficiency,
        home_zone=car.zone, region="r", tariff="t", registered_at=at, **fields,
    )  # fmt: skip
