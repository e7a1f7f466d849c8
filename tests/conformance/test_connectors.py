"""Every connector keeps every promise; and each promise notices when it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from oem_connectors import conformance, conformance_http, registry
from oem_connectors.base import Call, Can, Connector, Reply
from oem_connectors.conformance import PROMISES, Promise, complaints
from oem_connectors.errors import Rejected
from oem_connectors.registry import RegistryError, load
from oem_connectors.simulator import CONNECTOR, state
from oem_connectors.subject import Subject
from streams.contracts.command import Action
from streams.contracts.telemetry import Plug

Raw = Mapping[str, Any]


@pytest.mark.parametrize("connector", load().values(), ids=lambda connector: connector.name)
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_connector_keeps_its_promises(connector: Connector, promise: Promise) -> None:
    assert complaints(promise, connector) == []


def kinds(fields: Callable[[Raw], Raw]) -> dict[str, Any]:
    """The simulator's connector, reading its answers this way."""
    return {"kinds": (replace(CONNECTOR.kinds[0], fields=fields),)}


def guesses_the_plug(raw: Raw) -> Raw:
    found = state(raw)
    return {**found, "plug": Plug.UNPLUGGED} if found["plug"] is Plug.UNKNOWN else found


def takes_missing_for_zero(raw: Raw) -> Raw:
    found = state(raw)
    return {**found, "soc_pct": found["soc_pct"] or 0.0}


def raises_key_error(raw: Raw) -> Raw:
    return {**state(raw), "soc_pct": raw["battery"]["percent"]}


def counts_a_list_as_one(raw: Raw) -> Raw:
    battery = raw.get("battery", {})
    if isinstance(battery.get("percent"), list):
        raw = {**raw, "battery": {**battery, "percent": 1}}
    return state(raw)


def everything_is_rejected(_reply: Reply) -> Rejected:
    return Rejected("no")


READ_ONLY_CALLS = {Action.START: Call("POST", "/start")}
DEAF_SCHEDULE = {**CONNECTOR.commands, Action.SCHEDULE: Call("POST", "/{vehicle}/schedule")}
ONE_SCHEDULE = {**CONNECTOR.commands, Action.SCHEDULE: Call("POST", "/{vehicle}/schedule", lambda _at: {"at": 5})}
BROKEN: list[tuple[Promise, dict[str, Any]]] = [
    (conformance.samples_normalise, kinds(takes_missing_for_zero)),
    (conformance.new_words_are_unknown, kinds(guesses_the_plug)),
    (conformance.missing_is_null, kinds(takes_missing_for_zero)),
    (conformance.missing_is_null, kinds(raises_key_error)),
    (conformance.wrong_types_are_refused, kinds(counts_a_list_as_one)),
    (conformance.commands_match_capabilities, {"commands": {}}),
    (conformance.commands_match_capabilities, {"commands": READ_ONLY_CALLS}),
    (conformance.commands_match_capabilities, {"capabilities": lambda _model: Can.START}),
    (conformance.schedules_name_the_instant, {"commands": DEAF_SCHEDULE}),
    (conformance.schedules_name_the_instant, {"commands": ONE_SCHEDULE}),
    (conformance.nothing_private, {"title": "WVWZZZ1JZXW000001"}),
    (conformance.nothing_private, {"hosts": {"api": "https://me@example.org", "auth": "https://example.org"}}),
    (conformance.hosts_are_encrypted, {"hosts": {"api": "http://example.org", "auth": "https://example.org"}}),
    (conformance.small_and_in_its_place, {"name": "other"}),
    (conformance_http.errors_are_classed, {"outcome": everything_is_rejected}),
    (conformance_http.retry_after_is_kept, {"outcome": everything_is_rejected}),
]


@pytest.mark.parametrize(("promise", "change"), BROKEN)
def test_a_broken_promise_is_noticed(promise: Promise, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Subject(CONNECTOR).folder
    monkeypatch.setattr(Subject, "folder", folder)  # broken rules live here, their samples over there
    assert complaints(promise, CONNECTOR) == []
    assert complaints(promise, replace(CONNECTOR, **change))


@pytest.mark.parametrize(
    ("promise", "file", "text"),
    [
        (conformance.nothing_private, "samples/a.json", json.dumps({"raw": {"lat": 52.123}})),
        (conformance.nothing_private, "samples/a.json", json.dumps({"raw": {"vin": "WVWZZZ1JZXW000001"}})),
        (conformance.small_and_in_its_place, "__init__.py", "\n" * 151),
        (conformance.imports_are_limited, "__init__.py", "import faust\n"),
        (conformance.imports_are_limited, "more.py", "from oem_connectors.tesla import CONNECTOR\n"),
    ],
)
def test_a_folder_that_breaks_a_promise_is_noticed(
    promise: Promise, file: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "simulator"
    (folder / "samples").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.setattr(Subject, "folder", folder)
    assert complaints(promise, CONNECTOR) == []
    (folder / file).write_text(text)
    assert complaints(promise, CONNECTOR)


def entry(loads: Callable[[], object]) -> EntryPoint:
    class Fake(EntryPoint):
        def load(self) -> object:
            return loads()

    return Fake("x", "some_plugin:CONNECTOR", registry.ENTRY_POINTS)


def test_a_plug_in_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(CONNECTOR, name="other")
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry(lambda: other)])
    assert load()["other"] is other
    assert "simulator" in load()


@pytest.mark.parametrize(
    ("loads", "words"),
    [
        (lambda: CONNECTOR, ["two connectors", "simulator", "some_plugin"]),
        (lambda: "no connector", ["some_plugin", "no Connector"]),
        (lambda: 1 / 0, ["some_plugin", "ZeroDivisionError"]),
    ],
)
def test_a_broken_plug_in_stops_the_start_with_one_clear_line(
    loads: Callable[[], object], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry(loads)])
    with pytest.raises(RegistryError) as caught:
        load()
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)
