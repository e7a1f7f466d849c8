"""Electricity Maps: average carbon intensity of a zone in gCO2eq per kWh, of the life cycle or of the burning alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

from agents.feeds.source import Answer, Asked, Curve, Param, Refused, Request, Source
from agents.feeds.sources.curves import carbon, span, stepped
from agents.feeds.sources.reading import Part, json_of
from streams.contracts.forecast import ForecastKind

_LENGTHS = {
    "5_minutes": timedelta(minutes=5),
    "15_minutes": timedelta(minutes=15),
    "hourly": timedelta(hours=1),
}
_HORIZONS = (6, 24, 48, 72)
#: The lists of the forecast, the last day and a stretch of the past.
_LISTS = ("forecast", "history", "data")


def _requests(asked: Asked) -> tuple[Request, ...]:
    start, end = span(asked)
    hours = ceil((end - start) / timedelta(hours=1))
    query = {
        "zone": asked.params["zone"],
        "horizonHours": str(next((horizon for horizon in _HORIZONS if horizon >= hours), _HORIZONS[-1])),
        "temporalGranularity": asked.params["granularity"],
        "emissionFactorType": asked.params["factors"],
    }
    return (Request("/v3/carbon-intensity/forecast", query, headers={"auth-token": "{api_key}"}),)


def _parse(answer: Answer, asked: Asked) -> Curve:
    whole = json_of(answer)
    if whole["zone"].text() != asked.params["zone"]:
        raise whole["zone"].wrong("the zone asked")
    found = [whole[name] for name in _LISTS if not whole[name].missing]
    if len(found) != 1:
        raise Refused(f"the answer must hold one of {', '.join(_LISTS)}")
    rows = list(found[0].rows())
    estimated = sum(row["isEstimated"].value is True for row in rows)
    return carbon(
        stepped(_values(rows, asked.params["factors"]), _LENGTHS[asked.params["granularity"]]),
        "average",
        asked,
        issued_at=whole["updatedAt"].instant_or_none(),
        notes=(f"{estimated} values are estimated",) if estimated else (),
    )


def _values(rows: list[Part], factors: str) -> Iterator[tuple[datetime, float | None]]:
    for row in rows:
        if not row["emissionFactorType"].missing:
            row["emissionFactorType"].must_be(factors)
        value = row["carbonIntensity"]
        yield row["datetime"].instant(), None if value.missing else value.number()


SOURCE = Source(
    name="electricitymaps",
    title="Electricity Maps",
    kind=ForecastKind.CARBON,
    zone="UTC",
    licence="Electricity Maps API, terms of one's own plan",
    host="api.electricitymaps.com",
    requests=_requests,
    parse=_parse,
    params={
        "zone": Param("zone by Electricity Maps' name, for example DE"),
        "granularity": Param("length of the slots", "hourly", tuple(_LENGTHS)),
        "factors": Param("emissions of the life cycle, or direct ones", "lifecycle", ("lifecycle", "direct")),
    },
)
