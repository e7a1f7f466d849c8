"""Rights as people, programs and Kafka's own tool are told them: each time the same."""

import json
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from deploy.acls import principals
from deploy.rights import Right, commands, declared, everybody, rows
from tests.command_line import run

Capture = pytest.CaptureFixture[str]


def told(line: str) -> set[Right]:
    """What a line gives, as kafka-acls.sh reads it."""
    words = shlex.split(line)
    pairs = list(pairwise(words))
    given = dict(pairs)
    resource = "TOPIC" if "--topic" in given else "GROUP"
    pattern = "PREFIXED" if given.get("--resource-pattern-type") == "prefixed" else "LITERAL"
    operations = [value for flag, value in pairs if flag == "--operation"]
    name = given[f"--{resource.lower()}"]
    return {
        Right(given["--allow-principal"], resource, name, pattern, ALIAS.get(one, one.upper())) for one in operations
    }


#: As the tool calls what its protocol writes in two words.
ALIAS = {"DescribeConfigs": "DESCRIBE_CONFIGS", "AlterConfigs": "ALTER_CONFIGS"}


@pytest.mark.parametrize("prefix", ["", "d2ev-"])
def test_the_lines_for_kafkas_own_tool_give_what_is_declared(prefix: str) -> None:
    those = everybody("ev", prefix)
    lines = [line for line in commands(those) if not line.startswith("#")]
    given = [right for line in lines for right in told(line)]
    assert set(given) == declared(those)
    assert len(given) == len(declared(those)), "no right is given twice"


def test_every_right_is_one_that_kafka_knows() -> None:
    for right in declared(principals("ev")):
        assert ResourceType[right.resource].name == right.resource
        assert AclOperation[right.operation] is not AclOperation.ANY
        assert ResourcePatternType[right.pattern] in {ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED}
        assert AclPermissionType[right.permission] is AclPermissionType.ALLOW


def test_rows_lose_nothing() -> None:
    those = everybody("ev", "")
    rights = {
        Right(f"User:{row['principal']}", row["resource"].upper(), row["name"], pattern, ALIAS.get(one, one.upper()))
        for row in rows(those)
        for pattern in ["PREFIXED" if row["prefix"] else "LITERAL"]
        for one in row["operations"]
    }
    assert rights == declared(those)


def test_json_is_json_and_the_table_names_everybody(capsys: Capture) -> None:
    found = json.loads(run(capsys, "topics", "acls", "--json").out)
    assert {row["principal"] for row in found} == {one.name for one in principals("d2ev")}
    table = run(capsys, "topics", "acls", "--prefix", "x-").out.splitlines()
    assert len(table) == len(found)
    assert all(line.startswith("x-") for line in table)


def test_nothing_is_taken_away_by_one_word(capsys: Capture) -> None:
    ended = run(capsys, "topics", "acls", "--prune")
    assert (ended.code, ended.err) == (2, "d2ev: --prune: give it with --apply\n")


def test_no_kafka_is_one_line(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D2EV_BOOTSTRAP", "127.0.0.1:1")
    ended = run(capfd, "topics", "acls", "--apply")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("d2ev: no Kafka answers at 127.0.0.1:1")


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (Right("User:a", "TOPIC", "t", "LITERAL", "READ"), "User:a topic t read"),
        (Right("User:a", "TOPIC", "t-", "PREFIXED", "READ", "DENY"), "User:a topic t-* read denied"),
        (Right("User:a", "GROUP", "g", "LITERAL", "READ", host="10.0.0.1"), "User:a group g read from 10.0.0.1"),
    ],
)
def test_a_right_is_told_whole(right: Right, said: str) -> None:
    assert str(right) == said


def test_the_page_counts_the_rights_that_there_are() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/kafka-security.md").read_text(encoding="utf-8")
    assert f"created {len(declared(principals('d2ev')))} rights" in page
