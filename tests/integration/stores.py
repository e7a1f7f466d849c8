"""What tables hold, read twice: from the RocksDB stores, and from the changelogs that they must be a function of."""

from hashlib import blake2b
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from rocksdict import AccessType, Options, Rdict

from tables import TABLES

OFFSET_KEY = b"__faust\0offset__"
#: (table, partition) to its rows as bytes.
Rows = dict[tuple[str, int], dict[bytes, bytes]]


def stored(directory: Path) -> Rows:
    """The rows of every store below a worker's data directory, beside a running worker or not."""
    found: Rows = {}
    for table in TABLES:
        for path in sorted(directory.glob(f"**/{table.name}-*.db")):
            partition = path.stem.removeprefix(f"{table.name}-")
            if partition.isdigit():
                store = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
                rows = {key: value for key, value in store.items() if key != OFFSET_KEY}
                store.close()
                if rows:
                    found[table.name, int(partition)] = rows
    return found


async def logged(bootstrap: str, app_id: str, partitions: int) -> Rows:
    """The rows that the changelogs amount to: the last value of every key, without the deleted."""
    found: Rows = {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        places = {
            TopicPartition(table.changelog(app_id), partition): (table.name, partition)
            for table in TABLES
            for partition in range(partitions)
        }
        consumer.assign(list(places))
        ends = {tp: end for tp, end in (await consumer.end_offsets(list(places))).items() if end}
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                rows = found.setdefault(places[tp], {})
                for record in records:
                    if record.value is None:
                        rows.pop(record.key, None)
                    else:
                        rows[record.key] = record.value
    return {place: rows for place, rows in found.items() if rows}


def digest(rows: Rows) -> dict[tuple[str, int], str]:
    """A fingerprint of each table in each partition."""
    prints = {}
    for place, content in rows.items():
        fingerprint = blake2b(digest_size=12)
        for key, value in sorted(content.items()):
            fingerprint.update(len(key).to_bytes(4) + key + len(value).to_bytes(4) + value)
        prints[place] = fingerprint.hexdigest()
    return prints
