"""All workers die while every car is held: with the guardian nobody's promise is missed, without it many are."""

from pathlib import Path

import pytest

from deploy.drill.night import DEATH, LEAST_SLACK, guests
from deploy.drill.run import drill


@pytest.mark.parametrize("broker_gone", [False, True])
async def test_no_promise_is_missed(broker_gone: bool, tmp_path: Path) -> None:
    found = await drill(150, 7, tmp_path, broker_gone=broker_gone)
    assert (found["missed"], found["held"]) == (0, 150)
    assert found["registry"] == ("file" if broker_gone else "topic")
    assert found["missed_without_guardian"] > 30, "the night is one that would have been missed"
    assert found["started_by"]["guardian"] > 130
    assert found["most_starts_in_a_minute"] <= found["releases_per_minute_allowed"]
    assert found["stopped_after_death"] == 0
    assert found["effective_twice"] == 0


def test_every_car_could_keep_its_promise_when_the_workers_died() -> None:
    every = guests(300, 1)
    assert all(DEATH + LEAST_SLACK <= guest.last_safe_start < guest.ready_by for guest in every)
    assert len({guest.car.key for guest in every}) == 300
