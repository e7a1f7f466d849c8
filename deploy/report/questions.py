"""The questions behind the report, in SQL over the views of `d2ev sql`. $since, $until and $zone are text."""

from __future__ import annotations

from typing import Final

_ENDED: Final = "ended_at >= $since::TIMESTAMPTZ AND ended_at < $until::TIMESTAMPTZ"
_DAY: Final = "CAST(ended_at AT TIME ZONE $zone AS DATE)"

#: The first plug-in or command and the last word of a session or command: the period when none is named.
EXTENT: Final = """SELECT min(since) AS since, max(until) AS until
FROM (SELECT min(plugged_at) AS since, max(ended_at) AS until FROM sessions
UNION ALL SELECT min(decided_at), max("at") FROM commands)"""

HEADLINE: Final = f"""SELECT currency, count(*) AS sessions, count(DISTINCT car) AS cars, sum(energy_kwh) AS energy_kwh,
count(cost.managed) AS priced, sum(cost.managed) AS cost, sum(cost.unmanaged) AS cost_at_once,
sum(cost.timer) AS cost_timer, sum(cost.oracle) AS cost_oracle, sum(saving) AS saving
FROM sessions WHERE {_ENDED} GROUP BY currency ORDER BY sessions DESC, currency"""  # noqa: S608 - our own words

CARBON: Final = f"""SELECT count(*) AS sessions, count(DISTINCT car) AS cars, sum(energy_kwh) AS energy_kwh,
count(carbon_g.managed) AS measured, sum(carbon_g.managed) / 1000 AS carbon_kg,
sum(carbon_g.unmanaged) / 1000 AS carbon_at_once_kg, sum(carbon_saved_g) / 1000 AS carbon_saved_kg
FROM sessions WHERE {_ENDED}"""  # noqa: S608

#: The third of the hours of each day, noon to noon, with the lowest value: how much of a half hour is in it. Hours that
#: are alike share what is left of the third, so that a flat price gives a third of the energy, and no more.
_BELOW: Final = "(rank() OVER of_{name} - 1) / (count(*) OVER all_{name})"
_THIRD: Final = f"""CASE WHEN {{value}} IS NOT NULL THEN
greatest(0, least(1, (1 / 3 - {_BELOW}) / (cume_dist() OVER of_{{name}} - {_BELOW}))) END AS {{name}}"""
_WINDOW: Final = """all_{name} AS (PARTITION BY tariff, region, noon_day, {value} IS NULL),
of_{name} AS (PARTITION BY tariff, region, noon_day, {value} IS NULL ORDER BY {value})"""
_CHEAPEST: Final = {"name": "cheapest", "value": "price"}
_CLEANEST: Final = {"name": "cleanest", "value": "carbon_g_per_kwh"}

LOAD: Final = f"""WITH period AS (SELECT unnest(range(time_bucket(INTERVAL 30 MINUTE, $since::TIMESTAMPTZ),
$until::TIMESTAMPTZ, INTERVAL 30 MINUTE)) AS half_hour),
load AS (SELECT * FROM load_by_half_hour WHERE half_hour IN (FROM period)),
told AS (SELECT tariff, region, half_hour, coalesce(energy_kwh, 0) AS energy_kwh, price, p.unit, carbon_g_per_kwh,
CAST((half_hour AT TIME ZONE $zone) - INTERVAL 12 HOUR AS DATE) AS noon_day
FROM (SELECT DISTINCT tariff, region FROM load) CROSS JOIN period LEFT JOIN load USING (tariff, region, half_hour)
LEFT JOIN prices_by_half_hour AS p USING (tariff, half_hour)
LEFT JOIN carbon_by_half_hour AS c USING (region, half_hour))
SELECT tariff, region, half_hour, energy_kwh, price, unit, carbon_g_per_kwh,
{_THIRD.format(**_CHEAPEST)},
{_THIRD.format(**_CLEANEST)}
FROM told WINDOW {_WINDOW.format(**_CHEAPEST)},
{_WINDOW.format(**_CLEANEST)}
ORDER BY tariff, region, half_hour"""  # noqa: S608

THIRDS: Final = f"""SELECT tariff, region, any_value(unit) AS unit, sum(energy_kwh) AS energy_kwh,
sum(energy_kwh) FILTER (price IS NOT NULL) AS priced_kwh, sum(energy_kwh * cheapest) AS cheapest_kwh,
sum(energy_kwh) FILTER (carbon_g_per_kwh IS NOT NULL) AS measured_kwh, sum(energy_kwh * cleanest) AS cleanest_kwh
FROM ({LOAD}) GROUP BY ALL ORDER BY energy_kwh DESC, tariff, region"""  # noqa: S608

SAVINGS: Final = f"""SELECT {_DAY} AS day, oem, tariff, currency, count(*) AS sessions, sum(energy_kwh) AS energy_kwh,
count(cost.managed) AS priced, sum(cost.unmanaged) AS cost_at_once, sum(saving) AS saving,
sum(carbon_g.unmanaged) / 1000 AS carbon_at_once_kg, sum(carbon_saved_g) / 1000 AS carbon_saved_kg
FROM sessions WHERE {_ENDED} GROUP BY ALL ORDER BY ALL"""  # noqa: S608

PROMISES: Final = f"""SELECT oem, promise, count(*) AS sessions
FROM sessions WHERE {_ENDED} GROUP BY ALL ORDER BY ALL"""  # noqa: S608

NOT_KEPT: Final = f"""SELECT ended_at, oem, model, car, session_id, promise, start_soc_pct, end_soc_pct, reason
FROM sessions WHERE {_ENDED} AND promise IN ('missed', 'unreachable') ORDER BY ended_at, session_id"""  # noqa: S608

COMMANDS: Final = """SELECT oem, model, action, count(*) AS asked, count_if(outcome = 'confirmed') AS confirmed,
count_if(outcome = 'contradicted') AS contradicted, count_if(outcome = 'refused') AS refused,
count_if(outcome = 'unproven') AS unproven, count_if(outcome = 'expired') AS expired,
count_if(outcome = 'open') AS open,
median(seconds) AS median_seconds, quantile_cont(seconds, 0.95) AS p95_seconds
FROM command_outcomes WHERE decided_at >= $since::TIMESTAMPTZ AND decided_at < $until::TIMESTAMPTZ
GROUP BY oem, model, action ORDER BY ALL"""

#: Under which section which question stands.
SECTIONS: Final = {
    "headline": (HEADLINE, CARBON),
    "load": (LOAD, THIRDS),
    "savings": (SAVINGS,),
    "promises": (PROMISES, NOT_KEPT),
    "commands": (COMMANDS,),
}
