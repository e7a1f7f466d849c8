"""Recorded curves, read by the parsers of the feeds; what is wrong with a file is one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from agents.feeds.source import Answer, Curve, FeedError, NotPublished
from agents.feeds.sources import SOURCES
from agents.feeds.sources.recorded import VINTAGES
from deploy.backtest.rows import BadFile
from streams.contracts.forecast import Forecast, ForecastKind, Slot

_LINE = re.compile(r"line (\d+)[: ]+(.*)")


class Vintage(NamedTuple):
    """Slots that became known together."""

    issued_at: datetime
    slots: tuple[Slot, ...]


class Recording(NamedTuple):
    """One recorded curve: every vintage, oldest first, and what became true in the end."""

    name: str
    unit: str
    vintages: tuple[Vintage, ...]
    outturn: tuple[Slot, ...]
    remark: str

    def forecast(self, kind: ForecastKind, vintage: Vintage) -> Forecast:
        """A vintage as the message that would have announced it."""
        return Forecast.model_construct(
            kind=kind,
            key=self.name,
            unit=self.unit,
            issued_at=vintage.issued_at,
            source="recorded",
            known_until=vintage.slots[-1].end,
            slots=vintage.slots,
        )


def content(path: Path) -> bytes:
    """The bytes of a file; BadFile when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: cannot be read ({error.strerror})") from None


def curves(path: Path, source: str, known: Sequence[str], **params: str) -> tuple[Curve, ...]:
    """Every curve of a file as the recorded source of this name reads it; none where it holds no value.

    `known`: the headers to name where the file has another. BadFile with the line and the remedy.
    """
    try:
        return VINTAGES[source](Answer(content(path)), SOURCES[source].asked(params))
    except NotPublished:
        return ()
    except FeedError as error:
        what = str(error)
    line = _LINE.fullmatch(what)
    remedy = "mend or remove the line" if line else "mend the file"
    if "columns" in what:
        remedy = f"the header must have one of: {'; '.join(known)}"
    where, why = (f"{path}:{line[1]}", line[2]) if line else (path, what)
    raise BadFile(f"{where}: {why}; {remedy}")


def vintages_of(found: Iterable[Curve]) -> tuple[Vintage, ...]:
    """Curves that say when each was issued, oldest first."""
    issued = [Vintage(curve.issued_at, curve.slots) for curve in found if curve.issued_at is not None]
    return tuple(sorted(issued, key=lambda vintage: vintage.issued_at))


def last_word(path: Path, vintages: Iterable[Vintage]) -> tuple[Slot, ...]:
    """What became true where nothing else says so: the last word on every slot; BadFile where slots overlap."""
    last = {slot.start: slot for vintage in vintages for slot in vintage.slots}
    slots = tuple(last[start] for start in sorted(last))
    for before, after in pairwise(slots):
        if after.start < before.end:
            raise BadFile(f"{path}: two slots hold {after.start:%Y-%m-%dT%H:%MZ}; leave each time in one slot")
    return slots
