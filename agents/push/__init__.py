"""How a message reaches a driver's phone or browser. Outcomes are told apart by what is to be done next."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from streams.contracts.notification import NotificationEvent, NotificationKind
from streams.domain.ids import stable_id

#: Told until they arrive: nobody else tells a driver that the car may not be ready.
MUST_ARRIVE: Final = frozenset(
    {
        NotificationKind.CANNOT_BE_READY,
        NotificationKind.CANNOT_CONTROL,
        NotificationKind.AT_RISK,
        NotificationKind.LINK_LOST,
    }
)


class Outcome(StrEnum):
    """What became of a message to one device."""

    SHOWN = "shown"  # the service has it; it will show it
    GONE = "gone"  # the device is there no more: forget it
    LATER = "later"  # it was not taken: try again, not before `after`
    REFUSED = "refused"  # it never will be: our fault or the operator's
    UNKNOWN = "unknown"  # no answer: it may be shown or not


class Sent(NamedTuple):
    """An answer. `detail` is for operators and holds nothing of device or message."""

    outcome: Outcome
    detail: str = ""
    after: timedelta | None = None


class Message(NamedTuple):
    """What is shown. A message with the same `tag` takes the place of the one before it on a device."""

    id: str
    tag: str
    title: str
    body: str
    car: str
    kind: str
    urgent: bool
    lives: timedelta


class Service(Protocol):
    """One way of reaching devices."""

    async def send(self, target: str, message: Message) -> Sent:
        """Send to one device, `target` being its address. Raises nothing."""


class InApp:
    """Drivers without a device: what is told them is on the notification topic, and their page shows it."""

    async def send(self, target: str, message: Message) -> Sent:
        """Nothing to do and nothing that can fail."""
        del target, message
        return Sent(Outcome.SHOWN, "no device: shown in the app")


def message_of(event: NotificationEvent) -> Message:
    """The message of a notification: of the same car and kind, the later one replaces the earlier."""
    must = event.kind in MUST_ARRIVE
    return Message(
        id=event.id,
        tag=stable_id("push", event.car, event.kind.value),
        title=event.title,
        body=event.body,
        car=event.car,
        kind=event.kind.value,
        urgent=must,
        lives=lives(event.kind),
    )


def lives(kind: NotificationKind) -> timedelta:
    """For how long a message is worth showing."""
    if kind in MUST_ARRIVE:
        return timedelta(hours=24)
    return timedelta(hours=12 if kind is NotificationKind.DONE else 1)
