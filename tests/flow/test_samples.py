"""What the page for subscribers has them type does what it says there, on a broker that has every record twice."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from deploy.brokers.embedded import EmbeddedBroker
from streams.topics import PLUG, SESSION, STATUS, TOPICS, Topic

ROOT = Path(__file__).parents[2]
TRY = ROOT / "docs" / "samples" / "try.sh"
PAGE = (ROOT / "docs" / "subscribing.md").read_text(encoding="utf-8")
TAKEN: dict[str, Any] = json.loads((ROOT / "docs" / "samples" / "records.json").read_text(encoding="utf-8"))
OTHER = "acct-0002.veh-0002"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({topic.name: 2 for topic in TOPICS}) as running:
        yield running


def write(broker: EmbeddedBroker, topic: Topic, ce_id: str, value: dict[str, Any] | None) -> None:
    """A record, and the same once more, as at-least-once allows."""
    taken = TAKEN[topic.name]
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for _ in range(2):
        producer.produce(
            topic.name,
            key=OTHER if value is None else (taken["value"] | value)["car"],
            value=None if value is None else json.dumps(taken["value"] | value),
            headers=taken["headers"] | {"ce_id": ce_id},
            partition=0,
        )
    assert producer.flush(30) == 0


def evening(broker: EmbeddedBroker) -> None:
    write(broker, PLUG, "in", {"kind": "plugged_in"})
    write(broker, PLUG, "out", {"kind": "unplugged", "soc_pct": 50})
    write(broker, PLUG, "other", {"car": OTHER, "kind": "unplugged", "soc_pct": 80})
    for revision, saving in ((1, 3.0), (2, 1.25)):
        write(broker, SESSION, f"settled-{revision}", {"revision": revision, "saving": saving})
    write(broker, STATUS, "one", {})
    write(broker, STATUS, "two", {"car": OTHER})
    write(broker, STATUS, "gone", None)


@pytest.mark.skipif(
    shutil.which("kcat") is None and os.environ.get("CI") != "true",
    reason="no kcat (Debian: apt-get install kcat): the samples were not run",
)
def test_what_the_page_has_one_type_works_and_counts_nothing_twice(broker: EmbeddedBroker) -> None:
    evening(broker)
    ran = subprocess.run([TRY, broker.bootstrap], check=False, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    out = ran.stdout.splitlines()
    car = TAKEN[PLUG.name]["key"]
    at = TAKEN[PLUG.name]["value"]["at"]
    kept = [line for line in out if line.startswith((f"{car} {at}", f"{OTHER} {at}"))]
    assert [line.rpartition(" ")[0] for line in kept] == [
        f"{car} {at} plugged_in", f"{car} {at} unplugged", f"{OTHER} {at} unplugged",
    ]  # fmt: skip
    assert json.loads(next(line for line in out if line.startswith("{")))["headers"]["ce_id"] == "out"
    assert f"{car} {TAKEN[STATUS.name]['value']['sentence']}" in out
    assert [line for line in out if line.startswith(f"{OTHER} ")] == kept[2:]
    (settled,) = [line for line in out if re.match(r"│ EUR +│", line)]
    assert [cell.strip() for cell in settled.strip("│").split("│")][1::3] == ["1", "1.25"]


def test_what_the_page_has_one_type_is_what_is_tried() -> None:
    typed = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
    tried = TRY.read_text(encoding="utf-8").splitlines()
    begun = {line for line in typed if line.startswith(("make ", "export ", "git "))}
    assert [line for line in typed if line not in begun and line not in tried] == []
    assert [line for line in tried[tried.index("set -x") + 1 :] if line not in typed] == []


@pytest.mark.parametrize("name", ["events.py", "state.py", "sessions.sql"])
def test_the_page_leads_to_every_sample(name: str) -> None:
    assert f"(samples/{name})" in PAGE
