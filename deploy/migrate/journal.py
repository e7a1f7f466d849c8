"""How far an expansion is: the last record of a topic of its own, so that a run that was killed goes on from there."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from agents.settings import Settings
from deploy.migrate.log import RawLog

#: The last step.
READY = "ready"
_KEY = b"expansion"


class Progress(BaseModel):
    """What was found when the old version had stopped, and which steps are done."""

    model_config = ConfigDict(frozen=True)

    old_app: str
    before: int
    after: int
    done: tuple[str, ...] = ()
    #: Ends of the topics, by topic and partition, when the old version had stopped.
    ends: dict[str, dict[int, int]] = {}
    #: How far each group of the old version had read, by group, topic and partition.
    read: dict[str, dict[str, dict[int, int]]] = {}


def last(log: RawLog, topic: str) -> Progress | None:
    """What was last noted, if anything."""
    found = None
    for record in log.read(topic, log.ends(topic, [0])):
        found = record.value
    return None if found is None else Progress.model_validate_json(found)


def note(log: RawLog, topic: str, progress: Progress) -> None:
    """Note how far it is; durable when this returns."""
    log.say(topic, _KEY, progress.model_dump_json().encode())


def is_done(settings: Settings, topic: str) -> bool:
    """Whether workers of the new version may start."""
    with RawLog(settings) as log:
        progress = last(log, topic)
    return progress is not None and READY in progress.done
