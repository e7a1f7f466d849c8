"""The product's worker, with phones that note every push they show: `python -m tests.faults.worker`.

The file named by D2EV_TEST_PHONES gets a line per push.
"""

import os
from pathlib import Path

from agents import app
from agents.push import TopicPush
from deploy.commands.processes import worker
from streams.contracts.notification import NotificationEvent


class Phones(TopicPush):
    """All drivers' phones."""

    async def send(self, notification: NotificationEvent) -> None:
        show(f"{notification.kind} {notification.id}")


def show(line: str) -> None:
    """What is in the file has happened: the system keeps it when the process is killed."""
    with Path(os.environ["D2EV_TEST_PHONES"]).open("a", encoding="utf-8") as shown:
        shown.write(f"{line}\n")


if __name__ == "__main__":
    vars(app)[TopicPush.__name__] = Phones
    worker()
