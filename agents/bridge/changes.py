"""What a change of a document means: rules without a clock, a log or a network. No cause quotes a document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from agents.bridge.known import Known
from agents.bridge.values import NoValue, plain_fields
from agents.envelope import seal_context
from agents.sealing import Sealer, Unsealable
from streams.contracts.base import Contract, Instant, account_of
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration

_TYPE: Final = re.compile(
    r"google\.cloud\.firestore\.document\.v1\.(created|updated|written|deleted)(\.withAuthContext)?"
)
_PATH: Final = re.compile(
    r"drivers/(?P<driver>[^/]{1,128})/(?P<kind>registrations|preferences)/(?P<car>[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)"
)
_INSTANT: Final = TypeAdapter(Instant)
#: Said by Firestore, not by whoever wrote the document.
_OURS: Final = frozenset({"registered_at", "updated_at"})
_Message = TypeVar("_Message", bound=Contract)


class Kind(StrEnum):
    """What a document is about."""

    REGISTRATION = "registrations"
    PREFERENCE = "preferences"


class Outcome(StrEnum):
    """What became of a change. Every change has exactly one."""

    TAKEN = "taken"
    OLD = "old"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    UNKNOWN = "unknown_car"
    FOREIGN = "foreign"
    REFUSED = "refused"


class Unreadable(ValueError):
    """Not an event of a document."""


class Elsewhere(Exception):
    """An event of a document that is none of ours."""


class Change(NamedTuple):
    """A document of a driver's car was written at `at`, or deleted then: `fields` None."""

    kind: Kind
    driver: str
    car: str
    at: datetime
    fields: Mapping[str, Any] | None


class Verdict(NamedTuple):
    """The outcome, with the message that it led to, or why it is refused. A change taken without one erases the car."""

    outcome: Outcome
    message: Contract | None = None
    cause: str = ""


class _NotTaken(Exception):
    """It leads to no message."""

    def __init__(self, outcome: Outcome, cause: str = "") -> None:
        super().__init__(cause)
        self.outcome = outcome


def read(headers: Mapping[str, str], body: bytes) -> Change:
    """The change that an event tells (CloudEvents, HTTP binary mode). Raises Unreadable or Elsewhere."""
    if not _TYPE.fullmatch(headers.get("ce-type", "")) or headers.get("ce-specversion") != "1.0":
        raise Unreadable("not an event of a document")
    path = headers.get("ce-document") or headers.get("ce-subject", "").removeprefix("documents/")
    place = _PATH.fullmatch(path)
    if place is None:
        raise Elsewhere(path)
    try:
        told = json.loads(body)
        document = told.get("value") or None
        if document is None:
            at, fields = headers.get("ce-time", ""), None
        else:
            at, fields = document["updateTime"], plain_fields(document.get("fields", {}))
            if not document["name"].endswith(f"/documents/{path}"):
                raise Unreadable("the event is about another document")
        when = _INSTANT.validate_python(at)
    except NoValue as error:
        cause = str(error)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        cause = "not the JSON of a document's event"
    else:
        return Change(Kind(place["kind"]), place["driver"], place["car"], when, fields)
    raise Unreadable(cause)


def judge(change: Change, known: Known, sealer: Sealer) -> Verdict:
    """What becomes of a change, given what is known."""
    try:
        if change.kind is Kind.REGISTRATION:
            return Verdict(Outcome.TAKEN, _registration(change, known, sealer))
        return Verdict(Outcome.TAKEN, _preference(change, known))
    except _NotTaken as reason:
        return Verdict(reason.outcome, cause=str(reason))


def _registration(change: Change, known: Known, sealer: Sealer) -> Registration | None:
    enrolled = known.cars.get(change.car)
    _own(known.owners(change.car), change)
    _newer(change, known.gone.get(change.car) if enrolled is None else enrolled.at)
    if change.fields is None:
        if enrolled is None:
            raise _NotTaken(Outcome.OLD)
        return None
    made = _made(Registration, change, {"driver": change.driver, "registered_at": change.at})
    _own(known.owners(change.car, (made.oem, made.vehicle)), change)
    if made.grant_sealed is not None and not _opens(sealer, made.grant_sealed, made.car):
        raise _NotTaken(Outcome.REFUSED, "grant_sealed: not sealed by us for this account")
    return made


def _preference(change: Change, known: Known) -> Preference:
    """One whose document was deleted is the default."""
    enrolled = known.cars.get(change.car)
    if enrolled is None:
        raise _NotTaken(Outcome.UNKNOWN)
    _own({enrolled.driver}, change)
    _newer(change, known.wished.get(change.car))
    made = _made(Preference, change, {"updated_at": change.at})
    if made.min_soc_pct > made.target_soc_pct:
        raise _NotTaken(Outcome.REFUSED, "min_soc_pct: above the target")
    if any(at.tzinfo or at.second or at.microsecond for at in (made.ready_by, *made.ready_by_days.values())):
        raise _NotTaken(Outcome.REFUSED, "ready_by: not a local time to the minute")
    return made


def _own(owners: set[str], change: Change) -> None:
    if owners - {change.driver}:
        raise _NotTaken(Outcome.FOREIGN, "the car, its account or the maker's vehicle is another driver's")


def _newer(change: Change, since: datetime | None) -> None:
    if since is not None and change.at <= since:
        raise _NotTaken(Outcome.OLD)


def _made(model: type[_Message], change: Change, ours: Mapping[str, Any]) -> _Message:
    """The message of a document. What it leaves out is as by default."""
    told, said = dict(change.fields or {}), {"car": change.car, **ours}
    if told.keys() - model.model_fields.keys() or told.keys() & _OURS:
        raise _NotTaken(Outcome.REFUSED, "it has fields that do not belong there")
    if any(told.get(name, one) != one for name, one in said.items()):
        raise _NotTaken(Outcome.REFUSED, "it names another car or driver than its path")
    try:
        return model.model_validate({**told, **said})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    raise _NotTaken(Outcome.REFUSED, f"{first['loc'][0] if first['loc'] else 'the document'}: {first['type']}")


def _opens(sealer: Sealer, sealed: str, car: str) -> bool:
    try:
        sealer.open(sealed, seal_context(account_of(car)))
    except Unsealable:
        return False
    return True
