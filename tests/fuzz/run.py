"""`make fuzz`: made-up answers, guided by the code they reach. Ends with the counts, or with what broke a rule."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["oem_connectors", "agents.feeds"]):
    from tests.fuzz import answers, curves

#: Inputs that broke a rule.
KEPT = Path(".d2ev/fuzz")


def main() -> None:
    """Fuzz until the runs are over; the input that broke a rule is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    seen: Counter[str] = Counter()

    def one(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)

        def pick(count: int) -> int:
            return int(provider.ConsumeIntInRange(0, count - 1))

        seen[answers.try_one(pick) if pick(4) else curves.try_one(pick)] += 1
        if seen.total() == given.runs:
            for name, count in sorted(seen.items()):
                print(f"{count:9,} {name}")
            print(f"{given.runs:9,} made-up answers: no crash, no guess", flush=True)
            os._exit(0)

    KEPT.mkdir(parents=True, exist_ok=True)
    options = ["-runs=-1", f"-seed={given.seed}", "-verbosity=0", "-max_len=256", f"-artifact_prefix={KEPT}/"]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
