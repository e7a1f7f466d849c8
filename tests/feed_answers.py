"""Answers of sources of prices and carbon, small, in their own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from agents.feeds.source import Answer, Curve
from agents.feeds.sources import SOURCES

DAY = datetime(2026, 3, 10, tzinfo=UTC)
HOUR, HALF, QUARTER = timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=15)
NEEDED = {
    "octopus": {"product": "AGILE-24-10-01", "tariff": "E-1R-AGILE-24-10-01-C"},
    "energidataservice": {"area": "DK1"},
    "nordpool": {"area": "SE3"},
    "energidataservice-carbon": {"area": "DK1"},
    "watttime": {"region": "CAISO_NORTH"},
    "electricitymaps": {"zone": "DE"},
}
Settings = Mapping[str, str]
NONE: Settings = MappingProxyType({})


def parse(
    name: str, body: object, settings: Settings = NONE, status: int = 200, end: datetime | None = None, **more: Any
) -> Curve:
    """The curve that a source reads from a body."""
    source = SOURCES[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = source.asked({**NEEDED.get(name, {}), **settings}, more.get("start"), end)
    return source.parse(Answer(raw, status, more.get("retry_after")), asked)


def values(curve: Curve) -> list[float]:
    return [slot.value for slot in curve.slots]


def z(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def rate(start: datetime, pence: float, end: datetime | None = None, **more: Any) -> dict[str, Any]:
    told = {"value_exc_vat": pence, "value_inc_vat": round(pence * 1.05, 6), "valid_from": z(start)}
    return {**told, "valid_to": z(end or start + HALF), "payment_method": None, **more}


def page(*rates: object, following: str | None = None) -> dict[str, Any]:
    return {"count": 1, "next": following, "previous": None, "results": list(rates)}


def record(start: datetime, euro: float | None, **more: Any) -> dict[str, Any]:
    return {"TimeUTC": f"{start:%Y-%m-%dT%H:%M:%S}", "PriceArea": "DK1", "DayAheadPriceEUR": euro, **more}


def dataset(*records: object, total: int | None = None, **more: Any) -> dict[str, Any]:
    count = len(records) if total is None else total
    return {"total": count, "dataset": "DayAheadPrices", "records": list(records), **more}


def market(start: datetime, price: object, **more: Any) -> dict[str, Any]:
    milliseconds = int(start.timestamp() * 1000)
    told = {"start_timestamp": milliseconds, "end_timestamp": milliseconds + 3_600_000}
    return {**told, "marketprice": price, "unit": "Eur/MWh", **more}


CET_DAY = datetime(2026, 3, 9, 23, tzinfo=UTC)


def delivery(*prices: float | None, step: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    entries = [
        {
            "deliveryStart": z(CET_DAY + n * step),
            "deliveryEnd": z(CET_DAY + (n + 1) * step),
            "entryPerArea": {"SE3": price, "SE4": 1.0},
        }
        for n, price in enumerate(prices)
    ]
    told = {"deliveryDateCET": "2026-03-10", "updatedAt": "2026-03-09T12:08:18.4894194Z", "currency": "EUR"}
    return {**told, "multiAreaEntries": entries, "areaStates": [{"state": "Final", "areas": ["SE3"]}], **more}


def priced(start: str, total: float | None, energy: float = 0.1, currency: str = "NOK") -> dict[str, Any]:
    return {"total": total, "energy": energy, "tax": 0.1, "startsAt": start, "currency": currency}


def home(today: object, tomorrow: object = (), id_: str = "h1") -> dict[str, Any]:
    return {"id": id_, "currentSubscription": {"priceInfo": {"today": today, "tomorrow": tomorrow}}}


def viewer(*homes: object, **more: Any) -> dict[str, Any]:
    return {"data": {"viewer": {"homes": list(homes)}}, **more}


TODAY = [priced("2026-03-10T00:00:00.000+01:00", 1.25, 0.8), priced("2026-03-10T00:15:00.000+01:00", 1.5, 0.9)]


ERROR = {"message": "No valid token", "extensions": {"code": "UNAUTHENTICATED"}}


def dutch(walls: list[str], granularity: str = "hour") -> dict[str, Any]:
    rows = [
        {"from": f"{wall}:00.0000000", "until": "-", "price": n / 100, "unit": "kWh", "granularity": granularity}
        for n, wall in enumerate(walls)
    ]
    return {"providedAt": "2026-04-19T22:16:44.4866876Z", "prices": rows}


def half_hours(*grams: float | None, key: str = "forecast", start: datetime = DAY) -> list[dict[str, Any]]:
    return [
        {
            "from": f"{start + n * HALF:%Y-%m-%dT%H:%MZ}",
            "to": f"{start + (n + 1) * HALF:%Y-%m-%dT%H:%MZ}",
            "intensity": {"forecast": 100, "index": "low", key: value},
        }
        for n, value in enumerate(grams)
    ]


def region(number: int, *grams: float | None, **more: Any) -> dict[str, Any]:
    return {"regionid": number, "shortname": "London", "data": half_hours(*grams), **more}


def moer(*pounds: float | None, meta: Mapping[str, Any] = NONE) -> dict[str, Any]:
    told = {"region": "CAISO_NORTH", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh"}
    rows = [
        {"point_time": f"{DAY + n * timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}+00:00", "value": value}
        for n, value in enumerate(pounds)
    ]
    issued = {"generated_at": "2026-03-09T23:55:00+00:00", "data_point_period_seconds": 300}
    return {"data": rows, "meta": {**told, **issued, **meta}}


def zone(*grams: float | None, key: str = "forecast", **more: Any) -> dict[str, Any]:
    rows = [{"datetime": f"{DAY + n * HOUR:%Y-%m-%dT%H:%M:%S}.000Z", "carbonIntensity": v} for n, v in enumerate(grams)]
    return {"zone": "DE", "updatedAt": "2026-03-09T22:10:00.000Z", key: rows, **more}
