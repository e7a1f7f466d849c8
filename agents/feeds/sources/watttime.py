"""WattTime: emissions of the next kWh (marginal) or of all (average), every five minutes, from lbs per MWh."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

from agents.feeds.source import Answer, Asked, Curve, Login, Param, Request, Source
from agents.feeds.sources.curves import carbon, scaled, span, stepped
from agents.feeds.sources.reading import Part, json_of, said
from streams.contracts.forecast import Basis, ForecastKind

_GRAMS_PER_KWH = 0.45359237  # in one lb per MWh
_BASIS: dict[str, Basis] = {"co2_moer": "marginal", "co2_aoer": "average"}
_PERIODS = range(60, 3601)
_MOST_HOURS = 72


def _requests(asked: Asked) -> tuple[Request, ...]:
    start, end = span(asked)
    hours = min(ceil((end - start) / timedelta(hours=1)), _MOST_HOURS)
    query = {
        "region": asked.params["region"],
        "signal_type": asked.params["signal_type"],
        "horizon_hours": str(hours),
    }
    return (Request("/v3/forecast", query, headers={"Authorization": "Bearer {token}"}),)


def _parse(answer: Answer, asked: Asked) -> Curve:
    whole = json_of(answer)
    meta = whole["meta"]
    meta["units"].must_be("lbs_co2_per_mwh")
    for name in ("region", "signal_type"):
        if meta[name].text() != asked.params[name]:
            raise meta[name].wrong("the one asked")
    seconds = meta["data_point_period_seconds"].number()
    if seconds not in _PERIODS:
        raise meta["data_point_period_seconds"].wrong("a whole number of seconds from 60 to 3600")
    return carbon(
        stepped(_values(whole["data"].rows()), timedelta(seconds=seconds)),
        _BASIS[asked.params["signal_type"]],
        asked,
        issued_at=meta["generated_at"].instant_or_none(),
        notes=_warnings(meta["warnings"]),
    )


def _values(rows: Iterator[Part]) -> Iterator[tuple[datetime, float | None]]:
    for row in rows:
        value = row["value"]
        yield row["point_time"].instant(), None if value.missing else scaled(value.number(), _GRAMS_PER_KWH)


def _warnings(warnings: Part) -> tuple[str, ...]:
    if warnings.missing:
        return ()
    return tuple(said(f"{one['type'].value}: {one['message'].value}") for one in warnings.rows())


def _token(answer: Answer) -> str:
    return json_of(answer)["token"].text()


SOURCE = Source(
    name="watttime",
    title="WattTime",
    kind=ForecastKind.CARBON,
    zone="UTC",
    licence="WattTime API, terms of one's own plan",
    host="api.watttime.org",
    resolution=timedelta(minutes=5),
    requests=_requests,
    parse=_parse,
    login=Login(Request("/login"), _token, timedelta(minutes=30)),
    params={
        "region": Param("region by WattTime's name, for example CAISO_NORTH"),
        "signal_type": Param("co2_moer (marginal) or co2_aoer (average)", "co2_moer", tuple(_BASIS)),
    },
)
