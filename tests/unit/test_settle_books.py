"""The books of a session: slots that add up to the totals, a saving that may be negative, and what was believed."""

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.forecast import Forecast, ForecastKind
from streams.contracts.schedule import PlanReason
from streams.contracts.session import SLOTS_MAX, SessionSettled
from streams.domain.bill import itemised, total, within
from streams.domain.meter import OpenSession
from streams.domain.planner import CostSlot, Profile, price_of
from streams.domain.settle import settle
from streams.domain.told import Told
from tests.night import PLUGGED, after, forecast
from tests.settling import CARBON, ENDED, PRICE, account, metered, night, schedule, told

prices = st.lists(st.floats(-0.5, 1.0).map(lambda x: round(x, 4)), min_size=30, max_size=30)
intensities = st.lists(st.integers(0, 600).map(float), min_size=30, max_size=30)


@st.composite
def charged(draw: st.DrawFn) -> Profile:
    """Pieces of energy at odd minutes of the stay."""
    edges = sorted(draw(st.sets(st.integers(0, ENDED), min_size=2, max_size=24)))
    spans = zip(edges[::2], edges[1::2], strict=False)
    return tuple((after(a), after(b), draw(st.floats(0.01, 15))) for a, b in spans)


def settled(energy: Profile, price: Forecast | None, carbon: Forecast | None, said: Told | None) -> SessionSettled:
    opened: OpenSession = metered(night()).model_copy(update={"energy": energy})
    return settle(opened, said, price, carbon, after(ENDED))


@given(charged(), prices, intensities)
def test_the_slots_add_up_to_the_totals(energy: Profile, per_kwh: list[float], g_per_kwh: list[float]) -> None:
    price, carbon = forecast(per_kwh), forecast(g_per_kwh, ForecastKind.CARBON)
    books = settled(energy, price, carbon, told(schedule()))
    assert books.slots is not None
    assert books.cost is not None
    assert books.carbon_g is not None
    assert sum(slot.energy_kwh for slot in books.slots) == pytest.approx(books.energy_kwh)
    assert sum(slot.energy_kwh * slot.price for slot in books.slots) == pytest.approx(books.cost.managed)
    grams = sum(slot.energy_kwh * (slot.carbon_g_per_kwh or 0) for slot in books.slots)
    assert grams == pytest.approx(books.carbon_g.managed)
    known = {slot.start: slot.value for slot in price.slots}
    assert all(known[slot.start] == slot.price for slot in books.slots)
    assert all(a.end <= b.start for a, b in zip(books.slots, books.slots[1:], strict=False))


@given(charged(), prices, intensities)
def test_a_saving_is_unmanaged_less_managed_whatever_its_sign(
    energy: Profile, per_kwh: list[float], g_per_kwh: list[float]
) -> None:
    books = settled(energy, forecast(per_kwh), forecast(g_per_kwh, ForecastKind.CARBON), told(schedule()))
    assert books.cost is not None
    assert books.carbon_g is not None
    assert books.saving == books.cost.unmanaged - books.cost.managed
    assert books.carbon_saved_g == books.carbon_g.unmanaged - books.carbon_g.managed


def test_managing_that_cost_more_is_shown_as_it_is() -> None:
    books = account(price=forecast([0.10] * 13 + [0.30] * 35), carbon=forecast([50.0] * 13 + [90.0] * 35))
    assert books.saving == pytest.approx(-20 * 0.20, abs=0.1)
    assert books.carbon_saved_g == pytest.approx(-20 * 40, abs=20)


def test_a_missed_promise_does_not_touch_the_figures() -> None:
    opened = metered(night(until_pct=70))
    kept = settle(opened, None, PRICE, CARBON, after(ENDED))
    missed = settle(opened, told(schedule()), PRICE, CARBON, after(ENDED))
    assert missed.promise != kept.promise
    assert (missed.saving, missed.carbon_saved_g) == (kept.saving, kept.carbon_saved_g)


@given(charged(), prices)
def test_in_the_same_window_at_the_same_power_nothing_beats_the_oracle(energy: Profile, per_kwh: list[float]) -> None:
    slow = tuple((a, b, min(kwh, (b - a) / timedelta(hours=1) * 7.2)) for a, b, kwh in energy)
    books = settled(slow, forecast(per_kwh), None, None)
    assert books.cost is not None
    others = (books.cost.managed, books.cost.unmanaged, books.cost.timer)
    assert all(books.cost.oracle <= other + 1e-6 for other in others)


def test_the_oracle_may_charge_in_any_number_of_blocks() -> None:
    books = settled(((after(0), after(90), 10.8),), forecast([0.30, 0.10] * 24), None, None)
    assert books.cost is not None
    assert books.cost.oracle == pytest.approx(10.8 * 0.10)


def test_the_oracle_has_to_be_ready_in_time_as_well() -> None:
    price = forecast([0.30] * 26 + [0.01] * 22)
    in_time = settled(((after(390), after(450), 7.2),), price, CARBON, told(schedule()))
    late = settled(((after(730), after(790), 7.2),), price, CARBON, told(schedule()))
    free = settled(((after(390), after(450), 7.2),), price, CARBON, None)
    assert in_time.cost is not None
    assert late.cost is not None
    assert free.cost is not None
    assert in_time.cost.oracle == pytest.approx(7.2 * 0.30)
    assert late.cost.oracle == pytest.approx(7.2 * (50 * 0.30 + 10 * 0.01) / 60)
    assert free.cost.oracle == pytest.approx(7.2 * (40 * 0.30 + 20 * 0.01) / 60)


