"""driver status -> pushes: one per real change, on the log as an intent before it is sent, never twice.

Of each message the table holds which devices do not have it yet, so that trying again repeats nothing.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

import structlog

from agents.clock import Clock
from agents.engine.stage import Lane, Record, Revoked, Stage, Work
from agents.envelope import push_context
from agents.failpoints import reach
from agents.metrics import Metrics
from agents.push import MUST_ARRIVE, Outcome, Sent, lives, message_of
from agents.push.phones import IN_APP, Phones, wait
from agents.sealing import Sealer, Unsealable
from streams.contracts.base import account_of
from streams.contracts.driver_status import DriverStatus
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.notification import NotificationEvent, NotificationPhase
from streams.contracts.push_device import PushDevice
from streams.domain.notify import ask_again, notices
from streams.topics import DEVICE, NOTIFICATION, STATUS, TICK
from tables import DEVICES, NOTIFIED
from tables.rows import DevicesRow, NotifiedRow, PendingPush

LOG = structlog.get_logger("d2ev")
_MAY_BE_SHOWN: Final = "not known whether it was shown"
_IN_APP_ONLY: Final = "no device is left: shown in the app"
_MOST_DEVICES: Final = 20


def stage(phones: Phones, sealer: Sealer, clock: Clock, metrics: Metrics) -> Stage:
    """The stage, sending with `phones`."""
    teller = Teller(phones, sealer, clock, metrics)
    return Stage(
        "notifications",
        reads=(STATUS, DEVICE, TICK),
        writes=(NOTIFICATION, DEVICE),
        tables=(NOTIFIED, DEVICES),
        step=teller.step,
        restore=teller.restore,
    )


class Teller:
    """Decides what to tell from each status, and again when quiet hours end or a service wants to be asked again."""

    def __init__(self, phones: Phones, sealer: Sealer, clock: Clock, metrics: Metrics) -> None:
        self._phones, self._sealer = phones, sealer
        self._clock, self._metrics = clock, metrics

    def step(self, work: Work) -> None:
        for record in work:
            match record.value:
                case Tick(phase=TickPhase.READ):
                    work.attend(partial(self._go_on, work))
                case DriverStatus() as status:
                    self._tell(work, work.get(NOTIFIED, record.key) or NotifiedRow(), status)
                case PushDevice() as device:
                    _register(work, record.key, device)
                case None:
                    _forget(work, record)

    def restore(self, work: Work) -> None:
        """After a take-over: what was under way is sent again only if it must arrive."""
        for car, row in work.items(NOTIFIED):
            for pending in row.pending:
                if pending.again_at is None and pending.event.kind not in MUST_ARRIVE:
                    self._over(work, pending, _MAY_BE_SHOWN)
                elif pending.again_at is None:
                    self._spawn(work, pending)
            _remind(work, car, work.get(NOTIFIED, car) or row)

    def _go_on(self, work: Work, car: str) -> None:
        row = work.get(NOTIFIED, car)
        if row is None:
            return
        for pending in row.pending:
            if pending.again_at is not None and pending.again_at <= work.now:
                again = pending.model_copy(update={"again_at": None})
                _keep(work, again)
                self._spawn(work, again)
        row = work.get(NOTIFIED, car) or row
        if row.status is not None:
            self._tell(work, row, row.status)

    def _tell(self, work: Work, row: NotifiedRow, status: DriverStatus) -> None:
        ledger, events = notices(row.ledger, status, work.now)
        devices = self._devices_of(work, status)
        new = tuple(PendingPush(event=event, devices=devices) for event in events)
        row = row.model_copy(update={"ledger": ledger, "status": status, "pending": (*row.pending, *new)})
        work.put(NOTIFIED, status.car, row)
        _remind(work, status.car, row)
        for pending in new:
            work.send(NOTIFICATION, status.car, pending.event)
            self._spawn(work, pending)

    def _spawn(self, work: Work, pending: PendingPush) -> None:
        work.spawn(pending.event.driver, partial(self._send, pending=pending))

    async def _send(self, lane: Lane, pending: PendingPush) -> None:
        """To one device after the other; what each has answered is durable before the next is asked."""
        for device in pending.devices:
            reach("push.taken")
            if not lane.owned():
                raise Revoked
            sent = await self._to(lane, device, pending.event)
            reach("push.answered")
            if sent.outcome is Outcome.REFUSED:
                LOG.error("a push was refused", kind=pending.event.kind.value, cause=sent.detail)
            last = device == pending.devices[-1]
            await lane.commit(partial(self._answered, pending=pending, device=device, sent=sent, last=last))

    def _answered(self, work: Work, pending: PendingPush, device: str, sent: Sent, *, last: bool) -> None:
        """Note what a device has answered; after the last one, go on later, or be done."""
        event = pending.event
        kept = next((one for one in _pending(work, event.car) if one.event.id == event.id), None)
        if kept is None:
            return
        if sent.outcome is Outcome.GONE and _unregister(work, device):
            work.send(DEVICE, device, None)
        again = sent.outcome is Outcome.LATER or (sent.outcome is Outcome.UNKNOWN and event.kind in MUST_ARRIVE)
        left = kept.devices if again else tuple(one for one in kept.devices if one != device)
        shown = kept.reached + (sent.outcome is Outcome.SHOWN)
        detail = kept.detail if sent.outcome is Outcome.GONE else sent.detail or kept.detail
        wait_until = kept.wait_until
        if again:
            come_back = max(work.now, self._clock.now()) + wait(kept.tries, sent.after)
            wait_until = come_back if wait_until is None else max(wait_until, come_back)
        update = {"devices": left, "reached": shown, "detail": detail, "wait_until": wait_until}
        kept = kept.model_copy(update=update)
        if not last:
            _keep(work, kept)
        elif left and wait_until is not None and _is_worth_it(work, event, wait_until):
            update = {"again_at": wait_until, "wait_until": None, "tries": kept.tries + 1}
            _keep(work, kept.model_copy(update=update))
        else:
            self._over(work, kept, kept.detail)

    def _over(self, work: Work, pending: PendingPush, detail: str) -> None:
        """Sent if any device has it. Where all devices are gone the app has it, as it has every message."""
        event = pending.event
        detail = detail if detail or pending.reached else _IN_APP_ONLY
        sent = pending.reached or detail == _IN_APP_ONLY
        phase = NotificationPhase.SENT if sent else NotificationPhase.FAILED
        row = work.get(NOTIFIED, event.car)
        if row is not None:
            rest = tuple(one for one in row.pending if one.event.id != event.id)
            work.put(NOTIFIED, event.car, row.model_copy(update={"pending": rest}))
        done = {"phase": phase, "detail": detail or None, "at": max(event.at, self._clock.now())}
        work.send(NOTIFICATION, event.car, event.model_copy(update=done))
        self._metrics.notifications.labels(event.kind.value, phase.value).inc()

    def _devices_of(self, work: Work, status: DriverStatus) -> tuple[str, ...]:
        """The driver's devices that can be reached from here; those who have none are told in the app."""
        known = work.get(DEVICES, account_of(status.car)) or DevicesRow()
        mine = [one for one in known.devices if one.driver == status.driver and self._phones.serves(one.kind)]
        return tuple(one.device for one in mine) or (IN_APP,)

    async def _to(self, lane: Lane, device: str, event: NotificationEvent) -> Sent:
        if device == IN_APP:
            return await self._phones.send(IN_APP, "", message_of(event))
        known = lane.get(DEVICES, account_of(event.car))
        found = next((one for one in known.devices if one.device == device), None) if known else None
        if found is None:
            return Sent(Outcome.GONE, "unregistered meanwhile")
        try:
            target = self._sealer.open(found.target_sealed, push_context(account_of(device))).decode()
        except Unsealable:
            return Sent(Outcome.GONE, "its address cannot be opened")
        return await self._phones.send(found.kind, target, message_of(event))


