"""Dashboards show only what processes export, all of it, in units that Grafana knows, laid out without overlap."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from deploy.monitoring.catalogue import families
from deploy.monitoring.files import BOARDS
from deploy.monitoring.panels import Board, Panel
from tests.architecture.product import ROOT
from tests.conformance.exported import FAMILIES, complaints, named

FILES = {board.uid: ROOT / "deploy/monitoring/dashboards" / f"{board.uid}.json" for board in BOARDS}
JSON: dict[str, dict[str, Any]] = {uid: json.loads(file.read_text(encoding="utf-8")) for uid, file in FILES.items()}
PANELS = [(board, panel) for board in BOARDS for panel in board.panels]
EACH_PANEL = pytest.mark.parametrize(
    ("board", "panel"), PANELS, ids=[f"{board.uid}: {panel.title}" for board, panel in PANELS]
)
EACH_BOARD = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
#: Of Grafana's unit ids (packages/grafana-data, valueFormats), those that we use and what they take.
UNITS = {"short", "percentunit", "s", "reqps", "cps", "massg", "kwatt", "kwatth"}
VARIABLE = re.compile(r"\$(\w+)")
BUILT_IN = {"__rate_interval", "__range"}


@EACH_PANEL
def test_a_panel_names_only_what_is_exported(board: Board, panel: Panel) -> None:
    for query in panel.queries:
        assert complaints(query.expr) == []
        told = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", query.expr) for label in by.split(",")}
        per_series = {"instance"} if "by (" not in query.expr else set()
        assert told <= grouped | per_series, f"the legend tells a label that the result does not have: {query}"
        chosen = {name for name in VARIABLE.findall(query.expr) if name not in BUILT_IN}
        assert chosen <= {variable.name for variable in board.variables}


@EACH_PANEL
def test_a_panel_says_what_it_shows_in_a_unit_that_grafana_knows(board: Board, panel: Panel) -> None:
    assert board.title.startswith("D2EV ")
    assert panel.about.endswith(".")
    assert panel.unit in UNITS
    assert [at for at, _ in panel.steps] == sorted(at for at, _ in panel.steps)
    seconds = any("_seconds" in query.expr and "_count" not in query.expr for query in panel.queries)
    assert not seconds or panel.unit == "s" or "count by" in panel.queries[0].expr


@EACH_PANEL
def test_counters_are_shown_as_rates_and_gauges_are_not(board: Board, panel: Panel) -> None:
    del board
    for query in panel.queries:
        for name in named(query.expr) & FAMILIES.keys():
            kind = FAMILIES[name].kind
            rated = re.search(rf"(?:rate|increase)\({name}\b", query.expr) is not None
            ledger = panel.title == "Unaccounted"  # a balance of counters since the start
            assert rated == (kind != "gauge") or ledger, f"{name} is a {kind}"


@EACH_BOARD
def test_panels_lie_side_by_side_and_never_overlap(board: Board) -> None:
    shown = JSON[board.uid]["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown)
    places = [panel["gridPos"] for panel in shown]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


@EACH_BOARD
def test_a_dashboard_can_be_imported_anywhere(board: Board) -> None:
    made = JSON[board.uid]
    assert {"id", "__inputs"} & made.keys() == set(), "an id is of one Grafana"
    assert made["uid"] == board.uid
    assert len(board.uid) <= 40
    asked = [panel for panel in made["panels"] if panel["type"] != "row"]
    sources = {json.dumps(thing["datasource"]) for panel in asked for thing in (panel, *panel["targets"])}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
    assert made["templating"]["list"][0]["name"] == "datasource"
    for panel in asked:
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
    for variable in board.variables:
        assert variable.name in FAMILIES[variable.metric].labels
    assert {link["url"] for link in made["links"]} == {f"/d/{other.uid}" for other in BOARDS if other is not board}


def test_every_metric_is_shown_somewhere() -> None:
    shown = {name for _, panel in PANELS for query in panel.queries for name in named(query.expr)}
    assert [family.name for family in families() if not shown & set(family.samples)] == []
