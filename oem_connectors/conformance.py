"""The promises every connector keeps, checkable on any connector, ours or a plug-in's.

A promise is a function that yields one complaint per breach, nothing when it is kept; its docstring says it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta

from oem_connectors import conformance_http
from oem_connectors.base import ABILITY, Can, Connector
from oem_connectors.mutations import Place, Raw, leaves, with_value, without
from oem_connectors.quality import BadQuality, quality
from oem_connectors.subject import RECEIVED, Broken, Subject, ask, said
from streams.contracts.command import Action

Promise = Callable[[Subject], Iterator[str]]
_MAX_LINES = 150
#: The least 32-bit number: what several makers send for "no value".
SENTINEL = -2147483648
_MAY_IMPORT = (
    "streams.contracts",
    "httpx",
    "pydantic",
    *(f"oem_connectors.{m}" for m in ("base", "consent", "errors", "fields", "push", "signatures")),
)
_PRIVATE = {
    "a vehicle identification number": r"\b(?=\w*\d)(?=\w*[A-Z])[A-HJ-NPR-Z0-9]{17}\b",
    "a token": r'eyJ[\w-]{8,}|[Bb]earer [^{]|"(access|refresh)_token": *"',
    "an e-mail address": r"[\w.+-]+@[\w-]+\.\w+",
    "coordinates": r'"(lat|lon|lng)\w*": *-?\d+\.\d\d',
}


def samples_normalise(subject: Subject) -> Iterator[str]:
    """At least three samples, and each gives exactly the telemetry beside it."""
    if len(subject.samples) < 3:
        yield f"at least three samples are needed in samples/*.json; there are {len(subject.samples)}"
    for name, sample in subject.samples.items():
        found = subject.read(sample["raw"], sample.get("kind"))
        if found is None or said(found) != sample["expected"]:
            yield f"{name}: gives {found and said(found)}, expected {sample['expected']}"


def new_words_are_unknown(subject: Subject) -> Iterator[str]:
    """A word nobody has seen before becomes unknown: it is neither refused nor guessed."""
    for name, kind, raw in subject.raws():
        for place, value in leaves(raw):
            if isinstance(value, str) and not _is_time(value):
                found = subject.read(with_value(raw, place, "NEVER_SEEN_BEFORE"), kind)
                if found is None:
                    yield f"{name}: a new word in {dotted(place)} is refused"
                elif said(found).items() - _said(subject, raw, kind):
                    yield f"{name}: a new word in {dotted(place)} is guessed to mean something"


def missing_is_null(subject: Subject) -> Iterator[str]:
    """What is missing or null leaves null or unknown behind; an empty answer says nothing at all."""
    for name, kind, raw in subject.raws():
        for place, _ in leaves(raw):
            for changed in (without(raw, place), with_value(raw, place, None)):
                found = subject.read(changed, kind)
                if found is None or said(found).items() - _said(subject, raw, kind):
                    yield f"{name}: without {dotted(place)} it is refused or made up"
    empty = subject.read({})
    if empty is None or said(empty):
        yield "an empty answer must give telemetry that says nothing"


def wrong_types_are_refused(subject: Subject) -> Iterator[str]:
    """A value of the wrong type is ignored, or refused in a line that names the field and hides the value."""
    for name, kind, raw in subject.raws():
        for place, _ in leaves(raw):
            changed = with_value(raw, place, ["marker-7391"])
            found, refusal = subject.read(changed, kind), subject.refusal(changed, kind)
            if found is None and ("7391" in refusal or str(place[-1]) not in refusal):
                yield f"{name}: refusing a list in {dotted(place)} must name the field and hide the value"
            if found is not None and said(found).items() - _said(subject, raw, kind):
                yield f"{name}: a list in {dotted(place)} is guessed to mean something"


def sentinels_are_no_values(subject: Subject) -> Iterator[str]:
    """A number that stands for "no value" is refused or left out, wherever it comes."""
    for name, kind, raw in subject.raws():
        for place, value in leaves(raw):
            if isinstance(value, int | float) and not isinstance(value, bool):
                found = subject.read(with_value(raw, place, SENTINEL), kind)
                if found is not None and said(found).items() - _said(subject, raw, kind):
                    yield f"{name}: {SENTINEL} in {dotted(place)} is taken for a value"


def answers_are_recognised(subject: Subject) -> Iterator[str]:
    """Every sample is known by its own marks for what it is, and reading it leaves it as it was."""
    for name, kind, raw in subject.raws():
        wanted = kind or subject.connector.kinds[0].name
        if subject.connector.recognise(raw) != wanted:
            yield f"{name}: recognised as {subject.connector.recognise(raw)}, it is a {wanted}"
        before = deepcopy(raw)
        if subject.read(raw, kind) != subject.read(raw, kind) or raw != before:
            yield f"{name}: reading it twice gives two readings, or changes it"


def pace_keeps_the_quota(subject: Subject) -> Iterator[str]:
    """One car read at its pace stays within what the maker allows its account."""
    reads, pace = subject.connector.limits.reads, subject.connector.pace
    if reads is not None and reads.per > pace.plugged * reads.calls:
        yield f"a reading every {pace.plugged} is more than {reads.calls} in {reads.per}"


def commands_match_capabilities(subject: Subject) -> Iterator[str]:
    """A model can read, and has a call for each ability it is said to have."""
    connector = subject.connector
    for model in subject.models:
        can = connector.capabilities(model)
        if Can.READ not in can:
            yield f"{model or 'an unknown model'} must at least be readable"
        for action, ability in ABILITY.items():
            call = connector.call(action, model)
            if ability in can and call is None:
                yield f"it says {ability.name} of {model!r} but has no call for {action.value}"
            if call is not None and "{vehicle}" not in call.path + str(call.body):
                yield f"the call for {action.value} does not name the vehicle"


def schedules_name_the_instant(subject: Subject) -> Iterator[str]:
    """What sets the car's own schedule says when: another instant makes another body."""
    call = subject.connector.commands.get(Action.SCHEDULE)
    if call is None:
        return
    if not callable(call.body):
        yield "the body of schedule must be a function of the instant"
    elif call.body(ask(RECEIVED)) == call.body(ask(RECEIVED + timedelta(minutes=5))):
        yield "the body of schedule is the same for two instants"


