"""ENTSO-E Transparency Platform: day-ahead prices (document A44) of the European bidding zones."""

from __future__ import annotations

from datetime import timedelta

from agents.feeds.source import Answer, Asked, Curve, Denied, NotPublished, Param, Refused, Request, Source
from agents.feeds.sources.block import pieces_of
from agents.feeds.sources.curves import Piece, disjoint, prices, span
from agents.feeds.sources.reading import check_status, said
from agents.feeds.sources.xml import Node, root_of
from streams.contracts.forecast import ForecastKind

#: Bounds what a document may expand to: a year of quarter hours, the most that one request may ask.
_MOST_SLOTS = 366 * 96 + 4


def _requests(asked: Asked) -> tuple[Request, ...]:
    start, end = span(asked)
    area = asked.params["area"]
    query = {
        "securityToken": "{api_key}",
        "documentType": "A44",
        "in_Domain": area,
        "out_Domain": area,
        "periodStart": f"{start:%Y%m%d%H%M}",
        "periodEnd": f"{end:%Y%m%d%H%M}",
    }
    return (Request("/api", query),)


def _parse(answer: Answer, asked: Asked) -> Curve:
    if answer.status not in {200, 400}:
        check_status(answer)
    root = root_of(answer.body)
    if root.name == "Acknowledgement_MarketDocument":
        raise _acknowledged(root)
    check_status(answer)
    if root.name != "Publication_MarketDocument":
        raise Refused("the answer is neither a publication nor an acknowledgement")
    if root.said("type") != "A44":
        raise Refused("type must be A44")
    chosen = [series for series in root.all("TimeSeries") if _is_asked(series, asked)]
    if not chosen:
        raise NotPublished(f"no day-ahead series of sequence {asked.params['sequence']}")
    # createdDateTime is when this answer was written, new with every question: it tells no vintage.
    return prices(_finest(chosen), _currency(chosen), asked)


def _acknowledged(root: Node) -> Exception:
    """An acknowledgement instead of prices: no data (yet), or what is wrong with the request."""
    texts = [said(text) for reason in root.all("Reason") if (text := reason.said("text"))]
    if any("no matching data" in text.lower() for text in texts):
        return NotPublished("no matching data found")
    if any("security token" in text.lower() for text in texts):
        return Denied("the security token is not accepted")
    return Refused(f"the source refuses: {'; '.join(texts)[:160] or 'no reason given'}")


def _is_asked(series: Node, asked: Asked) -> bool:
    """Day-ahead prices of the area and auction asked; a series that does not say its auction is of the first."""
    area = series.said("in_Domain.mRID")
    if area != asked.params["area"]:
        raise Refused("in_Domain.mRID is not the area asked")
    sequence = series.said("classificationSequence_AttributeInstanceComponent.position") or "1"
    contract = series.said("contract_MarketAgreement.type") or "A01"
    return sequence == asked.params["sequence"] and contract == "A01"


def _currency(chosen: list[Node]) -> str:
    currencies = {series.said("currency_Unit.name") or "" for series in chosen}
    if len(currencies) > 1:
        raise Refused("currency_Unit.name differs between the series")
    if any((series.said("price_Measure_Unit.name") or "").upper() != "MWH" for series in chosen):
        raise Refused("price_Measure_Unit.name must be MWH")
    return currencies.pop()


def _finest(chosen: list[Node]) -> list[Piece]:
    """All prices; where two resolutions hold the same time, the finer counts and the coarser slot is dropped."""
    by_length: dict[timedelta, list[Piece]] = {}
    left = _MOST_SLOTS
    for series in chosen:
        for period in series.all("Period"):
            length, found = pieces_of(period, series.said("curveType") or "A01", left)
            by_length.setdefault(length, []).extend(found)
            left -= len(found)
    kept: list[Piece] = []
    for length in sorted(by_length):
        kept = disjoint([*kept, *_outside(disjoint(by_length[length]), kept)])
    return kept


def _outside(coarse: list[Piece], fine: list[Piece]) -> list[Piece]:
    """The coarse pieces that share no time with a fine one; both sorted and disjoint."""
    rest, n = [], 0
    for piece in coarse:
        while n < len(fine) and fine[n].end <= piece.start:
            n += 1
        if n == len(fine) or fine[n].start >= piece.end:
            rest.append(piece)
    return rest


SOURCE = Source(
    name="entsoe",
    title="ENTSO-E Transparency Platform",
    kind=ForecastKind.PRICE,
    zone="Europe/Brussels",
    licence="ENTSO-E Transparency Platform, terms of use of the platform",
    host="web-api.tp.entsoe.eu",
    requests=_requests,
    parse=_parse,
    params={
        "area": Param("EIC of the bidding zone, for example 10Y1001A1001A82H (DE-LU)"),
        "sequence": Param("which auction where a zone has several: 1 is the coupled day-ahead auction", "1"),
    },
)
