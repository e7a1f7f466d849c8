"""price and carbon forecasts -> re-plan requests: each vintage goes to every partition; its owner re-plans its cars."""

from __future__ import annotations

from agents.engine.stage import Stage, Work
from streams.domain.forecasts import forecast_key
from streams.topics import CARBON, PRICE, REPLAN
from tables import VINTAGES
from tables.rows import VintageRow


def step(work: Work) -> None:
    """Pass on what is new; a vintage seen before or older than the newest ends here."""
    for record in work:
        if record.value is None:
            continue
        key = forecast_key(record.value)
        seen = work.get(VINTAGES, key)
        if seen is None or record.value.issued_at > seen.issued_at:
            work.put(VINTAGES, key, VintageRow(issued_at=record.value.issued_at))
            work.broadcast(REPLAN, key, record.value)


STAGE = Stage("forecasts", reads=(PRICE, CARBON), writes=(REPLAN,), tables=(VINTAGES,), step=step)
