"""A Kafka that asks who is there: every process works with its own rights and no others, and says what is refused."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from agents.kafka import KafkaAccess, for_librdkafka
from agents.settings import Settings, load
from deploy import rights, topics
from deploy.acls import Acl, Principal, principals
from deploy.demo.night import Night
from deploy.demo.workers import Workers
from streams.topics import TOPICS
from tests.integration.nights import assert_nothing_lost_or_doubled, options
from tests.secured import Secured, authority, password, secured_kafka

APP = "d2ev"
PARTITIONS = 2
PRINCIPALS = principals(APP)
LIMIT_SECONDS = 60
OPERATIONS = {
    "Read": AclOperation.READ, "Write": AclOperation.WRITE, "Create": AclOperation.CREATE, "Alter": AclOperation.ALTER,
    "Delete": AclOperation.DELETE, "Describe": AclOperation.DESCRIBE, "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
}  # fmt: skip


@pytest.fixture(scope="module")
def kafka_with_rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    users = [*(one.name for one in PRINCIPALS), "stranger"]
    with secured_kafka(tmp_path_factory.mktemp("secured"), users) as kafka:
        topics.apply(load({}, bootstrap=kafka.plain, partitions=PARTITIONS, app_id=APP))
        administrator = load({}, bootstrap=kafka.plain, app_id=APP)
        rights.create(administrator, rights.declared(PRINCIPALS))
        _until(administrator, lambda compared: not compared.missing)
        yield kafka


def _until(administrator: Settings, so: Callable[[rights.Compared], bool]) -> rights.Compared:
    """The broker hears of them some seconds after the controller took them, on a slow machine."""
    give_up = monotonic() + LIMIT_SECONDS
    while not so(compared := rights.compare(administrator, PRINCIPALS)):
        assert monotonic() < give_up, "the broker does not hear of its rights"
        sleep(0.2)
    return compared


def access(kafka: Secured, user: str) -> KafkaAccess:
    return KafkaAccess.model_validate(
        {
            "bootstrap": kafka.bootstrap,
            "kafka_protocol": "SASL_SSL",
            "kafka_ca": kafka.ca,
            "kafka_user": user,
            "kafka_password": password(user),
        }
    )


def may(principal: Principal, topic: str) -> set[AclOperation]:
    """What the declarations allow it there."""
    found = {
        OPERATIONS[operation]
        for acl in principal.acls
        if acl.resource == "topic" and _covers(acl, topic)
        for operation in acl.operations
    }
    # Kafka's own rule: who may read, write or alter may see; who may alter configurations may see them.
    if found & {AclOperation.READ, AclOperation.WRITE, AclOperation.ALTER}:
        found.add(AclOperation.DESCRIBE)
    return found


def _covers(acl: Acl, topic: str) -> bool:
    return topic.startswith(acl.name) if acl.prefix else topic == acl.name


@pytest.mark.parametrize("principal", PRINCIPALS, ids=lambda one: one.name)
def test_everybody_may_what_is_declared_and_nothing_else(kafka_with_rights: Secured, principal: Principal) -> None:
    admin = AdminClient(for_librdkafka(access(kafka_with_rights, principal.name)))
    names = [topic.name for topic in topics.wanted(load({}, partitions=PARTITIONS, app_id=APP))]
    asked = admin.describe_topics(TopicCollection(names), include_authorized_operations=True)
    for name, told in asked.items():
        allowed = may(principal, name)
        if not allowed:
            with pytest.raises(Exception, match=r"(?i)authorization|unknown topic"):
                told.result(20)
        else:
            assert set(told.result(20).authorized_operations) == allowed, name


def test_a_stranger_sees_nothing(kafka_with_rights: Secured) -> None:
    seen = AdminClient(for_librdkafka(access(kafka_with_rights, "stranger"))).list_topics(timeout=20)
    assert not set(seen.topics) & {topic.name for topic in TOPICS}


def test_rights_that_are_not_declared_are_named_and_stay_until_they_are_pruned(kafka_with_rights: Secured) -> None:
    administrator = {"D2EV_BOOTSTRAP": kafka_with_rights.plain, "D2EV_APP_ID": APP}
    settings = load({}, bootstrap=kafka_with_rights.plain, app_id=APP)
    stray = rights.Right("User:feeds", "TOPIC", "stray", "LITERAL", "WRITE")
    foreign = rights.Right("User:somebody", "TOPIC", "theirs", "LITERAL", "READ")
    rights.create(settings, [stray, foreign])
    _until(settings, lambda compared: compared.beyond == [stray])
    applied = ran(["topics", "acls", "--apply"], {**os.environ, **administrator})
    assert (applied.returncode, applied.stdout.splitlines()) == (
        0, ["all declared rights are there", "not declared: User:feeds topic stray write"],
    )  # fmt: skip
    _until(settings, lambda compared: compared.beyond == [stray])
    pruned = ran(["topics", "acls", "--apply", "--prune"], {**os.environ, **administrator})
    assert "taken away: User:feeds topic stray write" in pruned.stdout
    _until(settings, lambda compared: not compared.beyond and not compared.missing)


def test_who_is_no_administrator_changes_no_rights(kafka_with_rights: Secured, tmp_path: Path) -> None:
    code, line = said(["topics", "acls", "--apply"], environment(kafka_with_rights, "analyst", tmp_path))
    assert (code, "lets analyst not see or change rights" in line, "\n" in line) == (1, True, False), line


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["sql", "SELECT count(*) FROM tables.plans"], id="sql"),
        pytest.param(["export", "plans", "--to", "plans.parquet"], id="export"),
        pytest.param(["replay"], id="replay"),
    ],
)
def test_an_analyst_asks_with_rights_of_his_own(kafka_with_rights: Secured, tmp_path: Path, command: list[str]) -> None:
    ended = ran(command, environment(kafka_with_rights, "analyst", tmp_path), tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("table", ["accounts", "data_keys", "devices"])
def test_an_analyst_reads_no_grants_and_no_keys(kafka_with_rights: Secured, tmp_path: Path, table: str) -> None:
    query = f"SELECT count(*) FROM tables.{table}"
    code, line = said(["sql", query], environment(kafka_with_rights, "analyst", tmp_path))
    assert (code, "lets analyst not read d2ev-" in line, "\n" in line) == (1, True, False), line


@pytest.mark.long
async def test_a_night_with_no_more_rights_than_declared(kafka_with_rights: Secured, tmp_path: Path) -> None:
    night = Night(options(tmp_path, bootstrap=kafka_with_rights.plain, partitions=PARTITIONS))
    assert night.options.partitions == PARTITIONS

    def workers(directory: Path, environment: Mapping[str, str]) -> Workers:
        return Workers(directory, {**environment, **kafka_with_rights.environment("worker")})

    night.make_workers = workers
    summary = await night.run()
    assert night.settings.app_id == APP
    assert_nothing_lost_or_doubled(night, summary)
    assert summary["ready_by"]["met"] > 0


def environment(kafka: Secured, user: str, directory: Path, **changes: str) -> dict[str, str]:
    ours = {
        "D2EV_ENV": "demo", "D2EV_PARTITIONS": str(PARTITIONS), "D2EV_APP_ID": APP, "D2EV_HEALTH_PORT": "0",
        "D2EV_API_PORT": "0", "D2EV_INGRESS_PORT": "0", "D2EV_DATA_DIR": str(directory / "data"),
        "D2EV_HELD_FILE": str(directory / "held.json"), "D2EV_OEM_APPS": '{"simulator": {}}',
        "D2EV_ISSUERS": '[{"issuer": "https://issuer.example", "audience": "d2ev"}]',
    }  # fmt: skip
    return {**os.environ, **ours, **kafka.environment(user), **changes}


@pytest.mark.parametrize("process", ["guardian", "api", "ingress"])
async def test_a_process_is_ready_with_rights_of_its_own(
    kafka_with_rights: Secured, process: str, tmp_path: Path
) -> None:
    env = environment(kafka_with_rights, process, tmp_path)
    with (tmp_path / "log").open("ab") as log:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", process, stdout=asyncio.subprocess.PIPE, stderr=log, env=env
        )
    assert running.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS), httpx.AsyncClient() as http:
            url = (await running.stdout.readline()).decode().split()[-1]
            while (await http.get(f"{url}/readyz")).status_code != 200:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)
        running.terminate()
        assert await asyncio.wait_for(running.wait(), LIMIT_SECONDS) == 0
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


def ran(command: list[str], env: Mapping[str, str], where: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command of ours, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *command],
        env=dict(env), cwd=where, capture_output=True, text=True, check=False, timeout=2 * LIMIT_SECONDS,
    )  # fmt: skip


def said(command: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    """How a command that cannot work ends."""
    run = ran(command, env)
    return run.returncode, run.stderr.strip()


@pytest.mark.parametrize(
    "command",
    [pytest.param(["worker"], id="worker"), pytest.param(["tail", "plug.event"], id="tail", marks=pytest.mark.long)],
)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"D2EV_KAFKA_PASSWORD": "another"}, "refuses the login of worker", id="wrong password"),
        pytest.param({"D2EV_KAFKA_CA": "strange.pem"}, "certificate", id="strange authority", marks=pytest.mark.long),
    ],
)
def test_what_is_refused_is_said_in_one_line(
    kafka_with_rights: Secured, tmp_path: Path, command: list[str], changes: dict[str, str], words: str
) -> None:
    strange = tmp_path / "strange.pem"
    strange.write_bytes(authority().certificate_pem())
    changes = {name: str(strange) if value == "strange.pem" else value for name, value in changes.items()}
    code, line = said(command, environment(kafka_with_rights, "worker", tmp_path, **changes))
    assert (code, words in line, "\n" in line) == (1, True, False), line
    assert "another" not in line.replace("d2ev", "")
