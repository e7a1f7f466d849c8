"""NESO Carbon Intensity (Great Britain), national and regional: average gCO2/kWh by the half hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from agents.feeds.source import Answer, Asked, Curve, NotPublished, Param, Refused, Request, Source
from agents.feeds.sources.curves import Piece, carbon, span
from agents.feeds.sources.reading import Part, json_of, parsed, said
from streams.contracts.forecast import ForecastKind

_HALF_HOUR = timedelta(minutes=30)
_AHEAD = timedelta(hours=48)
_MOST = timedelta(days=14)
ZERO_NOTE = "an actual of 0 g/kWh counts as unknown"


class Reading(NamedTuple):
    """A value of [start, end), or None where there is none."""

    start: datetime
    end: datetime
    value: float | None


def known(readings: Iterable[Reading], measured: bool) -> tuple[list[Piece], tuple[str, ...]]:
    """The readings that have a value, and a note where a measured 0 was left out: no whole grid is without carbon."""
    listed = list(readings)
    zero = measured and any(one.value == 0 for one in listed)
    pieces = [
        Piece(one.start, one.end, one.value)
        for one in listed
        if one.value is not None and not (measured and one.value == 0)
    ]
    return pieces, (ZERO_NOTE,) if zero else ()


def _periods(asked: Asked, before: str, after: str = "") -> tuple[Request, ...]:
    """Up to 48 hours ahead in one question, else pieces of 14 days; the half hour before the start is clipped away."""
    start, end = span(asked)
    if end - start <= _AHEAD:
        return (Request(f"{before}/{start:%Y-%m-%dT%H:%MZ}/fw48h{after}"),)
    requests = []
    while start < end:
        until = min(start + _MOST, end)
        requests.append(Request(f"{before}/{start:%Y-%m-%dT%H:%MZ}/{until:%Y-%m-%dT%H:%MZ}{after}"))
        start = until
    return tuple(requests)


def _body(answer: Answer) -> Part:
    if answer.status == 400:
        message = parsed(answer.body)["error"]["message"]
        raise Refused(f"the source refuses: {said(message.text())}")
    return json_of(answer)["data"]


def _readings(rows: Iterable[Part], value: str) -> Iterator[Reading]:
    for row in rows:
        start, end = row["from"].instant(), row["to"].instant()
        found = row["intensity"][value]
        yield Reading(start, end, None if found.missing else found.number())


def _parse_national(answer: Answer, asked: Asked) -> Curve:
    value = asked.params["value"]
    pieces, notes = known(_readings(_body(answer).rows(), value), value == "actual")
    return carbon(pieces, "average", asked, notes=notes)


def _parse_regional(answer: Answer, asked: Asked) -> Curve:
    """Three shapes: one region as an object, one region in a list, or all regions by the half hour."""
    data = _body(answer)
    if isinstance(data.value, dict):
        return _one_region(data, asked)
    rows = list(data.rows())
    if not rows:
        raise NotPublished("no data for the region (yet)")
    if not rows[0]["regions"].missing:
        return _all_regions(rows, asked)
    if len(rows) > 1:
        raise Refused(f"{data.place} holds {len(rows)} regions, not one")
    return _one_region(rows[0], asked)


def _one_region(region: Part, asked: Asked) -> Curve:
    if asked.params["region"] and region["regionid"].number() != float(asked.params["region"]):
        raise region["regionid"].wrong("the region asked")
    postcode = region["postcode"]
    if asked.params["postcode"] and not postcode.missing and postcode.text() != asked.params["postcode"].upper():
        raise postcode.wrong("the postcode asked")
    pieces, _ = known(_readings(region["data"].rows(), "forecast"), measured=False)
    return carbon(pieces, "average", asked)


def _all_regions(rows: list[Part], asked: Asked) -> Curve:
    if not asked.params["region"]:
        raise Refused("data holds all regions: set region to the number of one")
    pieces, _ = known((_of_region(row, float(asked.params["region"])) for row in rows), measured=False)
    return carbon(pieces, "average", asked)


def _of_region(row: Part, region: float) -> Reading:
    found = [one for one in row["regions"].rows() if one["regionid"].number() == region]
    if len(found) != 1:
        raise row["regions"].wrong("a list that holds the region asked once")
    value = found[0]["intensity"]["forecast"]
    return Reading(row["from"].instant(), row["to"].instant(), None if value.missing else value.number())


def _regional_requests(asked: Asked) -> tuple[Request, ...]:
    region, postcode = asked.params["region"], asked.params["postcode"]
    if bool(region) == bool(postcode):
        raise ValueError("neso-regional needs either region or postcode")
    where = f"/regionid/{quote(region, safe='')}" if region else f"/postcode/{quote(postcode, safe='')}"
    return _periods(asked, "/regional/intensity", where)


_REGIONS = ("", *map(str, range(1, 19)))
NATIONAL = Source(
    name="neso",
    title="NESO Carbon Intensity API, Great Britain",
    kind=ForecastKind.CARBON,
    zone="Europe/London",
    licence="Carbon Intensity API, NESO, CC BY 4.0",
    host="api.carbonintensity.org.uk",
    resolution=_HALF_HOUR,
    requests=lambda asked: _periods(asked, "/intensity"),
    parse=_parse_national,
    params={"value": Param("the forecast, or what was measured", "forecast", ("forecast", "actual"))},
)
REGIONAL = Source(
    name="neso-regional",
    title="NESO Carbon Intensity API, one region",
    kind=ForecastKind.CARBON,
    zone="Europe/London",
    licence="Carbon Intensity API, NESO, CC BY 4.0",
    host="api.carbonintensity.org.uk",
    resolution=_HALF_HOUR,
    requests=_regional_requests,
    parse=_parse_regional,
    params={
        "region": Param("number of the region, 1 to 18", "", _REGIONS),
        "postcode": Param("outward postcode instead of a region, for example BH1", ""),
    },
)
