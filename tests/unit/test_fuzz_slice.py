"""A slice of `make fuzz` in every run: made-up answers neither crash a connector or a feed, nor make it guess."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import answers, curves


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_no_made_up_answer_of_a_maker_crashes_or_is_guessed(data: st.DataObject) -> None:
    answers.try_one(lambda count: data.draw(st.integers(0, count - 1)))


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_made_up_answer_of_a_source_crashes_or_is_guessed(data: st.DataObject) -> None:
    curves.try_one(lambda count: data.draw(st.integers(0, count - 1)))
