"""The page: one file without scripts or anything fetched; and the plots as pictures beside it."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from deploy.backtest.report.charts import charts
from deploy.backtest.report.findings import TELLS, caveats, extent, lead, tiles
from deploy.backtest.report.svg import Board
from deploy.backtest.report.tables import promises, tables, tariffs

_HERE: Final = Path(__file__).parent
_ZOOM: Final = 2


def write(summary: dict[str, Any], folder: Path) -> Path:
    """`report.html` and one PNG per plot in `folder`, made if need be; the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    boards = charts(summary)
    page = folder / "report.html"
    page.write_text(html(summary, boards), encoding="utf-8")
    for board in boards:
        (folder / f"{board.name}.png").write_bytes(png(board))
    return page


def png(board: Board) -> bytes:
    """The plot as a picture, twice as fine as its size in pixels."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=board.picture(), zoom=_ZOOM))


def html(summary: dict[str, Any], boards: list[Board]) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (_HERE / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    words = tables(summary)
    env = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return env.get_template("report.html.jinja").render(
        style=Markup(style),  # noqa: S704 - our own file
        digest=digest,
        lead=lead(summary),
        extent=extent(summary),
        tiles=tiles(summary),
        plots=[
            (board.name, *TELLS[board.name], Markup(board.inline()), words[board.name])  # noqa: S704 - texts are escaped
            for board in boards
        ],
        promises=promises(summary),
        tariffs=tariffs(summary) if len(summary["tariffs"]) > 1 else None,
        caveats=caveats(summary),
        left_out=summary["more"]["left_out"],
        summary=summary,
    )
