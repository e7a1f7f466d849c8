"""easyEnergy (Netherlands): prices in EUR per kWh, bare or as invoiced, with and without VAT.

Its times have no zone. That they are Dutch wall time is believed, not documented: the setting `zone` can say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agents.feeds.source import Answer, Asked, Curve, Denied, NotPublished, Param, Refused, Request, Source
from agents.feeds.sources.curves import Piece, days, prices, scaled
from agents.feeds.sources.reading import Part, json_of
from streams.contracts.forecast import ForecastKind

_ZONE = "Europe/Amsterdam"
_LENGTHS = {"hour": timedelta(hours=1), "quarter": timedelta(minutes=15)}


def _requests(asked: Asked) -> tuple[Request, ...]:
    path = asked.params["path"]
    if not path:
        raise Denied("set path: where easyEnergy has its prices is not documented")
    return tuple(Request(path.replace("{day}", f"{day:%Y-%m-%d}")) for day in days(asked, _ZONE))


def _parse(answer: Answer, asked: Asked) -> Curve:
    whole = json_of(answer)
    rows = list(whole["prices"].rows())
    if not rows:
        raise NotPublished("no prices yet")
    return prices(_pieces(rows, _zone(asked), asked.params["part"]), "EUR", asked)


def _zone(asked: Asked) -> ZoneInfo:
    try:
        return ZoneInfo(asked.params["zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("the setting zone names no time zone") from None


def _pieces(rows: list[Part], zone: ZoneInfo, part: str) -> Iterator[Piece]:
    """In the hour that a clock change doubles, times that do not go on any more are those of the second one."""
    last: datetime | None = None
    second = False
    for row in rows:
        row["unit"].must_be("kWh")
        length = _LENGTHS.get(row["granularity"].text())
        if length is None:
            raise row["granularity"].wrong(f"one of {', '.join(_LENGTHS)}")
        wall = _wall(row["from"])
        second = second or (last is not None and wall <= last)
        last = wall
        start = _instant(wall, zone, second, row["from"])
        if not row[part].missing:
            yield Piece(start, start + length, scaled(row[part].number(), 1))


def _wall(part: Part) -> datetime:
    """A time without a zone; one that has learnt to tell its zone is another contract."""
    part.instant(UTC)
    wall = datetime.fromisoformat(part.text())
    if wall.tzinfo is not None:
        raise part.wrong("a time without a zone")
    return wall


def _instant(wall: datetime, zone: ZoneInfo, second: bool, place: Part) -> datetime:
    at = wall.replace(tzinfo=zone, fold=int(second)).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != wall:
        raise place.wrong("a time that the clock change does not leave out")
    return at


SOURCE = Source(
    name="easyenergy",
    title="easyEnergy",
    kind=ForecastKind.PRICE,
    zone=_ZONE,
    licence="easyEnergy, public prices",
    host="mijn.easyenergy.com",
    requests=_requests,
    parse=_parse,
    params={
        "part": Param(
            "bare (price), with VAT, or as invoiced: with taxes, fees and VAT",
            "invoicePrice",
            ("price", "priceIncVat", "invoicePrice"),
        ),
        "zone": Param("whose wall time the answer is in (believed, not documented)", _ZONE),
        "path": Param("path and query of a day's prices, {day} is the date (not documented)", ""),
    },
)
