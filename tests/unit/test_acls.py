"""Everybody may do what his code does, and no more."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.acls import Acl, principals
from deploy.replay import log as replay
from streams import topics
from streams.topics import REPLAN, TICK, TOPICS, Topic
from tables import TABLES

PRINCIPALS = {one.name: one for one in principals("ev")}
#: The folders of the processes without stages, and whose login they use; `d2ev api` links accounts as well.
FOLDERS = {
    "guardian": "guardian",
    "feeds": "feeds",
    "ingress": "ingress",
    "driver_api": "api",
    "linking": "api",
    "bridge": "bridge",
}


def may(principal: str, operation: str, resource: str, name: str) -> bool:
    def fits(acl: Acl) -> bool:
        named = name.startswith(acl.name) if acl.prefix else name == acl.name
        return acl.resource == resource and named and operation in acl.operations

    return any(fits(acl) for acl in PRINCIPALS[principal].acls)


def named(folder: str) -> Iterator[Topic]:
    """The topics that the code of a process imports."""
    for path in Path("agents", folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "streams.topics":
                found = (getattr(topics, alias.name) for alias in node.names)
                yield from (topic for topic in found if isinstance(topic, Topic))


@pytest.mark.parametrize(("folder", "principal"), FOLDERS.items())
def test_a_process_may_use_the_topics_that_its_code_names(folder: str, principal: str) -> None:
    for topic in named(folder):
        either = may(principal, "Read", "topic", topic.name) or may(principal, "Write", "topic", topic.name)
        assert either or topic is TICK, topic.name


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_those_write_a_topic_who_are_declared_to(topic: Topic) -> None:
    declared = {"driver_api": "api"}
    wanted = {declared.get(process, process) for process in topic.beside} | {"topics"}
    wanted |= set() if topic.owner == "outside" else {"worker"}
    assert {name for name in PRINCIPALS if may(name, "Write", "topic", topic.name)} == wanted
    assert may("worker", "Read", "topic", topic.name)
    assert may("subscriber", "Read", "topic", topic.name) == topic.public
    assert may("analyst", "Read", "topic", topic.name) == (topic.public or topic is REPLAN)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_changelogs_are_the_workers_own(table: object) -> None:
    name = table.changelog("ev")  # type: ignore[attr-defined]
    assert {one for one in PRINCIPALS if may(one, "Write", "topic", name)} == {"worker", "topics"}
    reads = {one for one in PRINCIPALS if may(one, "Read", "topic", name)}
    also = {
        "ev-accounts-changelog": {"guardian"},
        "ev-data-keys-changelog": {"guardian"},
        "ev-devices-changelog": set(),
    }
    assert reads == {"worker", "topics"} | also.get(name, {"analyst"})


def test_nobody_joins_the_group_of_another() -> None:
    groups = {"ev": {"worker", "topics"}, "ev-bridge": {"bridge", "topics"}, "subscriber-1": {"subscriber"}}
    for group, members in groups.items():
        assert {one for one in PRINCIPALS if may(one, "Read", "group", group)} == members


def test_whoever_only_reads_changes_nothing() -> None:
    for name in ("analyst", "subscriber"):
        assert {operation for acl in PRINCIPALS[name].acls for operation in acl.operations} == {"Read", "Describe"}


def test_whoever_uses_a_name_may_ask_about_it() -> None:
    assert all("Describe" in acl.operations for one in PRINCIPALS.values() for acl in one.acls)


def test_a_replay_reads_nothing_that_an_analyst_may_not() -> None:
    assert all(may("analyst", "Read", "topic", topic.name) for topic in replay.TOPICS)
