"""schedules and vehicle states -> command intents: on every beat, desired against observed, one action a car.

Who is held is on the log no later than the stop that holds it, and vouched for anew while this stage lives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from agents.books import Books
from agents.engine.stage import DAWN, PUT_OFF, Record, Stage, StoreDamaged, Work
from agents.metrics import Metrics
from agents.observe import observer
from agents.turns import Turns, Wanted, wanted
from oem_connectors.base import Connector
from streams.contracts.command import FINAL, Action, CommandEvent, CommandPhase
from streams.contracts.held import HeldCar
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.lead import LeadTime
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.vehicle import VehicleState
from streams.domain.budget import Budget
from streams.domain.confirm import ALREADY
from streams.domain.holding import entry, latest_start, look_again, orphaned
from streams.domain.leads import NO_LEADS
from streams.domain.power_step import Minute, switched
from streams.domain.reconcile import (
    ControlPolicy,
    ControlState,
    Decision,
    observe_command,
    observe_preference,
    observe_registration,
    observe_schedule,
    observe_state,
    reconcile,
)
from streams.domain.standing import standing
from streams.topics import COMMAND, HELD, LEAD, PREFERENCE, REGISTRATION, SCHEDULE, STANDING, TICK, VEHICLE
from tables import CONTROL, LEADS, LEASES

_observe: Callable[[ControlState, object], ControlState] = observer(
    {
        Registration: observe_registration,
        Preference: observe_preference,
        VehicleState: observe_state,
        Schedule: observe_schedule,
        CommandEvent: observe_command,
    }
)
#: What a decision found out, whether or not its command has its turn.
_TOLD_WITHOUT_A_COMMAND = (
    "at_risk",
    "gave_up",
    "driver_override_session",
    "driver_override_at",
    "wish",
    "wished_since",
)
#: A car that is held for so long before its last safe start: the release had ten minutes and came to nothing.
NEAR = timedelta(minutes=5)
#: Commands may use what is left of a bucket together with the readings of the same partition.
Budgets = defaultdict[int, Budget]


def stage(
    policy: ControlPolicy,
    connectors: Mapping[str, Connector],
    turns: Turns,
    budgets: Budgets,
    metrics: Metrics,
) -> Stage:
    """The stage, commanding within `policy` what the connectors' cars take, as often as their makers allow."""
    dispatcher = Dispatcher(policy, connectors, turns, budgets, metrics)
    return Stage(
        "dispatch",
        reads=(REGISTRATION, PREFERENCE, VEHICLE, SCHEDULE, COMMAND, LEAD, TICK),
        writes=(COMMAND, HELD, STANDING),
        tables=(CONTROL, LEASES, LEADS),
        step=dispatcher.step,
        restore=dispatcher.restore,
        first=(HELD,),
    )