def _pending(work: Work, car: str) -> tuple[PendingPush, ...]:
    row = work.get(NOTIFIED, car)
    return row.pending if row is not None else ()


def _keep(work: Work, pending: PendingPush) -> None:
    """Put it in the place of what is known of the same message, and come back when it is time."""
    car = pending.event.car
    row = work.get(NOTIFIED, car)
    if row is not None:
        kept = tuple(pending if one.event.id == pending.event.id else one for one in row.pending)
        row = row.model_copy(update={"pending": kept})
        work.put(NOTIFIED, car, row)
        _remind(work, car, row)


def _is_worth_it(work: Work, event: NotificationEvent, at: datetime) -> bool:
    """Whether to try at an instant: while the message is news, and a failure for as long as it is true."""
    if at < event.at + lives(event.kind):
        return True
    row = work.get(NOTIFIED, event.car)
    if event.kind not in MUST_ARRIVE or row is None or row.status is None:
        return False
    return row.status.reason.value == event.kind.value and event.session_id in {None, row.status.session_id}


def _remind(work: Work, car: str, row: NotifiedRow) -> None:
    """Attend to the car when the quiet hours end, or when a message is to be tried again."""
    dues: list[datetime] = [one.again_at for one in row.pending if one.again_at is not None]
    if row.status is not None and row.ledger is not None:
        morning = ask_again(row.ledger, row.status, work.now)
        dues += [morning] if morning is not None else []
    work.due.set(car, min(dues, default=None))


def _register(work: Work, key: str, device: PushDevice) -> None:
    account = account_of(key)
    known = work.get(DEVICES, account) or DevicesRow()
    others = tuple(one for one in known.devices if one.device != key)
    work.put(DEVICES, account, DevicesRow(devices=(*others, device)[-_MOST_DEVICES:]))


def _unregister(work: Work, key: str) -> bool:
    """Forget a device; False where it is not known."""
    account = account_of(key)
    known = work.get(DEVICES, account) or DevicesRow()
    left = tuple(one for one in known.devices if one.device != key)
    if left:
        work.put(DEVICES, account, DevicesRow(devices=left))
    else:
        work.delete(DEVICES, account)
    return len(left) < len(known.devices)


def _forget(work: Work, record: Record) -> None:
    if record.topic == STATUS.name:
        work.delete(NOTIFIED, record.key)
        work.due.set(record.key, None)
    else:
        _unregister(work, record.key)
