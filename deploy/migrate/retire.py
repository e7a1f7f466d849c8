"""The end of an expansion: the old version's changelogs and groups go, once the new one has taken over."""

from __future__ import annotations

from deploy import topics
from deploy.migrate import groups
from deploy.migrate.errors import CannotExpand
from deploy.migrate.expansion import Expansion
from deploy.migrate.journal import READY
from streams.topics import TOPICS
from tables import TABLES


def retire(expansion: Expansion) -> list[str]:
    """Delete what only the old version used. Returns the topics deleted. Raises CannotExpand while it is needed."""
    settings, old = expansion.new, expansion.progress.old_app
    admin = topics.client(settings)
    if READY not in expansion.progress.done:
        raise CannotExpand(f"the expansion is not done: {', '.join(expansion.left)} is left; run `d2ev migrate` first")
    if groups.members(admin, old):
        raise CannotExpand(f"workers of {old} run; stop them first")
    if not groups.members(admin, settings.app_id):
        raise CannotExpand(f"no worker of {settings.app_id} runs yet; start some first")
    behind = _unread(expansion)
    if behind:
        raise CannotExpand(f"{behind} records in the old partitions are not read yet; wait a little")
    existing = topics.partitions_of(admin, settings)
    changelogs = {table.changelog(old) for table in TABLES}
    gone = sorted((changelogs | {topics.journal(settings.app_id, expansion.progress.before)}) & existing.keys())
    for deleted in admin.delete_topics(gone).values():
        deleted.result(30)
    for group in groups.groups_of(admin, old):
        if not groups.members(admin, group):
            admin.delete_consumer_groups([group])[group].result(30)
    return gone


def _unread(expansion: Expansion) -> int:
    """Records that lay in the old partitions when the old version stopped, and which the new one has not read."""
    read = groups.read_so_far(topics.client(expansion.new), expansion.new.app_id)
    marks = expansion.progress.ends
    return sum(
        max(0, end - read[topic.name].get(partition, end))
        for topic in TOPICS
        if topic.name in read
        for partition, end in marks.get(topic.name, {}).items()
    )
