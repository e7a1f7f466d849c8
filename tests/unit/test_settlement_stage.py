"""The settlement stage: settled once for the same facts, again when facts are corrected, and never without bound."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.stage import Record
from agents.metrics import Metrics
from agents.settlement import stage
from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.registration import Registration
from streams.contracts.schedule import Schedule
from streams.contracts.session import Promise, SessionSettled
from streams.contracts.telemetry import Charge
from streams.contracts.vehicle import VehicleState
from streams.domain.forecasts import KEPT, forecast_key, merge
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide, observe_schedule, observe_state
from streams.topics import REGISTRATION, REPLAN, SCHEDULE, SESSION, VEHICLE, Topic
from tables import SETTLED, SETTLING
from tests.desk import Desk as StageDesk
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, session, state
from tests.settling import CARBON, ENDED, PRICE, night, schedule, vintage

ACTUAL = ForecastKind.CARBON
GB_CARBON = CARBON.model_copy(update={"key": "GB"})
METRICS = Metrics()
STAGE = stage(METRICS)
#: Outturn and a corrected price, inside the cheap hours that the car charged in.
OUTTURN = vintage({420.0: 140.0, 450.0: 150.0}, ACTUAL)
CORRECTED = vintage({480.0: 0.14})


class Desk(StageDesk):
    """The settlement stage, told messages one by one."""

    def __init__(self) -> None:
        self.sent: list[SessionSettled] = []
        super().__init__(STAGE)

    def tell(self, *messages: object, durable: bool = True) -> list[SessionSettled]:
        """What comes out of these messages; not `durable`: killed before the rows were."""
        fresh: list[SessionSettled] = []
        for message in messages:
            self.offset += 1
            topic, key, at = place(message)
            self.memory.tick(max(at, self.memory.clock))
            work = self._work([Record(topic.name, key, message, self.offset, at)])
            STAGE.step(work)
            assert all(send.topic is SESSION for send in work.effects.sends)
            fresh += [send.message for send in work.effects.sends]
            if durable:
                self._apply(work)
        self.sent += fresh
        return fresh

    def erase(self) -> None:
        work = self._work([Record(REGISTRATION.name, CAR, None, self.offset + 1, after(ENDED + 1))])
        STAGE.step(work)
        self._apply(work)


def place(message: object) -> tuple[Topic, str, datetime]:
    """Topic, key and time of an event."""
    match message:
        case Registration():
            return REGISTRATION, message.car, message.registered_at
        case Schedule():
            return SCHEDULE, message.car, message.inputs.now
        case VehicleState():
            return VEHICLE, message.car, message.received_time
        case Forecast():
            return REPLAN, forecast_key(message), message.issued_at
    raise AssertionError(message)


def desk(*later: object) -> Desk:
    """A desk that has settled the night, and then heard more."""
    made = Desk()
    made.tell(registration(), PRICE, GB_CARBON, schedule(), *night(), *later)
    return made


def facts(account: SessionSettled) -> dict[str, Any]:
    """What an account says, apart from when and how often it was given; rounded as corrections are."""
    told = account.model_dump(mode="json", exclude={"id", "revision", "settled_at"})
    rounded: dict[str, Any] = {}
    for name, value in told.items():
        if isinstance(value, dict):
            rounded[name] = {way: round(amount, 3) for way, amount in value.items()}
        elif name != "slots":
            rounded[name] = round(value, 3) if isinstance(value, float) else value
    return rounded


def test_a_session_is_settled_once_when_it_ends() -> None:
    made = desk(night()[-1], PRICE, GB_CARBON, schedule())
    (account,) = made.sent
    assert (account.revision, account.session_revision, account.promise) == (1, 1, Promise.MET)
    assert account.saving == pytest.approx(20 * 0.20, abs=0.15)


def test_corrections_settle_again_under_a_new_id_and_the_next_revision() -> None:
    made = desk(OUTTURN, CORRECTED)
    first, by_carbon, by_price = made.sent
    assert [account.revision for account in made.sent] == [1, 2, 3]
    assert len({account.id for account in made.sent}) == 3
    assert {account.session_id for account in made.sent} == {"s1"}
    assert first.carbon_g is not None
    assert by_carbon.carbon_g is not None
    assert by_carbon.carbon_g.managed > first.carbon_g.managed + 100
    assert by_carbon.carbon_believed_g == first.carbon_believed_g == pytest.approx(2000)
    assert (by_carbon.cost, by_carbon.carbon_issued_at) == (first.cost, OUTTURN.issued_at)
    assert by_price.saving is not None
    assert first.saving is not None
    assert by_price.saving < first.saving - 0.05


@pytest.mark.parametrize(
    "unmoved",
    [
        pytest.param(vintage({420.0: 0.10, 450.0: 0.10}), id="the same values again"),
        pytest.param(vintage({60.0 * 20: 0.5}), id="after the stay"),
        pytest.param(vintage({420.0: 0.10 + 1e-9}), id="less than rounding"),
        pytest.param(vintage({420.0: 0.9}).model_copy(update={"key": "other"}), id="another tariff"),
        pytest.param(vintage({30.0: 0.5}).model_copy(update={"unit": "EUR/kWh"}), id="the curve is gone"),
    ],
)
def test_what_moves_no_amount_settles_nothing(unmoved: Forecast) -> None:
    assert len(desk(unmoved).sent) == 1


def test_after_a_restart_the_same_facts_settle_nothing_and_new_ones_do() -> None:
    made = desk(OUTTURN)
    made.restart()
    assert made.tell(*night(), schedule(), OUTTURN, PRICE) == []
    assert [account.revision for account in made.tell(CORRECTED)] == [3]


def test_a_kill_between_account_and_row_gives_the_same_account_again() -> None:
    made = desk()
    lost = made.tell(CORRECTED, durable=False)
    made.restart()
    assert made.tell(CORRECTED) == lost
    assert len(lost) == 1


def test_a_corrected_plug_session_settles_again_even_after_corrections_of_prices() -> None:
    made = desk(CORRECTED)
    earlier = session(revision=2, plugged_at=after(-30), ended_at=after(ENDED))
    (account,) = made.tell(vintage({-30.0: 0.30}, issued=ENDED + 61), state(ENDED, soc_pct=80, session=earlier))
    assert (account.revision, account.session_revision, account.plugged_at) == (3, 2, after(-30))
    ids = [account.id for account in made.sent]
    assert len(set(ids)) == 3


def test_a_session_that_turns_out_to_go_on_is_settled_when_it_ends() -> None:
    made = desk()
    goes_on = state(ENDED + 5, soc_pct=80, session=session(revision=2))
    assert made.tell(goes_on, schedule(2, at=ENDED + 5, carbon_g=3000)) == []
    ends = state(ENDED + 10, soc_pct=80, session=session(revision=2, ended_at=after(ENDED + 10)))
    (account,) = made.tell(ends, ends)
    assert (account.revision, account.session_revision, account.ended_at) == (2, 2, after(ENDED + 10))


def test_what_the_car_would_have_done_is_never_defined_anew() -> None:
    readings = night()
    before, after_start = readings[:2], readings[2:]
    made, moved = Desk(), registration(
        power_kw=3.6, home_zone="Asia/Tokyo", efficiency=0.5, usable_kwh=30, tariff="other", region="FR"
    )  # fmt: skip
    made.tell(registration(), PRICE, GB_CARBON, schedule(), *before, moved, *after_start)
    assert facts(made.sent[-1]) == facts(desk().sent[-1])


def test_a_session_without_prices_is_settled_when_they_come() -> None:
    made = Desk()
    made.tell(registration(), schedule(), *night())
    assert made.sent[-1].cost is None
    made.tell(PRICE, GB_CARBON)
    assert made.sent[-1].cost is not None
    assert made.sent[-1].carbon_g is not None
    assert facts(made.sent[-1]) == facts(desk().sent[-1])


def test_a_plan_that_is_read_late_still_counts_as_told() -> None:
    made = Desk()
    made.tell(registration(), PRICE, GB_CARBON, *night())
    assert made.sent[-1].promise is Promise.NOT_MADE
    (account,) = made.tell(schedule(inputs={"power_kw": 7.0}))
    assert (account.promise, account.revision, account.power_kw) == (Promise.MET, 2, 7.0)
    assert account.carbon_believed_g == pytest.approx(2000)


@given(st.randoms(use_true_random=False))
def test_in_whatever_order_topics_are_read_the_last_word_is_the_same(rng: Any) -> None:
    topics: list[list[object]] = [
        [schedule(), schedule(2, at=200, ready_by=after(770)), schedule(3, at=500, carbon_g=3000)],
        list(night()),
        [PRICE, CORRECTED],
        [GB_CARBON, OUTTURN],
    ]
    in_order = Desk()
    in_order.tell(registration(), *(message for topic in topics for message in topic))
    mixed = Desk()
    mixed.tell(registration())
    waiting = [list(topic) for topic in topics]
    while any(waiting):
        mixed.tell(rng.choice([topic for topic in waiting if topic]).pop(0))
        if rng.random() < 0.05:
            mixed.restart()
    assert facts(mixed.sent[-1]) == facts(in_order.sent[-1])
    assert [account.revision for account in mixed.sent] == list(range(1, len(mixed.sent) + 1))


def test_managing_that_cost_more_after_a_correction_is_said_so() -> None:
    made = desk(vintage({390.0 + 30 * n: 0.9 for n in range(6)}))
    assert made.sent[-1].saving is not None
    assert made.sent[-1].saving < -10


def test_sessions_that_no_curve_reaches_are_dropped_and_the_row_stays_small() -> None:
    made = desk()
    whole = KEPT.days + 3
    for day in range(1, whole + 1):
        shift = day * 1440
        made.tell(
            forecast(TWO_RATES, start=after(shift)).model_copy(update={"issued_at": after(shift)}),
            *(moved(reading, day) for reading in night()),
        )
    kept = made.get(SETTLED, CAR).kept
    assert len(made.sent) == whole + 1
    assert [row.account.session_id for row in kept] == [f"s1-{day}" for day in range(4, whole + 1)]
    assert len(made.stored[SETTLED.name, CAR]) < 20_000 * len(kept)


def test_a_vintage_drops_what_is_out_of_reach_of_cars_that_stay_away() -> None:
    made = desk(*(moved(reading, 1) for reading in night()))
    assert len(made.get(SETTLED, CAR).kept) == 2
    made.tell(vintage({1440.0 * 10: 0.1}, issued=1440 * 10))
    assert [row.account.session_id for row in made.get(SETTLED, CAR).kept] == ["s1-1"]
    assert made.tell(vintage({420.0: 0.9}, issued=1440 * 10 + 1)) == []


def moved(reading: VehicleState, days: int) -> VehicleState:
    """The same reading of the same night, days later."""
    by = after(days * 1440) - PLUGGED
    stay = reading.session
    assert stay is not None
    ended = stay.ended_at + by if stay.ended_at else None
    later = {"id": f"s1-{days}", "plugged_at": stay.plugged_at + by, "seen_at": stay.seen_at + by, "ended_at": ended}
    times = {name: getattr(reading, name) + by for name in ("soc_time", "car_time", "received_time")}
    return reading.model_copy(update={**times, "session": stay.model_copy(update=later)})


def test_a_car_that_is_erased_is_forgotten() -> None:
    made = desk()
    made.erase()
    assert [key for name, key in made.stored if name in {SETTLED.name, SETTLING.name}] == []
    assert made.tell(CORRECTED) == []


def test_what_choosing_costs_is_not_settled_on() -> None:
    adders = PRICE.model_copy(update={"kind": ForecastKind.ADDER, "key": "GB"})
    assert {"price:two-rates", "carbon:GB"} == {key for name, key in desk(adders).stored if name == "settlement-curves"}


@pytest.mark.parametrize("minutes", [60, 200, 425, 600])
def test_outturn_of_the_past_disturbs_no_plan(minutes: float) -> None:
    known = PlanningState(
        car=CAR, registration=registration(), preference=preference(carbon_price_per_tonne=300), state=state()
    )
    first = decide(known, Market(PRICE, GB_CARBON), PLUGGED)
    assert first is not None
    running = any(block.start <= after(minutes) < block.end for block in first.blocks)
    reading = state(minutes, soc_pct=56 if running else 50, charge=Charge.CHARGING if running else Charge.IDLE)
    known = observe_state(observe_schedule(known, first), reading)
    if (again := decide(known, Market(PRICE, GB_CARBON), after(minutes))) is not None:
        known = observe_schedule(known, again)
    behind = vintage({30.0 * n: 1000.0 * (n % 2) for n in range(int(minutes) // 30)}, ACTUAL, issued=minutes)
    assert decide(known, Market(PRICE, merge(GB_CARBON, behind)), after(minutes)) is None


def test_a_session_is_counted_once_however_often_it_is_corrected() -> None:
    names = ("d2ev_promises_total", "d2ev_settled_energy_joules_total", "d2ev_settled_money_total")

    def counted() -> list[float]:
        samples = [sample for family in METRICS.registry.collect() for sample in family.samples]
        return [sum(sample.value for sample in samples if sample.name == name) for name in names]

    before = counted()
    first, *corrections = desk(OUTTURN, CORRECTED).sent
    assert len(corrections) == 2
    assert first.saving is not None
    growth = [after - then for after, then in zip(counted(), before, strict=True)]
    assert growth == pytest.approx([1, first.energy_kwh * 3.6e6, abs(first.saving)])
