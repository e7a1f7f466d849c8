"""The shape of the code: imports point one way, names are ours, files and functions stay small and say what they do."""

import ast
import importlib.util
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter import cli

import agents
import tables
from tests.architecture.product import PACKAGES, ROOT, Function, functions, offenders, public, tree


def test_imports_point_one_way() -> None:
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == cli.EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("package", PACKAGES)
def test_no_installed_package_shadows_ours(package: str) -> None:
    assert set(packages_distributions().get(package, ())) <= {"d2ev"}


def test_the_tables_and_agents_imported_are_ours() -> None:
    for module in (tables, agents):
        assert module.__file__ is not None
        assert Path(module.__file__).is_relative_to(ROOT)


def test_httpx2_is_not_installed() -> None:
    assert importlib.util.find_spec("httpx2") is None


def test_every_module_says_what_it_promises() -> None:
    assert offenders(lambda path: not ast.get_docstring(tree(path))) == {}


def test_files_are_short() -> None:
    assert offenders(lambda path: len(path.read_text(encoding="utf-8").splitlines()) > 300) == {}


def test_functions_are_short() -> None:
    """A function inside another is counted for itself, not for the one around it."""
    assert offenders(lambda path: [found.name for found in functions(tree(path)) if _own_lines(found) >= 60]) == {}


def test_public_functions_and_classes_are_documented() -> None:
    """Methods may be plain enough to go without."""
    assert offenders(lambda path: [found.name for found in public(tree(path)) if not ast.get_docstring(found)]) == {}


def test_every_function_is_typed() -> None:
    assert (
        offenders(lambda path: [one.name for one in functions(tree(path)) if one.returns is None or _untyped(one)])
        == {}
    )


def _own_lines(function: Function) -> int:
    inner = [found for found in functions(function) if found is not function]
    direct = [one for one in inner if not any(one is not other and one in ast.walk(other) for other in inner)]
    return _lines(function) - sum(_lines(found) for found in direct)


def _lines(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _untyped(function: Function) -> list[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return [one.arg for one in every if one.annotation is None and one.arg not in {"self", "cls"}]
