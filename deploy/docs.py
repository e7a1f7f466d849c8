"""The generated pages of docs/: each from the declarations it documents, so that a test can tell when one is stale."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import httpx

from agents.app import pipeline
from agents.cars import Cars
from agents.clock import SystemClock
from agents.driver_api import app
from agents.engine.stage import Stage
from agents.metrics import Metrics
from agents.sealing import KEY_BYTES, Sealer
from agents.settings import Settings
from deploy import kubernetes, topic_pages
from deploy.markdown import page, table
from deploy.monitoring.catalogue import PROCESSES
from deploy.monitoring.files import dashboards, metric_rows
from deploy.setting_rows import setting_rows
from streams import asyncapi
from streams.topics import TICK, TOPICS, Topic
from tables import TABLES

FOLDER = Path(__file__).parents[1] / "docs"


def pages() -> Mapping[str, str]:
    """Every generated page by its file name."""
    return {
        "asyncapi.json": json.dumps(asyncapi.document(), indent=2, ensure_ascii=False) + "\n",
        "flow.md": flow(stages()),
        "kubernetes-values.md": chart_values(),
        "metrics.md": metrics(),
        "openapi.json": json.dumps(app.document(), indent=2, ensure_ascii=False) + "\n",
        "settings.md": settings(),
        "tables.md": tables(),
        **topic_pages.pages(stages()),
        **{f"../deploy/monitoring/dashboards/{name}": text for name, text in dashboards().items()},
        **{f"../deploy/helm/d2ev/{name}": text for name, text in kubernetes.files().items()},
    }


def write(folder: Path = FOLDER) -> list[str]:
    """Write the pages that are not as they should be; returns their names."""
    stale = {name: text for name, text in pages().items() if not _is(folder / name, text)}
    for name, text in stale.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return list(stale)


def stages() -> tuple[Stage, ...]:
    """The pipeline as declared, bound to nothing."""
    return pipeline(Settings(), _no_cars, SystemClock(), Metrics(), Sealer(bytes(KEY_BYTES)), httpx.AsyncClient())


def flow(pipeline_stages: tuple[Stage, ...]) -> str:
    """The pipeline as a Mermaid figure and a table, in flow order."""
    shown = [topic for topic in TOPICS if topic is not TICK]
    written = {topic.name for stage in pipeline_stages for topic in stage.writes}
    lines = ["flowchart TD", "  outside([outside])"]
    lines += [f"  {_node(topic)}[/{_short(topic)}/]" for topic in shown]
    lines += [f"  {stage.name}[[{stage.name}]]" for stage in pipeline_stages]
    lines += [f"  outside --> {_node(topic)}" for topic in shown if topic.owner == "outside"]
    for stage in pipeline_stages:
        lines += [f"  {_node(topic)} --> {stage.name}" for topic in stage.reads if topic is not TICK]
        lines += [f"  {stage.name} --> {_node(topic)}" for topic in stage.writes]
    unwritten = [topic for topic in shown if topic.name not in written and topic.owner == "every stage"]
    lines += [f"  anystage([every stage]) --> {_node(topic)}" for topic in unwritten]
    lines += [f"  {process}([{process}]) --> {_node(topic)}" for topic in shown for process in topic.beside]
    rows = (
        (
            stage.name,
            _promise(stage),
            _names(stage.reads),
            _names(stage.writes),
            ", ".join(t.name for t in stage.tables),
        )
        for stage in pipeline_stages
    )
    beats = ", ".join(stage.name for stage in pipeline_stages if TICK in stage.reads)
    return page(
        "The flow",
        "The stages in the order in which data walks, with the topics between them. Every stage is one module in "
        f"`agents/`. The clock's ticks are left out of the figure; they reach {beats}.",
        "```mermaid\n" + "\n".join(lines) + "\n```",
        table(("Stage", "Promise", "Reads", "Writes", "Tables"), rows),
    )


def tables() -> str:
    """Every table, with its one writer and its changelog."""
    rows = (
        (f"`{t.name}`", t.purpose, t.key, t.written_by, "yes" if t.personal else "no", f"`{t.changelog('d2ev')}`")
        for t in TABLES
    )
    return page(
        "Tables",
        "What is remembered, each table written by exactly one stage and restored from its changelog. Changelogs are "
        "private; the `d2ev` in front is `D2EV_APP_ID`.",
        table(("Table", "What", "Key", "Written by", "Personal", "Changelog"), rows),
    )


def metrics() -> str:
    """Every metric, by the process that it is about."""
    head = ("Metric", "Labels", "Kind", "What")
    return page(
        "Metrics",
        "What `/metrics` of each process says, for Prometheus; [monitoring.md](monitoring.md) says what to do with it. "
        "No label names a car, a driver or a VIN. A histogram has `_bucket`, `_sum` and `_count`. Every process also "
        "exports those of the worker, and fills the ones that are its own as well, such as requests to makers.",
        *(f"## `{job.replace('-', ' ')}`\n\n{table(head, metric_rows(job))}" for job in PROCESSES),
    )


def settings() -> str:
    """Every setting, read from the environment."""
    rows = (
        (f"`{row.name}`", row.kind, f"`{row.default}`" if row.default else "none", row.purpose)
        for row in setting_rows({})
    )
    return page(
        "Settings",
        "Read once at the start from the environment. An unknown `D2EV_` name or a bad value stops the start with one "
        "line. `d2ev doctor --settings` prints the values in force.",
        table(("Variable", "Value", "Default", "What"), rows),
    )


def chart_values() -> str:
    """Every value of the Helm chart."""
    return page(
        "Values of the chart",
        "What `helm install` takes by `--set` or `--values`; [kubernetes.md](kubernetes.md) says how. An unknown name "
        "or a bad value is refused before anything is changed.",
        table(("Value", "Default", "What"), kubernetes.value_rows()),
    )


def _promise(stage: Stage) -> str:
    """The first line of the stage's module."""
    return (sys.modules[stage.step.__module__].__doc__ or "").strip().split("\n", maxsplit=1)[0]


def _short(topic: Topic) -> str:
    return topic.name.removeprefix("d2ev.")


def _node(topic: Topic) -> str:
    return "t_" + _short(topic).replace(".", "_").replace("-", "_")


def _names(found: Iterable[Topic]) -> str:
    return ", ".join(f"`{_short(topic)}`" for topic in found)


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _no_cars() -> Cars:
    raise RuntimeError("a pipeline made for its documentation drives no cars")
