"""A process that was suspended for too long knows it at once, and for good."""

import subprocess
import sys
from threading import Event

import pytest

from agents import pulse
from agents.pulse import Pulse
from tests.architecture.product import ROOT

#: Says whether it has overslept after each line it reads.
PROGRAM = """
import sys
from agents.pulse import Pulse
pulse = Pulse(limit_seconds=0.5)
pulse.start(lambda: None)
for line in sys.stdin:
    print(pulse.overslept(), flush=True)
"""


@pytest.mark.parametrize(("pause_seconds", "overslept"), [(0.0, b"False\n"), (0.8, b"True\n")])
def test_the_first_thing_it_does_after_a_long_pause_finds_it_has_overslept(
    pause_seconds: float, overslept: bytes
) -> None:
    pauses = f"kill -STOP $0; sleep {pause_seconds}; kill -CONT $0"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env={"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"False\n"
        subprocess.run(["sh", "-c", pauses, str(process.pid)], check=True)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == overslept


def test_whoever_wakes_first_it_is_told_once_and_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(pulse, "monotonic", lambda: now)
    told = Event()
    one = Pulse(limit_seconds=2)
    assert not one.overslept(), "it does not run yet"
    one.start(told.set)
    now += 1.9
    assert not one.overslept()
    now += 100
    assert told.wait(10)
    now -= 100
    assert one.overslept()
    one.stop()
