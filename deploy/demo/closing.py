"""The demo's last picture: what the nights cost and emitted, four ways, and whether the promises were kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.demo import books

_BAD: Final = frozenset({"missed", "duplicate", "duplicate_effective", "lost"})


def summary_table(summary: Mapping[str, Any]) -> RenderableType:
    """The summary of `d2ev demo` for people. Keys as documented for `--json`; unknown ones are ignored."""
    return Group(Text(), _ways(summary), Text(), _facts(summary))


def _ways(summary: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=books.heading(summary), title_justify="left", title_style="bold")
    table.add_column("")
    for way, name in books.WAYS.items():
        table.add_column(name, justify="right", style="bold green" if way == "managed" else "")
    for row in books.rows(summary):
        table.add_row("  " * row.part + row.name, *row.cells)
    return table


def _facts(summary: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim", no_wrap=True)
    facts: dict[str, str | Text] = {
        "Ready by": _counted(summary["ready_by"], ("met", "missed", "unreachable", "left_early")),
        "Commands": _counted(
            summary["commands"], ("sent", "confirmed", "failed", "unknown", "expired", "duplicate_effective")
        ),
        "Control": _control(summary["control"]),
        "Notifications": _counted(summary["notifications"], ("sent", "duplicate")),
        "Plug events": _counted(summary["plug_events"], ()),
        "Plans": f"{summary['schedules']} published, {_each(summary, 'blocks_per_session')} blocks and "
        f"{_each(summary, 'announced_start_changes_per_session')} changes of the announced start per session",
        "Events": _ledger(summary["events"]),
        "Took": f"{summary['wall_seconds']:.0f} s",
    }
    for name, said in facts.items():
        table.add_row(name, said)
    return table


def _counted(counts: Mapping[str, Any] | int, names: tuple[str, ...]) -> Text:
    """`names` in order, or all counts there are; a broken promise or a duplicate stands out."""
    if isinstance(counts, int):
        return Text(str(counts))
    parts = [
        Text(f"{counts[name]:,} {name.replace('_', ' ')}", "bold red" if name in _BAD and counts[name] else "")
        for name in names or counts
        if isinstance(counts.get(name), int)
    ]
    return Text(", ").join(parts)


def _control(control: Mapping[str, Any]) -> str:
    seen, stopped = control["plug_in_to_seen_seconds"], control["seen_to_stop_seconds"]
    return (
        f"plug-in seen after {_seconds(seen['median'])} (95 %: {_seconds(seen['p95'])}), "
        f"stop sent {_seconds(stopped['median'])} later (95 %: {_seconds(stopped['p95'])})"
    )


def _seconds(value: float | None) -> str:
    return books.NONE if value is None else f"{value:.0f} s"


def _each(summary: Mapping[str, Any], name: str) -> str:
    value = summary[name]
    return books.NONE if value is None else f"{value:.2f}"


def _ledger(events: Mapping[str, int]) -> Text:
    balanced = events["in"] == events["out"] + events["filtered"] + events["dead_letters"]
    told = f"{events['in']:,} in = {events['out']:,} out + {events['filtered']:,} filtered"
    told += f" + {events['dead_letters']:,} dead letters"
    lost = f"; {events['lost']:,} lost"
    return Text.assemble((told, "" if balanced else "bold red"), (lost, "bold red" if events["lost"] else ""))
