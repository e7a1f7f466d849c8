"""driver status -> pushes: one per real change, on the log as an intent before it is sent, never twice."""

from __future__ import annotations

from functools import partial
from typing import Final

from agents.clock import Clock
from agents.engine.stage import Lane, Stage, Work
from agents.failpoints import reach
from agents.metrics import Metrics
from agents.push import Push, PushFailed
from streams.contracts.driver_status import DriverStatus
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.domain.notify import ask_again, notices
from streams.topics import NOTIFICATION, STATUS, TICK
from tables import NOTIFIED
from tables.rows import NotifiedRow

#: Said again when nobody knows whether they were shown; of all others, silence is better than a repeat.
MUST_ARRIVE: Final = frozenset(
    {
        NotificationKind.CANNOT_BE_READY,
        NotificationKind.CANNOT_CONTROL,
        NotificationKind.AT_RISK,
        NotificationKind.LINK_LOST,
    }
)


def stage(push: Push, clock: Clock, metrics: Metrics) -> Stage:
    """The stage, sending with `push`."""
    teller = Teller(push, clock, metrics)
    return Stage(
        "notifications",
        reads=(STATUS, TICK),
        writes=(NOTIFICATION,),
        tables=(NOTIFIED,),
        step=teller.step,
        restore=teller.restore,
    )


class Teller:
    """Decides what to tell from each status, and again when quiet hours end."""

    def __init__(self, push: Push, clock: Clock, metrics: Metrics) -> None:
        self._push = push
        self._clock = clock
        self._metrics = metrics

    def step(self, work: Work) -> None:
        for record in work:
            match record.value:
                case Tick(phase=TickPhase.READ):
                    work.attend(partial(self._tell_again, work))
                case DriverStatus() as status:
                    self._tell(work, work.get(NOTIFIED, record.key) or NotifiedRow(), status)
                case None:
                    work.delete(NOTIFIED, record.key)

    def restore(self, work: Work) -> None:
        """After a take-over: what was not confirmed is sent again only if it must arrive."""
        for car, row in work.items(NOTIFIED):
            for event in row.pending:
                if event.kind in MUST_ARRIVE:
                    work.spawn(event.driver, partial(self._send, event=event))
                else:
                    unknown = {"phase": NotificationPhase.FAILED, "detail": "not known whether it was shown"}
                    _done(work, event.model_copy(update=unknown))
            if row.status is not None:
                work.due.set(car, ask_again(row.ledger, row.status, work.now) if row.ledger else None)

    def _tell_again(self, work: Work, car: str) -> None:
        row = work.get(NOTIFIED, car)
        if row is not None and row.status is not None:
            self._tell(work, row, row.status)

    def _tell(self, work: Work, row: NotifiedRow, status: DriverStatus) -> None:
        ledger, events = notices(row.ledger, status, work.now)
        update = {"ledger": ledger, "status": status, "pending": (*row.pending, *events)}
        work.put(NOTIFIED, status.car, row.model_copy(update=update))
        work.due.set(status.car, ask_again(ledger, status, work.now))
        for event in events:
            work.send(NOTIFICATION, event.car, event)
            work.spawn(event.driver, partial(self._send, event=event))

    async def _send(self, lane: Lane, event: NotificationEvent) -> None:
        reach("push.taken")
        phase, detail = NotificationPhase.SENT, None
        try:
            await self._push.send(event)
        except PushFailed as error:
            phase, detail = NotificationPhase.FAILED, str(error)
        reach("push.answered")
        done = event.model_copy(update={"phase": phase, "detail": detail, "at": self._clock.now()})
        await lane.commit(lambda work: _done(work, done))
        self._metrics.notifications.labels(event.kind.value, phase.value).inc()


def _done(work: Work, event: NotificationEvent) -> None:
    row = work.get(NOTIFIED, event.car)
    if row is not None:
        pending = tuple(other for other in row.pending if other.id != event.id)
        work.put(NOTIFIED, event.car, row.model_copy(update={"pending": pending}))
    work.send(NOTIFICATION, event.car, event)
