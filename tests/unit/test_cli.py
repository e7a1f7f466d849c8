"""The command line: JSON is JSON, bad input is one clear line and exit code 2, trouble is one line and exit code 1."""

import json
from pathlib import Path

import pytest

from streams.asyncapi import document
from streams.topics import BY_NAME
from tables import TABLES
from tests.command_line import run

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["tail", "plugs"], "no topic 'plugs'; there are ", id="unknown topic"),
        pytest.param(["explain", "car1"], "'car1' is no car key; give <oem account>.<vehicle>", id="no car key"),
        pytest.param(["explain", "a.b", "--at", "noon"], "--at noon: give RFC 3339", id="no time"),
        pytest.param(["explain", "a.b", "--at", "2023-03-26T01:00:00"], "give RFC 3339 with an offset", id="no offset"),
        pytest.param(["demo", "--scenario", "flood"], "--scenario flood: unknown; there are ", id="unknown scenario"),
    ],
)
def test_bad_input_is_one_line_that_says_how_to_mend_it(capsys: Capture, arguments: list[str], said: str) -> None:
    ended = run(capsys, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("d2ev: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["tail", "plug.event"], ["explain", "acct7.car1"], ["topics", "check"]], ids=" ".join
)
def test_no_kafka_is_one_line_with_its_address(
    capfd: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("deploy.topics.CONNECT_SECONDS", 0.3)
    monkeypatch.setattr("deploy.reading.CONNECT_SECONDS", 0.3)
    monkeypatch.setenv("D2EV_BOOTSTRAP", "127.0.0.1:1")
    ended = run(capfd, *arguments)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("d2ev: no Kafka answers at 127.0.0.1:1")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["tail", "plug.event"], ["topics", "list"], ["worker"]], ids=" ".join)
def test_a_setting_that_does_not_exist_stops_everything_in_one_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("D2EV_BOOTSTRP", "127.0.0.1:9092")
    ended = run(capsys, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("d2ev: D2EV_BOOTSTRP: no such setting")
    assert ended.err.count("\n") == 1


def test_asyncapi_prints_the_document_of_the_declarations(capsys: Capture) -> None:
    ended = run(capsys, "asyncapi")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == document()


def test_topics_list_names_every_topic_once(capsys: Capture) -> None:
    rows = json.loads(run(capsys, "topics", "list", "--json").out)
    names = [row["name"] for row in rows]
    assert sorted(names) == sorted([*BY_NAME, *(table.changelog("d2ev") for table in TABLES)])
    assert all(isinstance(row["public"], bool) for row in rows)


def test_doctor_ends_with_one_when_something_fails(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deploy.doctor._SECONDS", 0.2)
    monkeypatch.setenv("D2EV_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("D2EV_DATA_DIR", str(tmp_path))
    ended = run(capsys, "doctor", "--json")
    findings = json.loads(ended.out)
    assert ended.code == 1
    assert {"check": "kafka", "level": "fail"}.items() <= next(f for f in findings if f["check"] == "kafka").items()
    assert all(set(finding) == {"check", "level", "detail", "fix"} for finding in findings)


def test_doctor_lists_the_settings_even_when_they_are_bad_and_masks_secrets(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D2EV_PARTITIONS", "many")
    monkeypatch.setenv("D2EV_SEAL_KEY", "c2VjcmV0")
    for arguments in (["doctor", "--settings"], ["doctor", "--settings", "--json"]):
        ended = run(capsys, *arguments)
        assert ended.code == 0
        assert "many" in ended.out
        assert "***" in ended.out
        assert "c2VjcmV0" not in ended.out


def test_without_arguments_it_helps(capsys: Capture) -> None:
    ended = run(capsys)
    for command in ("demo", "worker", "topics", "asyncapi", "tail", "explain", "doctor"):
        assert command in ended.out + ended.err
