"""What is moved: rows into the changelogs of the new version, and the newest word on every key to where it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deploy.migrate.log import Raw, RawLog
from deploy.migrate.placing import PLACES, home
from streams.topics import Topic
from tables.table import Table

#: Marks a record that we have written again: whatever else says something on its key said it later.
MOVED = ("d2ev-moved", b"1")


def rows(records: Iterable[Raw]) -> list[Raw]:
    """The last record of every key in its partition; deleted ones are left out."""
    newest = {(record.partition, record.key): record for record in records}
    return [record for record in newest.values() if record.value is not None]


def words(records: Iterable[Raw], frontiers: Mapping[int, int]) -> list[Raw]:
    """The last record of every key as far as workers have read, and every record after that, in order."""
    newest: dict[tuple[int, bytes], Raw] = {}
    unread = []
    for record in records:
        if record.offset >= frontiers.get(record.partition, 0):
            unread.append(record)
        else:
            newest.pop((record.partition, record.key), None)
            newest[record.partition, record.key] = record
    return [*newest.values(), *unread]


def overtaken(records: Iterable[Raw]) -> Iterator[Raw]:
    """The last record of others on a key, where a moved and thus older one lies behind it."""
    others: dict[tuple[int, bytes], Raw] = {}
    behind: set[tuple[int, bytes]] = set()
    for record in records:
        place = record.partition, record.key
        if MOVED not in record.headers:
            others[place] = record
            behind.discard(place)
        elif place in others:
            behind.add(place)
    yield from (others[place] for place in behind)


def copy_table(log: RawLog, table: Table[Any], old: str, new: str, before: int, after: int) -> int:
    """Put the rows of changelog `old` into `new`, each where it belongs. Returns how many."""
    place, written = PLACES[table.name], 0
    for row in rows(log.read(old, log.ends(old, range(before)))):
        for target in place(row.key.decode(), row.partition, before, after):
            log.write(new, target, row)
            written += 1
    log.flush()
    return written


def rewrite(
    log: RawLog, topic: Topic, ends: Mapping[int, int], frontiers: Mapping[int, int], before: int, after: int
) -> int:
    """Write the newest word on every key again, to its home. What others said meanwhile stays the last word."""
    found = words(log.read(topic.name, ends), frontiers)
    for record in found:
        (target,) = home(record.key.decode(), record.partition, before, after)
        log.write(topic.name, target, _marked(record))
    log.flush()
    while late := list(overtaken(log.read(topic.name, log.ends(topic.name, range(after)), ends))):
        for record in late:
            log.write(topic.name, record.partition, record)
        log.flush()
    return len(found)


def _marked(record: Raw) -> Raw:
    return record._replace(headers=(*(one for one in record.headers if one != MOVED), MOVED))
