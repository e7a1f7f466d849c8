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


class TopicPush:
    """For demo and development, where there are no phones: what would be shown is on the notification topic."""

    async def send(self, notification: NotificationEvent) -> None:
        """Nothing to do and nothing that can fail."""
