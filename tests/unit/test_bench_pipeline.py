"""The pipeline bench's summary: ratios of medians, and a peer that is not there is said to be absent."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.bench import pipeline


def runs(*seconds: float, events: int = 1_000, cpu_seconds: float = 0.02) -> list[dict[str, float]]:
    return [{"events": events, "seconds": s, "cpu_seconds": cpu_seconds} for s in seconds]


def measured() -> dict[str, Any]:
    return {
        "d2ev": runs(0.02, 0.025, 0.9),
        "bare": runs(0.015, 0.02, 0.03, cpu_seconds=0.01),
        "copying": runs(0.01, 0.01, 0.01, cpu_seconds=0.005),
        "idiomatic_faust": runs(0.05, 0.05, 0.05, events=50, cpu_seconds=0.03),
    }


def test_ratios_are_of_medians() -> None:
    result = pipeline.summary({**measured(), "quix": runs(0.1, 0.1, 0.1)})
    assert result["events_per_second"] == 40_000
    assert result["cpu_us_per_event"] == pytest.approx(20)
    assert result["bare_client_ratio"] == pytest.approx(0.8)
    assert result["bare_client_cpu_ratio"] == pytest.approx(0.5)
    assert result["copying_client_ratio"] == pytest.approx(0.4)
    assert result["idiomatic_faust_ratio"] == pytest.approx(40)
    assert result["idiomatic_faust_cpu_ratio"] == pytest.approx(30)
    assert result["quix_ratio"] == pytest.approx(4)


def test_a_peer_that_is_not_installed_is_named_with_the_remedy() -> None:
    result = pipeline.summary(measured())
    assert result["quix_ratio"] == result["quix_cpu_ratio"] == "not installed: make bench-setup"
    assert "quix" not in result["medians"]
    assert "quix_ratio: not installed: make bench-setup" in pipeline.text(result)


def test_every_variant_has_a_line_with_both_figures() -> None:
    lines = pipeline.text(pipeline.summary({**measured(), "quix": runs(0.1)})).splitlines()
    assert lines[1].split()[-2:] == ["40,000", "20.0"]
    assert [line.split()[-2] for line in lines[1:6]] == ["40,000", "50,000", "100,000", "1,000", "10,000"]


@pytest.mark.parametrize("less", [{"events": 999}, {"vehicles": 0}, {"partitions": 0}, {"rounds": 0}])
def test_too_little_to_measure_is_refused(less: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give at least"):
        pipeline.run(**less)
