"""A night of the whole system with the cars of every maker: each over its own protocol, judged by what the cars did."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.accounts import promise
from deploy.demo.night import Night, Options
from deploy.demo.world import metered_stays
from oem_connectors.simulator.cloud.car import Personality
from oem_connectors.simulator.cloud.log import What
from streams.contracts.session import Promise

MAKERS = {"tesla", "smartcar", "enode", "renault", "skoda", "hyundai_kia"}


async def lived(run_dir: Path, **changes: Any) -> tuple[Night, dict[str, Any]]:
    """One day on a ten minute grid; the night and its summary."""
    chosen: dict[str, Any] = {"days": 1, "step": timedelta(minutes=10), "partitions": 1, "run_dir": run_dir}
    night = Night(Options(**(chosen | changes)))
    return night, await night.run()


def missed(night: Night) -> list[str]:
    """Cars that missed what they could have reached; one that cannot be started again after a stop could not."""
    stays = metered_stays(night.world, night.fleet, night.window)
    found = [stay.car for stay in stays if promise(stay) is Promise.MISSED]
    return [car for car in found if night.world.cars[car].car.personality is not Personality.CANNOT_RESUME]


def assert_promises_kept(night: Night, summary: dict[str, Any]) -> None:
    """No car misses what it could reach; nothing is lost or doubled; and it was worth the while."""
    assert missed(night) == []
    assert summary["ready_by"]["met"] > 0
    assert summary["commands"]["duplicate_effective"] == 0
    assert summary["notifications"]["duplicate"] == 0
    events = summary["events"]
    assert (events["lost"], events["dead_letters"]) == (0, 0)
    assert events["in"] == events["out"] + events["filtered"]
    assert summary["cost"]["managed"] < summary["cost"]["unmanaged"]


def switches(night: Night) -> dict[str, Counter[What]]:
    """How often commands have stopped and started cars, by maker."""
    found: dict[str, Counter[What]] = {maker.oem: Counter() for maker in night.makers}
    for change in night.world.log.effective():
        account = change.car.partition(".")[0]
        found[night.maker_of[account].oem][change.what] += 1
    return found


async def test_a_night_with_every_maker_keeps_every_promise(tmp_path: Path) -> None:
    night, summary = await lived(tmp_path, oem="all", vehicles=15, scenario="oem-trouble")
    assert_promises_kept(night, summary)
    assert {maker.oem for maker in night.makers} == MAKERS
    for maker, done in switches(night).items():
        assert min(done[What.STOPPED], done[What.STARTED]) > 0, f"{maker}: {dict(done)}"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", ["oem-outage", "oem-trouble", "sleepy-cars", "zoo"])
@pytest.mark.parametrize("maker", sorted(MAKERS))
async def test_nights_of_one_maker_keep_every_promise(tmp_path: Path, maker: str, scenario: str) -> None:
    night, summary = await lived(tmp_path, oem=maker, vehicles=40, scenario=scenario, step=timedelta(minutes=5))
    assert_promises_kept(night, summary)
    done = switches(night)[maker]
    assert min(done[What.STOPPED], done[What.STARTED]) > 0
