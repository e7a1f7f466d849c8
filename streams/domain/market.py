"""What energy costs in one place: its price and carbon forecasts, prepared once for all the cars there."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from streams.contracts.forecast import Forecast, Slot
from streams.domain.forecasts import in_force
from streams.domain.planner.curve import CostSlot, Curve, combine
from streams.domain.planner.unknown import expected, next_publication, worth_waiting

#: No plan looks farther ahead.
_FARTHEST: Final = timedelta(hours=48)
_MOST_CURVES: Final = 200


class Market:
    """The forecasts of one tariff and region. `adders`: what regional caps put on the price, in currency per kWh."""

    def __init__(self, price: Forecast, carbon: Forecast | None, adders: Forecast | None = None) -> None:
        self.price = price
        self.carbon = carbon
        self.adders = adders
        self._curves: dict[tuple[float, datetime | None, datetime | None, bool], Curve] = {}
        self._hour: datetime | None = None

    @property
    def currency(self) -> str:
        """ISO 4217 code of the price."""
        return self.price.unit.split("/")[0]

    def carbon_at(self, now: datetime) -> Forecast | None:
        """The carbon forecast that plans count with; None where there is none, or it was not renewed in time."""
        return in_force(self.carbon, now)

    def curve(self, carbon_price_per_tonne: float, now: datetime, until: datetime) -> Curve | None:
        """The curve from `now` on, as far as it is known; None when nothing is, or it was not renewed in time.

        When prices end before `until`, those of past days stand in, weighed by what waiting for the next publication
        is worth; such slots are estimated.
        """
        if in_force(self.price, now) is None:
            return None
        carbon = self.carbon_at(now)
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or len(self._curves) >= _MOST_CURVES:
            self._curves.clear()
            self._hour = hour
        ahead = reveal = None
        if until > self.price.slots[-1].end:
            ahead = _whole_hour(min(until, hour + _FARTHEST))
            reveal = next_publication(self.price, now)
        key = (carbon_price_per_tonne, ahead, reveal, carbon is None)
        curve = self._curves.get(key)
        if curve is None:
            slots = self._slots(carbon, carbon_price_per_tonne, hour, ahead, reveal)
            curve = self._curves[key] = Curve(slots, carbon_price_per_tonne)
        return curve if curve.ends and curve.known_until and curve.known_until > now else None

    def _slots(
        self,
        carbon: Forecast | None,
        carbon_price_per_tonne: float,
        hour: datetime,
        ahead: datetime | None,
        reveal: datetime | None,
    ) -> tuple[CostSlot, ...]:
        last = self.price.slots[-1].end
        guessed = expected(self.price, ahead) if ahead and last > hour else ()
        price = self.price.model_copy(update={"slots": (*self.price.slots, *guessed)})
        slots = combine(price, carbon, hour, max(last, ahead or last))
        if self.adders is not None:
            slots = _added(slots, self.adders.slots)
        if not guessed or reveal is None:
            return slots
        marked = [replace(slot, estimated=True) if slot.start >= last else slot for slot in slots]
        return worth_waiting(marked, self.price, carbon_price_per_tonne, reveal)


def _whole_hour(at: datetime) -> datetime:
    """The instant, or the next at which an hour begins: cars of one hour share a curve."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return at if at == hour else hour + timedelta(hours=1)


def _added(slots: tuple[CostSlot, ...], adders: tuple[Slot, ...]) -> tuple[CostSlot, ...]:
    """The slots, cut at the edges of the adders and with them."""
    starts = [adder.start for adder in adders]
    cut: list[CostSlot] = []
    for slot in slots:
        at = slot.start
        while at < slot.end:
            i = bisect_right(starts, at) - 1
            inside = i >= 0 and at < adders[i].end
            edge = adders[i].end if inside else starts[i + 1] if i + 1 < len(starts) else slot.end
            end = min(slot.end, edge)
            cut.append(replace(slot, start=at, end=end, adder=adders[i].value if inside else 0.0))
            at = end
    return tuple(cut)
