"""Answers to common questions, as views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class View(NamedTuple):
    """What it answers, and how."""

    purpose: str
    query: str


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
}


def queries() -> dict[str, str]:
    """The SQL of every view by its name."""
    return {name: view.query for name, view in VIEWS.items()}
