"""What is generated from the declarations: every dashboard, and the page that lists the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deploy.monitoring.boards import FEEDS, OVERVIEW, PIPELINE
from deploy.monitoring.boards_control import GUARDIAN, OEM
from deploy.monitoring.boards_drivers import DRIVERS
from deploy.monitoring.catalogue import Family, families
from deploy.monitoring.panels import Board, dashboard

BOARDS: Final[tuple[Board, ...]] = (OVERVIEW, PIPELINE, OEM, GUARDIAN, DRIVERS, FEEDS)


def dashboards() -> Mapping[str, str]:
    """Every dashboard's JSON by its file name."""
    return {f"{board.uid}.json": dashboard(board, BOARDS) for board in BOARDS}


def metric_rows(job: str) -> list[tuple[str, ...]]:
    """The metrics that are about one process: name, labels, kind and meaning."""
    return [
        (f"`{family.name}{'_total' if family.kind == 'counter' else ''}`", *_rest(family))
        for family in families()
        if family.job == job
    ]


def _rest(family: Family) -> tuple[str, ...]:
    return ", ".join(family.labels), family.kind, family.about
