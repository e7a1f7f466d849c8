"""A small drawing board. Colours are classes, so that one drawing serves a light page, a dark one and a picture."""

from __future__ import annotations

from html import escape
from typing import Final

#: Classes by what they mean, as CSS for pictures, which know no variables and no scheme.
PICTURE_STYLE: Final = """
text { font-family: Inter, "DejaVu Sans", "Liberation Sans", sans-serif; font-size: 13px; fill: #16201d; }
.small { font-size: 11.5px; } .strong { font-weight: 700; } .muted { fill: #5d6a66; }
.title { font-size: 17px; font-weight: 700; }
.managed { fill: #00805e; } .other { fill: #b9c1bd; } .best { fill: #7d8783; } .soft { fill: #cfe6de; }
.loss { fill: #b34700; } .gain { fill: #0072b2; }
.axis { stroke: #e2e5e0; stroke-width: 1; } .zero { stroke: #5d6a66; stroke-width: 1; }
.line { fill: none; stroke: #0072b2; stroke-width: 2; }
"""


class Board:
    """Shapes on a board of fixed size, in pixels from the upper left."""

    def __init__(self, width: float, height: float, name: str, says: str) -> None:
        self._width, self._height, self._says = width, height, says
        self.name = name
        self._parts: list[str] = []

    def rect(self, x: float, y: float, width: float, height: float, cls: str, radius: float = 2) -> None:
        """A bar; nothing when it is thinner than a hair."""
        if width > 0.05 and height > 0.05:
            self._parts.append(
                f'<rect class="{cls}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}"/>'
            )

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        """A straight line."""
        self._parts.append(f'<line class="{cls}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def path(self, points: list[tuple[float, float]], cls: str) -> None:
        """A line through points."""
        way = " ".join(f"{'L' if n else 'M'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(points))
        self._parts.append(f'<path class="{cls}" d="{way}"/>')

    def text(self, x: float, y: float, words: str, cls: str = "", anchor: str = "start") -> None:
        """One line of words."""
        self._parts.append(f'<text class="{cls}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>')

    def inline(self) -> str:
        """For a page whose style sheet knows the classes."""
        return self._svg("", self._parts)

    def picture(self) -> str:
        """On its own: white ground, own colours, its title above."""
        ground = '<rect x="-16" y="-46" width="100%" height="100%" fill="#ffffff"/>'
        title = f'<text class="title" x="0" y="-18">{escape(self._says)}</text>'
        box = f'viewBox="-16 -46 {self._width + 32:.0f} {self._height + 62:.0f}"'
        body = f"<style>{PICTURE_STYLE}</style>{ground}{title}{''.join(self._parts)}"
        return f'<svg xmlns="http://www.w3.org/2000/svg" {box} width="{self._width + 32:.0f}">{body}</svg>'

    def _svg(self, style: str, parts: list[str]) -> str:
        box = f'viewBox="0 0 {self._width:.0f} {self._height:.0f}"'
        return f'<svg {box} role="img" aria-label="{escape(self._says)}">{style}{"".join(parts)}</svg>'


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values that cover [low, high], at most about `most`."""
    span = max(high - low, 1e-9)
    size = 10.0 ** _exponent(span / most)
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= most)
    first = int(low // step)
    last = max(int(-(-high // step)), first + 1)
    return [n * step for n in range(first, last + 1)]


def _exponent(value: float) -> int:
    exponent = 0
    while value >= 10:
        value, exponent = value / 10, exponent + 1
    while value < 1:
        value, exponent = value * 10, exponent - 1
    return exponent
