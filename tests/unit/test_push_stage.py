"""The stage that pushes: per device, across take-overs and services that fail; nobody is told twice what can wait."""

import asyncio
import tempfile
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import notifications
from agents.clock import LogClock, SystemClock
from agents.envelope import push_context
from agents.metrics import Metrics
from agents.push import InApp, Message, Outcome, Sent
from agents.push.phones import IN_APP, Phones
from agents.sealing import Sealer
from streams.contracts.driver_status import DriverStatus
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.notification import NotificationEvent, NotificationPhase
from streams.contracts.push_device import PushDevice
from streams.topics import DEVICE, NOTIFICATION, STATUS, TICK
from tables import DEVICES, NOTIFIED
from tests.lanes import KEY, Rig, raw, raws
from tests.night import CAR, after
from tests.unit.test_notify import R, seen

SHOWN, GONE = Sent(Outcome.SHOWN), Sent(Outcome.GONE, "404 UNREGISTERED")
LATER, REFUSED = Sent(Outcome.LATER, "503"), Sent(Outcome.REFUSED, "400")
UNKNOWN = Sent(Outcome.UNKNOWN, "ReadTimeout")
NO_PUSH = (NotificationPhase.SENT, "no device: shown in the app")


class Service:
    """Answers each device as it was told to, SHOWN when nothing is left; may keep everybody waiting."""

    def __init__(self) -> None:
        self.says: defaultdict[str, deque[Sent]] = defaultdict(deque)
        self.asked: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, target: str, message: Message) -> Sent:
        self.asked.append((target, message.kind))
        await self.gate.wait()
        return self.says[target].popleft() if self.says[target] else SHOWN


class Desk:
    """The stage in a lane that can be given up and taken over; devices a, b, ... are phones, w is a browser."""

    def __init__(self, directory: Path) -> None:
        self.phone, self.web, self.clock = Service(), Service(), LogClock()
        self.metrics = Metrics()
        services: dict[str, Any] = {IN_APP: InApp(), "fcm": self.phone, "webpush": self.web}
        phones = Phones(services, self.clock, self.metrics)
        self.rig = Rig(notifications.stage(phones, Sealer(KEY), self.clock, self.metrics), directory)
        self.offset = 0

    async def rest(self) -> None:
        while self.rig.lane.jobs._tasks or not self.rig.lane.restored:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def take_over(self) -> None:
        """Another worker: the same store, nothing in memory."""
        self.rig.epoch += 1
        await self.rig.runtime.finish()
        self.rig.runtime.begin({(STATUS.name, 0)})

    async def register(self, *names: str, driver: str = "driver-1", account: str = "acct") -> None:
        for name in names:
            kind: Any = "webpush" if name == "w" else "fcm"
            sealed = Sealer(KEY).seal(name.encode(), push_context(account))
            key = f"{account}.{name}"
            device = PushDevice(device=key, driver=driver, kind=kind, target_sealed=sealed, since=after(0))
            await self.rig.give(*raws(DEVICE.name, [(key, device)]))

    async def unregister(self, name: str) -> None:
        await self.rig.give(raw(DEVICE.name, 0, f"acct.{name}".encode(), None))

    async def tell(self, minutes: float, status: DriverStatus) -> None:
        await self.beat(minutes)
        await self.rig.give(*raws(STATUS.name, [(CAR, status.model_copy(update={"at": after(minutes)}))]))

    async def beat(self, minutes: float, phase: TickPhase = TickPhase.ACT) -> None:
        self.clock.seen(after(minutes))
        await self.rig.give(*raws(TICK.name, [("0", Tick(at=after(minutes), phase=phase))]))

    async def tick(self, minutes: float) -> None:
        await self.beat(minutes, TickPhase.READ)
        await self.rest()

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not so():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def ends(self) -> list[tuple[NotificationPhase, str | None]]:
        events = [NotificationEvent.model_validate_json(r.value or b"") for r in self.rig.log.of(NOTIFICATION.name)]
        return [(event.phase, event.detail) for event in events if event.phase is not NotificationPhase.INTENT]

    def forgotten(self) -> list[str]:
        return [(r.key or b"").decode() for r in self.rig.log.of(DEVICE.name) if r.value is None]

    def pending(self) -> int:
        row = self.rig.lane.get(NOTIFIED, CAR)
        return 0 if row is None else len(row.pending)


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Desk]:
    made = Desk(directory)
    yield made
    made.phone.gate.set()
    made.rig.epoch += 1
    await made.rig.runtime.finish()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as made:
        yield made


INFO, FAILURE = seen(), seen(R.LINK_LOST)


async def test_who_has_no_device_is_told_in_the_app(desk: Desk) -> None:
    await desk.register("a", driver="somebody-else")
    await desk.tell(1, INFO)
    await desk.rest()
    assert desk.ends() == [NO_PUSH]
    assert desk.phone.asked == []


