"""Which events were taken before: as many as fit in a bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

#: Some 15 MB; hours of a large fleet's news.
MOST: Final = 100_000


def fingerprint(oem: str, event_id: str) -> bytes:
    """What an event is remembered by."""
    return blake2b(f"{oem}\0{event_id}".encode(errors="surrogatepass"), digest_size=16).digest()


class Seen:
    """Remembers the newest events; the oldest are forgotten first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._marks: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, mark: bytes) -> bool:
        return mark in self._marks

    def add(self, marks: Iterable[bytes]) -> None:
        """Remember what is on the log now."""
        for mark in marks:
            self._marks[mark] = None
            self._marks.move_to_end(mark)
        while len(self._marks) > self._most:
            self._marks.popitem(last=False)