def nothing_private(subject: Subject) -> Iterator[str]:
    """No vehicle identity, token, address or place in the samples or in the connector's repr."""
    texts = {file.name: file.read_text("utf-8") for file in (subject.folder / "samples").glob("*.json")}
    for where, text in (texts | {"repr": repr(subject.connector)}).items():
        for what, pattern in _PRIVATE.items():
            if re.search(pattern, text):
                yield f"{where} holds {what}; mask it"


def quality_is_told(subject: Subject) -> Iterator[str]:
    """`quality.toml` says what is done, what is to do and what is exempt, and why."""
    try:
        told = quality(subject.folder)
    except BadQuality as error:
        yield str(error)
    else:
        if not told.done:
            yield "quality.toml lists nothing as done"


def small_and_in_its_place(subject: Subject) -> Iterator[str]:
    """The folder is named like the connector, and `__init__.py` has at most 150 lines."""
    if subject.folder.name != subject.connector.name:
        yield f"the folder {subject.folder.name} must be named {subject.connector.name}"
    lines = len((subject.folder / "__init__.py").read_text("utf-8").splitlines())
    if lines > _MAX_LINES:
        yield f"__init__.py has {lines} lines, more than {_MAX_LINES}: too much code for one maker"


def imports_are_limited(subject: Subject) -> Iterator[str]:
    """It imports the standard library, contracts, httpx, pydantic and the connector base; no other maker."""
    for file in sorted(subject.folder.glob("*.py")):
        for name in _imports(file.read_text("utf-8")):
            known = name.split(".")[0] in sys.stdlib_module_names
            own = f"oem_connectors.{subject.connector.name}"
            if not known and not name.startswith((*_MAY_IMPORT, own)):
                yield f"{file.name} imports {name}"


def hosts_are_encrypted(subject: Subject) -> Iterator[str]:
    """Every host is https; only this machine may be spoken to without."""
    for name, url in subject.connector.hosts.items():
        if not re.match(r"https://[\w.-]+(:\d+)?$|http://127\.0\.0\.1(:\d+)?$", url):
            yield f"host {name} must be https://, without a path"
        elif url.endswith(".invalid"):
            yield f"host {name} is made up: put the maker's address"


PROMISES: tuple[Promise, ...] = (
    samples_normalise,
    new_words_are_unknown,
    missing_is_null,
    sentinels_are_no_values,
    answers_are_recognised,
    wrong_types_are_refused,
    pace_keeps_the_quota,
    commands_match_capabilities,
    schedules_name_the_instant,
    nothing_private,
    hosts_are_encrypted,
    quality_is_told,
    small_and_in_its_place,
    imports_are_limited,
    conformance_http.errors_are_classed,
    conformance_http.retry_after_is_kept,
    conformance_http.tokens_stay_sealed,
)


def complaints(promise: Promise, connector: Connector) -> list[str]:
    """How a connector breaks one promise; empty when it keeps it."""
    found: list[str] = []
    try:
        found.extend(promise(Subject(connector)))
    except Broken as broken:
        found.append(str(broken))
    return found


def check(connector: Connector) -> dict[str, list[str]]:
    """Every promise by name, with the complaints about it."""
    return {promise.__name__: complaints(promise, connector) for promise in PROMISES}


def _said(subject: Subject, raw: Raw, kind: str | None) -> set[tuple[str, object]]:
    found = subject.read(raw, kind)
    return set(said(found).items()) if found else set()


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def dotted(place: Place) -> str:
    """A place as a line can say it."""
    return ".".join(map(str, place))


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
