"""Answers to common questions, as views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class View(NamedTuple):
    """What it answers, and how."""

    purpose: str
    query: str


_HALF: Final = "INTERVAL 30 MINUTE"


def _half_hours(start: str, end: str) -> str:
    """SQL of the starts of all half hours that a time touches, a row each."""
    return f"unnest(generate_series(time_bucket({_HALF}, {start}), {end} - INTERVAL 1 MICROSECOND, {_HALF}))"


def _inside(start: str, end: str) -> str:
    """SQL of the seconds of a time that lie in its `half_hour`."""
    return f"epoch(least({end}, half_hour + {_HALF}) - greatest({start}, half_hour))"


def _newest(topic: str, key: str, value: str) -> str:
    """SQL of the newest forecast of every half hour."""
    inside = _inside("slot.start", 'slot."end"')
    return f"""SELECT {key}, half_hour, arg_max(value, issued_at) AS {value}, arg_max(unit, issued_at) AS unit
        FROM (SELECT {key}, unit, issued_at, half_hour, sum(slot.value * {inside}) / sum({inside}) AS value
        FROM (SELECT *, {_half_hours("slot.start", 'slot."end"')} AS half_hour
        FROM (SELECT {key}, unit, issued_at, unnest(slots) AS slot FROM topics.{topic})) GROUP BY ALL)
        GROUP BY {key}, half_hour"""  # noqa: S608 - names are declared


VIEWS: Final[Mapping[str, View]] = {
    "plugged_in_now": View(
        "Cars on the cable, and how they stand.",
        """SELECT car, oem, soc_pct, limit_pct, charge, power_kw, at_home, session.plugged_at AS plugged_at,
        received_time FROM tables.vehicle_state WHERE plug = 'plugged' AND session.ended_at IS NULL""",
    ),
    "plans_tonight": View(
        "Plans in force of cars that are plugged in, block by block.",
        """SELECT car, session_id, reason, ready_by, ready_at, block.start AS starts_at, block."end" AS ends_at,
        block.energy_kwh AS energy_kwh, currency, reachable, shortfall_kwh
        FROM (SELECT *, unnest(blocks) AS block FROM topics.schedule_state)
        WHERE car IN (SELECT car FROM main.plugged_in_now)""",
    ),
    "sessions": View(
        "Settled sessions, each once in its newest account, with maker, model and tariff of the car.",
        """SELECT s.*, r.oem, r.model, r.tariff, r.region FROM topics.session_event AS s
        LEFT JOIN topics.registration_state AS r USING (car)
        QUALIFY row_number() OVER (PARTITION BY s.session_id ORDER BY s.revision DESC, s._offset DESC) = 1""",
    ),
    "savings_by_day": View(
        "What was saved against charging at once, by day (UTC) on which sessions ended, maker and currency.",
        """SELECT CAST(ended_at AS DATE) AS day, oem, currency, count(*) AS sessions, sum(energy_kwh) AS energy_kwh,
        sum(cost.managed) AS cost, sum(saving) AS saving, sum(carbon_saved_g) / 1000 AS carbon_saved_kg
        FROM main.sessions GROUP BY ALL ORDER BY day, oem, currency""",
    ),
    "promises_by_day": View(
        "What became of ready-by, by day (UTC).",
        """SELECT CAST(ended_at AS DATE) AS day, promise, count(*) AS sessions FROM main.sessions
        GROUP BY ALL ORDER BY day, promise""",
    ),
    "commands": View(
        "Commands, each once in its newest phase.",
        """SELECT * FROM topics.command_event
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY "at" DESC, _offset DESC) = 1""",
    ),
    "settled_load": View(
        "Energy, price and carbon of settled sessions, slot by slot.",
        """SELECT car, session_id, oem, tariff, region, slot.start AS starts_at, slot."end" AS ends_at,
        slot.energy_kwh AS energy_kwh, slot.price AS price, slot.carbon_g_per_kwh AS carbon_g_per_kwh, currency
        FROM (SELECT *, unnest(slots) AS slot FROM main.sessions)""",
    ),
    "load_by_half_hour": View(
        "Energy of settled sessions by half hour, tariff and region; 2 kWh in a half hour are 4 kW.",
        f"""SELECT tariff, region, half_hour, sum(energy_kwh * {_inside("starts_at", "ends_at")}
        / greatest(epoch(ends_at - starts_at), 1)) AS energy_kwh
        FROM (SELECT *, {_half_hours("starts_at", "ends_at")} AS half_hour FROM main.settled_load)
        GROUP BY ALL""",  # noqa: S608 - our own words
    ),
    "prices_by_half_hour": View(
        "The newest price of every half hour, by tariff.",
        _newest("forecast_price", "tariff", "price"),
    ),
    "carbon_by_half_hour": View(
        "The newest carbon intensity of every half hour, by region.",
        _newest("forecast_carbon", "region", "carbon_g_per_kwh"),
    ),
    "command_outcomes": View(
        "Commands with maker, model, what became of them by telemetry, and the seconds from sending to proof.",
        """SELECT r.oem, r.model, c.action,
        CASE WHEN c.phase = 'failed' AND e.sent_at IS NULL THEN 'refused' WHEN c.phase = 'failed' THEN 'contradicted'
        WHEN c.phase = 'unknown' THEN 'unproven' WHEN c.phase IN ('confirmed', 'expired') THEN c.phase
        ELSE 'open' END AS outcome, CASE c.phase WHEN 'confirmed' THEN epoch(c."at" - e.sent_at) END AS seconds,
        c.car, c.session_id, c.id, c.attempt, c.decided_at, c.reason
        FROM main.commands AS c JOIN (SELECT id, min("at") FILTER (phase = 'sent') AS sent_at
        FROM topics.command_event GROUP BY id) AS e USING (id) LEFT JOIN topics.registration_state AS r USING (car)""",
    ),
}


def queries() -> dict[str, str]:
    """The SQL of every view by its name."""
    return {name: view.query for name, view in VIEWS.items()}
