"""`make monitoring-check`: tries a cluster as docs/monitoring.md does, and asks a real Prometheus all that panels ask.

`python -m tests.monitored [--prometheus URL]`. Without an address it starts deploy/monitoring/try.sh and says how long
it took until every panel that can be filled was.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

MONITORING: Final = Path(__file__).parents[1] / "deploy" / "monitoring"
PATIENCE_SECONDS: Final = 900
#: The choices on top of a page, as Grafana fills them in when all is chosen.
CHOSEN: Final = {
    "$__rate_interval": "1m",
    "$__range": "6h",
    "$stage": ".*",
    "$oem": ".*",
    "$feed": ".*",
    "$route": ".*",
}
#: Processes that try.sh does not run.
NOT_RUN: Final = ("d2ev_api_", "d2ev_bridge_", "d2ev_ingress_", "d2ev_queries_")
#: Series that are born when something happens: an outage, a lost answer, a session's end.
UNTIL_IT_HAPPENS: Final = (
    "d2ev_settled_money_total",
    "d2ev_settled_carbon_grams_total",
    "d2ev_promises_total",
    "d2ev_oem_breaker_open",
    "d2ev_oem_refreshes_lost_total",
    "d2ev_cars_unreachable",
    "d2ev_polls_skipped_total",
    "d2ev_guardian_answers_total",
)


class Question(NamedTuple):
    """What one line of one panel asks."""

    board: str
    panel: str
    expr: str

    @property
    def may_be_empty(self) -> bool:
        """Whether nothing has to have happened yet."""
        return any(name in self.expr for name in (*NOT_RUN, *UNTIL_IT_HAPPENS))


def questions() -> Iterator[Question]:
    """Every query of every dashboard, as Grafana would send it."""
    for file in sorted((MONITORING / "dashboards").glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                expr = target["expr"]
                for name, value in CHOSEN.items():
                    expr = expr.replace(name, value)
                assert "$" not in expr, expr
                yield Question(board["title"], panel["title"], expr)


def ask(prometheus: str, expr: str) -> list[Any]:
    """The series that an expression has now."""
    query = urllib.parse.urlencode({"query": expr})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?{query}", timeout=30) as answer:
        found: list[Any] = json.load(answer)["data"]["result"]
    return found


def empty(prometheus: str) -> list[Question]:
    """The questions that have no answer."""
    return [question for question in questions() if not ask(prometheus, question.expr)]


def wait_until_filled(prometheus: str, patience_seconds: float) -> list[Question]:
    """Ask until every panel that must have data has; what is empty then."""
    give_up = time.monotonic() + patience_seconds
    while True:
        try:
            left = empty(prometheus)
        except OSError as error:
            left, said = list(questions()), str(error)
        else:
            said = ", ".join(sorted({question.panel for question in left if not question.may_be_empty}))
        if not said or time.monotonic() > give_up:
            return left
        print(f"waiting for: {said}", flush=True)
        time.sleep(15)


def main() -> int:
    """0 when every panel that can be filled is."""
    parser = argparse.ArgumentParser(prog="python -m tests.monitored", description=__doc__)
    parser.add_argument("--prometheus", help="ask this one instead of starting a cluster")
    arguments = parser.parse_args()
    if arguments.prometheus:
        return report(wait_until_filled(arguments.prometheus, 0), began=None)
    began = time.monotonic()
    script = subprocess.Popen([str(MONITORING / "try.sh")], start_new_session=True)
    try:
        return report(wait_until_filled("http://127.0.0.1:9095", PATIENCE_SECONDS), began)
    finally:
        os.killpg(script.pid, signal.SIGTERM)
        script.wait(60)


def report(left: list[Question], began: float | None) -> int:
    """Say what is empty, and whether it may be."""
    asked = len(list(questions()))
    for question in left:
        why = "nothing happened yet" if question.may_be_empty else "EMPTY"
        print(f"{why:22}{question.board}: {question.panel}: {re.sub(r'[ ]+', ' ', question.expr)}")
    wrong = [question for question in left if not question.may_be_empty]
    took = "" if began is None else f" after {time.monotonic() - began:.0f} s"
    print(f"{asked - len(left)} of {asked} questions answered{took}; {len(wrong)} empty that should not be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
