"""Energy is neither made nor lost, whatever is asked of a car and however often it is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oem_connectors.simulator.cloud.battery import Battery
from oem_connectors.simulator.cloud.car import DriverAction, Personality, SimCar, Stay
from oem_connectors.simulator.cloud.log import Cause, Log, What, Who, energy_in
from oem_connectors.simulator.cloud.truth import Truth
from streams.contracts.command import Action

START = datetime(2025, 1, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=72)
FULL_KWH = 1e-6

batteries = st.builds(
    Battery,
    usable_kwh=st.floats(20, 120),
    power_kw=st.floats(1.4, 22),
    efficiency=st.floats(0.6, 1),
    knee_pct=st.floats(70, 97),
    final_share=st.floats(0.05, 0.9),
)
percents = st.floats(0, 100)
moments = st.integers(0, 72 * 3600).map(lambda seconds: START + timedelta(seconds=seconds))
deeds = st.lists(st.tuples(moments, st.sampled_from(Action)), max_size=12).map(
    lambda found: sorted(found, key=lambda deed: deed[0])
)


@st.composite
def cars(draw: st.DrawFn) -> SimCar:
    edges = sorted(draw(st.sets(moments, max_size=6)))
    stays = [
        Stay(plug_in, plug_out, draw(percents)) for plug_in, plug_out in zip(edges[::2], edges[1::2], strict=False)
    ]
    by_hand = [DriverAction(at, action) for at, action in draw(deeds)]
    return SimCar(
        account="a",
        vehicle="b",
        stays=stays,
        battery=draw(batteries),
        limit_pct=draw(st.floats(50, 100)),
        personality=draw(st.sampled_from(Personality)),
        driver_actions=by_hand,
    )


def live(car: SimCar, commands: list[tuple[datetime, Action]], looks: list[datetime]) -> tuple[Truth, Log]:
    """The car after three days in which it was commanded, and looked at, at these times."""
    log = Log()
    truth = Truth(car, log, seed=1, born=START)
    for at, action in sorted([*commands, *((at, None) for at in looks)], key=lambda deed: deed[0]):
        if action is None:
            truth.sample(at)
        else:
            truth.command(action, at, Cause(Who.COMMAND, f"{at} {action}"))
    truth.settle(END)
    return truth, log


@given(cars(), deeds)
def test_what_the_wall_gives_arrives_in_the_battery(car: SimCar, commands: list[tuple[datetime, Action]]) -> None:
    truth, log = live(car, commands, [])
    for piece in log.metered:
        gained_pct = truth.soc_at(piece.end) - truth.soc_at(piece.start)
        assert gained_pct / 100 * car.battery.usable_kwh == pytest.approx(
            piece.energy_kwh * car.battery.efficiency, abs=FULL_KWH
        )
    for (_, stay), energy_kwh in log.energy_by_stay().items():
        plug_out = min(car.stays[stay].plug_out, END)
        gained_pct = truth.soc_at(plug_out) - car.stays[stay].soc_at_plug_in
        if plug_out < END:  # at the very end the road begins
            assert gained_pct * car.battery.usable_kwh / 100 == pytest.approx(
                energy_kwh * car.battery.efficiency, abs=FULL_KWH
            )


@given(cars(), deeds)
def test_a_car_never_charges_past_its_limit_its_power_or_its_stay(
    car: SimCar, commands: list[tuple[datetime, Action]]
) -> None:
    truth, log = live(car, commands, [])
    for piece in log.metered:
        stay = car.stays[piece.stay]
        assert stay.plug_in <= piece.start < piece.end <= stay.plug_out
        assert truth.soc_at(piece.end) <= max(car.limit_pct, stay.soc_at_plug_in) + 1e-9
        hours = (piece.end - piece.start) / timedelta(hours=1)
        assert 0 <= piece.energy_kwh <= car.battery.power_kw * hours + FULL_KWH
    for earlier, later in pairwise(log.metered):
        assert earlier.end <= later.start


def test_a_moment_of_no_length_is_not_metered() -> None:
    by_hand = [DriverAction(START, Action.START)]
    _, log = live(SimCar(account="a", vehicle="b", stays=[Stay(START, END, 40)], driver_actions=by_hand), [], [])
    assert all(piece.start < piece.end for piece in log.metered)


@given(cars(), deeds, st.lists(moments, max_size=30))
def test_looking_at_a_car_changes_nothing(
    car: SimCar, commands: list[tuple[datetime, Action]], looks: list[datetime]
) -> None:
    _, unseen = live(car, commands, [])
    _, seen = live(car, commands, looks)
    assert seen == unseen


@given(cars(), deeds, st.lists(moments, max_size=10))
def test_settling_often_moves_the_meter_by_nothing(
    car: SimCar, commands: list[tuple[datetime, Action]], at: list[datetime]
) -> None:
    _, once = live(car, commands, [])
    often = Log()
    truth = Truth(car, often, seed=1, born=START)
    for when, action in sorted([*commands, *((moment, None) for moment in at)], key=lambda deed: deed[0]):
        if action is None:
            truth.settle(when)
        else:
            truth.command(action, when, Cause(Who.COMMAND, f"{when} {action}"))
    truth.settle(END)
    assert [change.what for change in often.changes] == [change.what for change in once.changes]
    assert often.energy_by_stay() == pytest.approx(once.energy_by_stay(), abs=1e-4)


@given(batteries, percents, percents)
def test_time_and_state_of_charge_are_inverse(battery: Battery, one: float, other: float) -> None:
    low, high = sorted((one, other))
    hours = battery.hours(low, high)
    assert battery.soc_after(low, hours) == pytest.approx(high, abs=1e-6)
    assert battery.wall_kwh(low, high) <= battery.power_kw * hours + FULL_KWH


@given(batteries, st.floats(0, 99), st.floats(0, 30))
def test_power_is_the_slope_of_energy(battery: Battery, soc_pct: float, hours: float) -> None:
    at, step = battery.soc_after(soc_pct, hours), 1e-5
    slope_kw = battery.wall_kwh(at, battery.soc_after(at, step)) / step
    assert slope_kw == pytest.approx(battery.power_at(at), rel=1e-3, abs=1e-3)


def test_a_family_car_fills_as_computed_by_hand() -> None:
    battery = Battery(usable_kwh=60, power_kw=10, efficiency=0.9, knee_pct=90, final_share=0.5)
    assert battery.hours(30, 90) == pytest.approx(4.0)  # 36 kWh in the battery at 9 kW
    assert battery.power_at(95) == pytest.approx(7.5)
    assert battery.power_at(100) == pytest.approx(5.0)
    assert battery.wall_kwh(30, 90) == pytest.approx(40)


def test_in_the_taper_every_piece_lies_in_one_quarter_of_an_hour() -> None:
    battery = Battery(usable_kwh=60, power_kw=3, efficiency=0.9, knee_pct=80)
    start = START + timedelta(minutes=7)
    pieces = list(battery.pieces(79, start, start + timedelta(hours=2)))
    assert [pieces[0][0], pieces[-1][1]] == [start, start + timedelta(hours=2)]
    assert all(earlier[1] == later[0] for earlier, later in pairwise(pieces))
    knee = start + timedelta(hours=battery.hours(79, 80))
    assert pieces[0][1] == knee
    assert all(end.minute % 15 == 0 for _, end in pieces[1:-1])


def test_energy_falls_into_the_slots_in_which_it_was_drawn() -> None:
    car = SimCar(account="a", vehicle="b", stays=[Stay(START + timedelta(minutes=50), END, 30)])
    _, log = live(car, [], [])
    hours = [START + timedelta(hours=hour) for hour in range(73)]
    per_hour = [energy_in(log.metered, start, end) for start, end in pairwise(hours)]
    assert per_hour[:3] == pytest.approx([7.4 / 6, 7.4, 7.4])
    assert sum(per_hour) == pytest.approx(log.energy_by_stay()["a.b", 0])
    assert sum(per_hour) == pytest.approx(0.6 * 60 / 0.9)


def test_standby_draws_on_a_resting_battery() -> None:
    car = SimCar(account="a", vehicle="b", stays=[Stay(START, END, 95)], standby_kw=0.6)
    truth, log = live(car, [], [])
    assert truth.soc_at(START + timedelta(hours=10)) == pytest.approx(95 - 10)
    assert log.metered == []


def test_a_car_on_the_road_loses_charge_and_gains_distance() -> None:
    stays = [Stay(START, START + timedelta(hours=1), 90), Stay(START + timedelta(hours=3), END, 50)]
    truth = Truth(SimCar(account="a", vehicle="b", stays=stays), Log(), seed=1, born=START)
    before = truth.sample(START + timedelta(hours=1))
    half_way = truth.sample(START + timedelta(hours=2))
    after = truth.sample(START + timedelta(hours=3))
    assert (half_way.soc_pct, after.soc_pct) == pytest.approx((70, 50))
    assert half_way.odometer_km - before.odometer_km == pytest.approx(0.2 * 60 / 0.18)
    assert after.odometer_km - before.odometer_km == pytest.approx(0.4 * 60 / 0.18)
    assert not half_way.at_home


def test_the_log_tells_the_plug_in_blip() -> None:
    car = SimCar(account="a", vehicle="b", stays=[Stay(START, END, 30)])
    _, log = live(car, [(START + timedelta(minutes=5), Action.STOP)], [])
    assert [change.what for change in log.changes][:3] == [What.PLUGGED, What.STARTED, What.STOPPED]
    assert 7.4 * 5 / 60 < log.energy_by_stay()["a.b", 0] < 7.4 * 6 / 60


@pytest.mark.parametrize(
    "stays",
    [
        [Stay(END, START, 50)],
        [Stay(START, START, 50)],
        [Stay(START, END, 50), Stay(START + timedelta(hours=1), END, 50)],
    ],
)
def test_impossible_stays_are_refused(stays: list[Stay]) -> None:
    with pytest.raises(ValueError, match=r"stays of a\.b"):
        SimCar(account="a", vehicle="b", stays=stays)
