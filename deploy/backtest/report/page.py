"""The page: one file without scripts or anything fetched; and the plots as pictures beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from deploy.backtest.report.charts import charts
from deploy.backtest.report.findings import TELLS, caveats, extent, lead, tiles
from deploy.backtest.report.tables import promises, tables, tariffs
from deploy.pages.render import png, render
from deploy.pages.svg import Board

_HERE: Final = Path(__file__).parent


def write(summary: dict[str, Any], folder: Path) -> Path:
    """`report.html` and one PNG per plot in `folder`, made if need be; the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    boards = charts(summary)
    page = folder / "report.html"
    page.write_text(html(summary, boards), encoding="utf-8")
    for board in boards:
        (folder / f"{board.name}.png").write_bytes(png(board))
    return page


def html(summary: dict[str, Any], boards: list[Board]) -> str:
    """The page as text."""
    words = tables(summary)
    return render(
        _HERE,
        "report.html.jinja",
        lead=lead(summary),
        extent=extent(summary),
        tiles=tiles(summary),
        plots=[(board, *TELLS[board.name], words[board.name]) for board in boards],
        promises=promises(summary),
        tariffs=tariffs(summary) if len(summary["tariffs"]) > 1 else None,
        caveats=caveats(summary),
        left_out=summary["more"]["left_out"],
        summary=summary,
    )
