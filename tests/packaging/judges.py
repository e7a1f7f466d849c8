"""The tools that judge image, compose file and chart: built once into .d2ev/packaging, at exact versions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import kubernetes_validate

from tests.dockerfile import DOCKERFILE, ROOT

TOOLS: Final = ROOT / ".d2ev/packaging"
#: The oldest Kubernetes that the chart is for, and the newest whose schemas are here.
KUBERNETES: Final = ("1.27.0", "1.37.0")
_GO_MODULES: Final = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
}
_DOCKERFILE_LINT: Final = "dockerfile-utils@0.16.3"
_COMPOSE: Final = Path(__file__).parent / "compose"
#: Said of links that are meant: dashboards and rules stay where the rest of monitoring is.
_MEANT: Final = "found symbolic link in path"


class Refused(Exception):
    """A judge found something."""


def tool(name: str) -> Path:
    """A Go tool, built when it is not there (helm: several minutes)."""
    folder = TOOLS / _GO_MODULES[name].replace("/", "_")
    if not (folder / name).exists():
        print(f"building {_GO_MODULES[name]} …", flush=True)
        subprocess.run(["go", "install", _GO_MODULES[name]], check=True, env=os.environ | {"GOBIN": str(folder)})
    return folder / name


def said(command: Sequence[str | Path], given: str | None = None, cwd: Path = ROOT) -> str:
    """What a command prints. Raises Refused with all it said when it fails."""
    ended = subprocess.run(command, input=given, cwd=cwd, capture_output=True, text=True, check=False)
    complaints = "\n".join(line for line in ended.stderr.splitlines() if _MEANT not in line)
    if ended.returncode:
        raise Refused(f"{' '.join(map(str, command))}\n{ended.stdout}{complaints}")
    return ended.stdout


def dockerfile() -> None:
    """dockerfile-utils, which holds to what BuildKit takes."""
    found = said(["npx", "--yes", _DOCKERFILE_LINT, "lint", DOCKERFILE])
    if found.strip():
        raise Refused(found)


def compose() -> None:
    """compose-go, Docker's own reader of compose files."""
    said(["go", "run", ".", ROOT / "deploy/compose.yaml"], cwd=_COMPOSE)


def lint(chart: Path, values: Path) -> None:
    """`helm lint`, where a warning is an error."""
    said([tool("helm"), "lint", "--strict", "--quiet", chart, "--values", values])


def render(chart: Path, values: Path, *more: str) -> str:
    """The chart as helm renders it."""
    return said(
        [
            tool("helm"),
            "template",
            "d2ev",
            chart,
            "--namespace",
            "ev",
            "--kube-version",
            KUBERNETES[-1],
            "--values",
            values,
            *more,
        ]
    )


def conforms(manifests: str, version: str) -> None:
    """kubeconform -strict on all that is Kubernetes' own."""
    where = f"{schemas(version)}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    options = ["-strict", "-ignore-missing-schemas", "-kubernetes-version", version, "-output", "json", "-summary"]
    answer = json.loads(said([tool("kubeconform"), *options, "-schema-location", where], manifests))
    if not answer["summary"]["valid"]:
        raise Refused("kubeconform judged nothing")


def schemas(version: str) -> Path:
    """The strict schemas of a Kubernetes, each made to stand alone."""
    target = TOOLS / f"schemas-{version}"
    if not target.exists():
        source = Path(kubernetes_validate.__file__).parent / f"kubernetes-json-schema/v{version}-local-strict"
        shared = json.loads((source / "_definitions.json").read_text())["$defs"]
        target.mkdir(parents=True)
        for path in source.glob("*-v1.json"):
            text = path.read_text().replace("/api/_definitions.json#", "#")
            used = json.dumps(_needed(json.loads(text), shared)).replace("/api/_definitions.json#", "#")
            (target / path.name).write_text(json.dumps(json.loads(text) | {"$defs": json.loads(used)}))
    return target


def _needed(schema: Any, shared: dict[str, Any]) -> dict[str, Any]:
    """The definitions that a schema leads to."""
    found: dict[str, Any] = {}
    waiting = list(_names(schema))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = shared[name]
            waiting += _names(shared[name])
    return found


def _names(part: Any) -> list[str]:
    """The definitions that a part of a schema names."""
    if isinstance(part, list):
        return [name for one in part for name in _names(one)]
    if not isinstance(part, dict):
        return []
    own = [str(part["$ref"]).rpartition("/")[2]] if isinstance(part.get("$ref"), str) else []
    return own + [name for one in part.values() for name in _names(one)]
