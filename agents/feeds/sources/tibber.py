"""Tibber (Norway, Sweden, Germany, Netherlands): the prices of a home's own contract, by GraphQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from agents.feeds.source import (
    Answer,
    Asked,
    Curve,
    Denied,
    FeedError,
    NotPublished,
    Param,
    Refused,
    Request,
    Slow,
    Source,
)
from agents.feeds.sources.curves import prices, stepped
from agents.feeds.sources.reading import Part, check_status, parsed, said
from streams.contracts.forecast import ForecastKind

_LENGTHS = {"QUARTER_HOURLY": timedelta(minutes=15), "HOURLY": timedelta(hours=1)}
_QUERY = (
    "{viewer{homes{id currentSubscription{priceInfo(resolution:%s)"
    "{today{total energy tax startsAt currency} tomorrow{total energy tax startsAt currency}}}}}}"
)


def _requests(asked: Asked) -> tuple[Request, ...]:
    query = {"query": _QUERY % asked.params["resolution"]}
    headers = {"Authorization": "Bearer {api_key}", "Content-Type": "application/json"}
    return (Request("/v1-beta/gql", method="POST", headers=headers, body=query),)


def _parse(answer: Answer, asked: Asked) -> Curve:
    if answer.status == 428:
        raise Slow("too many requests (HTTP 428)", answer.retry_after)
    if answer.status not in {200, 400}:
        check_status(answer)
    whole = parsed(answer.body)
    if not whole["errors"].missing:
        raise _trouble(whole["errors"])
    check_status(answer)
    info = _home(whole["data"]["viewer"]["homes"], asked)["currentSubscription"]
    if info.missing:
        raise Denied("the home has no current subscription")
    rows = [row for day in ("today", "tomorrow") for row in info["priceInfo"][day].rows()]
    if not rows:
        raise NotPublished("no prices yet")
    currencies = {row["currency"].text() for row in rows}
    if len(currencies) > 1:
        raise Refused("currency differs between the prices")
    length = _LENGTHS[asked.params["resolution"]]
    return prices(stepped(_values(rows, asked.params["part"]), length), currencies.pop(), asked)


def _values(rows: list[Part], part: str) -> Iterator[tuple[datetime, float | None]]:
    for row in rows:
        yield row["startsAt"].instant(), None if row[part].missing else row[part].number()


def _home(homes: Part, asked: Asked) -> Part:
    """The home asked for; without a word, the only one."""
    wanted = asked.params["home"]
    found = [home for home in homes.rows() if wanted in {"only", home["id"].text()}]
    if len(found) != 1:
        raise Denied(f"the account has {len(found)} homes that fit; set home to the id of one")
    return found[0]


def _trouble(errors: Part) -> FeedError:
    first = next(errors.rows(), None)
    if first is None:
        return Refused("errors is an empty list")
    code = first["extensions"]["code"].value
    if code == "UNAUTHENTICATED":
        return Denied("the token is not accepted")
    return Refused(f"the source refuses: {said(first['message'].text())}")


SOURCE = Source(
    name="tibber",
    title="Tibber",
    kind=ForecastKind.PRICE,
    zone="Europe/Oslo",
    licence="Tibber API, prices of one's own contract",
    host="api.tibber.com",
    requests=_requests,
    parse=_parse,
    params={
        "home": Param("id of the home, where the account has several", "only"),
        "part": Param("total (with taxes, fees and VAT) or energy (the exchange's part)", "total", ("total", "energy")),
        "resolution": Param("length of the slots", "QUARTER_HOURLY", tuple(_LENGTHS)),
    },
)
