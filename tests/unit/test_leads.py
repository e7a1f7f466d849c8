"""Lead times: robust to outliers, told when they moved, combined over partitions by samples."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.command import Action
from streams.contracts.lead import LeadTime
from streams.domain.leads import (
    AGAIN,
    FEW,
    KEPT,
    MOVED_SECONDS,
    NO_LEADS,
    combined,
    learned,
    quantile,
    worth_telling,
)
from tests.night import PLUGGED

SECONDS = st.floats(0, 600)


def lead(seconds: float, samples: int = 10, action: Action = Action.START, partition: int = 0) -> LeadTime:
    return LeadTime(
        oem="simulator", model="Test", action=action, partition=partition, samples=samples,
        median_seconds=seconds / 2, p90_seconds=seconds, at=PLUGGED,
    )  # fmt: skip


@given(st.lists(SECONDS, min_size=1, max_size=KEPT), st.floats(0.01, 1))
def test_a_quantile_is_a_sample_that_its_share_does_not_exceed(samples: list[float], share: float) -> None:
    found = quantile(samples, share)
    assert found in samples
    assert sum(one <= found for one in samples) >= share * len(samples) - 1e-9
    assert sum(one < found for one in samples) < share * len(samples)


def test_a_few_that_never_answer_do_not_move_the_lead() -> None:
    assert quantile([20.0] * 60 + [600.0] * 4, 0.9) == 20


@given(st.lists(st.floats(-60, 600), min_size=KEPT, max_size=2 * KEPT))
def test_the_newest_samples_are_kept_and_a_clock_that_is_ahead_gives_zero(given_seconds: list[float]) -> None:
    kept: tuple[float, ...] = ()
    for seconds in given_seconds:
        kept = learned(kept, seconds)
    assert kept == tuple(max(0.0, seconds) for seconds in given_seconds[-KEPT:])


@pytest.mark.parametrize(
    ("samples", "count", "told", "worth"),
    [
        ([30.0] * (FEW - 1), FEW - 1, None, False),
        ([30.0] * FEW, FEW, None, True),
        ([30.0] * 9, 9, lead(30, 8), False),
        ([30.0] * 9, 9, lead(30 - MOVED_SECONDS, 8), False),
        ([30.0] * 9, 9, lead(30 - MOVED_SECONDS - 0.1, 8), True),
        ([30.0] * 9, 9, lead(30 + MOVED_SECONDS + 0.1, 8), True),
        ([30.0] * KEPT, 8 + AGAIN - 1, lead(30, 8), False),
        ([30.0] * KEPT, 8 + AGAIN, lead(30, 8), True),
    ],
)
def test_a_lead_is_told_when_it_is_news(samples: list[float], count: int, told: LeadTime | None, worth: bool) -> None:
    assert worth_telling(samples, count, told) is worth


def test_partitions_are_combined_by_their_samples_and_actions_apart() -> None:
    leads = combined([lead(10, 30), lead(50, 10, partition=1), lead(90, 5, Action.STOP), lead(7, 5, Action.WAKE)])
    assert (leads.start, leads.stop, leads.wake) == tuple(timedelta(seconds=s) for s in (20, 90, 7))
    assert combined([]) == NO_LEADS
