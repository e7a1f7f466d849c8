"""What devices were shown: the judge of everything that is pushed. Nobody asks the sender."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Shown(NamedTuple):
    """One message on one device. Of those with the same tag only the last one is still to be seen."""

    device: str
    id: str
    kind: str
    tag: str
    title: str
    body: str
    urgent: bool


class Screens:
    """All devices, in the order in which they were shown messages; also line by line in a file, if one is given."""

    def __init__(self, file: Path | None = None) -> None:
        self.shown: list[Shown] = []
        self._file = file

    def show(self, shown: Shown) -> None:
        """The device shows it."""
        self.shown.append(shown)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(shown._asdict(), ensure_ascii=False) + "\n")

    def on(self, device: str) -> list[Shown]:
        """What there is to be seen on a device: a message takes the place of the one with its tag."""
        seen = {one.tag: one for one in self.shown if one.device == device}
        return list(seen.values())

    def repeats(self) -> dict[Shown, int]:
        """Messages that came to the same device more than once, and how often."""
        times = Counter((one.device, one.id) for one in self.shown)
        return {one: times[one.device, one.id] for one in self.shown if times[one.device, one.id] > 1}
