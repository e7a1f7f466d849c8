"""Tables and topics as pandas frames: `from deploy.analysis import tables; tables.snapshot("vehicle-state")`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from agents.settings import Settings, load
from deploy.analysis.log import Log, Progress
from deploy.analysis.views import queries
from tables import frames
from tables.projection import Pseudonyms
from tables.relations import Relation, relation
from tables.store import Parameters, Store

if TYPE_CHECKING:
    import pandas as pd


def snapshot(name: str, settings: Settings | None = None) -> pd.DataFrame:
    """A table or topic as it is now. Raises ValueError for an unknown name, BrokerError without a Kafka."""
    wanted = relation(name)
    with opened(settings or load(), [wanted]) as store:
        return frames.snapshot(store, wanted)


def ask(query: str, parameters: Parameters = None, settings: Settings | None = None) -> pd.DataFrame:
    """The answer to a question in SQL. Raises BadQuery or BrokerError."""
    chosen = settings or load()
    with opened(chosen) as store:
        fill(store, chosen, store.needs(query))
        with store.ask(query, parameters) as found:
            return frames.to_frame(frames.flat(found))


@contextmanager
def opened(settings: Settings, wanted: Iterable[Relation] = (), out: Path | None = None) -> Iterator[Store]:
    """A store with these relations as they are now. Raises BrokerError."""
    store = Store(pseudonyms(settings), queries(), out=out)
    try:
        fill(store, settings, wanted)
        yield store
    finally:
        store.close()


def fill(store: Store, settings: Settings, wanted: Iterable[Relation], progress: Progress | None = None) -> None:
    """Bring these relations up to now, all at one cut."""
    listed = list(wanted)
    if not listed:
        return
    with Log(settings) as log:
        found = log.read(listed, progress)
    for one in listed:
        store.load(one, found.pop(one.full_name))


def pseudonyms(settings: Settings) -> Pseudonyms:
    """By the key for them, or one that follows from the seal key."""
    if settings.pseudonym_key is not None:
        return Pseudonyms(settings.pseudonym_key.get_secret_value().encode())
    return Pseudonyms(blake2b(b"pseudonyms", key=settings.seal_key_bytes(), digest_size=32).digest())