async def test_every_device_of_the_driver_is_told_once(desk: Desk) -> None:
    await desk.register("a", "b", "w")
    await desk.register("c", driver="somebody-else")
    await desk.register("d", account="other")
    await desk.tell(1, INFO)
    await desk.tell(2, INFO)
    await desk.rest()
    assert desk.phone.asked + desk.web.asked == [(name, "plugged_in") for name in "abw"]
    assert desk.ends() == [(NotificationPhase.SENT, None)]


async def test_a_way_that_is_not_set_up_is_no_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.rig.stage.step.__self__._phones = Phones({IN_APP: InApp()}, SystemClock(), Metrics())  # type: ignore[attr-defined]
        await desk.register("a", "w")
        await desk.tell(1, FAILURE)
        await desk.rest()
        assert desk.ends() == [NO_PUSH]
        assert desk.forgotten() == []


async def test_trying_again_tells_only_those_who_do_not_have_it(desk: Desk) -> None:
    await desk.register("a", "b", "w")
    desk.phone.says["b"].extend([LATER, LATER])
    await desk.tell(1, INFO)
    await desk.rest()
    assert desk.ends() == []
    for minutes in (1.1, 1.5, 2, 3):
        await desk.tick(minutes)
    assert [name for name, _ in desk.phone.asked + desk.web.asked] == ["a", "b", "b", "b", "w"]
    assert [phase for phase, _ in desk.ends()] == [NotificationPhase.SENT]
    assert desk.pending() == 0


