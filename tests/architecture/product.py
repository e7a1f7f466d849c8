"""The product's source files, as text and as syntax trees."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "tables", "oem_connectors", "agents", "deploy")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def offenders(fault: Callable[[Path], object]) -> dict[str, object]:
    """What `fault` finds in each product file, for the files in which it finds something."""
    found = {path.relative_to(ROOT).as_posix(): fault(path) for path in files()}
    return {name: what for name, what in found.items() if what}


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(node: ast.AST) -> Iterator[Function]:
    return (found for found in ast.walk(node) if isinstance(found, Function))


def public(module: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """The public functions and classes of a module."""
    for found in module.body:
        if isinstance(found, Function | ast.ClassDef) and not found.name.startswith("_"):
            yield found
