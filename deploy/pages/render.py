"""Pages as text, and plots as pictures."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from deploy.pages.svg import Board

_HERE: Final = Path(__file__).parent
_ZOOM: Final = 2


def render(folder: Path, template: str, **given: Any) -> str:
    """A template of `folder` on `base.html.jinja`; it is given `drawn`, which draws a board."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (_HERE / "style.css").read_text(encoding="utf-8")
    env = Environment(
        loader=FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return env.get_template(template).render(
        style=Markup(style),  # noqa: S704 - our own file
        digest=base64.b64encode(sha256(style.encode()).digest()).decode(),
        drawn=lambda board: Markup(board.inline()),  # noqa: S704 - texts are escaped
        **given,
    )


def png(board: Board) -> bytes:
    """The plot as a picture, twice as fine as its size in pixels."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=board.picture(), zoom=_ZOOM))
