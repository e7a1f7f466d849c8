"""A consent under way. The browser carries it, sealed, so that any process can finish it and none has to remember."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from secrets import compare_digest
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.linking.invitation import OPENLY, Invitation
from agents.linking.refused import Refused
from agents.sealing import Sealer, Unsealable
from streams.contracts.base import Instant

#: How long a driver may take on the maker's pages.
PATIENCE: Final = timedelta(minutes=10)
#: Browsers drop longer cookies without a word: 4096 bytes with name and attributes.
MOST: Final = 3800
# Base64 has characters that a cookie may not hold.
_TO_COOKIE: Final = str.maketrans("+/=", "-_~")
_FROM_COOKIE: Final = str.maketrans("-_~", "+/=")


class Begun(BaseModel):
    """What is needed to finish. `state` is kept as a digest; empty where the maker brings none back."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    oem: str
    invitation: Invitation
    until: Instant
    verifier: str = Field(repr=False)
    redirect_uri: str = ""
    state: str = ""
    device_code: str = Field("", repr=False)
    user_code: str = ""
    address: str = ""
    interval: timedelta = timedelta()

    def sealed(self, sealer: Sealer) -> str:
        """As a text that a cookie can hold. Raises Refused."""
        text = sealer.seal(self.model_dump_json(context=OPENLY, exclude_defaults=True).encode(), _context(self.oem))
        if len(text) > MOST:
            raise Refused("too_long", "the details are too long")
        return text.translate(_TO_COOKIE)

    def check(self, driver: str, now: datetime) -> None:
        """Whether this driver may go on with it. Raises Refused."""
        if self.invitation.driver != driver:
            raise Refused("other_driver", "this link was begun by somebody else who was signed in here: begin again")
        if now > self.until:
            raise Refused("expired", "this link took too long: begin again")

    def check_state(self, state: str) -> None:
        """Whether what came back belongs to it. Raises Refused."""
        if not compare_digest(self.state, digest(state)):
            raise Refused("other_tab", "this is not the link that was begun last in this browser: begin again")


def opened(sealed: str, oem: str, sealer: Sealer) -> Begun:
    """What a browser brings back. Raises Refused."""
    try:
        return Begun.model_validate_json(sealer.open(sealed.translate(_FROM_COOKIE), _context(oem)))
    except (Unsealable, ValidationError):
        raise Refused("not_begun", "this link was not begun in this browser, or was used: begin again") from None


def digest(state: str) -> str:
    """What a state is kept as."""
    return sha256(state.encode()).hexdigest()


def _context(oem: str) -> str:
    return f"consent|{oem}"
