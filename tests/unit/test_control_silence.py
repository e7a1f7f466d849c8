"""A car that is silent on charging while it rests: what it last said grows old, and a held car is still let go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from streams.contracts.command import Action
from streams.contracts.preference import Preference
from tests.loop import Loop, prices

HOUR = timedelta(hours=1)
BORN = datetime(2025, 1, 6, 16, tzinfo=UTC)
PLUG_IN, READY_BY = BORN + 2 * HOUR, BORN + 15 * HOUR
CHEAP = [0.1 if (16 + hour) % 24 in {1, 2, 3, 4} else 0.3 for hour in range(40)]
#: What a maker leaves out of an answer about a car that rests.
SILENT = {"IDLE", "TIMER", "FULL", "PREPARING"}


def silent(raw: dict[str, Any] | None) -> dict[str, Any] | None:
    """The answer of a cloud that knows nothing of charging but while power flows."""
    if raw is None or raw["charger"]["mode"] not in SILENT:
        return raw
    cable = raw["cable"] if raw["cable"] == "OUT" else "NOBODY_KNOWS"
    return {**raw, "cable": cable, "charger": {"mode": None, "kw": None}, "timer": None}


@pytest.mark.parametrize("model", ["sim-one", "sim-one-basic"])
@pytest.mark.parametrize("personality", [Personality.NORMAL, Personality.DEEP_SLEEPER, Personality.STALE_CACHE])
def test_a_car_that_we_hold_is_started_though_its_last_word_was_charging(
    personality: Personality, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = SimCar(
        account="a", vehicle="b", model=model, personality=personality, stays=[Stay(PLUG_IN, READY_BY + HOUR, 40)]
    )
    loop = Loop(car, Preference(car=car.key, target_soc_pct=80, updated_at=BORN), BORN)
    told = loop.cloud.read
    monkeypatch.setattr(loop.cloud, "read", lambda now: silent(told(now)))
    loop.vintage(prices(BORN, CHEAP))
    loop.run(READY_BY + HOUR)
    assert Action.STOP in {command.action for command in loop.decisions}, loop.story()
    assert loop.cloud.truth.soc_at(READY_BY) >= 79, loop.story()
    assert loop.cloud.log.duplicate_effective() == []
