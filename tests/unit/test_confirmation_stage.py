"""The confirmation stage: what commands took becomes a lead, what stops did becomes a count."""

from datetime import timedelta
from typing import Any

from agents.confirmation import stage
from agents.engine.stage import Send, Work
from agents.metrics import Metrics
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.internal import Tick, TickPhase
from streams.contracts.lead import LeadTime
from streams.contracts.telemetry import Charge
from streams.topics import COMMAND, LEAD, REGISTRATION, TICK, VEHICLE
from tables import IN_FLIGHT, LESSONS
from tests.desk import Desk
from tests.night import CAR, after, registration, session, state

WINDOW = timedelta(minutes=10)


def command(n: int, minutes: float, action: Action = Action.START, **changes: Any) -> CommandEvent:
    facts: dict[str, Any] = {
        "id": f"c{n}", "car": CAR, "session_id": "s1", "plan_revision": 1, "action": action,
        "phase": CommandPhase.SENDING, "at": after(minutes), "decided_at": after(minutes),
        "not_after": after(minutes + 5), "reason": "in_block",
    }  # fmt: skip
    return CommandEvent(**(facts | changes))


class Bench(Desk):
    """A desk with one car enrolled."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        super().__init__(stage(WINDOW, self.metrics))
        self.give(after(0), (REGISTRATION, CAR, registration()))

    def obey(self, n: int, minutes: float, seconds: float, action: Action = Action.START, **sent: Any) -> list[Send]:
        """A command is sent, and a sample of the car so many seconds later shows that it obeyed."""
        begun = command(n, minutes, action)
        done = begun.model_copy(update={"phase": CommandPhase.SENT, "at": after(minutes + 1 / 60), **sent})
        at = minutes + seconds / 60
        charge = Charge.CHARGING if action is Action.START else Charge.IDLE
        self.give(after(minutes), (COMMAND, CAR, begun), (COMMAND, CAR, done))
        return self.look(at, (VEHICLE, CAR, state(at, charge=charge)))

    def _apply(self, work: Work) -> None:
        assert work.put_off == []
        super()._apply(work)

    def look(self, minutes: float, *messages: Any) -> list[Send]:
        return self.give(after(minutes), *messages, (TICK, "0", Tick(at=after(minutes), phase=TickPhase.CHECK)))

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def leads(sends: list[Send]) -> list[LeadTime]:
    assert all(send.everywhere for send in sends if send.topic is LEAD)
    return [send.message for send in sends if send.topic is LEAD]


def test_leads_are_counted_from_the_sending_to_the_sample_that_proved_it() -> None:
    desk = Bench()
    told = [lead for n in range(5) for lead in leads(desk.obey(n, 10 * n + 10, 40 + n))]
    (lead,) = told
    assert (lead.oem, lead.model, lead.action, lead.samples) == ("simulator", "Test", Action.START, 5)
    assert (lead.median_seconds, lead.p90_seconds) == (42, 44)


def test_a_lead_is_told_again_only_when_it_moves_and_survives_a_restart() -> None:
    desk = Bench()
    for n in range(5):
        desk.obey(n, 10 * n + 10, 40)
    desk.restart()
    assert leads(desk.obey(5, 60, 40)) == []
    (lead,) = leads(desk.obey(6, 70, 50))
    assert (lead.samples, lead.p90_seconds) == (7, 50)


def test_a_car_that_was_already_so_teaches_nothing() -> None:
    desk = Bench()
    desk.obey(0, 10, 40, detail="already")
    assert desk.get(LESSONS, "simulator/Test/start") is None


def test_a_replayed_verdict_teaches_nothing_twice() -> None:
    desk = Bench()
    desk.obey(0, 10, 40)
    begun = command(0, 10)
    desk.give(after(20), (COMMAND, CAR, begun))
    desk.look(21, (VEHICLE, CAR, state(21, charge=Charge.CHARGING)))
    assert desk.get(LESSONS, "simulator/Test/start").samples == 1


def test_stops_are_counted_by_verdict() -> None:
    desk = Bench()
    desk.obey(0, 10, 40, Action.STOP)
    desk.give(after(20), (COMMAND, CAR, command(1, 20, Action.STOP)))
    desk.look(40, (VEHICLE, CAR, state(39, charge=Charge.CHARGING)))
    desk.give(after(50), (COMMAND, CAR, command(2, 50, Action.STOP)))
    desk.look(70)
    verdicts = ("obeyed", "ignored", "unobservable")
    counts = [desk.value("d2ev_stop_verdicts_total", oem="simulator", verdict=verdict) for verdict in verdicts]
    assert counts == [1, 1, 1]


def test_the_delay_from_plug_in_to_the_first_stop_is_counted_once_a_session() -> None:
    desk = Bench()
    desk.give(after(1), (VEHICLE, CAR, state(1, charge=Charge.CHARGING, session=session(seen_at=after(1)))))
    desk.give(after(2), (COMMAND, CAR, command(0, 2, Action.STOP)))
    desk.give(after(30), (COMMAND, CAR, command(1, 30, Action.STOP)))
    assert desk.value("d2ev_plug_in_to_stop_seconds_count") == 1
    assert desk.value("d2ev_plug_in_to_stop_seconds_sum") == 60


def test_an_erased_car_leaves_nothing() -> None:
    desk = Bench()
    desk.give(after(2), (COMMAND, CAR, command(0, 2)))
    desk.give(after(3), (REGISTRATION, CAR, None))
    assert desk.get(IN_FLIGHT, CAR) is None
    assert len(desk.memory.due) == 0
