"""When a local Kafka cannot be had, one line names what is missing and how to mend it."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from deploy.brokers import jars, processes
from deploy.brokers.errors import BrokerError
from deploy.brokers.local import LocalKafka, loopback_ports, server_settings


def _program(directory: Path, name: str, script: str) -> None:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what the test puts there."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _one_line(error: pytest.ExceptionInfo[BrokerError], *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == []


def test_no_java_names_the_package_to_install(path: Path) -> None:
    with pytest.raises(BrokerError) as error:
        jars.java_command()
    _one_line(error, "Java", "openjdk-17-jre-headless")


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_292"])
def test_an_old_java_is_refused(version: str, path: Path) -> None:
    _program(path, "java", f"echo 'openjdk version \"{version}\"' >&2")
    with pytest.raises(BrokerError) as error:
        jars.java_command()
    _one_line(error, "too old", "Java 17")


@pytest.mark.parametrize("version", ["17", "21.0.4", "25-ea"])
def test_java_17_and_newer_will_do(version: str, path: Path) -> None:
    _program(path, "java", f"echo 'openjdk version \"{version}\"' >&2")
    assert jars.java_command() == str(path / "java")


def test_no_maven_names_the_package_to_install(path: Path) -> None:
    with pytest.raises(BrokerError) as error:
        jars.kafka_jars(path / "jars")
    _one_line(error, "mvn", "apt-get install maven")


def test_a_failing_maven_is_quoted_and_leaves_nothing_behind(path: Path) -> None:
    _program(path, "mvn", "echo '[ERROR] no such artifact'; exit 1")
    with pytest.raises(BrokerError) as error:
        jars.kafka_jars(path / "jars")
    _one_line(error, "no such artifact")
    assert list((path / "jars").iterdir()) == []


def test_jars_are_fetched_once(path: Path) -> None:
    ready = path / "jars" / jars.kafka_version()
    ready.mkdir(parents=True)
    assert jars.kafka_jars(path / "jars") == ready


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError) as error:
            loopback_ports(port)
    _one_line(error, f"port {port}")


def test_every_listener_is_on_loopback() -> None:
    settings = server_settings(port=1, controller_port=2, data="/data")
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1"


def test_a_pid_file_left_by_a_dead_broker_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_text('{"pid": 1, "port": 9092}')  # 1 is some other program
    broker = LocalKafka(tmp_path)
    assert broker.address() is None
    assert not broker.stop()


def test_another_handle_finds_the_running_broker_and_stops_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import signal; signal.pause()", str(tmp_path / "server.properties")]
    pid = processes.spawn(command, tmp_path / "broker.log")
    (tmp_path / "broker.json").write_text(json.dumps({"pid": pid, "port": 9092}))
    broker = LocalKafka(tmp_path)
    assert broker.address() == "127.0.0.1:9092"
    assert broker.stop()
    assert broker.address() is None
    assert not processes.is_alive(pid, sys.executable)


def test_a_process_that_ignores_a_polite_end_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('!', flush=True); signal.pause()"
    log = tmp_path / "log"
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    pid = processes.spawn([sys.executable, "-c", deaf], log)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b"!"  # it is deaf from here on
    os.close(reader)
    processes.end(pid, sys.executable, kill=False, limit_seconds=0.2)
    assert not processes.is_alive(pid, sys.executable)
