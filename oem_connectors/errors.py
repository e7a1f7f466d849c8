"""Every way a call to a car maker can end badly, classed by what the caller does next.

    OemError
    ├── NotApplied          the car is as it was: trying again is safe
    │   ├── Throttled       wait `retry_after` (our own back-off where it is None)
    │   ├── Unavailable     back off, try again
    │   ├── Asleep          wake the car, then try again
    │   ├── Unauthorised    refresh the access token, then try again
    │   ├── Unreadable      set the answer aside, read again next round
    │   ├── WrongRegion     ask in the region that the maker names
    │   └── Rejected        do not repeat: the maker understood and refuses
    ├── OutcomeUnknown      it may have happened: read the car, never repeat blindly
    ├── NeedsConsent        stop calling for this account, release its cars, tell the driver
    └── Unsupported         this car cannot do it: plan without it

That a car already does what we ask is no error: `OemClient.command` returns the detail "already".
Messages are one line and hold no token, place or vehicle identity.
"""

from __future__ import annotations

from datetime import timedelta


class OemError(Exception):
    """Root: nothing else leaves a connector."""


class NotApplied(OemError):
    """The request provably changed nothing."""


class Throttled(NotApplied):
    """Too many calls. `retry_after` is the maker's own word, None where it gave none; `app`: for all accounts."""

    def __init__(self, message: str, retry_after: timedelta | None = None, *, app: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.app = app


class Unavailable(NotApplied):
    """The maker's cloud cannot serve us now."""


class Asleep(NotApplied):
    """The car sleeps and must be woken first."""


class Unauthorised(NotApplied):
    """The access token is not accepted (any more)."""


class Unreadable(NotApplied):
    """The answer is not what its contract says. The message names the field, never its value."""


class WrongRegion(NotApplied):
    """The account lives in another region of the maker's, `region` by the name that the connector's hosts use."""

    def __init__(self, message: str, region: str) -> None:
        super().__init__(message)
        self.region = region


class Rejected(NotApplied):
    """Understood and refused."""


class OutcomeUnknown(OemError):
    """The request was sent and its fate is unknown."""


class NeedsConsent(OemError):
    """The driver has to link the account again."""


class Unsupported(OemError):
    """The car or the maker's API has no such ability."""
