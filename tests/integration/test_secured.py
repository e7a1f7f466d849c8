"""A Kafka that asks who is there: every process works with its own rights and no others, and says what is refused."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from agents.kafka import KafkaAccess, for_librdkafka
from agents.settings import load
from deploy import topics
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
        admin = AdminClient({"bootstrap.servers": kafka.plain})
        bindings = [binding for one in PRINCIPALS for binding in _bindings(one)]
        for made in admin.create_acls(bindings).values():
            made.result(20)
        _wait_for_rights(admin, len(set(bindings)))
        yield kafka


def _wait_for_rights(admin: AdminClient, count: int) -> None:
    """The broker hears of them some seconds after the controller took them, on a slow machine."""
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    give_up = monotonic() + LIMIT_SECONDS
    while len(admin.describe_acls(everything).result(20)) < count:
        assert monotonic() < give_up, "the broker does not hear of its rights"
        sleep(0.2)


def _bindings(principal: Principal) -> Iterator[AclBinding]:
    for acl in principal.acls:
        kind = ResourceType.TOPIC if acl.resource == "topic" else ResourceType.GROUP
        pattern = ResourcePatternType.PREFIXED if acl.prefix else ResourcePatternType.LITERAL
        for operation in acl.operations:
            yield AclBinding(
                kind, acl.name, pattern, f"User:{principal.name}", "*", OPERATIONS[operation], AclPermissionType.ALLOW
            )


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


def said(command: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    """How a command that cannot work ends."""
    run = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *command],
        env=dict(env), capture_output=True, text=True, check=False, timeout=2 * LIMIT_SECONDS,
    )  # fmt: skip
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
