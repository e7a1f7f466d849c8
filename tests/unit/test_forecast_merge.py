"""Vintages become one curve: the newest word on every slot; units, and average and marginal carbon, never mix."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.domain.forecasts import in_force, merge
from streams.domain.market import Market

HOUR = timedelta(hours=1)
DAY = datetime(2023, 3, 25, tzinfo=UTC)


def vintage(issued: int, first: int, values: list[float], **said: Any) -> Forecast:
    slots = tuple(
        Slot(start=DAY + (first + n) * HOUR, end=DAY + (first + n + 1) * HOUR, value=v) for n, v in enumerate(values)
    )
    told = {"kind": ForecastKind.CARBON, "key": "GB", "unit": "gCO2/kWh", "source": "test"} | said
    return Forecast(issued_at=DAY + issued * HOUR, known_until=slots[-1].end, slots=slots, **told)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"basis": "average"}, {"basis": "marginal"}),
        ({"basis": None}, {"basis": "marginal"}),
        ({"basis": "average"}, {"basis": None}),
        ({"unit": "EUR/kWh"}, {"unit": "GBP/kWh"}),
    ],
)
@pytest.mark.parametrize("newer_first", [True, False])
def test_what_cannot_be_mixed_is_replaced_by_the_newer(
    one: dict[str, Any], other: dict[str, Any], newer_first: bool
) -> None:
    old, new = vintage(0, 0, [1.0] * 10, **one), vintage(1, 4, [2.0] * 3, **other)
    first, second = (new, old) if newer_first else (old, new)
    assert merge(first, second) == new


def test_of_one_basis_the_older_stays_where_the_newer_says_nothing() -> None:
    merged = merge(vintage(0, 0, [1.0] * 10, basis="marginal"), vintage(1, 4, [2.0] * 3, basis="marginal"))
    assert [slot.value for slot in merged.slots] == [1, 1, 1, 1, 2, 2, 2, 1, 1, 1]
    assert merged.basis == "marginal"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8), st.sampled_from(["average", "marginal"])), max_size=6))
def test_no_curve_ever_holds_both(told: list[tuple[int, int, str]]) -> None:
    known: Forecast | None = None
    for issued, first, basis in told:
        value = 100.0 if basis == "average" else 700.0
        known = merge(known, vintage(issued, first, [value] * 3, basis=basis))
        assert {slot.value for slot in known.slots} == {100.0 if known.basis == "average" else 700.0}


def test_a_curve_is_in_force_until_it_should_have_been_renewed() -> None:
    forever, aging = vintage(0, 0, [1.0]), vintage(0, 0, [1.0], good_until=DAY + HOUR)
    assert in_force(None, DAY) is None
    assert in_force(forever, DAY + 999 * HOUR) is forever
    assert in_force(aging, DAY + HOUR - timedelta(microseconds=1)) is aging
    assert in_force(aging, DAY + HOUR) is None


PRICE = vintage(0, 0, [0.2] * 24, kind=ForecastKind.PRICE, unit="GBP/kWh")


def test_carbon_that_was_not_renewed_no_longer_counts() -> None:
    market = Market(PRICE, vintage(0, 0, [50.0, 400.0] * 12, good_until=DAY + timedelta(minutes=90)))
    fresh = market.curve(100.0, DAY + HOUR, DAY + 3 * HOUR)
    stale = market.curve(100.0, DAY + timedelta(minutes=95), DAY + 3 * HOUR)
    assert fresh is not None
    assert stale is not None
    assert {slot.carbon_g for slot in fresh.slots} == {50.0, 400.0}
    assert {slot.carbon_g for slot in stale.slots} == {0.0}, "nothing is known of it, so it decides nothing"
    assert market.carbon_at(DAY + HOUR) is market.carbon
    assert market.carbon_at(DAY + 2 * HOUR) is None


def test_a_price_that_was_not_renewed_is_no_price() -> None:
    market = Market(PRICE.model_copy(update={"good_until": DAY + 2 * HOUR}), None)
    assert market.curve(0.0, DAY + HOUR, DAY + 3 * HOUR) is not None
    assert market.curve(0.0, DAY + 2 * HOUR, DAY + 3 * HOUR) is None