async def test_nobody_is_asked_before_he_wants_to_be(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.says["a"].append(LATER._replace(after=timedelta(minutes=10)))
    await desk.tell(1, INFO)
    await desk.rest()
    await desk.tick(10.9)
    assert len(desk.phone.asked) == 1
    await desk.tick(11)
    assert len(desk.phone.asked) == 2


async def test_each_message_has_its_own_time(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.says["a"].extend([LATER._replace(after=timedelta(minutes=wait)) for wait in (10, 1)])
    await desk.tell(1, INFO)
    await desk.rest()
    await desk.tell(2, FAILURE)
    await desk.rest()
    await desk.tick(4)
    assert [kind for _, kind in desk.phone.asked] == ["plugged_in", "link_lost", "link_lost"]


async def test_a_device_that_is_gone_is_forgotten_and_the_others_have_it(desk: Desk) -> None:
    await desk.register("a", "b")
    desk.phone.says["a"].append(GONE)
    await desk.tell(1, INFO)
    await desk.rest()
    assert desk.forgotten() == ["acct.a"]
    assert desk.ends() == [(NotificationPhase.SENT, None)]
    await desk.tell(2, FAILURE)
    await desk.rest()
    assert [name for name, _ in desk.phone.asked] == ["a", "b", "b"]


async def test_when_all_are_gone_the_app_has_it(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.says["a"].append(GONE)
    await desk.tell(1, FAILURE)
    await desk.rest()
    assert desk.ends() == [(NotificationPhase.SENT, "no device is left: shown in the app")]
    assert desk.rig.lane.get(DEVICES, "acct") is None


async def test_a_device_unregistered_while_it_waits_is_not_told_and_not_forgotten_twice(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.says["a"].append(LATER)
    await desk.tell(1, FAILURE)
    await desk.rest()
    await desk.unregister("a")
    await desk.tick(5)
    assert len(desk.phone.asked) == 1
    assert desk.forgotten() == []
    assert len(desk.ends()) == 1


@pytest.mark.parametrize(
    ("status", "says", "asked", "phase"),
    [
        pytest.param(INFO, UNKNOWN, 1, NotificationPhase.FAILED, id="silence is better than a repeat"),
        pytest.param(FAILURE, UNKNOWN, 2, NotificationPhase.SENT, id="a repeat is better than silence"),
        pytest.param(INFO, REFUSED, 1, NotificationPhase.FAILED, id="no use in asking again"),
        pytest.param(FAILURE, REFUSED, 1, NotificationPhase.FAILED, id="not even for a failure"),
        pytest.param(INFO, LATER, 2, NotificationPhase.SENT, id="it was not taken, so it may be sent"),
    ],
)
async def test_what_is_sent_again(
    desk: Desk, status: DriverStatus, says: Sent, asked: int, phase: NotificationPhase
) -> None:
    await desk.register("a")
    desk.phone.says["a"].append(says)
    await desk.tell(1, status)
    await desk.rest()
    await desk.tick(5)
    assert len(desk.phone.asked) == asked
    assert [one for one, _ in desk.ends()] == [phase]


async def test_news_that_has_grown_old_is_given_up_and_it_is_said(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.says["a"].extend([LATER] * 99)
    await desk.tell(1, INFO)
    await desk.rest()
    for minutes in range(2, 120):
        await desk.tick(minutes)
    assert desk.ends() == [(NotificationPhase.FAILED, "503")]
    assert 4 < len(desk.phone.asked) < 12
    assert desk.pending() == 0


@pytest.mark.parametrize("still", [True, False])
async def test_a_failure_is_told_for_as_long_as_it_is_true(desk: Desk, still: bool) -> None:
    await desk.register("a")
    desk.phone.says["a"].extend([LATER] * 999)
    await desk.tell(1, FAILURE)
    await desk.rest()
    if not still:
        await desk.tell(30, seen(R.UNPLUGGED, session_id=None, plan_revision=None, next_start=None))
    for hours in range(1, 72):
        await desk.tick(60 * hours)
    assert (desk.pending() == 1) is still
    if still:
        desk.phone.says["a"].clear()
        await desk.tick(60 * 73)
    assert [phase for phase, _ in desk.ends()] == [NotificationPhase.SENT if still else NotificationPhase.FAILED]


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        pytest.param(INFO, ["a", "b"], id="what can wait is not repeated"),
        pytest.param(FAILURE, ["a", "b", "b"], id="a failure is, where nobody knows"),
    ],
)
async def test_a_worker_that_ends_between_two_devices(desk: Desk, status: DriverStatus, asked: list[str]) -> None:
    await desk.register("a", "b")
    await desk.tell(1, status)
    desk.phone.gate.clear()
    desk.phone.gate.set()
    await desk.until(lambda: len(desk.phone.asked) == 1)
    desk.phone.gate.clear()
    await desk.until(lambda: len(desk.phone.asked) == 2)
    await desk.take_over()
    desk.phone.gate.set()
    await desk.rest()
    assert [name for name, _ in desk.phone.asked] == asked
    assert [phase for phase, _ in desk.ends()] == [NotificationPhase.SENT], "the first has it"


async def test_what_is_to_be_tried_later_is_tried_by_who_comes_after(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.says["a"].append(LATER)
    await desk.tell(1, INFO)
    await desk.rest()
    await desk.take_over()
    await desk.rest()
    assert desk.ends() == []
    await desk.tick(3)
    assert len(desk.phone.asked) == 2
    assert [phase for phase, _ in desk.ends()] == [NotificationPhase.SENT]


async def test_who_lost_the_partition_while_he_slept_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(place: str) -> None:
        desk.rig.epoch += place == "push.taken"

    monkeypatch.setattr(notifications, "reach", sleep)
    await desk.register("a")
    await desk.tell(1, FAILURE)
    await desk.until(lambda: not desk.rig.lane.jobs._tasks)
    assert desk.phone.asked == []


async def test_a_service_that_hangs_does_not_hold_up_the_lane_or_another_driver(desk: Desk) -> None:
    await desk.register("a")
    desk.phone.gate.clear()
    await desk.tell(1, INFO)
    await desk.until(lambda: len(desk.phone.asked) == 1)
    other = seen(car="other.car", driver="driver-2")
    await desk.register("w", driver="driver-2", account="other")
    await desk.rig.give(*raws(STATUS.name, [("other.car", other)]))
    await desk.until(lambda: len(desk.ends()) == 1)
    assert len(desk.web.asked) == 1
    desk.phone.gate.set()
    await desk.rest()


async def test_a_dead_service_is_left_alone_and_the_other_one_is_not(desk: Desk) -> None:
    phones = desk.rig.stage.step.__self__._phones  # type: ignore[attr-defined]
    message = Message("n", "t", "", "", CAR, "plugged_in", urgent=False, lives=timedelta(hours=1))
    desk.phone.says["a"].extend([UNKNOWN] * 99)
    sent = [await phones.send("fcm", "a", message) for _ in range(30)]
    assert len(desk.phone.asked) < 15
    assert sent[-1].outcome is Outcome.LATER
    assert sent[-1].after > timedelta(seconds=20)
    assert (await phones.send("webpush", "w", message)).outcome is Outcome.SHOWN


OVER = {Outcome.GONE, Outcome.REFUSED, Outcome.SHOWN}
ANSWERS = st.lists(st.sampled_from([SHOWN, GONE, LATER, REFUSED, UNKNOWN]), max_size=4)


@settings(max_examples=40, deadline=None)
@given(
    a=ANSWERS,
    w=ANSWERS,
    status=st.sampled_from([INFO, FAILURE]),
    crashes=st.sets(st.integers(0, 5), max_size=3),
)
async def test_whatever_happens(a: list[Sent], w: list[Sent], status: DriverStatus, crashes: set[int]) -> None:
    """What can wait reaches a device at most once, a failure every device that takes it, and all comes to an end."""
    with tempfile.TemporaryDirectory() as directory:
        async with opened(Path(directory)) as desk:
            await desk.register("a", "w")
            desk.phone.says["a"].extend(a)
            desk.web.says["w"].extend(w)
            await desk.tell(1, status)
            for step in range(6):
                if step in crashes:
                    await desk.take_over()
                await desk.tick(2 + 9 * step)
            for name, answers, asked in (("a", a, desk.phone.asked), ("w", w, desk.web.asked)):
                heard = [one.outcome for one in [*answers, *[SHOWN] * 9][: len(asked)]]
                if status is INFO:
                    assert heard.count(Outcome.SHOWN) + heard.count(Outcome.UNKNOWN) <= 1, (name, heard)
                else:
                    assert heard[-1] in OVER, (name, heard)
                    assert sum(one in OVER for one in heard[:-1]) <= len(crashes), (name, heard)
            assert len(desk.ends()) == 1
            assert desk.pending() == 0
