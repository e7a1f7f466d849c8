"""The page: one file without scripts or anything fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any, Final, NamedTuple

from deploy.analysis.output import whole
from deploy.pages.render import render
from deploy.pages.svg import Board
from deploy.pages.table import Table
from deploy.report import charts, tables, tells
from deploy.report.questions import SECTIONS
from deploy.report.words import extent, lead, tiles

_HERE: Final = Path(__file__).parent
#: So many tariffs are drawn, those with the most energy first; all are in the table.
MOST_DRAWN: Final = 4

Row = dict[str, Any]


class Plot(NamedTuple):
    """A drawing, what is over it, what it shows, and its figures."""

    board: Board
    title: str
    tells: str
    table: Table


def write(figures: Row, path: Path) -> None:
    """The page as a file, there whole or not at all. Raises ValueError, OSError."""
    if not path.resolve().parent.is_dir():
        raise ValueError(f"--to {path}: there is no folder {path.resolve().parent}")
    with whole(path) as part:
        part.write_text(html(figures), encoding="utf-8")


def html(figures: Row) -> str:
    """The page as text."""
    return render(
        _HERE,
        "report.html.jinja",
        figures=figures,
        lead=lead(figures),
        extent=extent(figures),
        tiles=tiles(figures),
        money=tables.money(figures),
        loads=list(_loads(figures)),
        undrawn=max(0, len(figures["thirds"]) - MOST_DRAWN),
        unmetered_kwh=_unmetered(figures),
        thirds=tables.thirds(figures),
        savings=list(_savings(figures)),
        promises=_promises(figures["promises"]),
        not_kept=tables.not_kept(figures),
        commands=_commands(figures["commands"]),
        asked={section: [_asked(question, figures) for question in several] for section, several in SECTIONS.items()},
    )


def _loads(figures: Row) -> Iterator[Plot]:
    for n, row in enumerate(figures["thirds"][:MOST_DRAWN]):
        mine = [one for one in figures["load"] if (one["tariff"], one["region"]) == (row["tariff"], row["region"])]
        shown, mean = charts.points(mine, figures["zone"])
        currency = (row["unit"] or "").partition("/")[0] or "currency"
        title = f"Tariff {row['tariff'] or 'unknown'}, carbon of {row['region'] or 'unknown'}"
        title += ", the mean day from noon to noon" if mean else ""
        board = charts.load(f"load-{n}", shown, currency, mean=mean)
        yield Plot(board, title, tells.load(shown, currency, mean=mean), tables.load(shown, currency, mean=mean))


def _savings(figures: Row) -> Iterator[Plot]:
    for name, what in (("by_oem", "Maker"), ("by_tariff", "Tariff")):
        groups: Sequence[Row] = figures[name]
        if groups:
            board = charts.savings(f"saved-{name}", groups)
            yield Plot(board, f"By {what.lower()}", tells.savings(groups), tables.savings(groups, what))


def _promises(rows: Sequence[Row]) -> Plot:
    return Plot(charts.promises(rows), "", tells.promises(rows), tables.promises(rows))


def _commands(rows: Sequence[Row]) -> Plot:
    return Plot(charts.commands(rows), "", tells.commands(rows), tables.commands(rows))


def _unmetered(figures: Row) -> float:
    """Energy of sessions without prices: nobody knows by the half hour when it went in."""
    return float(sum(row["energy_kwh"] or 0 for row in figures["money"] if row["priced"] < row["sessions"]))


def _asked(question: str, figures: Row) -> str:
    """What to type to have the same figures."""
    given = [f"--param {name}={figures[name]}" for name in ("since", "until", "zone") if f"${name}" in question]
    return f"d2ev sql {quote(question)} {' '.join(given)}".strip()
