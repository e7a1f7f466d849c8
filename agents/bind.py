"""Declarations to Faust objects: the only place where topics, tables and agents of Faust are made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import faust

from agents.engine import transport
from agents.engine.restoring import in_chunks
from agents.engine.runtime import Runtime
from agents.engine.stage import Stage
from agents.engine.tables import TableManager
from agents.kafka import KafkaAccess, tls
from agents.settings import Settings
from streams.topics import TICK
from tables.table import Table

MAX_RECORDS_PER_FETCH = 4000


def faust_app(settings: Settings) -> Any:
    """A Faust app on our transport: nothing reachable from outside, nothing declared behind our back."""
    transport.register()
    app = faust.App(
        settings.app_id,
        broker=[f"{transport.SCHEME}://{one}" for one in settings.bootstrap.split(",")],
        broker_credentials=credentials(settings),
        store="rocksdb://",
        TableManager=TableManager,
        datadir=str(settings.data_dir),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        table_standby_replicas=settings.standby_replicas,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=MAX_RECORDS_PER_FETCH,
        broker_commit_interval=settings.commit_interval_seconds,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 5,
        broker_request_timeout=max(40.0, settings.session_timeout_seconds + 5),
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        worker_redirect_stdouts=False,
    )
    app.fetch_wait_ms = settings.fetch_wait_ms
    return app


def credentials(kafka: KafkaAccess) -> Any:
    """Who a Faust app is to Kafka; None where nobody is asked."""
    context = tls(kafka)
    if context is None:
        return None
    if kafka.kafka_password is None:
        return faust.SSLCredentials(context=context)
    return faust.SASLCredentials(
        username=kafka.kafka_user,
        password=kafka.kafka_password.get_secret_value(),
        ssl_context=context,
        mechanism=kafka.kafka_mechanism,
    )


def bind_table(app: Any, table: Table[Any], partitions: int) -> Any:
    """The Faust table behind a declaration: raw bytes both ways, our own rows decide what they mean."""
    bound = app.Table(
        table.name,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        help=table.purpose,
        options={"block_cache_size": 16 * 1024 * 1024},
    )
    bound.key_serializer = "raw"
    bound.value_serializer = "raw"
    in_chunks(bound)
    return bound


def bind_stages(app: Any, stages: Iterable[Stage], runtime: Runtime) -> None:
    """One Faust agent per stage, one at a time: Faust may commit past unfinished events at higher concurrency.

    Every stage also gets the ticks: a heartbeat that waits behind all it has to do.
    """
    for stage in stages:
        names = dict.fromkeys([*(topic.name for topic in stage.reads), TICK.name])
        channel = app.topic(*names, key_type=bytes, value_type=bytes)
        app.agent(channel, name=stage.name, concurrency=1)(_body(stage, runtime))


def _body(stage: Stage, runtime: Runtime) -> Any:
    async def consume(stream: Any) -> None:
        await runtime.consume(stage, stream)

    return consume
