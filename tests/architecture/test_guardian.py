"""The guardian can only release: it never names a stop, its clients have none, and it needs no stream engine."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agents.guardian.cloud import RELEASING, releasing_only
from oem_connectors import registry
from oem_connectors.subject import Subject
from streams.contracts.command import Action
from tests.architecture.product import ROOT, tree

FILES = sorted((ROOT / "agents" / "guardian").glob("*.py"))
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
HARMFUL = set(Action) - {Action.START, Action.WAKE}


def actions(module: ast.Module) -> set[str]:
    """What is taken from `Action`; a bare `Action`, from which a stop could be made at run time, is "Action"."""
    named: set[int] = set()
    taken = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Action":
            taken.add(node.attr)
            named.add(id(node.value))
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            named |= {id(inner) for inner in ast.walk(annotation)} if annotation is not None else set()
    bare = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and id(node) not in named}
    return taken | (bare & {"Action"})


@EACH
def test_no_file_of_the_guardian_names_another_action_than_start_and_wake(path: Path) -> None:
    assert actions(tree(path)) <= {"START", "WAKE"}


def test_a_stop_would_be_seen() -> None:
    assert actions(ast.parse("ask(Action.STOP)")) == {"STOP"}
    assert actions(ast.parse("ask(Action('stop'))")) == {"Action"}


@EACH
def test_no_file_of_the_guardian_spells_a_harmful_action(path: Path) -> None:
    words = {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}
    assert words & {action.value for action in HARMFUL} == set()


def test_its_clients_have_no_other_command() -> None:
    assert {Action.START, Action.WAKE} == RELEASING
    stoppable = 0
    for connector in registry.load().values():
        only = releasing_only(connector)
        for model in Subject(connector).models:
            stoppable += connector.call(Action.STOP, model) is not None
            assert {action for action in Action if only.call(action, model) is not None} <= RELEASING
            assert only.call(None, model) == connector.call(None, model)
        assert releasing_only(replace(connector, commands={})).commands == {}
    assert stoppable > 5


def test_it_runs_without_the_stream_engine() -> None:
    program = (
        "import sys, agents.guardian.process, deploy.commands.guardian, deploy.release\n"
        "print(sorted(sys.modules.keys() & {'faust', 'mode', 'rocksdict', 'agents.worker', 'agents.app'}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
