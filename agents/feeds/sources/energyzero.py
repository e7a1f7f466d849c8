"""EnergyZero (Netherlands): prices in EUR per kWh, bare or with all costs, with and without VAT; one Dutch day each."""

from __future__ import annotations

from collections.abc import Iterator

from agents.feeds.source import Answer, Asked, Curve, NotPublished, Param, Request, Source
from agents.feeds.sources.curves import Piece, days, prices, scaled
from agents.feeds.sources.reading import Part, json_of
from streams.contracts.forecast import ForecastKind

_ZONE = "Europe/Amsterdam"


def _requests(asked: Asked) -> tuple[Request, ...]:
    common = {"energyType": "ENERGY_TYPE_ELECTRICITY", "interval": asked.params["interval"]}
    return tuple(Request("/public/v1/prices", {**common, "date": f"{day:%d-%m-%Y}"}) for day in days(asked, _ZONE))


def _parse(answer: Answer, asked: Asked) -> Curve:
    if answer.status == 404:
        raise NotPublished("nothing is published yet (HTTP 404)")
    return prices(_pieces(json_of(answer)[asked.params["part"]].rows()), "EUR", asked)


def _pieces(rows: Iterator[Part]) -> Iterator[Piece]:
    for row in rows:
        value = row["price"]["value"].written()
        yield Piece(row["start"].instant(), row["end"].instant(), scaled(value, 1))


SOURCE = Source(
    name="energyzero",
    title="EnergyZero",
    kind=ForecastKind.PRICE,
    zone=_ZONE,
    licence="EnergyZero, public prices",
    host="public.api.energyzero.nl",
    requests=_requests,
    parse=_parse,
    params={
        "part": Param(
            "bare price or all costs, with or without VAT",
            "all_in_with_vat",
            ("base", "base_with_vat", "all_in", "all_in_with_vat"),
        ),
        "interval": Param("length of the slots", "INTERVAL_QUARTER", ("INTERVAL_QUARTER", "INTERVAL_HOUR")),
    },
)
