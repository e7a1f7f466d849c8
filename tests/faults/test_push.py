"""Pushes while workers die and the push services fail: judged by what the devices were shown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import pytest

from agents.engine.log import Outgoing
from agents.push import MUST_ARRIVE
from agents.sealing import Sealer
from deploy.demo import feed
from deploy.demo.night import Options
from deploy.demo.world import preference
from deploy.fakes import fcm, webpush
from deploy.fakes.push import Kind, PushServices
from oem_connectors.simulator.cloud.chance import chance
from streams.contracts.notification import NotificationEvent
from streams.topics import DEVICE, NOTIFICATION, PREFERENCE
from tests.faults.evening import Evening, options
from tests.faults.supervised import Kill, Supervised
from tests.faults.verdict import read, unfinished_pushes
from tests.kafka_chain import Kafka

pytestmark = pytest.mark.timeout(300)

VEHICLES: Final = 12
HOURS: Final = 2.5
PLAN: Final = [
    Kill("push.taken", 4), Kill("push.answered", 3), Kill("push.answered", 5),
    Kill("push.taken", 2), Kill("push.answered", 2), Kill("push.taken", 3),
]  # fmt: skip
#: From this hour on nobody can be ready in time: every driver is told.
TOO_LATE: Final = 1.4
#: So much of what is sent meets one of these.
TROUBLED: Final = 0.4
FCM: Final = [fcm.Answer.QUOTA, fcm.Answer.QUOTA_SILENT, fcm.Answer.UNAVAILABLE, fcm.Answer.INTERNAL, fcm.Answer.PAGE,
              fcm.Answer.OLD_TOKEN, fcm.Answer.CUT, fcm.Answer.LOST]  # fmt: skip
WEB: Final = [webpush.Answer.BUSY, webpush.Answer.BUSY_UNTIL, webpush.Answer.BROKEN, webpush.Answer.DOWN,
              webpush.Answer.CUT, webpush.Answer.LOST]  # fmt: skip
DEVICES: Final[tuple[Kind, ...]] = ("fcm", "webpush")
T = TypeVar("T")


class Told(Evening):
    """An evening on which every driver has a phone and a browser. The first one's phone has lost our app."""

    def __init__(self, chosen: Options, services: PushServices) -> None:
        super().__init__(chosen, PLAN, {TOO_LATE: ask_too_much})
        self.window = replace(self.window, end=self.window.start + timedelta(hours=HOURS))
        self.services = services
        self.make_workers = lambda run_dir, environment: Supervised(
            run_dir, {**environment, **services.settings()}, PLAN
        )
        self.drivers = {vehicle.driver: vehicle.account for vehicle in self.fleet}
        self.lost = f"{min(self.drivers)}.fcm"
        services.fcm.mood = self._fcm
        services.web.mood = lambda device, number: _drawn(WEB, device, number)

    def _enrolments(self, sealer: Sealer) -> list[Outgoing]:
        devices = [
            self.services.device(driver, account, kind, sealer, self.now)
            for driver, account in self.drivers.items()
            for kind in DEVICES
        ]
        records = [feed.record(DEVICE, one.device, one, self.now, self.options.partitions) for one in devices]
        return super()._enrolments(sealer) + records

    def _fcm(self, device: str, number: int) -> fcm.Answer | None:
        return fcm.Answer.UNREGISTERED if device == self.lost else _drawn(FCM, device, number)


def _drawn(answers: Sequence[T], device: str, number: int) -> T | None:
    if chance("push", device, number) >= TROUBLED:
        return None
    return answers[int(chance("which", device, number) * len(answers))]


async def ask_too_much(night: Evening) -> None:
    at = (night.now + 4 * night.options.step).astimezone().time()
    wishes = [
        preference(vehicle, night.now).model_copy(update={"target_soc_pct": 100, "ready_by": at})
        for vehicle in night.fleet
    ]
    await night.writer.write(
        [feed.record(PREFERENCE, wish.car, wish, night.now, night.options.partitions) for wish in wishes]
    )


def told_too_often(night: Told) -> Iterator[str]:
    """Devices that were shown the same message again, though it could have waited."""
    must = {kind.value for kind in MUST_ARRIVE}
    for shown, times in night.services.screens.repeats().items():
        if shown.kind not in must:
            yield f"{shown.device} {shown.kind} {shown.id} x {times}"


def never_told(night: Told, decided: list[NotificationEvent]) -> Iterator[str]:
    """Failures that a device of their driver was not shown."""
    shown = {(one.device, one.id) for one in night.services.screens.shown}
    for event in decided:
        devices = {f"{event.driver}.{kind}" for kind in DEVICES} - {night.lost}
        if event.kind in MUST_ARRIVE:
            missing = [device for device in sorted(devices) if (device, event.id) not in shown]
            yield from (
                f"{device} {event.kind} {event.phase} at {event.at:%H:%M}: {event.detail}" for device in missing
            )


async def test_no_failure_is_lost_and_no_news_comes_twice(empty_kafka: Kafka, run_dir: Path) -> None:
    services = PushServices()
    await services.start()
    night = Told(options(run_dir, empty_kafka.bootstrap, vehicles=VEHICLES), services)
    try:
        await night.run()
    finally:
        await services.close()
    topics = read(night, (NOTIFICATION,))
    decided: list[NotificationEvent] = list({event.id: event for event in topics[NOTIFICATION.name]}.values())
    failures = [event for event in decided if event.kind in MUST_ARRIVE]
    troubles = services.fcm.troubles.total() + services.web.troubles.total()
    repeats = Counter(one.kind for one in services.screens.repeats())
    print(  # noqa: T201 - the figures are the result
        f"{len(services.screens.shown)} messages on {2 * len(night.drivers)} devices, {troubles} troubles,"
        f" {len(night.workers.deaths)} deaths; {len(failures)} failures told, shown again in their place: {repeats}"
    )
    assert list(told_too_often(night)) == []
    assert list(never_told(night, decided)) == []
    assert list(unfinished_pushes(topics)) == []
    assert services.fcm.complaints + services.web.complaints == []
    assert len(failures) >= VEHICLES / 2, "an evening on which nothing fails proves nothing"
    assert troubles > VEHICLES
    pushing = [death for death in night.workers.deaths if death.kill.place.startswith("push")]
    assert len(pushing) >= 3, night.workers.spared
    assert 0 < services.fcm.troubles[fcm.Answer.UNREGISTERED] <= 1 + len(night.workers.deaths), "gone is gone"
