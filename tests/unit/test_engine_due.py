"""Due: what is to be attended to when, against a plain dictionary as the model."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from agents.engine.stage import DAWN, Due

KEYS = st.sampled_from("abcde")
MINUTES = st.integers(0, 20)
SET = st.tuples(st.just("set"), KEYS, st.none() | MINUTES)
POP = st.tuples(st.just("pop"), st.none(), MINUTES)


@given(st.lists(SET | POP, max_size=40))
def test_it_says_each_key_once_at_its_last_set_instant_oldest_first(steps: list[tuple[str, str, int | None]]) -> None:
    due, model = Due(), dict[str, int]()
    for step, key, minutes in steps:
        if step == "set":
            due.set(key, None if minutes is None else DAWN + timedelta(minutes=minutes))
            model.pop(key, None)
            if minutes is not None:
                model[key] = minutes
        else:
            assert minutes is not None
            expected = sorted((at, k) for k, at in model.items() if at <= minutes)
            assert due.pop(DAWN + timedelta(minutes=minutes)) == [k for _, k in expected]
            model = {k: at for k, at in model.items() if at > minutes}
        assert len(due) == len(model)
        assert due.next() == (DAWN + timedelta(minutes=min(model.values())) if model else None)
