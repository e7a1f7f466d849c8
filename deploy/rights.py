"""The rights that a cluster gives, beside those that are declared in `deploy.acls`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from agents.settings import Settings
from deploy.acls import Principal, principals
from deploy.brokers.errors import BrokerError
from deploy.brokers.silence import why_silent
from deploy.topics import CONNECT_SECONDS, client

_SECONDS = 15


class Right(NamedTuple):
    """One operation that somebody is allowed, or denied, in Kafka's words."""

    principal: str
    resource: str
    name: str
    pattern: str
    operation: str
    permission: str = "ALLOW"
    host: str = "*"

    def __str__(self) -> str:
        prefixed = "*" if self.pattern == "PREFIXED" else ""
        denied = "" if self.permission == "ALLOW" else " denied"
        at = "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} {self.resource.lower()} {self.name}{prefixed} {self.operation.lower()}{denied}{at}"


class Compared(NamedTuple):
    """What a cluster lacks, and what it gives our principals beyond the declarations."""

    missing: list[Right]
    beyond: list[Right]


def everybody(app_id: str, prefix: str) -> tuple[Principal, ...]:
    """The declared principals under the names by which they log in."""
    return tuple(Principal(f"{prefix}{one.name}", one.purpose, one.acls) for one in principals(app_id))


def declared(those: Iterable[Principal]) -> frozenset[Right]:
    """Their rights, one by one."""
    return frozenset(
        Right(f"User:{one.name}", acl.resource.upper(), acl.name, _pattern(prefix=acl.prefix), _shouted(operation))
        for one in those
        for acl in one.acls
        for operation in acl.operations
    )


def commands(those: Iterable[Principal]) -> Iterator[str]:
    """The same as lines of Kafka's own tool."""
    yield "# BOOTSTRAP is the brokers' address; admin.properties says how an administrator logs in."
    for one in those:
        for acl in one.acls:
            operations = " ".join(f"--operation {operation}" for operation in acl.operations)
            pattern = " --resource-pattern-type prefixed" if acl.prefix else ""
            yield (
                'kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config admin.properties --add '
                f"--allow-principal {shlex.quote(f'User:{one.name}')} {operations} "
                f"--{acl.resource} {shlex.quote(acl.name)}{pattern}"
            )


def rows(those: Iterable[Principal]) -> list[dict[str, Any]]:
    """For people and programs, a row per topic or group, or what their names begin with."""
    return [
        {
            "principal": one.name,
            "resource": acl.resource,
            "name": acl.name,
            "prefix": acl.prefix,
            "operations": list(acl.operations),
        }
        for one in those
        for acl in one.acls
    ]


def compare(settings: Settings, those: Iterable[Principal]) -> Compared:
    """Declared and given rights. Others than our principals are not looked at. Raises BrokerError."""
    wanted = declared(those)
    ours = {right.principal for right in wanted}
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    with _asking(settings) as admin:
        found = admin.describe_acls(everything, request_timeout=_SECONDS).result(2 * _SECONDS)
    given = {_right(binding) for binding in found if binding.principal in ours}
    return Compared(sorted(wanted - given), sorted(given - wanted))


def create(settings: Settings, rights: Iterable[Right]) -> None:
    """Give them. Raises BrokerError."""
    bindings = [AclBinding(*_words(right)) for right in rights]
    with _asking(settings) as admin:
        for future in (admin.create_acls(bindings) if bindings else {}).values():
            future.result(_SECONDS)


def delete(settings: Settings, rights: Iterable[Right]) -> None:
    """Take them away. Raises BrokerError."""
    filters = [AclBindingFilter(*_words(right)) for right in rights]
    with _asking(settings) as admin:
        for future in (admin.delete_acls(filters) if filters else {}).values():
            future.result(_SECONDS)


@contextmanager
def _asking(settings: Settings) -> Iterator[Any]:
    """A client that lives until it is answered; what it is refused is said in one line."""
    try:
        admin = client(settings)
        admin.list_topics(timeout=CONNECT_SECONDS)
        yield admin
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.SECURITY_DISABLED:
            raise BrokerError(f"Kafka at {settings.bootstrap} has no authorizer: everybody may do everything") from None
        if code == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
            who = settings.kafka_user or "whoever has no login"
            raise BrokerError(
                f"Kafka at {settings.bootstrap} lets {who} not see or change rights: log in as an administrator"
            ) from None
        if code < 0:  # not an answer, but none
            raise BrokerError(why_silent(settings)) from None
        raise BrokerError(f"Kafka at {settings.bootstrap} refused: {error.args[0].str()}") from None


def _right(binding: Any) -> Right:
    return Right(
        binding.principal,
        binding.restype.name,
        binding.name,
        binding.resource_pattern_type.name,
        binding.operation.name,
        binding.permission_type.name,
        binding.host,
    )


def _words(right: Right) -> tuple[Any, ...]:
    return (
        ResourceType[right.resource],
        right.name,
        ResourcePatternType[right.pattern],
        right.principal,
        right.host,
        AclOperation[right.operation],
        AclPermissionType[right.permission],
    )


def _pattern(*, prefix: bool) -> str:
    return "PREFIXED" if prefix else "LITERAL"


def _shouted(operation: str) -> str:
    """DescribeConfigs as DESCRIBE_CONFIGS."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
