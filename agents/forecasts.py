"""forecasts and adders -> re-plan requests: each vintage goes to every partition; its owner re-plans its cars."""

from __future__ import annotations

from agents.engine.stage import Stage, Work
from streams.contracts.capacity import RegionAdder
from streams.domain.capacity import as_forecast
from streams.domain.forecasts import forecast_key
from streams.topics import ADDER, CARBON, PRICE, REPLAN
from tables import VINTAGES
from tables.rows import VintageRow


def step(work: Work) -> None:
    """Pass on what is new; a vintage seen before or older than the newest ends here."""
    for record in work:
        if record.value is None:
            continue
        vintage = as_forecast(record.value) if isinstance(record.value, RegionAdder) else record.value
        key = forecast_key(vintage)
        seen = work.get(VINTAGES, key)
        if seen is None or vintage.issued_at > seen.issued_at:
            work.put(VINTAGES, key, VintageRow(issued_at=vintage.issued_at))
            work.broadcast(REPLAN, key, vintage)


STAGE = Stage("forecasts", reads=(PRICE, CARBON, ADDER), writes=(REPLAN,), tables=(VINTAGES,), step=step)
