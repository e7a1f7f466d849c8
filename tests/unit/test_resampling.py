"""Intervals over days: where days are alike there is no doubt, where there are more of them there is less."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.resampling import FEWEST_DAYS, Share, share, weights

AMOUNTS = st.floats(0.5, 100)
PAIRS = st.lists(st.tuples(st.floats(-50, 50), AMOUNTS), min_size=FEWEST_DAYS, max_size=20)


def of(pairs: list[tuple[float, float]]) -> Share:
    part, whole = np.array(pairs, dtype=float).T
    return share(part, whole, weights(len(pairs), 1))


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_the_value_is_the_ratio_of_sums_and_no_draw_leaves_the_days(pairs: list[tuple[float, float]]) -> None:
    found = of(pairs)
    ratios = [part / whole for part, whole in pairs]
    assert found.value == pytest.approx(sum(part for part, _ in pairs) / sum(whole for _, whole in pairs))
    assert found.low is not None
    assert found.high is not None
    assert min(ratios) - 1e-9 <= found.low <= found.high <= max(ratios) + 1e-9
    assert of(pairs) == found


@settings(max_examples=30, deadline=None)
@given(st.integers(FEWEST_DAYS, 30), st.floats(-0.9, 0.9), st.lists(AMOUNTS, min_size=30, max_size=30))
def test_days_with_the_same_ratio_leave_no_doubt(days: int, ratio: float, wholes: list[float]) -> None:
    found = of([(ratio * whole, whole) for whole in wholes[:days]])
    assert found.low == pytest.approx(ratio, abs=1e-9)
    assert found.high == pytest.approx(ratio, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=FEWEST_DAYS, max_size=8).filter(lambda parts: np.std(parts) > 0.1))
def test_more_days_of_the_same_kind_make_it_narrower(parts: list[float]) -> None:
    few, many = (of([(part, 1.0) for part in parts * times]) for times in (1, 16))
    assert many.value == pytest.approx(few.value)
    assert many.high - many.low < 0.5 * (few.high - few.low)  # type: ignore[operator]


@pytest.mark.parametrize("days", range(1, FEWEST_DAYS))
def test_too_few_days_have_no_interval(days: int) -> None:
    assert of([(1.0, 4.0)] * days) == Share(0.25, None, None, days, 4.0 * days)


def test_nothing_to_divide_by_is_no_share() -> None:
    assert of([(1.0, 0.0)] * 9) == Share(None, None, None, 9.0, 0.0)
    assert of([(1.0, 1.0)] + [(0.0, 0.0)] * 5).low is None
