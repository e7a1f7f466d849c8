"""The demo's books: hand-computed cases, and what must hold for any stay."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.accounts import MeteredStay, blocks, leaked_kwh, promise, settle_fleet
from deploy.demo.ways import Settlement, Span, Totals, four_ways
from streams.contracts.forecast import Slot
from streams.contracts.session import Promise
from streams.domain.settle import oracle, timer, unmanaged

EVENING = datetime(2023, 1, 10, 18, tzinfo=UTC)
Drawn = tuple[datetime, datetime, float]
HALF_HOUR = timedelta(minutes=30)


def at(text: str, day: int = 10) -> datetime:
    return datetime.fromisoformat(f"2023-01-{day:02d}T{text}").replace(tzinfo=UTC)


def slots(*values: float, start: datetime = EVENING) -> list[Slot]:
    edges = [start + n * HALF_HOUR for n in range(len(values) + 1)]
    return [Slot(start=a, end=b, value=value) for (a, b), value in zip(pairwise(edges), values, strict=True)]


def stay(*charges: Drawn, **changed: object) -> MeteredStay:
    """A car that draws 4 kW, from 18:00 to 20:00 with ready-by at 20:00, unless changed."""
    facts: dict[str, object] = {
        "car": "acct-1.veh-1",
        "zone": "Europe/London",
        "plug_in": EVENING,
        "plug_out": at("20:00"),
        "ready_by": at("20:00"),
        "power_kw": 4.0,
        "usable_kwh": 50.0,
        "efficiency": 0.9,
        "soc_at_plug_in_pct": 70.0,
        "soc_at_ready_pct": 80.0,
        "target_soc_pct": 80.0,
        "carbon_price_per_tonne": 100.0,
        "charges": charges,
    }
    return MeteredStay(**{**facts, **changed})  # type: ignore[arg-type]


def test_a_small_fleet_settles_to_the_sums_made_by_hand() -> None:
    prices, carbon = slots(0.40, 0.30, 0.10, 0.20), slots(300, 200, 100, 100)
    car = stay((at("19:00"), at("19:30"), 2.0), (at("19:30"), at("19:45"), 1.0))
    books = settle_fleet([car, car], prices, carbon)
    assert books["sessions"] == 2
    assert books["energy_kwh"] == 6.0
    # One car: 2 kWh at 0.10 and 1 at 0.20; at once 2 at 0.40 and 1 at 0.30; the timer is not reached.
    assert books["cost"] == {"managed": 0.8, "unmanaged": 2.2, "timer": 2.2, "oracle": 0.8}
    assert books["carbon_kg"] == {"managed": 0.6, "unmanaged": 1.6, "timer": 1.6, "oracle": 0.6}
    assert books["objective"] == {"managed": 0.86, "unmanaged": 2.36, "timer": 2.36, "oracle": 0.86}
    assert books["captured"] == 1.0
    assert books["ready_by"] == {"met": 2, "missed": 0, "unreachable": 0, "left_early": 0}
    assert books["blocks_per_session"] == 1.0
    assert books["unsettled"] == {"sessions": 0, "energy_kwh": 0}


def test_a_missed_promise_earns_no_saving() -> None:
    prices, carbon = slots(0.40, 0.30, 0.10, 0.10), slots(0, 0, 0, 0)
    cheap = (at("19:00"), at("19:30"), 2.0)
    books = settle_fleet([stay(cheap), stay(cheap, soc_at_ready_pct=74.0)], prices, carbon)
    assert books["ready_by"]["missed"] == 1
    assert books["captured"] == 0.5


def test_a_stay_without_prices_is_set_apart_and_not_free() -> None:
    prices, carbon = slots(0.4, 0.4), slots(100, 100)
    covered = stay((at("18:00"), at("18:30"), 2.0), plug_out=at("19:00"))
    beyond = stay((at("19:00"), at("19:30"), 2.0))
    books = settle_fleet([covered, beyond], prices, carbon)
    assert books["unsettled"] == {"sessions": 1, "energy_kwh": 2.0}
    assert books["energy_kwh"] == 2.0
    assert books["cost"]["managed"] == 0.8


def test_a_fleet_that_took_nothing_has_no_ratios() -> None:
    books = settle_fleet([stay()], slots(0.4, 0.4, 0.4, 0.4), slots(100, 100, 100, 100))
    assert books["blocks_per_session"] is None
    assert books["captured"] is None
    assert set(books["cost"].values()) == {0}


def test_negative_prices_pay_and_the_oracle_finds_them() -> None:
    prices, carbon = slots(0.10, -0.20, 0.05, 0.05), slots(0, 0, 0, 0)
    books = settle_fleet([stay((at("18:00"), at("19:00"), 4.0))], prices, carbon)
    assert books["cost"]["managed"] == -0.2
    assert books["cost"]["oracle"] == -0.3


def test_the_oracle_weighs_carbon_by_its_price() -> None:
    settlement = Settlement(slots(0.10, 0.11), slots(300, 100))
    known = settlement.within(EVENING, at("19:00"))
    assert oracle(2.0, 4.0, EVENING, at("19:00"), known, 0.0)[0][0] == at("18:00")
    assert oracle(2.0, 4.0, EVENING, at("19:00"), known, 100.0)[0][0] == at("18:30")


@pytest.mark.parametrize(
    ("plug_in", "plug_out", "energy_kwh", "expected"),
    [
        (at("18:00"), at("07:00", 11), 8.0, [(at("00:30", 11), at("02:30", 11))]),
        (at("00:10", 11), at("07:00", 11), 8.0, [(at("00:30", 11), at("02:30", 11))]),
        (at("02:00", 11), at("07:00", 11), 8.0, [(at("02:00", 11), at("04:00", 11))]),
        (at("06:00", 11), at("09:00", 11), 8.0, [(at("06:00", 11), at("08:00", 11))]),
        (at("18:00"), at("22:00"), 8.0, [(at("18:00"), at("20:00"))]),
        (at("22:00"), at("02:00", 11), 8.0, [(at("22:00"), at("22:30")), (at("00:30", 11), at("02:00", 11))]),
    ],
    ids=["evening", "just before", "in the night", "morning", "gone before it", "does not fit"],
)
def test_the_timer_starts_at_half_past_midnight_at_home(
    plug_in: datetime, plug_out: datetime, energy_kwh: float, expected: list[tuple[datetime, datetime]]
) -> None:
    charges = timer(energy_kwh, 4.0, plug_in, plug_out, "Europe/London")
    assert [(start, end) for start, end, _ in charges] == expected
    assert sum(kwh for _, _, kwh in charges) == energy_kwh


def test_the_timer_follows_summer_time() -> None:
    span = Span(datetime(2023, 3, 26, 18, tzinfo=UTC), datetime(2023, 3, 27, 6, tzinfo=UTC), 4.0, "Europe/London")
    assert timer(4.0, span.power_kw, span.start, span.end, span.zone)[0][0] == datetime(2023, 3, 26, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"soc_at_ready_pct": 80.0}, Promise.MET),
        ({"soc_at_ready_pct": 79.5}, Promise.MET),
        ({"soc_at_ready_pct": 79.4}, Promise.MISSED),
        ({"soc_at_ready_pct": 75.0, "plug_out": at("19:00")}, Promise.LEFT_EARLY),
        ({"soc_at_ready_pct": 80.0, "plug_out": at("19:00")}, Promise.MET),
        ({"soc_at_ready_pct": 60.0, "soc_at_plug_in_pct": 45.0}, Promise.UNREACHABLE),
        ({"soc_at_ready_pct": 75.0, "soc_at_plug_in_pct": 65.2}, Promise.MISSED),
    ],
    ids=["at target", "a rounding short", "short", "gone", "gone but full", "too far", "just reachable"],
)
def test_what_became_of_the_promise(changed: dict[str, object], expected: Promise) -> None:
    assert promise(stay(**changed)) is expected


def test_charges_less_than_a_minute_apart_are_one_block() -> None:
    first = (at("18:00"), at("18:30"), 2.0)
    second = (at("18:31"), at("18:45"), 1.0)
    third = (at("18:50"), at("19:00"), 0.5)
    nothing = (at("19:30"), at("19:40"), 0.0)
    assert blocks((first, second, third, nothing)) == ((at("18:00"), at("18:45"), 3.0), third)


@pytest.mark.parametrize(
    ("charges", "expected"),
    [
        ([(at("18:00"), at("18:15"), 1.0), (at("19:00"), at("19:30"), 2.0)], 1.0),
        ([(at("18:10"), at("18:25"), 1.0), (at("19:00"), at("19:30"), 2.0)], 0.0),
        ([(at("18:00"), at("19:25"), 5.6)], 0.0),
        ([(at("18:00"), at("20:00"), 5.0)], 0.0),
        ([], 0.0),
    ],
    ids=["stopped early on", "held from the start", "stopped at the target", "never stopped", "nothing"],
)
def test_what_leaked_before_the_first_stop(charges: list[Drawn], expected: float) -> None:
    assert leaked_kwh(stay(*charges)) == expected


@pytest.mark.parametrize(
    "charges",
    [
        [(at("17:59"), at("18:30"), 1.0)],
        [(at("19:30"), at("20:01"), 1.0)],
        [(at("18:30"), at("19:00"), 1.0), (at("18:45"), at("19:15"), 1.0)],
        [(at("18:30"), at("18:30"), 1.0)],
    ],
    ids=["before plug-in", "after unplug", "overlapping", "in no time"],
)
def test_impossible_metering_is_refused(charges: list[Drawn]) -> None:
    with pytest.raises(ValueError, match=r"acct-1\.veh-1"):
        stay(*charges)


@pytest.mark.parametrize(
    ("prices", "carbon"),
    [
        (slots(0.1, 0.1), slots(100)),
        ([], []),
        (slots(0.1) + slots(0.1, start=at("19:00")), slots(1) + slots(1, start=at("19:00"))),
    ],
    ids=["unequal", "none", "gap"],
)
def test_settlement_slots_that_do_not_fit_are_refused(prices: list[Slot], carbon: list[Slot]) -> None:
    with pytest.raises(ValueError, match="slots"):
        Settlement(prices, carbon)


@st.composite
def metered(draw: st.DrawFn) -> tuple[MeteredStay, Settlement]:
    """Any stay within two days, metered in any pattern, on any prices and carbon."""
    count = 96
    prices = draw(st.lists(st.floats(-0.5, 1), min_size=count, max_size=count))
    carbon = draw(st.lists(st.floats(0, 500), min_size=count, max_size=count))
    edges = sorted(draw(st.sets(st.integers(0, count * 30), min_size=4, max_size=12)))
    times = [EVENING + timedelta(minutes=minute) for minute in edges]
    power_kw = draw(st.sampled_from([3.7, 7.4, 11.0]))
    share = draw(st.floats(0.1, 1.05))
    charges = [(a, b, power_kw * share * ((b - a) / timedelta(hours=1))) for a, b in list(pairwise(times))[1:-1:2]]
    car = stay(
        *charges,
        plug_in=times[0],
        plug_out=times[-1],
        ready_by=times[-1],
        power_kw=power_kw,
        carbon_price_per_tonne=draw(st.sampled_from([0.0, 50.0, 1000.0])),
    )
    return car, Settlement(slots(*prices), slots(*carbon))


def ways(car: MeteredStay, settlement: Settlement) -> dict[str, Totals]:
    return four_ways(car.charges, car.span, car.carbon_price_per_tonne, settlement)


@given(case=metered())
def test_nothing_beats_the_oracle(case: tuple[MeteredStay, Settlement]) -> None:
    carbon_price = case[0].carbon_price_per_tonne
    objective = {way: totals.objective(carbon_price) for way, totals in ways(*case).items()}
    assert min(objective.values()) >= objective["oracle"] - 1e-5


@given(case=metered())
def test_every_way_delivers_the_same_energy_inside_the_stay_within_the_power(
    case: tuple[MeteredStay, Settlement],
) -> None:
    car, settlement = case
    span = car.span
    slots = settlement.within(span.start, span.end)
    for charges in (
        unmanaged(car.energy_kwh, span.power_kw, span.start, span.end),
        timer(car.energy_kwh, span.power_kw, span.start, span.end, span.zone),
        oracle(car.energy_kwh, span.power_kw, span.start, span.end, slots, car.carbon_price_per_tonne),
    ):
        assert sum(kwh for _, _, kwh in charges) == pytest.approx(car.energy_kwh, abs=1e-6)
        assert all(span.start <= start and end <= span.end for start, end, _ in charges)
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(charges))
        for start, end, kwh in charges:
            assert kwh <= span.power_kw * ((end - start) / timedelta(hours=1)) + 1e-6


@given(case=metered(), value=st.floats(-0.5, 1))
def test_on_a_flat_tariff_no_way_saves_money(case: tuple[MeteredStay, Settlement], value: float) -> None:
    car, _ = case
    flat = Settlement(slots(*[value] * 96), slots(*[100.0] * 96))
    costs = [totals.cost for totals in ways(car, flat).values()]
    assert costs == pytest.approx([car.energy_kwh * value] * 4, abs=1e-6)
