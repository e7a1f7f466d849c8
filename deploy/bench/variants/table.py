"""The variants by name, and how large a part of the readings each is given, so that none takes all of the time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


class Variant(NamedTuple):
    """A program to measure. It reads one in `share` of the readings with the interpreter `python`."""

    name: str
    module: str
    says: str
    share: int = 1
    python: Path = Path(sys.executable)


D2EV = Variant("d2ev", "deploy.bench.variants.d2ev", "D2EV: one worker, vehicle state with table and changelog")
BARE = Variant("bare", "deploy.bench.variants.bare", "bare aiokafka, the same bytes, folded in memory, no store")
COPY = Variant("copying", "deploy.bench.variants.copying", "bare aiokafka, the same bytes, only looked up")
FAUST = Variant("idiomatic_faust", "deploy.bench.variants.idiomatic", "idiomatic Faust agent, the same work", share=20)
QUIX = Variant("quix", "deploy.bench.variants.quix", "Quix Streams, the same work", share=4, python=BENCH_PYTHON)
VARIANTS = (D2EV, BARE, COPY, FAUST, QUIX)
