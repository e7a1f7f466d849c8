"""Where a test may kill or freeze a worker: exactly there, exactly then, and nowhere without being asked."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.failpoints import FAILPOINTS, reach
from tests.architecture.product import ROOT

PROGRAM = "from agents.failpoints import reach\nfor place in 'abab': reach(place); print(place, flush=True)"


def run(failpoint: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "D2EV_TEST_FAILPOINT": failpoint}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    ("failpoint", "said", "code"),
    [
        ("a", "", -signal.SIGKILL),
        ("b:1", "a\n", -signal.SIGKILL),
        ("a:2", "a\nb\n", -signal.SIGKILL),
        ("b:3", "a\nb\na\nb\n", 0),
        ("c:1", "a\nb\na\nb\n", 0),
    ],
)
def test_it_kills_at_the_place_and_the_turn_that_were_named(failpoint: str, said: str, code: int) -> None:
    ran = run(failpoint)
    assert (ran.stdout, ran.returncode) == (said, code)


def test_a_pause_lasts_until_it_is_lifted() -> None:
    environment = {"PYTHONPATH": str(ROOT), "D2EV_TEST_FAILPOINT": "b:1:pause"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0] == b"a\nb\na\nb\n"


def test_without_the_variable_nothing_happens_and_it_costs_next_to_nothing() -> None:
    began = time.perf_counter()
    for _ in range(10_000):
        reach("chunk.taken")
    assert time.perf_counter() - began < 0.5, "more than 50 µs, four times a chunk"


def test_every_failpoint_stands_in_the_code_and_every_one_in_the_code_is_listed() -> None:
    found = [name for path in sorted((ROOT / "agents").rglob("*.py")) for name in reached(path)]
    assert set(found) == set(FAILPOINTS)


def reached(path: Path) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "reach" and isinstance(call.args[0], ast.Constant)
    ]
