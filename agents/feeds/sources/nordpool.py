"""Nord Pool data portal: day-ahead prices by delivery area, or indices in another resolution; one CET day each.

The portal is undocumented and its terms are narrow: an option for who may use it, never a default.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from agents.feeds.source import Answer, Asked, Curve, Param, Refused, Request, Source
from agents.feeds.sources.curves import Piece, days, midnight, prices, scaled
from agents.feeds.sources.reading import Part, json_of
from streams.contracts.forecast import ForecastKind

_ZONE = "Europe/Oslo"  # the delivery day is a CET/CEST one in every area, Finland and the Baltics too
_MWH = 0.001


def _requests(asked: Asked) -> tuple[Request, ...]:
    return tuple(_request(day, asked) for day in days(asked, _ZONE))


def _request(day: date, asked: Asked) -> Request:
    area, currency = asked.params["area"], asked.params["currency"]
    query = {"date": f"{day:%Y-%m-%d}", "market": "DayAhead", "currency": currency}
    if asked.params["index"] == "none":
        return Request("/api/DayAheadPrices", {**query, "deliveryArea": area})
    return Request(
        "/api/DayAheadPriceIndices", {**query, "indexNames": area, "resolutionInMinutes": asked.params["index"]}
    )


def _parse(answer: Answer, asked: Asked) -> Curve:
    whole = json_of(answer)
    area, currency = asked.params["area"], asked.params["currency"]
    whole["currency"].must_be(currency)
    entries = whole["multiIndexEntries"] if whole["multiAreaEntries"].missing else whole["multiAreaEntries"]
    pieces = list(_pieces(entries.rows(), area))
    _check_day(whole["deliveryDateCET"], pieces)
    final, notes = _state(whole["areaStates"], area)
    issued_at = whole["updatedAt"].instant_or_none()
    return prices(pieces, currency, asked, issued_at=issued_at, final=final, notes=notes)


def _pieces(rows: Iterator[Part], area: str) -> Iterator[Piece]:
    """An area that is not in an entry is refused; one that is there without a value is a gap."""
    for row in rows:
        values = row["entryPerArea"]
        if not isinstance(values.value, dict) or area not in values.value:
            raise values.wrong("an object that holds the area asked")
        start, end = row["deliveryStart"].instant(), row["deliveryEnd"].instant()
        if not values[area].missing:
            yield Piece(start, end, scaled(values[area].number(), _MWH))


def _check_day(said: Part, pieces: list[Piece]) -> None:
    try:
        day = date.fromisoformat(said.text())
        start, end = midnight(day, _ZONE), midnight(day + timedelta(days=1), _ZONE)
    except (ValueError, OverflowError):
        raise said.wrong("a day") from None
    if any(piece.start < start or piece.end > end for piece in pieces):
        raise Refused(f"{said.place} is not the day of the prices")


def _state(states: Part, area: str) -> tuple[bool, tuple[str, ...]]:
    """Final only where the portal says so of the area; a state we do not know is not final."""
    for state in states.rows():
        if area in [name.value for name in state["areas"].rows()]:
            word = state["state"].text()
            return word == "Final", () if word in {"Final", "Preliminary"} else ("state not known to us",)
    return False, ("no state is given",)


SOURCE = Source(
    name="nordpool",
    title="Nord Pool data portal",
    kind=ForecastKind.PRICE,
    zone=_ZONE,
    licence="Nord Pool: terms of the data portal; check that you may use it",
    host="dataportal-api.nordpoolgroup.com",
    requests=_requests,
    parse=_parse,
    params={
        "area": Param("delivery area, for example SE3"),
        "currency": Param("currency of the answer", "EUR", ("EUR", "SEK", "NOK", "DKK", "PLN", "RON", "GBP")),
        "index": Param("prices as traded (none), or their index of so many minutes", "none", ("none", "15", "60")),
    },
)
