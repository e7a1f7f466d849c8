"""How a push reaches a driver's phone."""

from __future__ import annotations

from typing import Protocol

from streams.contracts.notification import NotificationEvent


class PushFailed(Exception):
    """The push service did not take the message; it was not shown."""


class Push(Protocol):
    """One way of reaching phones."""

    async def send(self, notification: NotificationEvent) -> None:
        """Show the notification. Raises PushFailed."""


class LogPush:
    """Shows pushes in the process's own log: for demo and development, where there are no phones."""

    async def send(self, notification: NotificationEvent) -> None:
        """Nothing can fail: the notification is already on the topic, which is what the demo shows."""
