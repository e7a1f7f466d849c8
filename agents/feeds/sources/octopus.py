"""Octopus Energy (Great Britain): the unit rates of any product, Agile among them, in pence per kWh."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote, urlsplit

from agents.feeds.source import Answer, Asked, Curve, Param, Refused, Request, Source
from agents.feeds.sources.curves import Piece, prices, scaled, span
from agents.feeds.sources.reading import Part, json_of, parsed
from streams.contracts.forecast import ForecastKind

_PENNY = 0.01
_PAGE = "1500"
#: Where a fixed tariff has a row for each way to pay, the chosen one counts, and rows that hold for all.
_PAYMENTS = ("DIRECT_DEBIT", "NON_DIRECT_DEBIT")


def _requests(asked: Asked) -> tuple[Request, ...]:
    start, end = span(asked)
    product, tariff = (quote(asked.params[name], safe="") for name in ("product", "tariff"))
    path = f"/v1/products/{product}/electricity-tariffs/{tariff}/{asked.params['rates']}/"
    period = {"period_from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "period_to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    return (Request(path, {**period, "page_size": _PAGE}),)


def _parse(answer: Answer, asked: Asked) -> Curve:
    rows = json_of(answer)["results"].rows()
    return prices(_pieces(rows, asked), "GBP", asked)


def _pieces(rows: Iterator[Part], asked: Asked) -> Iterator[Piece]:
    """A rate without an end holds on: to the end of what was asked, which an open question cannot tell."""
    for row in rows:
        way = row["payment_method"]
        if not way.missing and way.text() != asked.params["payment"]:
            continue
        value = row[f"value_{asked.params['vat']}_vat"].number()
        start, end = row["valid_from"].instant(), row["valid_to"].instant_or_none() or asked.end
        if end is None:
            raise Refused(f"{row['valid_to'].place} is open, and so is the time asked")
        if asked.end is None or start < asked.end:
            yield Piece(start, end, scaled(value, _PENNY))


def _following(body: bytes, base: str) -> str | None:
    following = parsed(body)["next"]
    if following.missing:
        return None
    if not _below(following.text(), base):
        raise Refused("next leads to another host")
    return following.text()


def _below(address: str, base: str) -> bool:
    try:
        asked, ours = urlsplit(address), urlsplit(base)
    except ValueError:
        return False
    return (asked.scheme, asked.netloc) == (ours.scheme, ours.netloc) and asked.path.startswith("/v1/products/")


SOURCE = Source(
    name="octopus",
    title="Octopus Energy",
    kind=ForecastKind.PRICE,
    zone="Europe/London",
    licence="Octopus Energy REST API, public product data",
    host="api.octopus.energy",
    resolution=timedelta(minutes=30),
    requests=_requests,
    parse=_parse,
    following=_following,
    params={
        "product": Param("product code, for example AGILE-24-10-01"),
        "tariff": Param("tariff code, for example E-1R-AGILE-24-10-01-C; its last letter is the grid region"),
        "rates": Param(
            "which register", "standard-unit-rates", ("standard-unit-rates", "day-unit-rates", "night-unit-rates")
        ),
        "vat": Param("rates with VAT (inc) or without (exc)", "inc", ("inc", "exc")),
        "payment": Param("which rate where it depends on how one pays", "DIRECT_DEBIT", _PAYMENTS),
    },
)
