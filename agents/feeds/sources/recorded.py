"""Recorded prices and carbon as CSV: what their columns mean is told by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from agents.feeds.source import Answer, Asked, Curve, Param, Refused, Source
from agents.feeds.sources.curves import Piece, carbon, prices, scaled, stepped
from agents.feeds.sources.neso import Reading, known
from agents.feeds.sources.reading import check_status, said
from agents.feeds.sources.table import Row, Table, table_of
from streams.contracts.forecast import Basis, ForecastKind

_HOUR = timedelta(hours=1)
_FIVE_MINUTES = timedelta(minutes=5)
_MWH, _PENNY = 0.001, 0.01
_GRAMS = {"kg/kWh": 1000.0, "lb/MWh": 0.45359237, "g/kWh": 1.0}
_STEPS_AHEAD = 36


def price_vintages(answer: Answer, asked: Asked) -> tuple[Curve, ...]:
    """Every vintage of recorded prices, oldest first; one without `issued_at` where the file does not say.

    Raises `Refused` with the line.
    """
    table = _table(answer)
    if table.has("start_utc", "price_eur_mwh"):
        return (_hourly(table, asked),)
    column = f"value_{asked.params['vat']}_vat"
    if table.has("valid_from", "valid_to", column):
        pieces = [
            Piece(row.instant("valid_from"), row.instant("valid_to"), scaled(row.number(column), _PENNY))
            for row in table.rows
        ]
        return (prices(pieces, "GBP", asked),)
    if table.has("start", "end", "price_per_kwh"):
        return _issued(table, lambda rows, at: _per_kwh(rows, asked, at))
    raise _unknown(table)


def carbon_vintages(answer: Answer, asked: Asked) -> tuple[Curve, ...]:
    """Every vintage of recorded carbon, oldest first; see `price_vintages`."""
    table = _table(answer)
    if table.has("from", "to", "forecast", "actual"):
        column = asked.params["value"]
        return (_measured([_reading(row, column) for row in table.rows], asked),)
    if table.has("start_utc", "forecast_g_per_kwh", "actual_g_per_kwh"):
        return (_measured(_beside(table.rows, f"{asked.params['value']}_g_per_kwh"), asked),)
    if table.has("issued_at", "from", "forecast"):
        return _issued(table, lambda rows, at: _neso_vintage(rows, asked, at))
    if table.has("start", "end", "g_per_kwh"):
        return _issued(table, lambda rows, at: _grams(rows, asked, at))
    if table.has("time", "moer", *(f"f{n}" for n in range(1, _STEPS_AHEAD + 1))):
        return _moer(table, asked)
    raise _unknown(table)


def _table(answer: Answer) -> Table:
    check_status(answer)
    return table_of(answer.body)


def _unknown(table: Table) -> Refused:
    return Refused(f"line 1: columns not known to us: {said(', '.join(table.columns))}")


def _issued(table: Table, read: Callable[[list[Row], datetime | None], Curve]) -> tuple[Curve, ...]:
    """One curve for each `issued_at`, or one for all rows where there is no such column."""
    if not table.has("issued_at"):
        return (read(table.rows, None),)
    by_issue: defaultdict[datetime, list[Row]] = defaultdict(list)
    for row in table.rows:
        by_issue[row.instant("issued_at")].append(row)
    return tuple(read(by_issue[at], at) for at in sorted(by_issue))


def _length(starts: Iterable[datetime]) -> timedelta:
    """The shortest distance of two starts, at most an hour: how long rows last that name only their start."""
    ordered = sorted(set(starts))
    if len(ordered) < 2:
        raise Refused("one row alone does not tell how long it lasts")
    return min(_HOUR, *(after - before for before, after in pairwise(ordered)))


def _hourly(table: Table, asked: Asked) -> Curve:
    rows = [(row.instant("start_utc"), scaled(row.number("price_eur_mwh"), _MWH)) for row in table.rows]
    flags = sorted({row.cells.get("flag", "") for row in table.rows} - {""})
    counts = (f"{sum(row.cells.get('flag') == flag for row in table.rows)} slots are {flag}" for flag in flags)
    return prices(stepped(rows, _length(start for start, _ in rows)), "EUR", asked, notes=tuple(counts))


def _per_kwh(rows: list[Row], asked: Asked, issued_at: datetime | None) -> Curve:
    currencies = {row.cells.get("currency") or asked.params["currency"] for row in rows}
    if len(currencies) > 1:
        raise Refused("the currency differs between the lines")
    return prices(_spans(rows, "price_per_kwh"), currencies.pop(), asked, issued_at=issued_at)


def _spans(rows: list[Row], column: str) -> list[Piece]:
    """Rows with start and end; an empty cell is a gap."""
    found = ((row.instant("start"), row.instant("end"), row.number_or_none(column)) for row in rows)
    return [Piece(start, end, value) for start, end, value in found if value is not None]


def _reading(row: Row, column: str) -> Reading:
    return Reading(row.instant("from"), row.instant("to"), row.number_or_none(column))


def _beside(rows: list[Row], column: str) -> list[Reading]:
    starts = [(row.instant("start_utc"), row.number_or_none(column)) for row in rows]
    length = _length(start for start, _ in starts)
    return [Reading(start, start + length, value) for start, value in starts]


def _measured(readings: list[Reading], asked: Asked) -> Curve:
    pieces, notes = known(readings, asked.params["value"] == "actual")
    return carbon(pieces, _basis(asked), asked, notes=notes)


def _neso_vintage(rows: list[Row], asked: Asked, issued_at: datetime | None) -> Curve:
    starts = [(row.instant("from"), row.number_or_none("forecast")) for row in rows]
    return carbon(stepped(starts, _length(start for start, _ in starts)), _basis(asked), asked, issued_at=issued_at)


def _grams(rows: list[Row], asked: Asked, issued_at: datetime | None) -> Curve:
    return carbon(_spans(rows, "g_per_kwh"), _basis(asked), asked, issued_at=issued_at)


def _basis(asked: Asked) -> Basis:
    return "marginal" if asked.params["basis"] == "marginal" else "average"


def _moer(table: Table, asked: Asked) -> tuple[Curve, ...]:
    """Marginal emissions every five minutes: what came true, or a vintage of the next three hours from every row."""
    grams = _GRAMS[asked.params["unit"]]
    if asked.params["value"] == "actual":
        rows = [(row.instant("time"), scaled(row.number("moer"), grams)) for row in table.rows]
        return (carbon(stepped(rows, _FIVE_MINUTES), "marginal", asked),)
    return tuple(_moer_ahead(row, grams, asked) for row in table.rows)


def _moer_ahead(row: Row, grams: float, asked: Asked) -> Curve:
    at = row.instant("time")
    ahead = [(at + n * _FIVE_MINUTES, scaled(row.number(f"f{n}"), grams)) for n in range(1, _STEPS_AHEAD + 1)]
    return carbon(stepped(ahead, _FIVE_MINUTES), "marginal", asked, issued_at=at)


def _only(vintages: Callable[[Answer, Asked], tuple[Curve, ...]]) -> Callable[[Answer, Asked], Curve]:
    def parse(answer: Answer, asked: Asked) -> Curve:
        found = vintages(answer, asked)
        if len(found) != 1:
            raise Refused(f"the file holds {len(found)} vintages, not one")
        return found[0]

    return parse


#: How to read every vintage of a recorded source, by its name.
VINTAGES: Mapping[str, Callable[[Answer, Asked], tuple[Curve, ...]]] = {
    "recorded-prices": price_vintages,
    "recorded-carbon": carbon_vintages,
}
PRICES = Source(
    name="recorded-prices",
    title="Recorded prices",
    kind=ForecastKind.PRICE,
    zone="UTC",
    licence="as the file's own source says",
    parse=_only(price_vintages),
    params={
        "vat": Param("of files that hold both: with VAT (inc) or without (exc)", "inc", ("inc", "exc")),
        "currency": Param("of files that do not say their currency", "EUR"),
    },
)
CARBON = Source(
    name="recorded-carbon",
    title="Recorded carbon",
    kind=ForecastKind.CARBON,
    zone="UTC",
    licence="as the file's own source says",
    parse=_only(carbon_vintages),
    params={
        "value": Param("the forecast, or what was measured", "forecast", ("forecast", "actual")),
        "basis": Param("average or marginal, of files that do not say", "average", ("average", "marginal")),
        "unit": Param("of a table of marginal emissions, which does not say it", "kg/kWh", tuple(_GRAMS)),
    },
)