class Dispatcher:
    """Looks at the cars that are due, and gives those that want a command their turn."""

    def __init__(
        self,
        policy: ControlPolicy,
        connectors: Mapping[str, Connector],
        turns: Turns,
        budgets: Budgets,
        metrics: Metrics,
    ) -> None:
        self._policy = policy
        self._connectors = connectors
        self._turns = turns
        self._budgets = budgets
        self._metrics = metrics
        self._can: dict[tuple[str, str], frozenset[Action]] = {}
        self._minute = Minute(DAWN, {})

    def step(self, work: Work) -> None:
        for record in work:
            match record.value:
                case Tick(phase=phase):
                    if phase is TickPhase.ACT:
                        self._beat(work)
                case LeadTime() as lead:
                    work.put(LEADS, record.key, lead)
                    Books.of(work).learn(record.key, lead)
                case None:
                    if record.topic == REGISTRATION.name:
                        self._erase(work, record.key)
                case _:
                    self._note(work, record)

    def restore(self, work: Work) -> None:
        """After a take-over every car is looked at once: reconciling asks for nothing that is already so."""
        self._budgets[work.partition] = Budget()
        books = Books.of(work)
        for car, control in work.items(CONTROL):
            books.rest(control.command)
            work.due.set(car, DAWN)
        for car, held in work.items(LEASES):
            books.held[car] = None if work.get(CONTROL, car) is None else held.last_safe_start
            work.due.set(car, DAWN)
        for name, lead in work.items(LEADS):
            books.learn(name, lead)

    def _note(self, work: Work, record: Record) -> None:
        """Remember the message and look at the car on the next beat."""
        known = work.get(CONTROL, record.key) or ControlState(car=record.key)
        control = _observe(known, record.value)
        if isinstance(record.value, CommandEvent):
            Books.of(work).rest(record.value)
            self._switched(work, control, record.value)
        if control is not known:
            work.put(CONTROL, record.key, control)
            _tell(work, known, control, "observed")
            if _facts(control) != _facts(known):
                work.due.set(record.key, DAWN)

    def _beat(self, work: Work) -> None:
        """Every due car is looked at; what they want is granted in order of precedence, as far as budgets go."""
        due: list[Wanted] = []
        work.attend(partial(self._look, work, due=due))
        now, books = work.now, Books.of(work)
        for one, at in self._turns.take(due, self._budgets[work.partition], books.not_before, now):
            try:
                if at <= now:
                    self._settle(work, one.control, one.decision)
                else:
                    self._put_off(work, one, at)
            except StoreDamaged:
                raise
            except Exception as error:
                work.put_off.append(error)
                work.due.set(one.car, now + PUT_OFF)
        self._show(work.partition, books, now)

    def _look(self, work: Work, car: str, due: list[Wanted]) -> None:
        control, books = work.get(CONTROL, car), Books.of(work)
        books.waiting.pop(car, None)
        if control is None or control.registration is None:
            work.due.set(car, self._vouch(work, car, control))
            return
        enrolled, leads = control.registration, books.leads(control)
        decision = reconcile(control, work.now, self._policy, self._takes(enrolled.oem, enrolled.model), leads)
        if decision.command is None:
            self._settle(work, control, decision)
        else:
            limit = latest_start(control, work.now, self._policy, leads)
            margin = self._policy.release_margin
            due.append(wanted(control, decision, decision.command, enrolled.oem, limit, margin))

    def _takes(self, oem: str, model: str) -> frozenset[Action]:
        """The commands that the model takes; of a maker that nobody knows, none."""
        found = self._can.get((oem, model))
        if found is None:
            connector = self._connectors.get(oem)
            able = () if connector is None else (action for action in Action if connector.can(model, action))
            found = self._can[oem, model] = frozenset(able)
        return found

    def _settle(self, work: Work, control: ControlState, decision: Decision) -> None:
        """Do what was decided. Who is held goes out with the stop that holds it."""
        if decision.control != control:
            work.put(CONTROL, control.car, decision.control)
        vouched = self._vouch(work, control.car, decision.control)
        if decision.command is not None:
            work.send(COMMAND, control.car, decision.command)
        _tell(work, control, decision.control, decision.reason)
        work.due.set(control.car, min((at for at in (decision.next_at, vouched) if at is not None), default=None))

    def _put_off(self, work: Work, one: Wanted, at: datetime) -> None:
        """No budget now: the car asks again when it may have one, at the latest when its start becomes a release."""
        Books.of(work).waiting[one.car] = one.oem
        risen = {name: getattr(one.decision.control, name) for name in _TOLD_WITHOUT_A_COMMAND}
        told = one.control.model_copy(update=risen)
        if told != one.control:
            work.put(CONTROL, one.car, told)
            _tell(work, one.control, told, "budget")
        release = None if one.limit is None else one.limit - self._policy.release_margin
        instants = (at, release, self._vouch(work, one.car, told))
        work.due.set(one.car, min(soon for soon in instants if soon is not None and soon > work.now))

    def _vouch(self, work: Work, car: str, control: ControlState | None) -> datetime | None:
        """Keep the car's entry in the registry of held cars true; returns when to look at it again."""
        books, known = Books.of(work), work.get(LEASES, car)
        leads = NO_LEADS if control is None else books.leads(control)
        found = entry(known, control, work.now, self._policy, leads)
        if found is None and known is None:
            return None
        if found is not known:
            _register(work, car, found)
        return None if found is None else look_again(found, work.now)

    def _erase(self, work: Work, car: str) -> None:
        """The car is forgotten; one that we hold stays in the registry, so that it is freed at once."""
        work.delete(CONTROL, car)
        Books.of(work).waiting.pop(car, None)
        known = work.get(LEASES, car)
        if known is not None:
            _register(work, car, orphaned(known, work.now))
            Books.of(work).held[car] = None
        work.due.set(car, DAWN if known is not None else None)

    def _switched(self, work: Work, control: ControlState, event: CommandEvent) -> None:
        """A command that the OEM took changes the power of the fleet."""
        if control.registration is not None and event.phase is CommandPhase.SENT and event.detail != ALREADY:
            sign = {Action.START: 1, Action.STOP: -1}.get(event.action, 0)
            self._minute = switched(self._minute, event.at, sign * control.registration.power_kw)

    def _show(self, partition: int, books: Books, now: datetime) -> None:
        self._minute = switched(self._minute, now, 0.0)
        self._metrics.power_step.set(self._minute.step_kw)
        self._metrics.part(self._metrics.held, partition, len(books.held))
        self._metrics.part(self._metrics.held_near_start, partition, books.held_until(now + NEAR))
        waiting = books.waiting_by_oem()
        for oem in self._connectors:
            self._metrics.part(self._metrics.commands_waiting.labels(oem), partition, waiting[oem])


def _register(work: Work, car: str, found: HeldCar | None) -> None:
    books = Books.of(work)
    if found is None:
        work.delete(LEASES, car)
        books.held.pop(car, None)
    else:
        work.put(LEASES, car, found)
        books.held[car] = found.last_safe_start
    work.send(HELD, car, found)


def _facts(control: ControlState) -> tuple[object, ...]:
    """What a decision turns on, apart from the time: a message that changes none of it asks for no new look.

    While a command is under way nothing is decided, however far it has come.
    """
    state, command = control.state, control.command
    sent = None if command is None else (command.id, command.phase if command.phase in FINAL else None)
    seen = None
    if state is not None:
        cable = (state.plug, state.at_home, state.session, state.unplug_suspected_at)
        seen = (*cable, state.charge, state.soc_pct, state.soc_time, state.limit_pct, state.scheduled_start)
    told = control.registration, control.preference, control.schedule, control.boost, control.own_schedule_session
    return *told, seen, sent, control.retry_after


def _tell(work: Work, before: ControlState, after: ControlState, reason: str) -> None:
    """Say how control stands with the car, if that changed."""
    if after is before:
        return
    news, known = standing(after, reason, work.now), standing(before, reason, work.now)
    if news != known:
        work.send(STANDING, after.car, news)
