"""The steps from N partitions to more. Each may be done twice, so a run that was killed is run again.

The topics keep their names and grow; the workers get a new app id, and with it a group and changelogs of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import Any, Final

from agents.settings import Settings
from deploy import topics
from deploy.migrate import groups, journal, moving
from deploy.migrate.errors import CannotExpand
from deploy.migrate.journal import Progress
from deploy.migrate.log import RawLog
from deploy.migrate.placing import rewritten
from streams.topics import TOPICS
from tables import TABLES

#: The broker needs a moment to tell that a member has gone; a killed one is gone after its session.
_ASK_SECONDS: Final = 0.2
#: Brokers hear of a topic's new settings a little later.
_TOLD_WITHIN_SECONDS: Final = 60
Say = Callable[[str], None]


class Expansion:
    """One expansion of the system that `settings` describe, as it runs before."""

    WORDS: Final = {
        "grow": "every topic gets its new partitions; the old version cannot start any more",
        "mark": "note where topics end and how far the old version has read",
        "tables": "copy the changelogs, each row to where its account will live",
        "states": "write the newest word on every key again, to where its account will live",
        "groups": "let the new version read on where the old one stopped",
        "trim": "cut what was written again off the old partitions",
        journal.READY: "let the new version start",
    }

    def __init__(self, settings: Settings, after: int, new_app: str, log: RawLog, say: Say) -> None:
        self.new = settings.model_copy(update={"app_id": new_app, "partitions": after})
        self._old, self._log, self._say = settings, log, say
        self._admin = topics.client(settings)
        self._journal = topics.journal(new_app, settings.partitions)
        self.progress = Progress(old_app=settings.app_id, before=settings.partitions, after=after)
        existing = topics.partitions_of(self._admin, settings)
        if self._journal in existing:
            self.progress = journal.last(log, self._journal) or self.progress
        self._refuse(existing)

    def _refuse(self, existing: dict[str, int]) -> None:
        before, after = self.progress.before, self.new.partitions
        if after <= before:
            raise CannotExpand(f"{before} partitions cannot become {after}: Kafka takes none away; give more")
        if self.new.app_id == self._old.app_id:
            raise CannotExpand("the new version needs an app id of its own; give another --app")
        if self._old.seal_key is None:
            raise CannotExpand("without D2EV_SEAL_KEY the key follows from the app id, and the new one opens nothing")
        if self.progress.after != after:
            raise CannotExpand(f"an expansion to {self.progress.after} has begun; finish that one first")
        if self._journal not in existing and (taken := [n for n in existing if n.startswith(f"{self.new.app_id}-")]):
            raise CannotExpand(f"{self.new.app_id} is taken ({taken[0]}, …); give another --app")
        odd = [one for one in topics.uneven(self._old, existing) if existing.get(one.topic) != after]
        if odd:
            raise CannotExpand(f"first `d2ev topics check`: {odd[0]}")

    @property
    def steps(self) -> dict[str, Callable[[], None]]:
        """What is to be done, in order, by the name under which it is noted as done."""
        return {
            "grow": self._grow,
            "mark": self._mark,
            "tables": self._copy_tables,
            "states": self._rewrite,
            "groups": self._place_groups,
            "trim": self._trim,
            journal.READY: lambda: None,
        }

    @property
    def left(self) -> list[str]:
        return [name for name in self.steps if name not in self.progress.done]

    def run(self, wait_seconds: float) -> None:
        """Do what is left. Raises CannotExpand while workers of the old version run."""
        if not self.left:
            return
        self._await_silence(wait_seconds)
        existing = topics.partitions_of(self._admin, self._old)
        if self._journal not in existing:
            self._create({self._journal: {"cleanup.policy": "compact"}}, 1)
            journal.note(self._log, self._journal, self.progress)
        for name in self.left:
            began = monotonic()
            self.steps[name]()
            self._done(name)
            self._say(f"{name}: {monotonic() - began:.1f} s")

    def _done(self, step: str) -> None:
        self.progress = self.progress.model_copy(update={"done": (*self.progress.done, step)})
        journal.note(self._log, self._journal, self.progress)

    def _await_silence(self, seconds: float) -> None:
        give_up = monotonic() + seconds
        while running := groups.members(self._admin, self._old.app_id):
            if monotonic() > give_up:
                raise CannotExpand(f"{running} workers of {self._old.app_id} run; stop them, then run this again")
            sleep(_ASK_SECONDS)

    def _grow(self) -> None:
        """From here on no worker of the old version can start: its number of partitions is refused."""
        from confluent_kafka.admin import NewPartitions

        existing = topics.partitions_of(self._admin, self._old)
        new = [NewPartitions(t.name, self.new.partitions) for t in TOPICS if existing[t.name] < self.new.partitions]
        for grown in (self._admin.create_partitions(new) if new else {}).values():
            grown.result(30)
        self._await_silence(0)

    def _mark(self) -> None:
        """What the old version left: where its topics ended, and how far it had read."""
        read = {
            group: groups.read_so_far(self._admin, group) for group in groups.groups_of(self._admin, self._old.app_id)
        }
        ends = {topic.name: self._log.ends(topic.name, range(self.progress.before)) for topic in TOPICS}
        self.progress = self.progress.model_copy(update={"ends": ends, "read": read})

    def _copy_tables(self) -> None:
        existing = topics.partitions_of(self._admin, self._old)
        missing = {table.changelog(self.new.app_id): table.config() for table in TABLES}
        self._create({name: c for name, c in missing.items() if name not in existing}, self.new.partitions)
        for table in TABLES:
            old, new = table.changelog(self.progress.old_app), table.changelog(self.new.app_id)
            moving.copy_table(self._log, table, old, new, self.progress.before, self.new.partitions)

    def _rewrite(self) -> None:
        frontiers = self.progress.read.get(self._old.app_id, {})
        for topic in rewritten():
            ends = self.progress.ends[topic.name]
            read = frontiers.get(topic.name, ends)
            moving.rewrite(self._log, topic, ends, read, self.progress.before, self.new.partitions)

    def _place_groups(self) -> None:
        """Where the old ones stopped; topics that were written again, from there on."""
        again = {topic.name for topic in rewritten()}
        for group, read in self.progress.read.items():
            begin = {name: self.progress.ends[name] if name in again else at for name, at in read.items()}
            groups.begin_at(self._admin, group.replace(self._old.app_id, self.new.app_id, 1), begin)

    def _trim(self) -> None:
        """Forget where accounts no longer live. Kafka cuts only topics that may be cut."""
        from confluent_kafka import TopicPartition

        names = [topic.name for topic in rewritten()]
        places = [TopicPartition(n, p, end) for n in names for p, end in self.progress.ends[n].items() if end]
        self._alter(names, {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
        give_up = monotonic() + _TOLD_WITHIN_SECONDS
        while not self._cut(places):
            if monotonic() > give_up:
                raise CannotExpand("the brokers do not let old records go; run this again")
            sleep(_ASK_SECONDS)
        self._alter(names, {"cleanup.policy": "compact", "retention.ms": None})

    def _cut(self, places: list[Any]) -> bool:
        """False while a broker has not heard yet that it may."""
        from confluent_kafka import KafkaError, KafkaException

        for cut in (self._admin.delete_records(places) if places else {}).values():
            try:
                cut.result(60)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.POLICY_VIOLATION:
                    raise
                return False
        return True

    def _alter(self, names: list[str], changes: dict[str, str | None]) -> None:
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

        def entry(name: str, value: str | None) -> Any:
            operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
            return ConfigEntry(name, value or "", incremental_operation=operation)

        wanted = [entry(name, value) for name, value in changes.items()]
        resources = [ConfigResource(ResourceType.TOPIC, n, incremental_configs=wanted) for n in names]
        for altered in self._admin.incremental_alter_configs(resources).values():
            altered.result(30)

    def _create(self, configs: Mapping[str, Mapping[str, str]], partitions: int) -> None:
        from confluent_kafka.admin import NewTopic

        copies = self._old.replication
        topics.create(self._admin, [NewTopic(n, partitions, copies, config=dict(c)) for n, c in configs.items()])
