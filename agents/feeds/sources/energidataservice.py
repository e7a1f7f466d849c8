"""Energi Data Service (Denmark): day-ahead prices, and the forecast of the emissions of consumption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from agents.feeds.source import Answer, Asked, Curve, NotPublished, Param, Refused, Request, Source
from agents.feeds.sources.curves import carbon, days, prices, scaled, stepped
from agents.feeds.sources.reading import Part, json_of
from streams.contracts.forecast import ForecastKind

_ZONE = "Europe/Copenhagen"
_LICENCE = "Energinet, Energi Data Service, free use with attribution"
_MWH = 0.001
_QUARTER, _FIVE_MINUTES = timedelta(minutes=15), timedelta(minutes=5)
#: The default limit of the service is not documented for sure: ours is explicit, and checked against the total.
_LIMIT = 10_000
_AREA = Param("price area, DK1 or DK2; prices also of neighbours such as DE or SE3")


def _dataset(name: str, time_column: str, asked: Asked) -> Request:
    """`start` and `end` are local Danish days, the end not part of them."""
    asked_days = days(asked, _ZONE)
    query = {
        "start": f"{asked_days[0]:%Y-%m-%d}",
        "end": f"{asked_days[-1] + timedelta(days=1):%Y-%m-%d}",
        "filter": json.dumps({"PriceArea": [asked.params["area"]]}),
        "sort": f"{time_column} asc",
        "limit": str(_LIMIT),
    }
    return Request(f"/dataset/{name}", query)


def _records(answer: Answer, asked: Asked, dataset: str) -> Iterator[Part]:
    whole = json_of(answer)
    if not whole["dataset"].missing and whole["dataset"].text() != dataset:
        raise whole["dataset"].wrong(dataset)
    records = list(whole["records"].rows())
    if not whole["total"].missing and whole["total"].number() != len(records):
        raise Refused(f"records holds {len(records)}, total says another number: the answer is cut off")
    if not records:
        raise NotPublished("no records yet")
    for record in records:
        if record["PriceArea"].text() != asked.params["area"]:
            raise record["PriceArea"].wrong("the area asked")
        yield record


def _values(records: Iterator[Part], time_column: str, column: str) -> Iterator[tuple[datetime, float | None]]:
    """The times are UTC and do not say so; a value that is null is a gap."""
    for record in records:
        value = record[column]
        yield record[time_column].instant(UTC), None if value.missing else value.number()


def _parse_prices(answer: Answer, asked: Asked) -> Curve:
    currency = asked.params["currency"]
    records = _records(answer, asked, "DayAheadPrices")
    rows = [
        (start, None if value is None else scaled(value, _MWH))
        for start, value in _values(records, "TimeUTC", f"DayAheadPrice{currency}")
    ]
    return prices(stepped(rows, _QUARTER), currency, asked)


def _parse_carbon(answer: Answer, asked: Asked) -> Curve:
    rows = _values(_records(answer, asked, "CO2EmisProg"), "Minutes5UTC", "CO2Emission")
    return carbon(stepped(rows, _FIVE_MINUTES), "average", asked)


PRICES = Source(
    name="energidataservice",
    title="Energi Data Service, day-ahead prices",
    kind=ForecastKind.PRICE,
    zone=_ZONE,
    licence=_LICENCE,
    host="api.energidataservice.dk",
    resolution=_QUARTER,
    requests=lambda asked: (_dataset("DayAheadPrices", "TimeUTC", asked),),
    parse=_parse_prices,
    params={"area": _AREA, "currency": Param("which of the two currencies", "DKK", ("DKK", "EUR"))},
)
CARBON = Source(
    name="energidataservice-carbon",
    title="Energi Data Service, forecast of emissions",
    kind=ForecastKind.CARBON,
    zone=_ZONE,
    licence=_LICENCE,
    host="api.energidataservice.dk",
    resolution=_FIVE_MINUTES,
    requests=lambda asked: (_dataset("CO2EmisProg", "Minutes5UTC", asked),),
    parse=_parse_carbon,
    params={"area": _AREA},
)
