"""What `d2ev sql` does: one question, a prompt, the data dictionary, and names behind pseudonyms."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from agents.settings import Settings
from deploy.analysis import output, tables
from deploy.analysis.log import Log
from deploy.analysis.progress import Bar
from deploy.analysis.views import VIEWS
from streams.contracts.base import account_of
from tables.dictionary import aligned, entries, kept, summary
from tables.relations import Relation, relation, relations
from tables.store import BadQuery, Store

_HELP: Final = "SELECT …;   .tables   .describe NAME   .quit"


def answer(query: str, given: dict[str, Any], settings: Settings, form: output.Format, out: Path | None) -> None:
    """Answer one question. Raises BadQuery, BrokerError, ValueError."""
    if form == "parquet" and out is None:
        raise ValueError("--format parquet: say where to with --out FILE.parquet")
    folder = None if out is None else out.resolve().parent
    if folder is not None and not folder.is_dir():
        raise ValueError(f"--out: there is no folder {folder}")
    with tables.opened(settings, out=folder) as store:
        _answer(store, query, given, settings, form, out)


def _answer(
    store: Store, query: str, given: dict[str, Any], settings: Settings, form: output.Format, out: Path | None
) -> None:
    with store.ask(query, given):  # a question that makes no sense is told before the log is read
        pass
    with Bar() as progress:
        tables.fill(store, settings, store.needs(query), progress)
    for name, lost in store.unreadable.items():
        if lost:
            print(f"d2ev: {lost} records of {name} are unreadable and left out", file=sys.stderr)
    with store.ask(query, given) as found:
        if out is None:
            output.write(found, form, sys.stdout)
        else:
            output.to_file(found, form, out.resolve())


def parameters(given: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE: numbers, true, false and null are these, all else is text. Raises ValueError."""
    named = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"--param {name}: give NAME=VALUE")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        named[name] = value if not isinstance(value, dict | list) else text
    return named


def prompt(settings: Settings, form: output.Format) -> None:
    """Answer what is typed, until the end of input."""
    import readline  # noqa: F401 - input() then has a history

    print(_HELP)
    with tables.opened(settings) as store:
        for said in _questions():
            try:
                if said in {".tables", ".describe"}:
                    print(_listed())
                elif said.startswith("."):
                    print(described(said.split()[-1], settings, as_json=False))
                else:
                    _answer(store, said, {}, settings, form, None)
            except (ValueError, BadQuery) as error:
                print(f"d2ev: {error}", file=sys.stderr)
            except KeyboardInterrupt:
                print()


def _questions() -> Iterator[str]:
    """What is typed, up to a semicolon; words with a dot end by themselves."""
    pending = ""
    while True:
        try:
            line = input("   ... " if pending else "d2ev> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            pending = ""
            print()
            continue
        pending = f"{pending}\n{line}".strip()
        if pending in {".quit", ".exit"}:
            return
        if pending.startswith(".") or pending.endswith(";"):
            yield pending.removesuffix(";")
            pending = ""


def described(name: str | None, settings: Settings, *, as_json: bool) -> str:
    """The data dictionary: what there is, or the columns of one relation or view. Raises ValueError."""
    if name is None:
        every = [summary(one, one.log(settings.app_id)) for one in relations().values()]
        return json.dumps(every, ensure_ascii=False) + "\n" if as_json else _listed()
    if name in VIEWS:
        return f"{name}: {VIEWS[name].purpose}\n\n{VIEWS[name].query}\n"
    one = relation(name)
    if as_json:
        return json.dumps(summary(one, one.log(settings.app_id)), ensure_ascii=False) + "\n"
    head = f"{one.full_name}: {one.purpose}\nfrom {one.log(settings.app_id)}, {kept(one)}\n\n"
    return head + aligned(("column", "type", "unit", "privacy", "meaning"), [
        (entry.column, entry.type, entry.unit, entry.privacy, entry.meaning) for entry in entries(one)
    ])  # fmt: skip


def _listed() -> str:
    rows = [(one.full_name, _kind(one), one.purpose) for one in relations().values()]
    rows += [(name, "view", view.purpose) for name, view in VIEWS.items()]
    return aligned(("name", "rows", "what"), rows)


def _kind(one: Relation) -> str:
    return "newest" if one.folded else "events"


def pseudonyms_of(names: Sequence[str], settings: Settings) -> list[str]:
    """The pseudonym of each name."""
    known = tables.pseudonyms(settings)
    return [known.of(name) for name in names]


def found(pseudonym: str, settings: Settings) -> str:
    """The car, account or driver behind a pseudonym, among those enrolled. Raises ValueError, BrokerError."""
    enrolled, known = relation("registration.state"), tables.pseudonyms(settings)
    with Log(settings) as log:
        records = log.read([enrolled])[enrolled.full_name]
    for key, value in zip(records.keys, records.values, strict=True):
        driver = json.loads(value).get("driver", "")
        for kind, name in (("car", key or ""), ("account", account_of(key or "")), ("driver", driver)):
            if known.of(name) == pseudonym:
                return f"{kind} {name}"
    raise ValueError("nobody enrolled has this pseudonym; it may be of another key, or a session's")
