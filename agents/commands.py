"""command intents -> the OEM: `sending` is on the log before the call, the outcome after; never twice, never late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple

from agents import outbox
from agents.cars import RELEASES, Cars
from agents.clock import Clock
from agents.custody import LOST
from agents.engine.stage import Lane, Revoked, Stage, Work
from agents.failpoints import reach
from agents.gate import Suspended
from agents.metrics import Metrics
from oem_connectors.errors import Asleep, OemError, OutcomeUnknown, Throttled
from streams.contracts.account import AccountState, Link
from streams.contracts.base import account_of
from streams.contracts.command import CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.plug_event import PlugEvent
from streams.contracts.registration import Registration
from streams.topics import ACCOUNT, COMMAND, PLUG, REGISTRATION, TICK
from tables import OUTBOX
from tables.rows import OutboxRow


def stage(cars: Callable[[], Cars], clock: Clock, metrics: Metrics) -> Stage:
    """The stage, sending with `cars`."""
    sender = Sender(cars, clock, metrics)
    return Stage(
        "commands",
        reads=(REGISTRATION, ACCOUNT, PLUG, COMMAND, TICK),
        writes=(COMMAND,),
        tables=(OUTBOX,),
        step=sender.step,
        restore=sender.restore,
    )


#: What is said of a command whose worker died between the request and the answer.
SENDER_DIED = "the sender stopped before the answer"
#: With such a link a start may soon be, or already is, the last thing that we can do for a car.
_RELEASED_AT = LOST | {Link.EXPIRING}


class Outcome(NamedTuple):
    """What became of sending a command."""

    phase: CommandPhase
    detail: str | None = None
    retry_at: datetime | None = None


class HeldBack(Exception):
    """Not sent: its time is over, or a newer command stands in its place."""


class Sender:
    """Sends each intent once. The outbox row says how far a sending has come, so that a new owner knows."""

    def __init__(self, cars: Callable[[], Cars], clock: Clock, metrics: Metrics) -> None:
        self._cars = cars
        self._clock = clock
        self._metrics = metrics
        #: Intents that wait for their account's turn, by partition and account, then by id.
        self._waiting: defaultdict[tuple[int, str], dict[str, CommandEvent]] = defaultdict(dict)

    def step(self, work: Work) -> None:
        """Take intents; what this stage itself has reported is passed over."""
        for record in work:
            match record.value:
                case Tick(phase=TickPhase.ACT):
                    work.attend(partial(self._release, work))
                case Registration() as registration:
                    row = work.get(OUTBOX, record.key) or OutboxRow()
                    update = {"registration": registration, "leaving": False}
                    work.put(OUTBOX, record.key, row.model_copy(update=update))
                case CommandEvent(phase=CommandPhase.INTENT) as intent:
                    self._take(work, intent)
                case PlugEvent() as event:
                    outbox.plug_event(work, event)
                case AccountState() as state if state.link in _RELEASED_AT:
                    self._let_go(work, state)
                case None if record.topic == REGISTRATION.name and outbox.leave(work, record.key):
                    work.spawn(account_of(record.key), partial(self._say_farewell, car=record.key))

    def restore(self, work: Work) -> None:
        """After a take-over: an intent is sent if still valid, a `sending` without an outcome is unknown."""
        for place in [place for place in self._waiting if place[0] == work.partition]:
            del self._waiting[place]  # the jobs that were to send these are gone
        for car, row in work.items(OUTBOX):
            command = row.command
            work.due.set(car, outbox.release_again_at(row))
            if row.leaving:
                work.spawn(account_of(car), partial(self._say_farewell, car=car))
            elif command is not None and command.phase is CommandPhase.INTENT:
                work.spawn(account_of(car), partial(self._send, intent=command))
            elif command is not None and command.phase is CommandPhase.SENDING:
                lost = {"phase": CommandPhase.UNKNOWN, "detail": SENDER_DIED}
                outbox.record(work, command.model_copy(update=lost))

    def _take(self, work: Work, intent: CommandEvent) -> bool:
        taken = outbox.take(work, intent)
        if taken:
            self._queue(work, intent)
        return taken

    def _queue(self, work: Work, intent: CommandEvent) -> None:
        account = account_of(intent.car)
        self._waiting[work.partition, account][intent.id] = intent
        work.spawn(account, partial(self._send_next, account=account))

    def _let_go(self, work: Work, state: AccountState) -> None:
        """Consent is lost or in doubt: while the access token lives, cars that we may hold are asked to charge."""
        reason = outbox.CONSENT_LOST if state.link in LOST else outbox.CONSENT_IN_DOUBT
        for car, row in work.items(OUTBOX):
            begun = row.released is not None and row.released.decided_at >= state.since
            if account_of(car) == state.account and row.stopped is not None and not begun:
                self._ask(work, outbox.release(row.stopped, work.now, reason, row.released))

    def _release(self, work: Work, car: str) -> None:
        """The next step of a release that has come to nothing so far."""
        row = work.get(OUTBOX, car)
        if row is not None and row.stopped is not None and row.released is not None:
            self._ask(work, outbox.release(row.stopped, work.now, row.released.reason, row.released))

    def _ask(self, work: Work, release: CommandEvent) -> None:
        if self._take(work, release):
            work.send(COMMAND, release.car, release)

    async def _say_farewell(self, lane: Lane, car: str) -> None:
        """A car that is erased is asked once to be as it was before us; then nothing is known of it."""
        row = lane.get(OUTBOX, car)
        if row is None or not row.leaving or row.registration is None:
            return
        for undo in outbox.farewells(row, self._clock.now()):
            with suppress(OemError):
                await self._cars().command(lane.partition, row.registration, undo, partial(_still_ours, lane))
        await lane.commit(partial(outbox.forget, car=car))

    async def _send_next(self, lane: Lane, account: str) -> None:
        """One intent of the account: what lets a car charge goes before all else, then the order of the log."""
        waiting = self._waiting.get((lane.partition, account), {})
        chosen = min(waiting.values(), key=lambda intent: intent.action not in RELEASES, default=None)
        if chosen is None:
            return
        del waiting[chosen.id]
        if not waiting:
            del self._waiting[lane.partition, account]
        await self._send(lane, chosen)

    async def _send(self, lane: Lane, intent: CommandEvent) -> None:
        row = lane.get(OUTBOX, intent.car)
        if row is None or row.registration is None or row.command != intent or row.leaving:
            return
        car = row.registration
        if self._now(intent) > intent.not_after:
            await self._report(lane, car, intent, Outcome(CommandPhase.EXPIRED, "not sent in time"))
            return
        reach("command.taken")
        await self._report(lane, car, intent, Outcome(CommandPhase.SENDING))
        if not _stands(lane, intent):
            return
        reach("command.sending")
        outcome = await self._call(lane, car, intent)
        reach("command.answered")
        await self._report(lane, car, intent, outcome)
        reach("command.written")

    async def _call(self, lane: Lane, car: Registration, intent: CommandEvent) -> Outcome:
        look = partial(self._last_look, lane, intent)
        try:
            return Outcome(CommandPhase.SENT, await self._cars().command(lane.partition, car, intent, look))
        except HeldBack as error:
            return Outcome(CommandPhase.EXPIRED, str(error))
        except OutcomeUnknown:
            return Outcome(CommandPhase.UNKNOWN, "no answer")
        except (Throttled, Suspended) as error:
            detail = "throttled" if isinstance(error, Throttled) else "unavailable"
            wait = error.retry_after
            return Outcome(CommandPhase.FAILED, detail, None if wait is None else self._now(intent) + wait)
        except Asleep:
            return Outcome(CommandPhase.FAILED, "asleep")
        except OemError as error:
            return Outcome(CommandPhase.FAILED, type(error).__name__.lower())

    def _last_look(self, lane: Lane, intent: CommandEvent) -> None:
        """Right before the request leaves: tokens may have taken their time, or this process may have slept."""
        _still_ours(lane)
        if not _stands(lane, intent):
            raise HeldBack("superseded")
        if self._now(intent) > intent.not_after:
            raise HeldBack("not sent in time")

    def _now(self, intent: CommandEvent) -> datetime:
        """Never before the intent: after a take-over, a clock that follows the log may not have seen a tick yet."""
        return max(self._clock.now(), intent.at)

    async def _report(self, lane: Lane, car: Registration, intent: CommandEvent, outcome: Outcome) -> None:
        event = intent.model_copy(update={**outcome._asdict(), "at": self._now(intent)})
        await lane.commit(partial(outbox.record, event=event))
        self._metrics.commands.labels(car.oem, event.action.value, event.phase.value).inc()


def _still_ours(lane: Lane) -> None:
    if not lane.owned():
        raise Revoked


def _stands(lane: Lane, intent: CommandEvent) -> bool:
    """Whether this is still the car's last command."""
    row = lane.get(OUTBOX, intent.car)
    return row is not None and not row.leaving and row.command is not None and row.command.id == intent.id
