"""The simulated maker itself: its cars have wake and a schedule of their own."""

from __future__ import annotations

from pydantic import SecretStr

from deploy.fakes.maker import Maker
from oem_connectors.simulator.cloud.server import Cloud
from oem_connectors.simulator.cloud.world import World


def grant(world: World, account: str) -> SecretStr:
    """The account's first refresh token."""
    return SecretStr(world.tokens.consent(account))


MAKER = Maker(oem="simulator", desk=Cloud, model=None, vehicle=lambda car: car.vehicle, grant=grant, app={})
