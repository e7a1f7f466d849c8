"""Runs the checks and every suite that can run on this machine; the last lines say what ran and what did not.

`python -m tests.run_suites [--only SUITE ...]`. A suite that cannot run is named with the reason and the
command that runs it; with D2EV_REQUIRE_KAFKA=1 that is an error. Suites that mostly wait run two at a time,
the output of each in one piece when it has ended.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

from tests.kafka_chain import GIVEN_ADDRESS, fetch_jars
from tests.kafka_chain import why_none as why_no_kafka

TESTS = Path(__file__).parent


def why_no_browser() -> str | None:
    """Why the pages cannot be looked at here, in one line, or None when chromium is installed."""
    if shutil.which("chromium"):
        return None
    return "no chromium (Debian: apt-get install chromium)"


def always() -> None:
    """Nothing is needed beyond `make setup-dev`."""


@dataclass(frozen=True)
class Suite:
    """One folder of tests (or the checks), and what it needs from the machine."""

    name: str
    obstacle: Callable[[], str | None] = always
    #: Over all cores: its tests share nothing outside their process.
    spread: bool = False
    #: Keeps one core busy at most, so that another suite has room beside it.
    beside: bool = False
    #: Too long for every run: only when it is asked for.
    long: bool = False

    def commands(self) -> list[list[str]]:
        if self.name == "checks":
            scripts = Path(sys.executable).parent
            return [
                [str(scripts / "ruff"), "check", "."],
                [str(scripts / "ruff"), "format", "--check", "."],
                [str(scripts / "mypy")],
                [str(scripts / "lint-imports")],
            ]
        shown = ["-s"] if self.long else []
        spread = ["-n", "auto"] if self.spread else []
        return [[sys.executable, "-m", "pytest", "-q", *shown, *spread, str(TESTS / self.name)]]

    def exists(self) -> bool:
        return self.name == "checks" or any((TESTS / self.name).glob("**/test_*.py"))


#: Those that run side by side come last, the longest of them first.
SUITES = (
    Suite("unit", spread=True),
    Suite("exact", long=True),
    Suite("integration", why_no_kafka, beside=True),
    Suite("faults", why_no_kafka, beside=True),
    Suite("browser", why_no_browser, beside=True),
    Suite("flow", beside=True),
    Suite("checks", beside=True),
    Suite("conformance", beside=True),
    Suite("architecture", beside=True),
)


@dataclass(frozen=True)
class Outcome:
    """What became of one suite: `passed`, `FAILED` or `not run`, with a word on it."""

    name: str
    result: str
    remark: str


def run(suite: Suite) -> Outcome:
    """Run one suite in processes of its own; beside another one, what it says is shown at its end."""
    obstacle = suite.obstacle()
    if obstacle is not None:
        return Outcome(suite.name, "not run", f"{obstacle}; then: make test SUITE={suite.name}")
    heading = f"\n=== {suite.name} ==="
    if not suite.beside:
        print(heading, flush=True)
    began = time.monotonic()
    # Every command runs even after a failure: one round shows all that is wrong.
    said: dict[str, Any] = {"stdout": PIPE, "stderr": STDOUT, "text": True} if suite.beside else {}
    ended = [subprocess.run(command, check=False, **said) for command in suite.commands()]
    if suite.beside:
        print("\n".join([heading, *(process.stdout.rstrip() for process in ended)]), flush=True)
    remark = f"{time.monotonic() - began:.0f} s"
    if any(process.returncode for process in ended):
        return Outcome(suite.name, "FAILED", f"{remark}; again: make test SUITE={suite.name}")
    return Outcome(suite.name, "passed", remark)


def run_all(suites: Sequence[Suite]) -> list[Outcome]:
    """Run those that want the machine for themselves, then the others side by side."""
    alone = [run(suite) for suite in suites if not suite.beside]
    together = [suite for suite in suites if suite.beside]
    if not together:
        return alone
    print(f"\nside by side: {', '.join(suite.name for suite in together)}", flush=True)
    if any(suite.obstacle is why_no_kafka for suite in together):
        fetch_jars()
    # A Kafka that was given is one for all, and its topics are deleted between tests.
    with ThreadPoolExecutor(1 if GIVEN_ADDRESS else 2) as pool:
        return alone + list(pool.map(run, together))


def report(outcomes: Sequence[Outcome]) -> int:
    """Print one line per suite and the sum; the exit code."""
    print("\n=== suites ===")
    for outcome in outcomes:
        print(f"{outcome.name:<13}{outcome.result:<9}{outcome.remark}")
    count = {result: sum(o.result == result for o in outcomes) for result in ("passed", "FAILED", "not run")}
    if count["not run"]:
        print(f"not run: {', '.join(o.name for o in outcomes if o.result == 'not run')}")
    print(f"suites: {count['passed']} passed, {count['FAILED']} failed")
    incomplete = count["not run"] and os.environ.get("D2EV_REQUIRE_KAFKA") == "1"
    return 1 if count["FAILED"] or incomplete or not count["passed"] else 0


def main() -> int:
    """Run the chosen suites; 0 when all that ran passed and nothing required was left out."""
    names = [suite.name for suite in SUITES]
    parser = argparse.ArgumentParser(prog="python -m tests.run_suites", description=__doc__)
    usual = [suite.name for suite in SUITES if not suite.long]
    parser.add_argument("--only", nargs="+", choices=names, default=usual, metavar="SUITE")
    arguments = parser.parse_args()
    chosen = [suite for suite in SUITES if suite.name in arguments.only and suite.exists()]
    return report(run_all(chosen))


if __name__ == "__main__":
    sys.exit(main())
