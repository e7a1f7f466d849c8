"""One bridge process: statuses out, changes of documents in, whichever is set up; and how it is with both."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from agents.bridge.feed import Feed
from agents.bridge.firestore import Firestore
from agents.bridge.hook import SOURCE, Caller, Hook
from agents.bridge.known import Known, KnownReader
from agents.bridge.metrics import BridgeMetrics
from agents.bridge.sink import Sink
from agents.clock import SystemClock
from agents.driver_api.identity import Verifier
from agents.engine.log import Outgoing
from agents.engine.wire import letter
from agents.google import DATASTORE, GoogleTokens, service_account
from agents.issuer import Issuer
from agents.journal import journal
from agents.settings import BadSettings, Settings
from oem_connectors.http import make_http
from streams import serde
from streams.topics import DEAD_LETTER

#: Who signs the tokens of Google's service accounts.
GOOGLE: Final = "https://accounts.google.com"


class Bridge:
    """Runs until cancelled. Raises BadSettings where nothing is set up, or not well."""

    def __init__(self, settings: Settings) -> None:
        if settings.firestore is None and not settings.firestore_hook:
            raise BadSettings("D2EV_FIRESTORE: the bridge has nothing to do; docs/firestore.md says how to set it up")
        self.metrics = BridgeMetrics()
        self._settings, self._clock = settings, SystemClock()
        self._sealer = settings.sealer()
        self._http = make_http()
        self._journal = journal(settings)
        self._feed = None if settings.firestore is None else self._made_feed()
        self._reader = KnownReader(settings) if settings.firestore_hook else None
        self.hook = self._made_hook() if settings.firestore_hook else None

    @property
    def ready(self) -> bool:
        """Whether the statuses are followed and events are taken, as far as they are to be."""
        return (self._feed is None or self._feed.reading) and (self._reader is None or self._known() is not None)

    async def run(self) -> None:
        """Ends only by being cancelled, or by a defect."""
        tasks = [asyncio.create_task(one.run()) for one in (self._feed, self._reader) if one is not None]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            raise RuntimeError("somebody follows the log no more")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._journal.stop()
            await self._http.aclose()

    def status(self) -> dict[str, Any]:
        """Counts; nothing about any one car."""
        return {
            "ready": self.ready,
            "statuses": None if self._feed is None else {"reading": self._feed.reading, "waiting": self._feed.waiting},
            "cars": None if self._reader is None else len(self._reader.known.cars),
            "writes_open": self._journal.open,
        }

    def render(self) -> bytes:
        """The metrics, brought up to date."""
        self.metrics.ready.set(self.ready)
        self.metrics.unreadable.set(0 if self._reader is None else self._reader.known.unreadable)
        return self.metrics.render()

    def _known(self) -> Known | None:
        reader = self._reader
        return None if reader is None or not reader.read_once or reader.kafka_gone else reader.known

    def _made_feed(self) -> Feed:
        settings = self._settings
        assert settings.firestore is not None
        try:
            account = service_account(settings.firestore)
        except ValueError as error:
            raise BadSettings(f"D2EV_FIRESTORE: {error}") from None
        tokens = GoogleTokens(account, DATASTORE, self._http, self._clock)
        database = Firestore(
            settings.firestore_url, account.project_id, settings.firestore_database, tokens, self._http
        )
        sink = Sink(database, settings.firestore_collection, self._set_aside, self.metrics)
        return Feed(settings, sink, self.metrics)

    def _made_hook(self) -> Hook:
        given = self._settings.firestore_hook
        issuer = Issuer(issuer=given.get("issuer", GOOGLE), audience=given["audience"])
        caller = Caller(Verifier([issuer], self._http, self._clock), given["email"])
        return Hook(caller, self._known, self._journal, self._settings, self._clock, self.metrics)

    async def _set_aside(self, record: Any, cause: str) -> None:
        message = letter(record, SOURCE, cause, self._sealer)
        ce_id = f"{SOURCE}-{record.topic}-{record.partition}-{record.offset}".encode()
        headers = (*serde.headers(DEAD_LETTER.name, SOURCE, message.at), ("ce_id", ce_id))
        letter_record = Outgoing(DEAD_LETTER.name, record.partition, None, serde.encode(message), headers)
        await self._journal.write([letter_record])
