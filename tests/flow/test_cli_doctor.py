"""`d2ev doctor` beside a broker: it sees the topics that are there, and those that are not."""

import json
from pathlib import Path

import pytest

from agents.settings import load
from deploy.brokers.embedded import EmbeddedBroker
from deploy.topics import wanted
from streams.topics import PLUG
from tests.command_line import run

PARTITIONS = 2


@pytest.mark.parametrize(
    ("counts", "level", "said"),
    [
        pytest.param({}, "ok", f"all there, {PARTITIONS} partitions each", id="as declared"),
        pytest.param({PLUG.name: 0}, "fail", f"{PLUG.name}: missing; run `d2ev topics apply`", id="one missing"),
        pytest.param({PLUG.name: 3}, "fail", f"{PLUG.name}: partitions 3, not {PARTITIONS}; a car", id="one uneven"),
    ],
)
def test_topics_are_compared_with_the_declarations(
    counts: dict[str, int], level: str, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    declared = {topic.name: PARTITIONS for topic in wanted(load({}, partitions=PARTITIONS))}
    with EmbeddedBroker({name: count for name, count in (declared | counts).items() if count}) as broker:
        monkeypatch.setenv("D2EV_BOOTSTRAP", broker.bootstrap)
        monkeypatch.setenv("D2EV_PARTITIONS", str(PARTITIONS))
        monkeypatch.setenv("D2EV_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("D2EV_HEALTH_PORT", "1")
        ended = run(capsys, "doctor", "--json")
    findings = {finding["check"]: finding for finding in json.loads(ended.out)}
    assert findings["kafka"]["level"] == "ok"
    assert findings["topics"]["level"] == level
    assert said in findings["topics"]["detail"]
    assert ended.code == (1 if level == "fail" else 0)
