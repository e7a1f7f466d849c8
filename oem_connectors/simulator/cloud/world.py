"""All cars of one cloud, their tokens and their log: the judge of what the system did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from oem_connectors.simulator.cloud.budgets import Budgets
from oem_connectors.simulator.cloud.car import Personality, SimCar
from oem_connectors.simulator.cloud.faults import FaultScript
from oem_connectors.simulator.cloud.log import Log
from oem_connectors.simulator.cloud.tokens import Terms, TokenBook
from oem_connectors.simulator.cloud.truth import Truth

Clock = Callable[[], datetime]
_SHORT = Terms(lifetime=timedelta(minutes=20))


class World:
    """Each car catches up with the clock when it is asked about, all of them by `settle`."""

    def __init__(
        self,
        cars: Sequence[SimCar],
        clock: Clock,
        seed: int = 0,
        faults: FaultScript | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self.clock, self.seed, self.log = clock, seed, Log()
        self.faults, self.budgets = faults or FaultScript(), budgets or Budgets()
        rotators = [car.account for car in cars if car.personality is Personality.TOKEN_ROTATOR]
        self.tokens = TokenBook(seed, dict.fromkeys(rotators, _SHORT))
        now = clock()
        self.cars = {car.key: Truth(car, self.log, seed, _born(car, now)) for car in cars}
        if len(self.cars) != len(cars):
            raise ValueError("two cars share a key; every <account>.<vehicle> must be unique")
        self._accounts: dict[str, list[Truth]] = {}
        for truth in self.cars.values():
            self._accounts.setdefault(truth.car.account, []).append(truth)

    def of(self, account: str) -> Sequence[Truth]:
        """The cars of an account."""
        return self._accounts.get(account, ())

    def settle(self, until: datetime) -> None:
        """Bring every car up to `until`, with the energy up to then on the meter."""
        for truth in self.cars.values():
            truth.settle(until)

    def soc_at(self, car: str, at: datetime) -> float:
        """True state of charge in percent at an instant up to the present."""
        truth = self.cars[car]
        truth.advance(at)
        return truth.soc_at(at)


def _born(car: SimCar, now: datetime) -> datetime:
    """A car whose first stay is past has lived since then."""
    return min(now, car.stays[0].plug_in) if car.stays else now
