"""aWATTar (Germany, Austria): hourly day-ahead prices, net, in EUR per MWh; times in milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from agents.feeds.source import Answer, Asked, Curve, Request, Source
from agents.feeds.sources.curves import Piece, prices, scaled, span
from agents.feeds.sources.reading import Part, json_of
from streams.contracts.forecast import ForecastKind

_MWH = 0.001
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_MILLISECOND = timedelta(milliseconds=1)


def _requests(asked: Asked) -> tuple[Request, ...]:
    start, end = ((at - _EPOCH) // _MILLISECOND for at in span(asked))
    return (Request("/v1/marketdata", {"start": str(start), "end": str(end)}),)


def _parse(answer: Answer, asked: Asked) -> Curve:
    return prices(_pieces(json_of(answer)["data"].rows()), "EUR", asked)


def _pieces(rows: Iterator[Part]) -> Iterator[Piece]:
    for row in rows:
        row["unit"].must_be("Eur/MWh")
        start, end = _instant(row["start_timestamp"]), _instant(row["end_timestamp"])
        yield Piece(start, end, scaled(row["marketprice"].number(), _MWH))


def _instant(part: Part) -> datetime:
    milliseconds = part.number()
    first, last = ((at - _EPOCH) / _MILLISECOND for at in _YEARS)
    if not first <= milliseconds < last:
        raise part.wrong("a time of this century in milliseconds")
    return _EPOCH + milliseconds * _MILLISECOND


def _source(name: str, country: str, host: str, zone: str) -> Source:
    return Source(
        name=name,
        title=f"aWATTar {country}",
        kind=ForecastKind.PRICE,
        zone=zone,
        licence="aWATTar market data, fair use",
        host=host,
        resolution=timedelta(hours=1),
        requests=_requests,
        parse=_parse,
    )


GERMANY = _source("awattar-de", "Germany", "api.awattar.de", "Europe/Berlin")
AUSTRIA = _source("awattar-at", "Austria", "api.awattar.at", "Europe/Vienna")
