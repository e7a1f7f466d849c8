"""Price and carbon over all that the log has of them: as they were issued, and what came true in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from deploy.backtest.insight import Outturn
from deploy.backtest.recording import Recording, Vintage
from deploy.replay.log import Log
from streams.contracts.forecast import Forecast, Slot
from streams.topics import CARBON, PRICE


class Curves(NamedTuple):
    """What a stay is driven against."""

    price: Recording
    carbon: Recording
    outturn: Outturn


class Forecasts:
    """The curves of any tariff, in a currency, and region; each is made once."""

    def __init__(self, log: Log) -> None:
        self._prices, self._carbon = _issued(log, PRICE.name), _issued(log, CARBON.name)
        self.curves = cache(self._curves)

    def _curves(self, tariff: str, currency: str, region: str) -> Curves | None:
        """None where there is no price or no carbon at all."""
        prices = [one for one in self._prices.get(tariff, ()) if one.unit.split("/")[0] == currency]
        price, carbon = _recording(tariff, prices), _recording(region, self._carbon.get(region, ()))
        return None if price is None or carbon is None else Curves(price, carbon, Outturn(price, carbon))


def came_true(issued: Sequence[Forecast]) -> tuple[Slot, ...]:
    """The last word on every moment, of vintages oldest first. Unlike a worker's curve it forgets nothing."""
    edges = sorted({at for one in issued for slot in one.slots for at in (slot.start, slot.end)})
    place = {at: n for n, at in enumerate(edges)}
    words: dict[int, float] = {}
    for one in issued:
        for slot in one.slots:
            words |= dict.fromkeys(range(place[slot.start], place[slot.end]), slot.value)
    return tuple(Slot(start=edges[n], end=edges[n + 1], value=words[n]) for n in sorted(words))


def _issued(log: Log, topic: str) -> dict[str, list[Forecast]]:
    """The vintages by tariff or region, oldest first."""
    found = {
        key: [Forecast.model_validate_json(one.value) for one in entries if one.value]
        for key, entries in log.by_key(topic).items()
    }
    return {key: sorted(several, key=_age) for key, several in found.items()}


def _age(forecast: Forecast) -> datetime:
    return forecast.issued_at


def _recording(name: str, issued: Sequence[Forecast]) -> Recording | None:
    """Average and marginal carbon never mix: of two that differ only the newer is left."""
    if not issued:
        return None
    newest = issued[-1]
    alike = [one for one in issued if (one.unit, one.basis) == (newest.unit, newest.basis)]
    vintages = tuple(Vintage(one.issued_at, one.slots) for one in alike)
    return Recording(name, newest.unit, vintages, came_true(alike), "")
