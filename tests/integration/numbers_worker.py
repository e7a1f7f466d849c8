"""A worker with one stage that copies numbered records: what `test_transport.py` kills, stops and counts.

`python -m tests.integration.numbers_worker [--no-seek]`, configured by D2EV_* variables. SIGUSR1 makes it suspend and
resume its flow as Faust does around a recovery; `--no-seek` takes away the remedy, as in Faust's stock transport.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from agents import bind
from agents.clock import LogClock
from agents.engine import transport
from agents.engine.stage import Stage, Work
from agents.health import serve
from agents.metrics import Metrics
from agents.sealing import Sealer
from agents.settings import Settings, load
from agents.worker import Worker
from deploy.logs import configure
from streams.contracts.account import AccountState
from streams.topics import ACCOUNT, Topic
from tables.rows import VintageRow
from tables.table import model_table

COPIES = Topic("d2ev.test.copies.v1", AccountState, "account", "numbers", "Copies of the numbered records.")
LAST = model_table("last", VintageRow, "numbers", "The newest time seen per key.", key="account")
#: Few records per fetch, so that much is in hand and little of it done whenever something happens.
RECORDS_PER_FETCH = 100


def step(work: Work) -> None:
    """Copy every record and remember its time; a record that asks for it gets a copy too large for the broker."""
    for record in work:
        state: AccountState = record.value
        if state.oem == "large":
            state = state.model_copy(update={"reason": state.reason + "x" * 400_000})
        work.put(LAST, record.key, VintageRow(issued_at=state.since))
        work.send(COPIES, record.key, state)


STAGE = Stage("numbers", reads=(ACCOUNT,), writes=(COPIES,), tables=(LAST,), step=step)


class NoSeek(transport.Consumer):
    """Our consumer with the mutation: flow resumes where fetching happened to be."""

    async def seek(self, partition: Any, offset: int) -> None:
        del partition, offset


def suspend_and_resume(worker: Worker) -> None:
    """What Faust does when it recovers tables: the queues are cleared, and fetching goes on."""
    app = worker.app
    app.consumer.stop_flow()
    app.flow_control.suspend()
    app.flow_control.clear()
    app.flow_control.resume()
    app.consumer.resume_flow()


async def run(settings: Settings) -> int:
    """Serve until told to stop; 1 when something made going on unsafe."""
    worker = Worker(settings, (STAGE,), LogClock(), Metrics(), Sealer(settings.seal_key_bytes()))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, suspend_and_resume, worker)
    _, port = await serve(worker, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await worker.start()
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(worker.failed.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await worker.stop()
    return 0 if worker.failure is None else 1


if __name__ == "__main__":
    bind.MAX_RECORDS_PER_FETCH = RECORDS_PER_FETCH
    if "--no-seek" in sys.argv:
        transport.Transport.Consumer = NoSeek
    chosen = load()
    configure(chosen.log_level)
    code = asyncio.run(run(chosen))
    sys.stdout.flush()
    os._exit(code)
