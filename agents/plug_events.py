"""vehicle state -> plug events: announces each edge of a session, once. Deciding is done in streams/domain/plug.py."""

from __future__ import annotations

from agents.engine.stage import Stage, Work
from agents.metrics import Metrics
from streams.contracts.plug_event import PlugEventKind
from streams.domain.plug_events import edges
from streams.topics import PLUG, VEHICLE
from tables import ANNOUNCED
from tables.rows import AnnouncedRow


def stage(metrics: Metrics) -> Stage:
    """The stage, counting how late plug-ins are noticed."""

    def step(work: Work) -> None:
        for record in work:
            if record.value is None:
                work.delete(ANNOUNCED, record.key)
                continue
            row = work.get(ANNOUNCED, record.key)
            for event in edges(row.session if row else None, record.value):
                work.send(PLUG, record.key, event)
                if event.kind is PlugEventKind.PLUGGED_IN:
                    metrics.plug_delay.observe((event.observed_at - event.at).total_seconds())
            if row is None or row.session != record.value.session:
                work.put(ANNOUNCED, record.key, AnnouncedRow(session=record.value.session))

    return Stage("plug_events", reads=(VEHICLE,), writes=(PLUG,), tables=(ANNOUNCED,), step=step)
