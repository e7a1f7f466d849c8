"""Why nothing is linked, as a word for programs beside the sentence for people."""

from __future__ import annotations

from typing import Final, Literal

from oem_connectors.errors import NeedsConsent, OemError, OutcomeUnknown, Rejected, Throttled, Unavailable

Code = Literal[
    "not_begun", "expired", "other_tab", "other_driver", "too_long", "unknown_maker", "no_car", "taken",
    "not_agreed", "maker_down", "refused",
]  # fmt: skip
#: The maker may serve us later, with the same consent.
LATER: Final = (Unavailable, Throttled)
#: Whoever comes with nothing of ours says nothing about a consent under way.
STRANGERS: Final[frozenset[Code]] = frozenset({"not_begun", "other_tab"})


class Refused(Rejected):
    """We refuse, whatever the maker says."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: OemError) -> Code:
    """The word for an error."""
    match error:
        case Refused(code=code):
            return code
        case NeedsConsent():
            return "not_agreed"
        case Unavailable() | Throttled() | OutcomeUnknown():
            return "maker_down"
        case _:
            return "refused"
