"""What can be different about a demo night, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from deploy.demo.recorded import Window
from oem_connectors.simulator.cloud.car import Personality
from oem_connectors.simulator.cloud.faults import Fault, FaultKind, FaultScript
from streams.domain.ready import local_instant

Faults = Callable[[Window], tuple[Fault, ...]]


def _none(window: Window) -> tuple[Fault, ...]:
    del window
    return ()


def _nightly(kind: FaultKind, start: time, hours: float, **fault: float) -> Faults:
    def make(window: Window) -> tuple[Fault, ...]:
        zone = ZoneInfo(window.zone)
        first = window.start.astimezone(zone).date()
        begins = [local_instant(first + timedelta(days=n), start, zone) for n in range(window.days + 1)]
        return tuple(Fault(kind, at, at + timedelta(hours=hours), **fault) for at in begins)

    return make


def _now_and_then(*kinds: FaultKind, share_of_calls: float) -> Faults:
    """At any time, to any car."""
    return lambda window: tuple(Fault(kind, window.start, window.end, share_of_calls=share_of_calls) for kind in kinds)


@dataclass(frozen=True)
class Scenario:
    """One kind of night. Shares are of all cars, picked by hash."""

    name: str
    tells: str
    window: str = "default"
    faults: Faults = _none
    personalities: dict[Personality, float] = field(default_factory=dict)
    late_unplug_share: float = 0.0
    replay_telemetry: int = 0
    prices_late: timedelta = timedelta(0)

    def fault_script(self, window: Window) -> FaultScript:
        return FaultScript(self.faults(window))


#: A little misbehaviour belongs to every night.
_USUAL = {
    Personality.IGNORES_STOP: 0.01,
    Personality.CANNOT_RESUME: 0.01,
    Personality.DEEP_SLEEPER: 0.03,
    Personality.STALE_CACHE: 0.03,
    Personality.RANDOM_START: 0.01,
    Personality.AMBIGUOUS_PLUG: 0.01,
    Personality.CLOCK_SKEW: 0.02,
    Personality.DRIVER_TIMER: 0.02,
    Personality.APP_FIGHTER: 0.01,
    Personality.ACCEPTS_THEN_FAILS: 0.01,
    Personality.DUPLICATE_REQUEST: 0.01,
    Personality.TOKEN_ROTATOR: 0.02,
    Personality.FLICKERING_PLUG: 0.02,
}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("usual", "ordinary nights with a few difficult cars", personalities=_USUAL),
        Scenario(
            "oem-outage",
            "the OEM's cloud is down from 23:30 to 01:30 every night",
            personalities=_USUAL,
            faults=_nightly(FaultKind.OUTAGE, time(23, 30), 2),
        ),
        Scenario(
            "oem-trouble",
            "one command in six fails, is refused, comes to nothing or loses its answer; one reading in fifteen fails",
            personalities=_USUAL,
            faults=_now_and_then(
                FaultKind.ERROR,
                FaultKind.DROPPED,
                FaultKind.ASLEEP,
                FaultKind.DUPLICATE,
                FaultKind.NO_EFFECT,
                share_of_calls=1 / 30,
            ),
        ),
        Scenario(
            "sleepy-cars", "most cars sleep deeply and must be woken", personalities={Personality.DEEP_SLEEPER: 0.7}
        ),
        Scenario("zoo", "most cars are difficult, each in its own way", personalities=dict.fromkeys(_USUAL, 0.06)),
        Scenario(
            "late-unplug",
            "a third of the cars stay plugged in hours past ready-by",
            personalities=_USUAL,
            late_unplug_share=0.34,
        ),
        Scenario(
            "duplicate-telemetry",
            "every reading arrives three times, out of order",
            personalities=_USUAL,
            replay_telemetry=2,
        ),
        Scenario(
            "missing-tomorrow",
            "day-ahead prices are published ten hours late",
            personalities=_USUAL,
            prices_late=timedelta(hours=10),
        ),
        Scenario("price-spike", "the dearest hours of the recorded year", window="price-spike", personalities=_USUAL),
    )
}


def unplugged(plug_out: datetime, next_plug_in: datetime | None, *, late: bool) -> datetime:
    """When the cable comes out: as recorded, or five hours later, but always a while before it goes in again."""
    wanted = plug_out + timedelta(hours=5) if late else plug_out
    if next_plug_in is None:
        return wanted
    return max(min(plug_out, next_plug_in - timedelta(minutes=1)), min(wanted, next_plug_in - timedelta(hours=1)))
