"""What the pages need of the rest: who is signed in, what is so, and where wishes go."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from fastapi import Request

from agents.clock import Clock
from agents.driver_api.linking import Links
from agents.driver_api.views import CarView, HistoryView, MessageView, OutlookView
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration

#: The driver who is signed in; None: nobody.
Who = Callable[[Request], Awaitable[str | None]]

#: Ends the session of the browser with the answer to this request.
Leave = Callable[[Request], None]


class Reads(Protocol):
    """What `ReadModel` answers. Another driver's car is None, like one that does not exist."""

    clock: Clock

    @property
    def out_of_touch(self) -> timedelta: ...

    def cars(self, driver: str) -> Sequence[CarView]: ...
    def car(self, driver: str, car: str) -> CarView | None: ...
    def outlook(self, driver: str, car: str) -> OutlookView | None: ...
    def history(self, driver: str, car: str, before: datetime | None = None) -> HistoryView | None: ...
    def preference(self, driver: str, car: str) -> Preference | None: ...
    def registration(self, driver: str, car: str) -> Registration | None: ...
    def messages(self, driver: str) -> Sequence[MessageView]: ...


class Wishes(Protocol):
    """Writes that are acknowledged; each raises `NotDurable` when Kafka does not have it."""

    def changing(self, car: str) -> Lock:
        """Held from reading a preference to writing it."""

    async def prefer(self, driver: str, preference: Preference) -> None:
        """The preference as a whole, of one of the driver's own cars."""

    async def unlink(self, driver: str, car: str) -> None:
        """Forget one car."""

    async def erase(self, driver: str) -> None:
        """Forget the driver."""


class Desk(NamedTuple):
    """Everything that the pages are made from."""

    reads: Reads
    wishes: Wishes
    links: Links
    who: Who
    leave: Leave
    #: Whether browsers are pushed to.
    pushes: bool