def test_what_the_others_charge_at_was_known_at_plug_in() -> None:
    as_registered = account()
    learned = settle(
        metered(night()),
        told(schedule(inputs={"power_kw": 3.6}), schedule(2, inputs={"power_kw": 11})),
        PRICE,
        CARBON,
        after(ENDED),
    )
    assert (as_registered.power_kw, learned.power_kw) == (7.2, 3.6)
    assert as_registered.carbon_g is not None
    assert learned.carbon_g is not None
    # 20 kWh take 167 minutes at 7.2 kW and 333 at 3.6 kW: both end before the grid gets cleaner after 390.
    assert learned.carbon_g.unmanaged == as_registered.carbon_g.unmanaged == pytest.approx(4000)
    assert learned.carbon_g.timer == pytest.approx(2000)


def test_the_timer_keeps_the_hours_written_down_at_plug_in() -> None:
    opened = metered(night())
    later = opened.baseline.model_copy(update={"timer_at": time(5), "home_zone": "Europe/Paris"})
    books = settle(opened.model_copy(update={"baseline": later}), None, PRICE, CARBON, after(ENDED))
    # Five in Paris is four in London: half an hour at 0.10, the rest at 0.20.
    assert books.cost is not None
    assert books.cost.timer == pytest.approx(3.6 * 0.10 + 16.4 * 0.20, abs=0.01)


def test_a_counterfactual_is_cut_at_the_same_departure() -> None:
    books = settled(((after(0), after(60), 7.2), (after(700), after(ENDED), 12.0)), PRICE, CARBON, None)
    assert books.cost is not None
    assert books.cost.unmanaged == pytest.approx(19.2 * 0.30)
    short = metered(night(start=0, ended=60)).model_copy(update={"energy": ((after(0), after(60), 9.0),)})
    cut = settle(short, None, PRICE, CARBON, after(60))
    assert cut.cost is not None
    assert cut.cost.unmanaged == cut.cost.timer == cut.cost.oracle == pytest.approx(9.0 * 0.30)


def test_many_slots_are_told_joined_and_still_add_up() -> None:
    slots = [
        CostSlot(PLUGGED + timedelta(minutes=5 * n), PLUGGED + timedelta(minutes=5 * n + 5), n / 1000, float(n))
        for n in range(900)
    ]
    energy = tuple((slot.start, slot.end, 0.1 + n / 1000) for n, slot in enumerate(slots))
    lines = itemised(energy, slots, carbon_known=True)
    assert SLOTS_MAX / 2 < len(lines) <= SLOTS_MAX
    assert total(lines) == pytest.approx(price_of(energy, slots))
    assert all(line.carbon_g_per_kwh is None for line in itemised(energy, slots, carbon_known=False))


@pytest.mark.parametrize(
    ("start", "end", "known"),
    [
        pytest.param(0, 30, True, id="up to the hole"),
        pytest.param(60, 24 * 60, True, id="after the hole"),
        pytest.param(75, 105, True, id="across an edge"),
        pytest.param(15, 75, False, id="across the hole"),
        pytest.param(30, 60, False, id="the hole"),
        pytest.param(-1, 15, False, id="before the first"),
        pytest.param(60, 24 * 60 + 1, False, id="after the last"),
    ],
)
def test_a_curve_covers_what_it_has_values_for(start: float, end: float, known: bool) -> None:
    holed = PRICE.model_copy(update={"slots": (PRICE.slots[0], *PRICE.slots[2:])})
    cut = within(holed, after(start), after(end))
    assert (cut is not None) is known
    assert within(None, after(start), after(end)) is None
    if cut is not None:
        assert all(slot.start < after(end) and after(start) < slot.end for slot in cut.slots)


def test_the_vintages_settled_on_are_named() -> None:
    assert account().price_issued_at == PRICE.issued_at
    assert account(carbon=None).carbon_issued_at is None
    assert account(carbon=CARBON).carbon_issued_at == CARBON.issued_at


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        pytest.param(None, None, id="no plan"),
        pytest.param(told(schedule(inputs={"carbon_issued_at": None})), None, id="no carbon known"),
        pytest.param(told(schedule()), 20 * 100, id="one plan"),
        pytest.param(told(schedule(), schedule(2, at=500, carbon_g=6000)), 10 * 100 + 10 * 300, id="two plans"),
        pytest.param(told(schedule(), schedule(2, at=700, energy_kwh=0)), 20 * 100, id="nothing more planned"),
        pytest.param(told(schedule(at=480)), 20 * 100, id="before the first plan, by the first"),
    ],
)
def test_carbon_is_believed_by_the_plan_in_force(said: Told | None, believed: float | None) -> None:
    energy = ((after(400), after(490), 10.0), (after(510), after(600), 10.0))
    books = settled(energy, PRICE, CARBON, said)
    assert books.carbon_believed_g == (None if believed is None else pytest.approx(believed))


def test_what_was_told_is_folded_once_and_never_backwards() -> None:
    both = told(schedule(), schedule(2, at=60, ready_by=after(700)))
    assert told(schedule(), schedule(2, at=60, ready_by=after(700)), schedule(), schedule(2)) == both
    assert both is not None
    assert both.first == both.latest
    gone = told(schedule(), schedule(2, at=60, ready_by=after(700)), schedule(3, reason=PlanReason.UNPLUGGED))
    assert gone is not None
    assert gone.latest == both.latest
