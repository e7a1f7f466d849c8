"""What a connector is known to do, owes, and is spared: its `quality.toml`, for integrators and operators."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

FILE = "quality.toml"
_LISTS = ("done", "todo", "exempt")


class Quality(NamedTuple):
    """Short lines; those of `todo` and `exempt` say why after a colon."""

    done: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()


class BadQuality(ValueError):
    """The file cannot be used; the message says why."""


def quality(folder: Path) -> Quality:
    """The quality of the connector in a folder. Raises `BadQuality`."""
    try:
        found = tomllib.loads((folder / FILE).read_text("utf-8"))
    except FileNotFoundError:
        raise BadQuality(f"{FILE} is missing; it lists done, todo and exempt") from None
    except tomllib.TOMLDecodeError as error:
        raise BadQuality(f"{FILE}: {error}") from None
    for name, lines in found.items():
        if name not in _LISTS:
            raise BadQuality(f"{FILE}: {name!r} is none of {', '.join(_LISTS)}")
        if not isinstance(lines, list) or not all(isinstance(line, str) and line for line in lines):
            raise BadQuality(f"{FILE}: {name} must be a list of texts")
        if name != "done" and not all(": " in line for line in lines):
            raise BadQuality(f'{FILE}: each line of {name} must say why, "what: why"')
    return Quality(*(tuple(found.get(name, ())) for name in _LISTS))
