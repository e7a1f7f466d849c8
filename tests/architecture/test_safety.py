"""What the code must never do: unpickle, listen to the world, ask a clock in a rule, write a topic's name by hand."""

import ast
import re
from pathlib import Path

import pytest

from agents.bind import faust_app
from agents.settings import load
from streams.topics import TOPICS
from tests.architecture.product import files, offenders, tree

RULES = ("streams/domain/", "streams/contracts/")
#: The bench's rivals are other people's clients: they share files of our own making, and none of our code.
BENCH = "deploy/bench/"
#: Calls whose answer differs from one run to the next.
CLOCKS = {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "uuid1", "uuid4", "urandom"}
TOPIC_NAME = re.compile(r"d2ev\.[a-z.-]+\.v\d")


def test_nothing_is_unpickled() -> None:
    unpickling = offenders(lambda path: _imports(path) & {"pickle", "cloudpickle", "dill", "shelve"})
    assert [name for name in unpickling if not name.startswith(BENCH)] == []


def test_topics_are_named_in_one_place_only() -> None:
    naming = offenders(lambda path: [text for text in _strings(path) if TOPIC_NAME.search(text)])
    assert [name for name in naming if not name.startswith(BENCH)] == ["streams/topics.py"]


def test_every_topic_is_declared_once() -> None:
    names = [topic.name for topic in TOPICS]
    assert len(set(names)) == len(names)


def test_rules_ask_no_clock_and_roll_no_dice() -> None:
    unsteady = offenders(lambda path: _imports(path) & {"time", "random", "secrets", "uuid"} or _called(path) & CLOCKS)
    assert {name: what for name, what in unsteady.items() if name.startswith(RULES)} == {}
    assert "agents/clock.py" in unsteady


def test_no_address_of_all_interfaces_is_written_down() -> None:
    assert offenders(lambda path: [text for text in _strings(path) if "0.0.0.0" in text or text == "::"]) == {}


@pytest.mark.parametrize("call", ["serve", "TCPSite"])
def test_servers_are_given_the_loopback_address(call: str) -> None:
    hosts = {
        argument.value
        for path in files()
        for found in ast.walk(tree(path))
        if isinstance(found, ast.Call) and _name(found.func) == call
        for argument in [*found.args, *(keyword.value for keyword in found.keywords if keyword.arg == "host")]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert hosts <= {"127.0.0.1"}
    assert load({}).listen == "127.0.0.1"


def test_fausts_own_web_server_is_off() -> None:
    app = faust_app(load({}))
    assert app.conf.web_enabled is False
    assert app.conf.topic_allow_declare is False


def _strings(path: Path) -> list[str]:
    values = [node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]
    texts = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
    return [text for text in texts if isinstance(text, str)]


def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(tree(path)))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in whole | parts}


def _called(path: Path) -> set[str]:
    return {_name(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""
