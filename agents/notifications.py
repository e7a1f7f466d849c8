"""driver status -> pushes: one per real change, on the log as an intent before it is sent, never twice."""

from __future__ import annotations

from functools import partial

from agents.clock import Clock
from agents.engine.stage import Lane, Stage, Work
from agents.metrics import Metrics
from agents.push import Push, PushFailed
from streams.contracts.notification import NotificationEvent, NotificationPhase
from streams.domain.notify import notices
from streams.topics import NOTIFICATION, STATUS
from tables import NOTIFIED


def stage(push: Push, clock: Clock, metrics: Metrics) -> Stage:
    """The stage, sending with `push`."""

    def step(work: Work) -> None:
        for record in work:
            if record.value is None:
                work.delete(NOTIFIED, record.key)
                continue
            known = work.get(NOTIFIED, record.key)
            ledger, events = notices(known, record.value, work.now)
            if ledger != known:
                work.put(NOTIFIED, record.key, ledger)
            for event in events:
                work.send(NOTIFICATION, record.key, event)
                work.spawn(event.driver, partial(_push, event=event))

    async def _push(lane: Lane, event: NotificationEvent) -> None:
        phase, detail = NotificationPhase.SENT, None
        try:
            await push.send(event)
        except PushFailed as error:
            phase, detail = NotificationPhase.FAILED, str(error)
        done = event.model_copy(update={"phase": phase, "detail": detail, "at": clock.now()})
        await lane.commit(lambda work: work.send(NOTIFICATION, event.car, done))
        metrics.notifications.labels(event.kind.value, phase.value).inc()

    return Stage("notifications", reads=(STATUS,), writes=(NOTIFICATION,), tables=(NOTIFIED,), step=step)
