"""The pipeline bench measures what it says: readings that all matter, and a digest that sees every difference."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.bench import telemetry
from streams import hot

ROWS = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.binary(max_size=4)), max_size=12)


def test_a_reading_is_a_telemetry_record_of_about_350_bytes() -> None:
    inputs = list(telemetry.readings(events=2_000, vehicles=500, partitions=6))
    assert all(hot.decode_telemetry(reading.value).car == reading.key.decode() for reading in inputs)
    assert mean(len(reading.value) for reading in inputs) == pytest.approx(350, abs=25)


def test_a_car_stays_in_its_partition() -> None:
    inputs = list(telemetry.readings(events=1_000, vehicles=100, partitions=6))
    assert len({(reading.key, reading.partition) for reading in inputs}) == 100
    assert {reading.partition for reading in inputs} == set(range(6))


def test_every_reading_leads_to_one_state_in_its_partition() -> None:
    inputs = list(telemetry.readings(events=1_000, vehicles=40, partitions=3))
    written = telemetry.states(inputs, partitions=3)
    assert [len(part) for part in written] == [sum(r.partition == p for r in inputs) for p in range(3)]


def test_a_reading_without_news_is_refused() -> None:
    first = next(telemetry.readings(events=1, vehicles=1, partitions=1))
    with pytest.raises(ValueError, match="something new"):
        telemetry.states([first, first], partitions=1)


@given(ROWS, ROWS)
def test_equal_digests_mean_equal_values_per_key_in_equal_order(
    one: list[tuple[bytes, bytes]], two: list[tuple[bytes, bytes]]
) -> None:
    same = {key: [v for k, v in one if k == key] for key, _ in one} == {
        key: [v for k, v in two if k == key] for key, _ in two
    }
    assert (telemetry.digest(one) == telemetry.digest(two)) is same


@given(ROWS)
def test_the_order_between_keys_does_not_matter(rows: list[tuple[bytes, bytes]]) -> None:
    assert telemetry.digest(sorted(rows, key=lambda row: row[0])) == telemetry.digest(rows)
