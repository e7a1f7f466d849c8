"""Panels and boards as values, and the JSON that Grafana imports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

Json = dict[str, Any]
#: Of Grafana 11; later ones migrate it when they load it.
SCHEMA_VERSION: Final = 39
_COLUMNS: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHTS: Final = {"stat": 4, "timeseries": 8}


class Query(NamedTuple):
    """A PromQL expression and the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One figure. `steps` are (from this value on, colour); the colour below the first is green."""

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["stat", "timeseries"] = "timeseries"
    steps: tuple[tuple[float, str], ...] = ()
    width: int = 8
    stacked: bool = False
    decimals: int | None = None


class Variable(NamedTuple):
    """A choice on top of the page: the values of a label of a metric."""

    name: str
    title: str
    metric: str


@dataclass(frozen=True)
class Board:
    """One dashboard. Rows have a title and panels, laid out from left to right."""

    uid: str
    title: str
    about: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[Variable, ...] = ()

    @property
    def panels(self) -> list[Panel]:
        """All panels, in reading order."""
        return [panel for _, panels in self.rows for panel in panels]


def one(expr: str, legend: str = "") -> tuple[Query, ...]:
    """A single query."""
    return (Query(expr, legend),)


def quantiles(metric: str, by: str = "", where: str = "") -> tuple[Query, ...]:
    """Median, 95 % and 99 % of a histogram, by a label if one is given."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    rate = f"sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({q}, {rate})", f"{legend}{name}") for q, name in _QUANTILES)


def share(part: str, whole: str, by: str) -> str:
    """How much of a rate is another one, by labels; zero where the part was never counted."""
    first, second = (f"sum by ({by}) (rate({metric}[$__rate_interval]))" for metric in (part, whole))
    return f"({first} or {second} * 0) / {second}"


_QUANTILES: Final = ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))


def dashboard(board: Board, others: tuple[Board, ...]) -> str:
    """The board as a JSON file, with links to the others."""
    document = {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["d2ev"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), *(_variable(one) for one in board.variables)]},
        "links": [_link(other) for other in others if other is not board],
        "panels": _panels(board),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _panels(board: Board) -> list[Json]:
    found: list[Json] = []
    y = 0
    for title, panels in board.rows:
        found.append({"id": len(found) + 1, "type": "row", "title": title, "collapsed": False, "panels": []})
        found[-1]["gridPos"] = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        y, x, tallest = y + 1, 0, 0
        for panel in panels:
            if x + panel.width > _COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            height = _HEIGHTS[panel.kind]
            found.append({"id": len(found) + 1, **_panel(panel)})
            found[-1]["gridPos"] = {"x": x, "y": y, "w": panel.width, "h": height}
            x, tallest = x + panel.width, max(tallest, height)
        y += tallest
    return found


def _panel(panel: Panel) -> Json:
    steps = [{"color": "green", "value": None}, *({"color": colour, "value": at} for at, colour in panel.steps)]
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind == "timeseries":
        defaults |= {"color": {"mode": "palette-classic"}, "custom": _custom(panel)}
    else:
        defaults |= {"color": {"mode": "thresholds"}, "noValue": "none yet"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "targets": [_target(number, query) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
    }


def _target(number: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + number),
        "datasource": _SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
    }


def _custom(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _datasource() -> Json:
    return {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.metric}, {variable.name})"
    return {
        "name": variable.name,
        "label": variable.title,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "variable"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
    }


def _link(board: Board) -> Json:
    address = {"url": f"/d/{board.uid}", "keepTime": True, "includeVars": True}
    return {"type": "link", "title": board.title.removeprefix("D2EV "), "icon": "dashboard", **address}
