"""Simulated cars that enrol themselves: at any time of day some are home, and the log knows each with its own grant."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.envelope import seal_context
from agents.partitions import home_partition
from agents.settings import load
from deploy.enrolled import enrolments, home_now
from oem_connectors.simulator.cloud.fleet import commuters
from oem_connectors.simulator.cloud.world import World
from streams import serde
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.topics import REGISTRATION

SETTINGS = load({}, env="demo", partitions=6)


def world(now: datetime, cars: int = 40) -> World:
    return World(home_now(commuters(cars, now - timedelta(days=1), 28, 1), now), lambda: now, 1)


@pytest.mark.parametrize("hour", [0, 6, 13, 18, 23])
def test_at_any_time_of_day_about_half_of_the_cars_are_home_and_the_others_come_soon(hour: int) -> None:
    now = datetime(2026, 11, 23, hour, 41, tzinfo=UTC)
    stays = [stay for truth in world(now).cars.values() for stay in truth.car.stays]
    home = sum(stay.plug_in <= now < stay.plug_out for stay in stays)
    soon = sum(now < stay.plug_in <= now + timedelta(hours=2) for stay in stays)
    assert 10 <= home <= 30
    assert home + soon == 40


def test_every_car_is_on_the_log_with_a_grant_that_its_maker_takes_and_is_wanted_in_the_morning() -> None:
    now = datetime(2026, 11, 23, 13, 41, tzinfo=UTC)
    made, sealer = world(now, cars=5), SETTINGS.sealer()
    for record in enrolments(made, sealer, SETTINGS.partitions, now):
        assert record.key is not None
        assert record.value is not None
        assert record.partition == home_partition(record.key.decode(), SETTINGS.partitions)
        message = serde.decode(record.topic, record.value)
        if record.topic == REGISTRATION.name:
            assert isinstance(message, Registration)
            account = made.cars[message.car].car.account
            assert message.grant_sealed is not None
            token = sealer.open(message.grant_sealed, seal_context(account)).decode()
            assert made.tokens.rotate(token, now) is not None
        else:
            assert isinstance(message, Preference)
            assert message.ready_by.hour == 23
