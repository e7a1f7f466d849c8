"""A night in the middle of which there are more partitions: what an operator does, step by step."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from agents.settings import Settings
from deploy.demo.night import Night
from deploy.migrate.expansion import Expansion
from deploy.migrate.log import RawLog

APP = "d2ev-more"


def as_operated(settings: Settings) -> Settings:
    """The night's settings with its seal key written out: it must not follow from the app id."""
    return settings.model_copy(update={"seal_key": SecretStr(b64encode(settings.seal_key_bytes()).decode())})


def expansion(settings: Settings, after: int, log: RawLog) -> Expansion:
    return Expansion(as_operated(settings), after, APP, log, print)


async def new_version(night: Night, expanded: Expansion, name: str) -> None:
    """Start a worker of the new version, and follow what it does by the new number of partitions."""
    new = expanded.new
    assert new.seal_key is not None
    night.settings, night.options = new, replace(night.options, partitions=new.partitions)
    changed = {
        "D2EV_APP_ID": new.app_id,
        "D2EV_PARTITIONS": str(new.partitions),
        "D2EV_SEAL_KEY": new.seal_key.get_secret_value(),
    }
    for environment in (night.workers._environment, getattr(night.workers, "_common", {})):
        environment.update(changed)
    await night.writer.stop()  # a producer that lives hears of new partitions minutes later
    await night.writer.start()
    await night.workers.start(name)
    await _follow(night)


async def _follow(night: Night) -> None:
    """The night's own readers look at all partitions, the new ones from their beginning."""
    quiet, watch, partitions = night.quiet, night.watch, range(night.options.partitions)
    quiet._all = [TopicPartition(topic, p) for topic in {place.topic for place in quiet._all} for p in partitions]
    await quiet._log.stop()
    quiet._log = AIOKafkaConsumer(bootstrap_servers=night.settings.bootstrap)
    await quiet.start()
    watch._places = [TopicPartition(topic, p) for topic in {place.topic for place in watch._places} for p in partitions]
    await watch._consumer.stop()
    watch._consumer = AIOKafkaConsumer(
        bootstrap_servers=night.settings.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await watch.start()
    for place, offset in watch._read.items():
        watch._consumer.seek(place, offset)
