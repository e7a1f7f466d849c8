"""Whole nights of cars that can only be read: what their drivers are told, push by push."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from oem_connectors.simulator.cloud.car import Personality, SimCar, Stay
from streams.contracts.notification import NotificationEvent
from streams.contracts.preference import Preference
from streams.domain.notify import Ledger, notices
from streams.domain.standing import standing
from streams.domain.status import StatusState, status
from tests.loop import Loop, prices

HOUR = timedelta(hours=1)
BORN = datetime(2025, 1, 6, 16, tzinfo=UTC)
PLUG_IN, READY_BY = BORN + 2 * HOUR, BORN + 15 * HOUR
CHEAP = [0.1 if (16 + hour) % 24 in {1, 2, 3, 4} else 0.3 for hour in range(40)]


def pushes(personality: Personality, model: str, until: datetime = READY_BY) -> list[NotificationEvent]:
    """What is pushed in a night, the status told anew every five minutes."""
    car = SimCar(account="a", vehicle="b", model=model, personality=personality, stays=[Stay(PLUG_IN, READY_BY, 40)])
    loop = Loop(car, Preference(car=car.key, target_soc_pct=80, updated_at=BORN), BORN)
    loop.vintage(prices(BORN, CHEAP))
    ledger, said, now = Ledger(), list[NotificationEvent](), BORN
    while (now := now + HOUR / 12) < until:
        loop.run(now)
        known = loop.control
        facts = StatusState(
            car=car.key, registration=known.registration, preference=known.preference, state=known.state,
            schedule=known.schedule, command=loop.command, standing=standing(known, "told", now),
        )  # fmt: skip
        told = status(facts, now, controllable=model != "readonly")
        assert told is not None
        ledger, new = notices(ledger, told, now)
        said += new
    return said


@pytest.mark.parametrize("personality", Personality)
def test_a_night_of_advice(personality: Personality) -> None:
    said = pushes(personality, "readonly")
    assert len({event.id for event in said}) == len(said)
    count = Counter(event.kind.value for event in said)
    assert count["plugged_in"] == 1, said
    assert not set(count) - {"plugged_in", "plan_moved", "at_risk", "cannot_be_ready"}, said
    assert count["plan_moved"] <= 2, said
    first, *_ = said
    assert re.match(r"Charge after about 01:0[05]: it is cheapest then, done about 0[34]:", first.body), first.body


def test_the_same_night_in_our_hands_is_promised() -> None:
    first, *_ = pushes(Personality.NORMAL, "sim-one", PLUG_IN + HOUR)
    assert re.search(r"planned from about 01:0[05], in the cheapest hours, done about 0[34]:", first.body), first.body
