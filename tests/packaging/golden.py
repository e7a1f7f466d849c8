"""The chart's renderings that are kept: of the templates alone, with made-up topics, users, rules and dashboards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from tests.dockerfile import DOCKERFILE, DOCKERIGNORE, ROOT

CHART: Final = ROOT / "deploy/helm/d2ev"
KEPT: Final = ROOT / "tests/data/packaging"
JUDGED: Final = KEPT / "judged.json"
#: Values files, each with a rendering beside it.
CASES: Final = ("least", "most", "plain")


def values(case: str) -> Path:
    """The values of a case."""
    return KEPT / f"{case}.values.yaml"


def rendering(case: str) -> Path:
    """Where its rendering is kept."""
    return KEPT / f"{case}.rendered.yaml"


def manifests(text: str) -> list[dict[str, Any]]:
    """Every manifest of a rendering."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


@contextmanager
def bare_chart() -> Iterator[Path]:
    """The chart with the made-up files: what is generated from declarations changes more often than templates do."""
    with TemporaryDirectory() as folder:
        chart = Path(folder) / "d2ev"
        shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("files"))
        shutil.copytree(KEPT / "files", chart / "files")
        # The names of settings are declarations too.
        schema = json.loads((chart / "values.schema.json").read_text())
        del schema["properties"]["settings"]["propertyNames"]
        (chart / "values.schema.json").write_text(json.dumps(schema))
        yield chart


def judged() -> list[Path]:
    """All that the judges looked at, but for generated files."""
    templates = [path for path in CHART.rglob("*") if path.is_file() and "files" not in path.relative_to(CHART).parts]
    inputs = [path for path in KEPT.rglob("*") if path.is_file() and path != JUDGED]
    ours = [DOCKERFILE, DOCKERIGNORE, ROOT / "deploy/compose.yaml", ROOT / "deploy/compose-prometheus.yaml"]
    return sorted([*templates, *inputs, *ours])


def digest() -> dict[str, str]:
    """What was judged, by file."""
    return {str(path.relative_to(ROOT)): sha256(_told(path)).hexdigest()[:16] for path in judged()}


def _told(path: Path) -> bytes:
    if path.name != "values.schema.json":
        return path.read_bytes()
    schema = json.loads(path.read_text())
    del schema["properties"]["settings"]["propertyNames"]
    return json.dumps(schema).encode()
